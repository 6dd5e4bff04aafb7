"""Shards of a run as a report shows them: kinds of machines, then what each shard did."""

from __future__ import annotations

from dataclasses import dataclass

from suite.core.files import Json


@dataclass(frozen=True)
class Machine:
    """A kind of machine, and the shards that ran on it."""

    number: int
    model: str
    code: str
    lock: str
    shards: str


@dataclass(frozen=True)
class Row:
    """A shard: its trials, how many of them have no result, and what became of it."""

    name: str
    machine: str
    attempts: int
    trials: int
    lacks: int
    fate: str


@dataclass(frozen=True)
class Shards:
    """All of them."""

    sentence: str
    machines: tuple[Machine, ...]
    rows: tuple[Row, ...]


def shards(report: Json) -> Shards | None:
    """Return the shards of a report; None where no shard made it."""
    content = report.get("shards")
    if content is None:
        return None
    return Shards(content["sentence"], tuple(map(_machine, content["machines"])), tuple(map(_row, content["entries"])))


def _machine(entry: Json) -> Machine:
    models = filter(None, (entry["gpu"], entry["cpu"]))
    return Machine(
        number=entry["number"],
        model=", ".join(models) or "unknown",
        code=f"{(entry['commit'] or 'unknown')[:12]}{' with local changes' if entry['dirty'] else ''}",
        lock=(entry["lock"] or "unknown")[:12],
        shards=", ".join(entry["shards"]),
    )


def _row(entry: Json) -> Row:
    machine = "–" if entry["machine"] is None else str(entry["machine"])
    return Row(entry["shard"], machine, entry["attempts"], len(entry["trials"]), len(entry["lacks"]), entry["fate"])
