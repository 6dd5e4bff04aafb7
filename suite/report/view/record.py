"""Record of a run beside its values: variables, attempts, environments, protocol, how to run it again."""

from __future__ import annotations

from dataclasses import dataclass

from suite.core.files import Json
from suite.report import facts
from suite.report.facts import flatten
from suite.report.labels import EVIDENCE_TONES
from suite.run.attempts.history import ending

Facts = tuple[tuple[str, str], ...]
"""Facts as (name, text)."""


@dataclass(frozen=True)
class Variable:
    """One of the things a reader needs to repeat a study: what the paper gave, and what this run can show."""

    name: str
    question: str
    paper: str
    status: str
    tone: str
    evidence: str


@dataclass(frozen=True)
class Attempt:
    """One time this run was begun; counts of results are an en dash where nothing is on record."""

    started: str
    verb: str
    code: str
    environment: str
    measured: str
    reused: str
    lost: str
    ending: str
    why: str


@dataclass(frozen=True)
class MadeIn:
    """An environment that results were made in.

    Attributes:
        here: whether it is the run's own.
        belongs: what it is to the run, in words.
        contents: what it is made of, in one line.
        digest: its first twelve digits.
    """

    number: int
    results: int
    here: bool
    belongs: str
    contents: str
    digest: str


@dataclass(frozen=True)
class Environment:
    """Environments of the results, then the run's own: all of it in one list, and by group, packages apart."""

    results: tuple[MadeIn, ...]
    facts: Facts
    groups: tuple[tuple[str, Facts], ...]
    packages: Facts


@dataclass(frozen=True)
class Protocol:
    """Request, every hyper-parameter with its source, and both in one list."""

    asked: Facts
    parameters: Facts
    facts: Facts


@dataclass(frozen=True)
class Again:
    """Shell lines that make the report again, the line to cite it by, and the one that checks the citation."""

    commands: tuple[str, ...]
    citation: str | None
    verify: str


def variables(report: Json) -> tuple[Variable, ...]:
    """Return the reproducibility variables."""
    return tuple(
        Variable(v["name"], v["question"], v["paper"], v["status"], EVIDENCE_TONES[v["status"]], v["evidence"])
        for v in report["variables"]
    )


def attempts(report: Json) -> tuple[Attempt, ...] | None:
    """List attempts in their order; None where none is on record."""
    history = report.get("attempts")
    return tuple(map(_attempt, history["entries"])) if history else None


def _attempt(entry: Json) -> Attempt:
    counts = ("–" if entry[name] is None else str(entry[name]["count"]) for name in ("measured", "reused", "lost"))
    measured, reused, lost = counts
    return Attempt(
        started=entry["started"] or "unknown",
        verb=entry["verb"] or "unknown",
        code=f"{(entry['commit'] or 'unknown')[:12]}{' with local changes' if entry['dirty'] else ''}",
        environment=(entry["environment"] or "unknown")[:12],
        measured=measured,
        reused=reused,
        lost=lost,
        ending=ending(entry),
        why="; ".join(filter(None, (entry["reason"], entry["failure"]))),
    )


def environment(report: Json) -> Environment:
    """Return the environments of a report."""
    own = report["environment"]
    packages = own.get("packages")
    return Environment(
        results=tuple(map(_made_in, report.get("environments") or ())),
        facts=tuple(flatten(own)),
        groups=tuple((group, tuple(flatten(content))) for group, content in own.items() if group != "packages"),
        packages=tuple(flatten(packages)) if packages else (),
    )


def _made_in(entry: Json) -> MadeIn:
    belongs = f"another: {'; '.join(entry['differs'])}"
    if entry["here"]:
        whole = entry["noted_in"] == "inputs"
        belongs = "this run's" if whole else "as far as noted (packages only) this run's"
    results, digest = len(entry["results"]), entry["digest"][:12]
    return MadeIn(entry["number"], results, entry["here"], belongs, entry["said"], digest)


def protocol(report: Json) -> Protocol:
    """Return the protocol of a report."""
    asked, parameters = facts.asked(report), report["protocol"]
    return Protocol(
        asked=tuple(flatten(asked)),
        parameters=tuple(flatten(parameters)),
        facts=tuple(flatten({"asked": asked, "protocol": parameters})),
    )


def again(report: Json) -> Again:
    """Tell how to make this report again, cite it and check it."""
    return Again(tuple(facts.rerun_commands(report)), facts.citation(report), facts.verify_command(report))
