"""Shards of a run in its report: who made it, on machines of which kinds, and what became of what is missing."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.core.files import Json
from suite.core.forms import Tell, warn
from suite.report import inputs
from suite.run.attempts.history import NO_END, ending, history
from suite.run.run_file import read_run
from suite.run.shards import Shard, exit_codes, shards_of
from suite.verification.quick import outcomes

_KILLED = {128 + signal.SIGKILL, -signal.SIGKILL}


@dataclass(frozen=True)
class Part:
    """A shard as its folder tells of it.

    Attributes:
        trials: that it is to measure.
        attempts: at it, in their order; see `suite.run.attempts.history`.
        exit_codes: of attempts, as what started them noted.
        fate: what became of it, in words that go on after `shard 3 of 8: `.
    """

    shard: Shard
    trials: frozenset[str]
    attempts: Sequence[Json]
    exit_codes: Sequence[int]
    fate: str

    @property
    def has_ended(self) -> bool:
        """Whether its last attempt came to its own end."""
        return bool(self.attempts) and self.fate == ending(self.attempts[-1])


def parts_of(run: Path, tell: Tell = warn) -> list[Part]:
    """List the shards of a run: those with a folder, and the others of as many parts; none where it has none.

    Args:
        run: its folder.
        tell: receives what is wrong with a file.

    Raises:
        RequestError: the folder holds no run.
    """
    with_folder = [*shards_of(run)]
    if not with_folder:
        return []
    groups = read_run(run).get("groups") or []
    entries = (history(run, tell) or {"entries": []})["entries"]
    parts = []
    last_numbers: dict[int, int] = {}
    for shard in with_folder:
        last_numbers[shard.count] = shard.number
    for count, last_number in last_numbers.items():
        # those beyond the groups have nothing to do
        for number in range(1, max(last_number, min(count, len(groups))) + 1):
            shard = Shard(count, number)
            attempts = [entry for entry in entries if entry.get("shard") == str(shard)]
            codes = exit_codes(shard.folder(run))
            trials = frozenset(trial for group in shard.part(groups) for trial in group)
            parts.append(Part(shard, trials, attempts, codes, _fate(attempts, codes)))
    return parts


def _fate(attempts: Sequence[Json], codes: Sequence[int]) -> str:  # noqa: PLR0911 - one a case
    """Tell what became of a shard, from its attempts and the exit codes that what started them noted."""
    if not attempts and codes:
        return _death(codes[-1], "before its first line")
    if not attempts:
        return "nothing on record: it has not begun, or its machine was lost"
    last = attempts[-1]
    if last["outcome"] == NO_END and len(codes) >= len(attempts):
        return _death(codes[-1], f"in its attempt of {last['started']}")
    if last["outcome"] == NO_END:
        return f"its attempt of {last['started']} has no end on record: it runs still, was killed, or lost its machine"
    if len(codes) > len(attempts) and codes[-1] != last["exit_code"]:
        return _death(codes[-1], "before its first line, after an attempt that ended")
    if last["outcome"] in {"interrupted", "terminated"}:
        return f"stopped at {last['finished']} ({ending(last)}), and not gone on with"
    return ending(last) + (f": {last['failure']}" if last["failure"] else "")


def _death(code: int, when: str) -> str:
    """Word an end of which only the exit code is known."""
    if code in _KILLED:
        return f"killed {when}: most likely out of memory"
    number = code - 128 if code > 128 else -code
    if number > 0 and number in {*signal.Signals}:
        return f"ended {when}: {signal.Signals(number).name}"
    return f"ended {when}: exit code {code}, see its log"


def reasons_of(parts: Sequence[Part]) -> dict[str, str]:
    """Map trial to who was to measure it and what became of that shard, one that did not come to its end first."""
    reasons: dict[str, str] = {}
    for part in sorted(parts, key=lambda part: part.has_ended):
        for trial in part.trials:
            reasons.setdefault(trial, f"{part.shard.title}: {part.fate}")
    return reasons


def reused_in(parts: Sequence[Part]) -> set[str]:
    """Return the trials that the last attempts at the shards did not measure."""
    lasts = [part.attempts[-1] for part in parts if part.attempts]
    return {name for last in lasts for name in (last["reused"] or {"names": []})["names"]}


def section(run: Path, parts: Sequence[Part], stored: Collection[str], tell: Tell = warn) -> Json | None:
    """Return what a report says of its shards; None where there are none.

    Args:
        run: its folder.
        parts: see `parts_of`.
        stored: trials that have a result.
        tell: receives what is wrong with a file.

    Returns:
        `sentence`; `warnings`, sentences on code or lock that differ; `machines`, one per kind, with `number`, `cpu`,
        `gpu`, `commit`, `dirty`, `lock`, `shards`; `entries`, one per shard that has a folder or lacks a result, with
        `shard`, `machine` (number or null), `attempts`, `exit_codes`, `trials`, `lacks`, `fate`.
    """
    machines: dict[tuple[Any, ...], Json] = {}
    entries = []
    for part in parts:
        folder = part.shard.folder(run)
        lacks = sorted(part.trials - {*stored})
        if not folder.is_dir() and not lacks:
            continue
        environment = inputs.environment(run, tell, folder=folder)
        kind = _kind(environment)
        machine = None
        if environment:
            machine = machines.setdefault(tuple(kind.values()), {"number": len(machines) + 1, **kind, "shards": []})
            machine["shards"].append(str(part.shard))
        entries.append(
            {
                "shard": str(part.shard),
                "machine": machine and machine["number"],
                "attempts": len(part.attempts),
                "exit_codes": list(part.exit_codes),
                "trials": sorted(part.trials),
                "lacks": lacks,
                "fate": part.fate,
            }
        )
    if not entries:
        return None
    kinds = list(machines.values())
    return {
        "sentence": _sentence(entries, kinds),
        "warnings": [*_warnings(kinds), *_failed_checks(run, parts, tell)],
        "machines": kinds,
        "entries": entries,
    }


def _kind(environment: Mapping[str, Any]) -> Json:
    code = environment.get("code") or {}
    return {
        "cpu": (environment.get("cpu") or {}).get("model"),
        "gpu": (environment.get("gpu") or {}).get("name"),
        "commit": code.get("commit"),
        "dirty": code.get("dirty"),
        "lock": (environment.get("lock") or {}).get("sha256"),
    }


def _sentence(entries: Sequence[Json], kinds: Sequence[Json]) -> str:
    models = [*dict.fromkeys(str(kind["gpu"] or kind["cpu"] or "unknown") for kind in kinds)]
    hardware = {(kind["gpu"], kind["cpu"]) for kind in kinds}
    count = f"{len(entries)} shard{'s' if len(entries) > 1 else ''} worked at this run"
    lacking = [entry for entry in entries if entry["lacks"]]
    lost = sum(len(entry["lacks"]) for entry in lacking)
    results = f"{lost} result{'s' if lost > 1 else ''}"
    what = f"; {len(lacking)} of them lack{'s' if len(lacking) == 1 else ''} {results}" if lacking else ""
    if not kinds:
        return f"{count}{what}."
    places = f"one kind of machine ({models[0]})" if len(hardware) == 1 else f"{len(hardware)} kinds of machines"
    named = "" if len(hardware) == 1 else f" ({' and '.join(models)})"
    return f"{count}, on {places}{named}{what}."


def _warnings(kinds: Sequence[Json]) -> list[str]:
    """Warn where shards ran other code, or packages of another lock: nobody wants that of one run."""
    sentences = []
    for what, names in (("code", ("commit", "dirty")), ("requirements.lock", ("lock",))):
        groups: dict[tuple[Any, ...], list[str]] = {}
        for kind in kinds:
            groups.setdefault(tuple(kind[name] for name in names), []).extend(kind["shards"])
        if len(groups) > 1:
            told = "; ".join(f"{_version(version)} in {', '.join(shards)}" for version, shards in groups.items())
            sentences.append(f"Warning: shards of this run were made with other {what}: {told}.")
    return sentences


def _failed_checks(run: Path, parts: Sequence[Part], tell: Tell) -> Iterator[str]:
    """Say what checks found wrong on machines whose environment is not the one that the report shows whole."""
    for part in parts:
        folder = part.shard.folder(run)
        if folder != inputs.home(run):
            for name, text in outcomes(run, tell, folder=folder).items():
                if text.startswith("failed: "):
                    yield f"Warning: {part.shard.title}: {name}: {text}."


def _version(version: tuple[Any, ...]) -> str:
    name = "unknown" if version[0] is None else str(version[0])[:12]
    return f"{name} with local changes" if len(version) > 1 and version[1] else name
