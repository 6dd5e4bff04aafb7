"""The head of a report and its summary: the verdict, what to know before any number, cells counted by experiment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from suite.core.files import Json
from suite.core.text import duration
from suite.registry import title_of
from suite.report import candidates, summary
from suite.report.labels import GATE_LABELS, VERDICTS, Label, label_of_run, tally, verdicts_of

Counts = tuple[tuple[Label, int], ...]
MINI_REFERENCES = (
    "Its reference values are this suite's own recorded runs, so “reproduced” means that this machine repeats them, "
    "not that the paper's numbers came out."
)


@dataclass(frozen=True)
class Head:
    """Top of a report, above every section.

    Attributes:
        duration: from start to finish.
        attempts: how often this run was begun; None where none is on record.
        gate: label and sentence of the second gate; None where no run of this device was accepted.
        notice: what the profile's numbers are worth.
        references: what its reference values are, where they are not the paper's.
        notes: sentences a reader should see beside the verdict.
        candidates: what the report is about, where it is on candidates.
    """

    verdict: Label
    sentence: str
    profile: str
    run: str
    finished: str
    duration: str
    exit_code: int
    attempts: int | None
    gate: tuple[Label, str] | None
    notice: str | None
    references: str | None
    notes: tuple[str, ...]
    candidates: candidates.Headline | None


@dataclass(frozen=True)
class Experiment:
    """Cells of one experiment by verdict, and the time it took."""

    title: str
    counts: Counts
    time: str


@dataclass(frozen=True)
class Summary:
    """Cells by verdict, in all and by experiment."""

    cells: int
    verdicts: tuple[Label, ...]
    counts: Counts
    time: str
    experiments: tuple[Experiment, ...]


def head(report: Json) -> Head:
    """Return the head of a report."""
    gate, attempts = report.get("accepted"), report.get("attempts")
    return Head(
        verdict=label_of_run(report),
        sentence=candidates.scope(report) + report["sentence"],
        profile=report["profile"],
        run=report["run"],
        finished=report["finished"],
        duration=duration(_elapsed(report)),
        exit_code=report["exit_code"],
        attempts=attempts["count"] if attempts else None,
        gate=(GATE_LABELS[gate["verdict"]], gate["sentence"]) if gate else None,
        notice=summary.notice(report),
        references=MINI_REFERENCES if report["profile"] == "mini" else None,
        notes=(*report["notes"], *filter(None, [summary.attempts_line(report)])),
        candidates=candidates.headline(report),
    )


def _elapsed(report: Json) -> float | None:
    """Count seconds from start to finish; None where the times cannot be read."""
    try:
        return (datetime.fromisoformat(report["finished"]) - datetime.fromisoformat(report["started"])).total_seconds()
    except (TypeError, ValueError):
        return None


def summary_of(report: Json) -> Summary:
    """Return the summary of a report."""
    verdicts = verdicts_of(report["cells"])
    return Summary(
        cells=len(report["cells"]),
        verdicts=tuple(VERDICTS[verdict] for verdict in verdicts),
        counts=_counts(tally(report["cells"], verdicts)),
        time=duration(summary.seconds(report["costs"])),
        experiments=tuple(
            Experiment(title_of(name), _counts(counts), duration(summary.seconds(costs)))
            for name, counts, costs in summary.by_experiment(report)
        ),
    )


def _counts(counts: dict[str, int]) -> Counts:
    return tuple((VERDICTS[verdict], count) for verdict, count in counts.items())
