"""Two runs compared image by image: how sure is a change of a value, and how small a change could have been seen?

Where both runs have scores of the same items, the difference of a cell is drawn again over images, the same for both
runs, so that what is hard for both cancels. Two questions are asked of each cell, each over all cells as one family
by Holm's procedure: has the value changed (bootstrap), and are more images better than worse, or the opposite (exact
sign test, in which the size of a change does not count; where an image holds one item that is right or wrong, this
is McNemar's exact test)?

No change confirmed means little where a large one would not have been confirmed either: `detectable` says how large it
had to be. All of it is about other images: the noise of a probe's seed is in none of it.

Source: McNemar (1947), Psychometrika 12, 153-157; for the power of a test on a mean, Cohen (1988), "Statistical Power
Analysis for the Behavioral Sciences", chapter 2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from suite.cells import CellId
from suite.judge.bootstrap import DRAWS, interval, p_value, values_drawn
from suite.judge.family import ALPHA
from suite.judge.intervals import holm
from suite.judge.items import Items
from suite.judge.paired import draws_for
from suite.results.image_sums import ImageSums, image_sums
from suite.results.noise import NOISE
from suite.results.store import Key

POWER = 0.8
"""Probability with which a change of the size of `Change.detectable` is confirmed."""
NO_ITEMS, OTHER_ITEMS = "no scores of single items", "scores of other items"


@dataclass(frozen=True)
class Change:
    """Second run less first, in points of per cent.

    Attributes:
        low: of the 95 % interval over images.
        high: likewise.
        p_value: two-sided, of no difference of the values.
        better: images that score more in the second run.
        worse: images that score less.
        sign_p_value: two-sided, of no difference between these two numbers.
        images: all of them.
        detectable: smallest difference that the family would have confirmed with probability `POWER`, given how much
            the two runs differ from image to image; None where no item differs.
        is_confirmed: Holm's procedure confirms a difference of the values.
        is_sign_confirmed: it confirms a difference of the numbers of images.
    """

    value: float
    low: float
    high: float
    p_value: float
    better: int
    worse: int
    sign_p_value: float
    images: int
    detectable: float | None
    is_confirmed: bool
    is_sign_confirmed: bool


@dataclass(frozen=True)
class Changes:
    """What two runs have in common.

    Attributes:
        of_cells: the family.
        unpaired: why other cells can be compared by their values only.
    """

    of_cells: Mapping[CellId, Change]
    unpaired: Mapping[CellId, str]


def changes(a: Items, b: Items, cells: Iterable[CellId]) -> Changes:
    """Compare cells that two runs have measured.

    Args:
        a: scores of single items of the first run.
        b: of the second.
        cells: that both have.
    """
    pairs: dict[CellId, tuple[ImageSums, ImageSums]] = {}
    groups: defaultdict[str, list[CellId]] = defaultdict(list)
    unpaired = {}
    for cell in cells:
        key, name = Key(cell.experiment, cell.dataset, cell.method), f"{cell.setting}/{cell.metric}"
        first, second = a.of(key), b.of(key)
        sums = [image_sums(items, name) for items in (first, second) if items is not None]
        if first is None or second is None or sums[0] is None or sums[1] is None:
            unpaired[cell] = NO_ITEMS
        elif first.identity != second.identity or not np.array_equal(first.groups, second.groups):
            unpaired[cell] = OTHER_ITEMS
        else:
            pairs[cell] = sums[0], sums[1]
            groups[first.identity].append(cell)
    draws = _draws(pairs, groups.values())
    sign_tests = {cell: _sign_test(*pair) for cell, pair in pairs.items()}
    p_values = {cell: _p_value(_difference(*pairs[cell]), draws.get(cell), *sign_tests[cell][:2]) for cell in pairs}
    confirmed = {*holm(p_values, ALPHA)}
    sign_confirmed = {*holm({cell: test[2] for cell, test in sign_tests.items()}, ALPHA)}
    of_cells = {}
    for cell, pair in pairs.items():
        value, drawn = _difference(*pair), draws.get(cell)
        low, high = (value, value) if drawn is None else interval(value, drawn[:DRAWS])
        of_cells[cell] = Change(
            value,
            low,
            high,
            p_values[cell],
            *sign_tests[cell],
            images=len(pair[0].parts),
            detectable=None if drawn is None else _detectable(float(drawn.std()), len(pairs)),
            is_confirmed=cell in confirmed,
            is_sign_confirmed=cell in sign_confirmed,
        )
    return Changes(of_cells, unpaired)


def _difference(first: ImageSums, second: ImageSums) -> float:
    return second.value - first.value


def _draws(
    pairs: Mapping[CellId, tuple[ImageSums, ImageSums]], groups: Iterable[Iterable[CellId]]
) -> dict[CellId, np.ndarray]:
    """Draw again the differences of those cells in which an item differs."""
    count = draws_for(len(pairs), ALPHA)
    draws: dict[CellId, np.ndarray] = {}
    for group in groups:
        sums = {(cell, run): pairs[cell][run] for cell in group if not _are_equal(*pairs[cell]) for run in (0, 1)}
        drawn = values_drawn(sums, draws=count)
        draws |= {cell: drawn[cell, 1] - drawn[cell, 0] for cell, run in sums if run}
    return draws


def _are_equal(first: ImageSums, second: ImageSums) -> bool:
    return all(
        a.shape == b.shape and np.array_equal(a, b)
        for a, b in ((first.parts, second.parts), (first.wholes, second.wholes))
    )


def _p_value(value: float, drawn: np.ndarray | None, better: int, worse: int) -> float:
    """Test that a value has not changed.

    A bootstrap of a few images that all differ in one direction would be certain of it. No test can be more so than
    one that gives each image that differs either sign with the same probability, which the p-value is held to.
    """
    return 1.0 if drawn is None else min(1.0, max(p_value(value, drawn), 2 * 0.5 ** (better + worse)))


def _sign_test(first: ImageSums, second: ImageSums) -> tuple[int, int, float]:
    """Count images that score more and less, and test whether the numbers differ; images without a score are ties."""
    from scipy.stats import binomtest  # half a second, which only a comparison is to take

    differences = second.by_image - first.by_image
    better, worse = int((differences > NOISE).sum()), int((differences < -NOISE).sum())
    return better, worse, float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def _detectable(error: float, family: int) -> float:
    """Return the difference that passes Holm's first step with probability `POWER`, of this standard error."""
    return float(ndtri(1 - ALPHA / (2 * family)) + ndtri(POWER)) * error
