"""How the words of a report look: the only place for icons, colours and display names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suite.cells import BASELINES, METHODS

Json = dict[str, Any]


@dataclass(frozen=True)
class Label:
    """A verdict as a reader meets it: never by colour alone.

    Attributes:
        word: said in full.
        icon: one character, for HTML.
        emoji: for Markdown.
        mark: ASCII, for terminals of any encoding.
        tone: CSS class and terminal colour: good, bad, warn, mute.
    """

    word: str
    icon: str
    emoji: str
    mark: str
    tone: str


VERDICTS = {
    "reproduced": Label("reproduced", "✓", "✅", "ok", "good"),
    "deviates": Label("deviates", "✗", "❌", "DEV", "bad"),
    "inconclusive": Label("inconclusive", "≈", "🟡", "inc", "warn"),
    "not run": Label("not run", "○", "⚪", "---", "mute"),
    "no reference": Label("no reference", "◇", "➖", "ref?", "mute"),
    "known deviation": Label("known deviation", "≠", "🔶", "known", "warn"),
    "unexpected": Label("unexpected", "‼", "❗", "UNEXP", "bad"),
    "incomplete": Label("incomplete", "◐", "🟡", "inc", "warn"),
    "claims differ": Label("claims differ", "✗", "❌", "DEV", "bad"),
    "not judged": Label("not judged", "◇", "➖", "ref?", "mute"),
}
"""Of cells and of runs; the last three are of runs only."""
UNCONFIRMED = Label("deviates, unconfirmed", "!", "⚠️", "dev?", "warn")
STATUSES = {
    "passed": Label("passed", "✓", "✅", "ok", "good"),
    "warning": Label("warning", "!", "⚠️", "warn", "warn"),
    "failed": Label("failed", "✗", "❌", "FAIL", "bad"),
    "not reached": Label("not reached", "○", "⚪", "---", "mute"),
}
"""Of the rungs of the conformance ladder."""
CELL_VERDICTS = ("reproduced", "deviates", "inconclusive", "not run", "no reference", "known deviation", "unexpected")
_RARE = ("known deviation", "unexpected")
"""Shown only where a cell is one."""
ACCEPTED = {
    "unchanged": Label("unchanged", "=", "✅", "=", "good"),
    "changed": Label("changed", "Δ", "❌", "CHG", "bad"),
    "unconfirmed": Label("changed, unconfirmed", "!", "⚠️", "chg?", "warn"),
    "cannot tell": Label("cannot tell", "≈", "🟡", "?", "warn"),
    "not accepted": Label("not accepted", "◇", "➖", "new", "mute"),
}
"""Of the second gate, against the accepted run of the device."""

METHOD_NAMES = {
    "deit": "DeiT",
    "mocov3": "MoCo v3",
    "dino": "DINO",
    "beit": "BEiT",
    "mae": "MAE",
    "cae": "CAE",
    "ibot": "iBOT",
    "random_init": "random init",
    "raw_pixels": "raw pixels",
}
# paper, Section 2: contrastive learning, masked image modeling (MIM), and iBOT that joins both
FAMILIES = {
    "deit": "supervised",
    "mocov3": "contrastive",
    "dino": "contrastive",
    "beit": "MIM",
    "mae": "MIM",
    "cae": "MIM",
    "ibot": "contrastive + MIM",
    "random_init": "baseline",
    "raw_pixels": "baseline",
}
NAMES = {
    "object_retrieval": "Object retrieval",
    "image_classification": "Image classification",
    "object_segmentation": "Object segmentation",
    "part_retrieval": "Part retrieval",
    "part_classification": "Part classification",
    "part_segmentation": "Part segmentation",
    "learning_rate_sweep": "Learning-rate sweep",
    "patch_search": "Patch search",
    "cifar10": "CIFAR10",
    "coco": "COCO",
    "cub200": "CUB-200-2011",
    "imagenet1k": "ImageNet-1K",
    "ade20k": "ADE20K",
    "ade20k_object": "ADE20K-Object",
    "ade20k_part": "ADE20K-Part",
    "pascal_object": "Pascal-Object",
    "pascal_part": "Pascal-Part",
    "lip": "LIP",
    "cls": "class token",
    "linear_head": "linear head",
    "ap": "AP",
    "map": "mAP",
    "ap_excluding_self": "AP without the query",
    "top1": "top-1",
    "miou": "mIoU",
    "macc": "mAcc",
    "aacc": "aAcc",
}


def name(word: str) -> str:
    """Display name of an experiment, dataset, setting, metric or method; the word itself if unknown."""
    return METHOD_NAMES.get(word) or NAMES.get(word) or word


def family(method: str) -> str:
    """Family of pretraining; anything that is not the paper's is an encoder under test."""
    return FAMILIES.get(method, "under test")


def label(cell: Mapping[str, Any]) -> Label:
    """Label of a cell's verdict; a deviation the family does not confirm has its own."""
    if cell["verdict"] == "deviates" and cell["warning"]:
        return UNCONFIRMED
    return VERDICTS[cell["verdict"]]


def other_environment(cell: Mapping[str, Any]) -> int | None:
    """Number of the environment a cell was made in, where that is not the run's own."""
    number = cell.get("environment")
    return None if number in {None, 1} else int(number)


def why(cell: Mapping[str, Any]) -> str:
    """The reason of a cell's verdict, and where it was made, if elsewhere."""
    number, reason = other_environment(cell), cell["reason"] or ""
    return reason if number is None else f"{reason}{'; ' if reason else ''}made in environment {number}"


def method_order(method: str) -> tuple[int, int, str]:
    """Sort key: the paper's rows in the paper's order, then encoders under test, then baselines."""
    if method in METHODS:
        return 0, METHODS.index(method), method
    if method in BASELINES:
        return 2, BASELINES.index(method), method
    return 1, 0, method


def number(value: float | None, digits: int = 1) -> str:
    """`47.9`; an en dash where nothing is known."""
    return "–" if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 2) -> str:
    """`+0.30`, `−0.30`, `0.00`; an en dash where nothing is known."""
    if value is None:
        return "–"
    text = f"{abs(value):.{digits}f}"
    if not text.strip("0."):
        return text
    return ("+" if value > 0 else "−") + text


def mebibytes(value: float | None) -> str:
    """`1444 MiB`; an en dash where nothing is known."""
    return "–" if value is None else f"{value:.0f} MiB"


def duration(seconds: float | None) -> str:
    """`41 s`, `3 min 05 s`, `2 h 10 min`, `1,241 h`; an en dash where nothing is known."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 360_000:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole / 3600:,.0f} h"


def shown(cells: Sequence[Json]) -> tuple[str, ...]:
    """The verdicts that a report of these cells speaks of, in the order of `CELL_VERDICTS`."""
    found = {cell["verdict"] for cell in cells}
    return tuple(verdict for verdict in CELL_VERDICTS if verdict not in _RARE or verdict in found)


def tally(cells: Sequence[Json], verdicts: Sequence[str] = CELL_VERDICTS) -> dict[str, int]:
    """Number of cells of each verdict, in this order, zeros included."""
    found = [cell["verdict"] for cell in cells]
    return {verdict: found.count(verdict) for verdict in verdicts}
