"""Cells as lines: the verdict, the values as text, and what the second gate says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from suite.cells import BASELINES
from suite.core.files import Json
from suite.core.text import number, signed
from suite.registry import method_order, title_of
from suite.report.labels import GATE_LABELS, VERDICTS, Label, label, reason_of
from suite.report.view.evidence import Link
from suite.report.view.training import sentence

UNCERTAINTY = (
    "Two uncertainties of a measured value, kept apart. Other images: the 95 % interval of the value over images like "
    "these (and how many there are), with the same fitted probe. Other seeds: the standard deviation of the value of "
    "one seed of the probe, on the same images; none where nothing is trained. Neither holds the other. No verdict "
    "looks at the interval over images: a run repeats its reference on the same images."
)
"""What is to be known of the two columns before they are read."""


@dataclass(frozen=True)
class GateLine:
    """A cell against the accepted run of its device; values in three digits, since it is held to less than a tenth."""

    label: Label
    value: str
    difference: str
    tolerance: str
    measured: str
    reason: str


@dataclass(frozen=True)
class CellLine:
    """A cell with all that is known of it.

    Attributes:
        table: of the paper, or an en dash.
        values: each followed by its seed in brackets, where it has one.
        other_images: the 95 % interval over images, and how many there are.
        other_seeds: the standard deviation of one seed's value.
        gate: by the second gate; None where it says nothing of this cell.
        training: how its head was trained, in a sentence; empty where none was.
        links: to what it rests on.
    """

    id: str
    experiment: str
    dataset: str
    method: str
    table: str
    label: Label
    measured: str
    expected: str
    difference: str
    tolerance: str
    values: str
    other_images: str
    other_seeds: str
    reason: str
    gate: GateLine | None
    training: str
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Choice:
    """What the list of cells can be narrowed to: (value, title) of each choice, in the order of the page."""

    name: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Open:
    """Inconclusive cells of one experiment on one dataset, and what would decide them."""

    title: str
    cells: int
    sentence: str


@dataclass(frozen=True)
class Reason:
    """Cells that share a verdict and the reason for it."""

    label: Label
    reason: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Attention:
    """Cells that deviate or stay open.

    Attributes:
        judged_count: cells tested as one family.
        rejected_count: those of them whose deviation the family confirms.
        alpha: level of the family's test.
    """

    lines: tuple[CellLine, ...]
    judged_count: int
    rejected_count: int
    alpha: float
    deciding: tuple[Open, ...]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class SecondGate:
    """The second gate: where the accepted values come from, cells of each answer, and those that have changed."""

    files: tuple[str, ...]
    counts: tuple[tuple[Label, int], ...]
    changes: tuple[tuple[str, GateLine], ...]


def cell_line(cell: Json, links: Iterable[Link] = ()) -> CellLine:
    """Turn a cell of a report, and links to what it rests on, into a line."""
    seeds = chain((f" ({seed})" for seed in cell["seeds"] or ()), repeat(""))
    values = [number(value, 2) + seed for value, seed in zip(cell["values"] or (), seeds, strict=False)]
    return CellLine(
        id=cell["id"],
        experiment=cell["experiment"],
        dataset=cell["dataset"],
        method=cell["method"],
        table=cell["table"] or "–",
        label=label(cell),
        measured=number(cell["measured"], 2),
        expected=number(cell["expected"], 2),
        difference=signed(cell["difference"]),
        tolerance=number(cell["tolerance"], 2),
        values=", ".join(values),
        other_images=_other_images(cell.get("uncertainty") or {}),
        other_seeds=_other_seeds(cell),
        reason=reason_of(cell),
        gate=_gate_line(cell) if cell.get("accepted") else None,
        training=sentence(cell.get("training")),
        links=tuple(links),
    )


def _other_images(uncertainty: Json) -> str:
    if uncertainty.get("low") is None:
        return "–"
    return f"{number(uncertainty['low'], 2)} to {number(uncertainty['high'], 2)} ({uncertainty['images']})"


def _other_seeds(cell: Json) -> str:
    """Write how far one seed's value lies from another's; where nothing is trained, that there is no such noise."""
    uncertainty = cell.get("uncertainty")
    if uncertainty and not uncertainty["seeds"]:
        return "none"
    return number((uncertainty or {}).get("seed_sd"), 2)


def choices(cells: Sequence[Json]) -> tuple[Choice, ...]:
    """List what a list of cells can be narrowed to."""
    words = {
        "verdict": sorted({label(cell).word for cell in cells}),
        "experiment": dict.fromkeys(cell["experiment"] for cell in cells),
        "dataset": dict.fromkeys(cell["dataset"] for cell in cells),
        "encoder": sorted({cell["method"] for cell in cells}, key=method_order),
    }
    return tuple(Choice(name, tuple((word, title_of(word)) for word in found)) for name, found in words.items())


def _gate_line(cell: Json) -> GateLine:
    answer = cell["accepted"]
    return GateLine(
        label=GATE_LABELS[answer["verdict"]],
        value=number(answer["value"], 3),
        difference=signed(answer["difference"], 3),
        tolerance=number(answer["tolerance"], 3),
        measured=number(cell["measured"], 3),
        reason=answer["reason"],
    )


def attention(report: Json) -> Attention:
    """Collect unexpected, deviating, inconclusive and known to deviate, the worst first; then not run, by reason."""
    order = ("unexpected", "deviates", "inconclusive", "known deviation")
    cells = [cell for cell in report["cells"] if cell["verdict"] in order]
    cells.sort(key=lambda c: (order.index(c["verdict"]), bool(c["warning"]), -abs(c["difference"] or 0)))
    return Attention(
        lines=tuple(map(cell_line, cells)),
        judged_count=report["family"]["judged"],
        rejected_count=len(report["family"]["rejected"]),
        alpha=report["family"]["alpha"],
        deciding=tuple(
            Open(f"{title_of(d['experiment'])}, {title_of(d['dataset'])}", d["cells"], d["sentence"])
            for d in report["deciding"]
        ),
        reasons=(*_reasons(report["cells"], "not run"), *_reasons(report["cells"], "no reference")),
    )


def _reasons(cells: Sequence[Json], verdict: str) -> list[Reason]:
    """Group a verdict's cells by reason, so that a hundred read as one line; no reference is news of no baseline."""
    groups: dict[str, list[str]] = {}
    for cell in cells:
        if cell["verdict"] == verdict and not (verdict == "no reference" and cell["method"] in BASELINES):
            groups.setdefault(cell["reason"] or "no reason was given", []).append(cell["id"])
    sorted_groups = sorted(groups.items(), key=lambda group: -len(group[1]))
    return [Reason(VERDICTS[verdict], reason, tuple(ids)) for reason, ids in sorted_groups]


def second_gate(report: Json) -> SecondGate | None:
    """Show the second gate, the largest change first; None where no run of this device was accepted."""
    gate = report.get("accepted")
    if not gate:
        return None
    cells = [c for c in report["cells"] if (c.get("accepted") or {}).get("verdict") in {"changed", "unconfirmed"}]
    cells.sort(key=lambda c: (c["accepted"]["verdict"] != "changed", -abs(c["accepted"]["difference"] or 0)))
    return SecondGate(
        files=tuple(map(_gate_file, gate["files"])),
        counts=tuple((GATE_LABELS[word], count) for word, count in gate["counts"].items() if count),
        changes=tuple((cell["id"], _gate_line(cell)) for cell in cells),
    )


def _gate_file(file: Json) -> str:
    """Tell in words the place that accepted values come from."""
    place = "the same environment" if file["same_environment"] else "another environment than this run's"
    return (
        f"{file['file']}: accepted {file['date']}, commit {file['commit']}, seeds "
        f"{', '.join(map(str, file['seeds']))}, in {place}; reason: {file['reason']}. Cells of the same seed may "
        f"differ by {file['slack']:g} points ({file['slack_reason']})."
    )
