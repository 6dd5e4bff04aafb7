"""What an image by image comparison of two runs found, in words; see `suite.judge.changes`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from statistics import median

from suite.core.files import Json
from suite.core.text import signed
from suite.judge.changes import POWER, Change, Changes
from suite.judge.family import ALPHA

HEADS = ("95 % over images", "p", "images + / -", "sign test")
"""Heads of what `row` returns."""
NOT_PAIRED = ("", "", "", "")


def row(change: Change | None) -> tuple[str, ...]:
    """Return the interval, both p-values with a star where Holm's procedure confirms, and the images behind them."""
    if change is None:
        return NOT_PAIRED
    return (
        f"{signed(change.low, 4)} to {signed(change.high, 4)}",
        _p(change.p_value, is_confirmed=change.is_confirmed),
        f"{change.better} / {change.worse} of {change.images}",
        _p(change.sign_p_value, is_confirmed=change.is_sign_confirmed),
    )


def _p(value: float, *, is_confirmed: bool) -> str:
    return f"{'<0.0001' if value < 1e-4 else f'{value:.4f}'}{' *' if is_confirmed else ''}"


def sentences(changes: Changes, a: Json, b: Json, names: tuple[object, object] = ("A", "B")) -> Iterator[str]:
    """Say what is confirmed, what could have been seen, and what the intervals do not hold; nothing of no pairs.

    Args:
        changes: of the cells of two reports.
        a: the first report.
        b: the second.
        names: of both, in words on their seeds.
    """
    of_cells = changes.of_cells
    if of_cells:
        confirmed = sum(change.is_confirmed for change in of_cells.values())
        signs = sum(change.is_sign_confirmed for change in of_cells.values())
        yield (
            f"Compared image by image: {_cells(len(of_cells))}, one family of Holm's procedure at {100 * ALPHA:g} %. "
            f"It confirms (*) another value in {confirmed} (bootstrap over images), and more images better than worse, "
            f"or fewer, in {signs} (exact sign test; where an image holds one item, McNemar's)."
        )
        yield _power(changes)
        noise = f"they do not hold the noise of a probe's seed{_seeds(a, b, names)}"
        yield f"Intervals say what other images would give; {noise}."
    for reason, count in Counter(changes.unpaired.values()).items():
        yield f"Compared by value only: {_cells(count)}, {reason}."


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"


def _power(changes: Changes) -> str:
    sizes = {cell: c.detectable for cell, c in changes.of_cells.items() if c.detectable is not None}
    equal = len(changes.of_cells) - len(sizes)
    same = f"In {_cells(equal)} every item scores the same in both."
    if not sizes:
        return same
    least, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    return (
        f"Power: with a probability of {100 * POWER:g} % a change is confirmed that is as large as {sizes[least]:.2f} "
        f"points in {least} (the finest), {median(sizes.values()):.2f} in the median cell, {sizes[most]:.2f} in {most} "
        f"(the coarsest); a smaller one may be there unseen.{f' {same}' if equal else ''}"
    )


def _seeds(a: Json, b: Json, names: tuple[object, object]) -> str:
    """Name the seeds, where probes were trained with others."""
    seeds = [_seeds_of(report["cells"]) for report in (a, b)]
    if seeds[0] == seeds[1]:
        return ""
    first, second = (", ".join(map(str, numbers)) or "none" for numbers in seeds)
    return f", which differences of trained probes hold: seeds {first} in {names[0]}, {second} in {names[1]}"


def _seeds_of(cells: Collection[Json]) -> list[int]:
    return sorted({seed for cell in cells for seed in cell["seeds"] or ()})
