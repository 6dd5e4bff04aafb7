"""Two runs image by image: what Holm's procedure confirms, and how small a change could have been seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from suite.cells import CellId
from suite.judge.changes import NO_ITEMS, OTHER_ITEMS, Change, changes
from suite.judge.items import Items
from suite.results.store import Key, PerItemScores, Result, Store

SETTINGS = ("linear/accuracy", "attentive/accuracy")
KEY = Key("part_classification", "cub200", "dino")
CELLS = [CellId(KEY.experiment, KEY.dataset, KEY.method, *name.split("/")) for name in SETTINGS]


def run(folder: Path, scores: Mapping[str, np.ndarray], *, identity: str = "i", groups: Any = None) -> Items:
    """A stored run of these flags, one row a seed."""
    rows = {name: np.atleast_2d(flags) for name, flags in scores.items()}
    first = next(iter(rows.values()))
    values = {name: [100 * float(row.mean()) for row in array] for name, array in rows.items()}
    facts = {"seeds": [*range(len(first))]}
    result = Result(KEY, values, {}, {}, {}, facts)
    images = np.arange(first.shape[1], dtype=np.int32) if groups is None else groups
    Store(folder).save(result, PerItemScores(rows, identity, images))
    stored = Store(folder).load(KEY)
    assert stored is not None
    return Items(Store(folder), [stored])


def change(tmp_path: Path, a: np.ndarray, b: np.ndarray, **options: Any) -> Change:
    """The change of one cell, of a family of two of which the other stays as it is."""
    rest = np.ones(a.shape, bool)
    first = run(tmp_path / "a", {SETTINGS[0]: a, SETTINGS[1]: rest}, **options)
    second = run(tmp_path / "b", {SETTINGS[0]: b, SETTINGS[1]: rest}, **options)
    return changes(first, second, CELLS).of_cells[CELLS[0]]


def flags(right: int, total: int = 200) -> np.ndarray:
    return np.arange(total) < right


def test_a_large_change_is_confirmed_in_value_and_in_images(tmp_path: Path) -> None:
    found = change(tmp_path, flags(100), flags(140))
    assert found.value == pytest.approx(20.0)
    assert (found.low, found.high) == pytest.approx((14.5, 25.5), abs=0.6)  # 1.96 * sqrt(0.2 * 0.8 / 200)
    assert (found.better, found.worse, found.images) == (40, 0, 200)
    assert found.sign_p_value == pytest.approx(2 * 0.5**40)
    assert (found.is_confirmed, found.is_sign_confirmed) == (True, True)


def test_of_one_item_an_image_the_sign_test_is_mcnemar_s_exact_test(tmp_path: Path) -> None:
    a, b = flags(100), flags(100)
    b[:4], b[100:111] = False, True  # 4 lost, 11 won
    found = change(tmp_path, a, b)
    assert (found.better, found.worse) == (11, 4)
    assert found.sign_p_value == pytest.approx(2 * binom.cdf(4, 15, 0.5))
    assert found.value == pytest.approx(3.5)
    assert found.low < 0 < found.high
    assert (found.is_confirmed, found.is_sign_confirmed) == (False, False)


def test_items_of_one_image_are_one_vote_and_are_drawn_together(tmp_path: Path) -> None:
    groups = (np.arange(200) // 20).astype(np.int32)
    found = change(tmp_path, flags(100), flags(140), groups=groups)
    assert (found.better, found.worse, found.images) == (2, 0, 10)
    assert found.sign_p_value == 0.5
    assert found.low < 0 < found.high
    assert not found.is_confirmed


def test_a_few_images_that_differ_in_one_direction_are_no_proof(tmp_path: Path) -> None:
    found = change(tmp_path, flags(100), flags(104))
    assert found.p_value == 2 / 2**4
    assert change(tmp_path, flags(100), flags(101)).p_value == 1.0


def test_seeds_are_averaged_item_by_item(tmp_path: Path) -> None:
    a, b = np.stack([flags(100), flags(120)]), np.stack([flags(120), flags(120)])
    found = change(tmp_path, a, b)
    assert found.value == pytest.approx(5.0)
    assert (found.better, found.worse) == (20, 0)


def test_a_change_of_the_detectable_size_is_confirmed_four_times_in_five(tmp_path: Path) -> None:
    images, rng = 400, np.random.default_rng(0)
    a = rng.random(images) < 0.5
    flipped = np.arange(images) % 10 == 0
    size = change(tmp_path, a, np.where(flipped, ~a, a)).detectable
    assert size is not None
    error = 100 * np.sqrt(0.1 / images)  # of a difference in which a tenth of the items differ, in either direction
    assert size == pytest.approx((2.2414 + 0.8416) * error, rel=0.1)  # z of 1 - 0.05 / 4, and of 0.8
    confirmed = 0
    for _ in range(60):
        better = rng.random(images) < 0.05 + size / 200
        worse = ~better & (rng.random(images) < 0.05 - size / 200)
        a = np.where(better, False, np.where(worse, True, flags(200, images)))
        b = np.where(better, True, np.where(worse, False, flags(200, images)))
        confirmed += change(tmp_path, a, b).is_confirmed
    assert 38 <= confirmed <= 57


def test_where_no_item_differs_there_is_nothing_to_detect(tmp_path: Path) -> None:
    found = change(tmp_path, flags(100), flags(100))
    assert found == Change(0.0, 0.0, 0.0, 1.0, 0, 0, 1.0, 200, None, is_confirmed=False, is_sign_confirmed=False)


def test_no_change_is_rarely_called_one(tmp_path: Path) -> None:
    rng, called = np.random.default_rng(5), 0
    for _ in range(60):
        a, b = (rng.random(100) < 0.6 for _ in range(2))
        found = change(tmp_path, a, b)
        called += found.is_confirmed or found.is_sign_confirmed
    assert called <= 6


def test_what_is_not_of_the_same_items_is_not_paired(tmp_path: Path) -> None:
    scores = {SETTINGS[0]: flags(100)}
    first = run(tmp_path / "a", scores)
    other = run(tmp_path / "b", scores, identity="j")
    found = changes(first, other, CELLS)
    assert dict(found.unpaired) == {CELLS[0]: OTHER_ITEMS, CELLS[1]: NO_ITEMS}
    assert not found.of_cells
    shuffled = run(tmp_path / "c", scores, groups=np.arange(200, dtype=np.int32) // 2)
    assert changes(first, shuffled, CELLS[:1]).unpaired == {CELLS[0]: OTHER_ITEMS}
    assert changes(first, Items(Store(tmp_path / "d"), []), CELLS[:1]).unpaired == {CELLS[0]: NO_ITEMS}


def test_holm_s_procedure_is_over_all_cells(tmp_path: Path) -> None:
    a, b = flags(100), flags(100)
    b[100:106] = True
    alone = change(tmp_path / "one", a, b)
    assert alone.sign_p_value == pytest.approx(2 / 2**6)
    assert not alone.is_sign_confirmed  # 0.031 > 0.05 / 2
    pair = [run(tmp_path / "two" / name, {SETTINGS[0]: scores}) for name, scores in (("a", a), ("b", b))]
    assert changes(*pair, CELLS[:1]).of_cells[CELLS[0]].is_sign_confirmed
