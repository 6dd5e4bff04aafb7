"""Record of a run beside its values: variables, attempts, environments, protocol, how to run it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from suite.core.files import Json
from suite.registry import title_of
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
    reason: str


@dataclass(frozen=True)
class ResultEnvironment:
    """An environment that results were made in.

    Attributes:
        is_own: whether it is the run's own.
        relation: what it is to the run, in words.
        contents: what it is made of, in one line.
        digest: its first twelve digits.
    """

    number: int
    results: int
    is_own: bool
    relation: str
    contents: str
    digest: str


@dataclass(frozen=True)
class Environment:
    """Environments of the results, then the run's own: all of it in one list, and by group, packages apart."""

    results: tuple[ResultEnvironment, ...]
    facts: Facts
    groups: tuple[tuple[str, Facts], ...]
    packages: Facts


@dataclass(frozen=True)
class Protocol:
    """Request, every hyper-parameter with its source by what it is for, and both in one list.

    Attributes:
        groups: (experiment or None, title, facts).
    """

    request: Facts
    groups: tuple[tuple[str | None, str, Facts], ...]
    facts: Facts


@dataclass(frozen=True)
class Rerun:
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
    measured_count, reused_count, lost_count = counts
    return Attempt(
        started=entry["started"] or "unknown",
        verb=(entry["verb"] or "unknown") + (f", shard {entry['shard']}" if "shard" in entry else ""),
        code=f"{(entry['commit'] or 'unknown')[:12]}{' with local changes' if entry['dirty'] else ''}",
        environment=(entry["environment"] or "unknown")[:12],
        measured=measured_count,
        reused=reused_count,
        lost=lost_count,
        ending=ending(entry),
        reason="; ".join(filter(None, (entry["reason"], entry["failure"]))),
    )


def environment(report: Json) -> Environment:
    """Return the environments of a report."""
    run_environment = report["environment"]
    packages = run_environment.get("packages")
    return Environment(
        results=tuple(map(_result_environment, report.get("environments") or ())),
        facts=tuple(flatten(run_environment)),
        groups=tuple(
            (group, tuple(flatten(content))) for group, content in run_environment.items() if group != "packages"
        ),
        packages=tuple(flatten(packages)) if packages else (),
    )


def _result_environment(entry: Json) -> ResultEnvironment:
    relation = f"another: {'; '.join(entry['differs'])}"
    if entry["here"] and entry["differs"]:
        relation = f"of another shard of this run: {'; '.join(entry['differs'])}"
    elif entry["here"]:
        has_inputs = entry["noted_in"] == "inputs"
        relation = "this run's" if has_inputs else "as far as noted (packages only) this run's"
    results, digest = len(entry["results"]), entry["digest"][:12]
    return ResultEnvironment(entry["number"], results, entry["here"], relation, entry["said"], digest)


def protocol(report: Json) -> Protocol:
    """Return the protocol of a report."""
    request, parameters = facts.request(report), report["protocol"]
    return Protocol(
        request=tuple(flatten(request)),
        groups=tuple(_groups(parameters)),
        facts=tuple(flatten({"asked": request, "protocol": parameters})),
    )


def _groups(parameters: Json) -> Iterator[tuple[str | None, str, Facts]]:
    """Yield the parts of a protocol, each experiment's by itself."""
    for name, content in parameters.items():
        if name == "experiments":
            for experiment, values in content.items():
                yield experiment, title_of(experiment), tuple(flatten(values, f"{name}.{experiment}"))
        else:
            yield None, name.replace("_", " "), tuple(flatten(content, name))


def rerun(report: Json) -> Rerun:
    """Tell how to make this report again, cite it and check it."""
    return Rerun(tuple(facts.rerun_commands(report)), facts.citation(report), facts.verify_command(report))
