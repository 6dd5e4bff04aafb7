"""One cell: the same seed against itself, what no seed noise explains, one-sided bounds, seeds that would decide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from suite.cells import CellId, Measurement
from suite.judge.cell_verdict import CellVerdict, judge_cell
from suite.judge.intervals import chance_bound, holm, seeds_needed
from suite.judge.verdict import Judgement, judge
from suite.reference.expected import Expected
from suite.results.noise import Spread
from tests.support.published import published

CELL = CellId("part_classification", "cub200", "dino", "linear", "accuracy")
PUBLISHED = published(CELL)
GROSS = replace(PUBLISHED, gross=2.0, gross_reason="known seed noise is 0.1")
# recorded over 3 seeds, mean 36.0; 28 degrees of freedom: t(.975, 28) = 2.0484
RECORDED = replace(
    PUBLISHED,
    value=36.0,
    rounding=0.0,
    numeric=0.25,
    cap=3.0,
    seed_sd=0.5,
    seed_df=28,
    seeds=3,
    by_seed={0: 35.4, 1: 36.0, 2: 36.6},
    machine=0.05,
)


def judged_cell(reference: Expected, noise: Spread | None = None, **values: float) -> CellVerdict:
    """Judge values by seed: `s0=35.4`."""
    seeds = tuple(int(name[1:]) for name in values)
    return judge_cell(Measurement(CELL, tuple(values.values()), seeds), reference, noise)


# the same seed


@pytest.mark.parametrize(
    ("value", "verdict", "p_value", "reason"),
    [
        (35.4, "reproduced", 1.0, "seed 0 as recorded: differs by +0.00, allowed 0.05"),
        (35.45, "reproduced", 1.0, "seed 0 as recorded: differs by +0.05, allowed 0.05"),
        (
            35.85,
            "deviates",
            0.0,
            "seed 0 differs by +0.45 from the recorded 35.4; the machine's arithmetic moves it by at most 0.05",
        ),
        (
            35.3477,
            "deviates",
            0.0,
            "seed 0 differs by -0.0523 from the recorded 35.4; the machine's arithmetic moves it by at most 0.05",
        ),
        # accuracy x 1.01: inside the interval of a mean over seeds, 0.25 + 2.0484 * 0.5 * sqrt(1 + 1/3) = 1.43
        (
            35.4 * 1.01,
            "deviates",
            0.0,
            "seed 0 differs by +0.354 from the recorded 35.4; the machine's arithmetic moves it by at most 0.05",
        ),
    ],
)
def test_a_recorded_seed_is_held_against_itself(value: float, verdict: str, p_value: float, reason: str) -> None:
    cell = judged_cell(RECORDED, s0=value)
    assert (cell.verdict, cell.p_value, cell.reason) == (verdict, p_value, reason)
    assert (cell.measured, cell.expected, cell.tolerance) == (value, 35.4, 0.05), "seed 0's own value, not the mean"
    assert cell.difference == pytest.approx(value - 35.4)
    assert not cell.by_chance


def test_a_factor_of_one_hundredth_turns_the_run_red() -> None:
    measurements = {CELL: Measurement(CELL, (35.4 * 1.01,), (0,))}
    judgement = judge([CELL], measurements, {CELL: RECORDED}, {}, [])
    assert (judgement.verdict, judgement.exit_code, judgement.family.rejected) == ("deviates", 1, (CELL,))
    assert judgement.sentence == (
        "1 of 1 judged cells differ from their reference beyond tolerance, "
        "most of all part_classification/cub200/dino/linear/accuracy with 35.75 instead of 35.40."
    )


def test_a_value_as_recorded_is_reproduced_although_the_file_keeps_six_decimals() -> None:
    exact = replace(RECORDED, by_seed={0: 35.333333}, machine=0.0)
    assert judged_cell(exact, s0=100 * 106 / 300).verdict == "reproduced"  # 35.3333333..
    assert judged_cell(exact, s0=35.333335).verdict == "deviates"


def test_seeds_that_cancel_in_the_mean_are_seen_one_by_one() -> None:
    cell = judged_cell(RECORDED, s0=36.6, s1=36.0, s2=35.4)
    assert (cell.verdict, cell.measured, cell.expected, cell.p_value) == ("deviates", 36.0, 36.0, 0.0)
    assert cell.reason == (
        "2 of 3 recorded seeds differ, seed 0 most of all, by +1.20 from the recorded 35.4; "
        "the machine's arithmetic moves one by at most 0.05"
    )
    recorded_cell = judged_cell(RECORDED, s0=35.4, s1=36.0, s2=36.58)
    assert (recorded_cell.verdict, recorded_cell.reason) == (
        "reproduced",
        "3 seeds as recorded, each by itself: differs by -0.02 at most, allowed 0.05",
    )


def test_a_seed_that_was_not_recorded_is_held_against_the_mean() -> None:
    cell = judged_cell(RECORDED, s17=37.0)
    assert (cell.verdict, cell.expected, cell.by_chance) == ("reproduced", 36.0, True)
    # 0.25 + 2.0484 * 0.5 * sqrt(1 + 1/3) = 1.4326
    assert cell.tolerance == pytest.approx(1.4326, abs=1e-4)
    assert cell.reason == "differs by +1.00, tolerance 1.43"
    assert judged_cell(RECORDED, s17=37.5).verdict == "deviates"


def test_of_both_kinds_the_worse_counts_and_the_expected_mean_is_of_the_same_seeds() -> None:
    cell = judged_cell(RECORDED, s0=35.4, s17=37.0)
    assert (cell.verdict, cell.measured, cell.expected) == ("reproduced", 36.2, pytest.approx((35.4 + 36.0) / 2))
    assert cell.tolerance == pytest.approx((0.05 + 1.4326) / 2, abs=1e-4)
    assert cell.reason == "seed 0 as recorded: differs by +0.00, allowed 0.05; differs by +1.00, tolerance 1.43"
    for recorded_values, new_values in (({"s0": 35.6}, {"s17": 36.0}), ({"s0": 35.4}, {"s17": 39.0})):
        assert judged_cell(RECORDED, **recorded_values, **new_values).verdict == "deviates"


# what no seed noise explains


@pytest.mark.parametrize(
    ("value", "verdict", "p_value", "reason"),
    [
        (
            30.0,
            "deviates",
            0.0,
            "differs by -20.00: beyond 2 points, which no seed noise of such a probe explains",
        ),
        (52.01, "deviates", 0.0, "differs by +2.01: beyond 2 points, which no seed noise of such a probe explains"),
        (52.0, "inconclusive", None, "a single seed, and the seed noise is unknown: run SEED=0,1,2"),
        (50.3, "inconclusive", None, "a single seed, and the seed noise is unknown: run SEED=0,1,2"),
        (50.05, "reproduced", None, "equal to the printed digits"),
    ],
)
def test_a_single_seed_beyond_the_gross_bound_deviates(
    value: float, verdict: str, p_value: float | None, reason: str
) -> None:
    cell = judged_cell(GROSS, s0=value)
    assert (cell.verdict, cell.p_value, cell.reason) == (verdict, p_value, reason)
    assert cell.to_decide == ("unknown: two at least" if verdict == "inconclusive" else None)


def test_the_gross_bound_holds_where_a_wide_interval_would_excuse() -> None:
    # sd 5 over 3 seeds, df 2: 0.05 + 4.3027 * 5 * sqrt(1/3 + 1) = 24.89
    cell = judged_cell(GROSS, Spread(5.0, 2), s0=25.0, s1=30.0, s2=35.0)
    assert (cell.verdict, cell.p_value) == ("deviates", 0.0)
    assert cell.reason == (
        "differs by -20.00, tolerance 24.89: beyond 2 points, which no seed noise of such a probe explains"
    )


# one side only


@pytest.mark.parametrize(
    ("side", "value", "verdict", "reason"),
    [
        # 0.05 + t(.975, 28) * 0.1 * sqrt(1 + 1) = 0.3397: wider than the cap of 0.3
        ("lower", 49.0, "deviates", "differs by -1.00 from its lower bound, tolerance 0.34"),
        ("lower", 53.0, "reproduced", "differs by +3.00 from its lower bound, tolerance 0.34"),
        ("upper", 47.0, "reproduced", "differs by -3.00 from its upper bound, tolerance 0.34"),
        ("upper", 51.0, "deviates", "differs by +1.00 from its upper bound, tolerance 0.34"),
    ],
)
def test_a_bound_of_one_side_allows_the_other(side: str, value: float, verdict: str, reason: str) -> None:
    bound = replace(GROSS, side=side, seed_sd=0.1, seed_df=28)
    cell = judged_cell(bound, s0=value)
    assert (cell.verdict, cell.reason) == (verdict, reason)
    near_cell = judged_cell(bound, s0=50.1 if side == "lower" else 49.9)
    assert near_cell.verdict == "inconclusive", "the interval is wider than the cap, and reaches across the bound"


def test_without_noise_only_what_lies_far_on_the_allowed_side_is_reproduced() -> None:
    bound = replace(GROSS, side="lower")
    assert [judged_cell(bound, s0=value).verdict for value in (53.0, 51.0, 50.0, 49.0, 47.0)] == [
        "reproduced",
        "inconclusive",
        "reproduced",
        "inconclusive",
        "deviates",
    ]


# seeds that would decide


def test_how_many_seeds_bring_the_interval_below_its_cap() -> None:
    # 7 cells of 3 seeds: 0.05 + t(.975, 7 (k - 1)) * 0.12 * sqrt(1/k + 1): k = 3 0.3472, 10 0.3015, 11 0.29997
    assert seeds_needed(0.05, 0.3, Spread(0.12, 14), 3, 1, pooled=True) == 11
    # recorded noise, five runs: 0.05 + 2.0484 * 0.5 * sqrt(1/k + 1/5): k = 1 1.172, 2 0.907, 3 0.798, 4 0.737
    assert seeds_needed(0.05, 0.75, Spread(0.5, 28), 1, 5, pooled=False) == 4
    # however many: 0.05 + 1.96 * 0.4 = 0.83
    assert seeds_needed(0.05, 0.3, Spread(0.4, 14), 3, 1, pooled=True) is None


def test_an_inconclusive_cell_says_how_many_seeds_would_decide() -> None:
    cell = judged_cell(PUBLISHED, Spread(0.12, 14), s0=49.9, s1=50.0, s2=50.1)
    assert (cell.verdict, cell.seeds_needed, cell.to_decide) == ("inconclusive", 11, "11 seeds would decide")
    assert cell.reason == "differs by +0.00, tolerance 0.35: wider than 0.3 is no evidence; 11 seeds would decide"


# the family's size


def family(deviation_count: int, cell_count: int) -> Judgement:
    """So many of so many cells with a difference of 0.38, p = 0.027 each, the others with none."""
    cells = [replace(CELL, dataset=f"d{k}") for k in range(cell_count)]
    # 0.05 + 2.0484 * 0.1 * sqrt(1 + 1) = 0.3397
    wide = replace(PUBLISHED, seed_sd=0.1, seed_df=28, cap=0.4)
    measurements = {c: Measurement(c, (50.38 if k < deviation_count else 50.0,), (0,)) for k, c in enumerate(cells)}
    return judge(cells, measurements, {c: replace(wide, cell=c) for c in cells}, {}, [])


def test_more_single_deviations_than_chance_gives_are_a_warning() -> None:
    # 20 cells: at most 3 in 95 of 100 runs
    small_share, large_share = family(3, 20), family(4, 20)
    assert (small_share.exit_code, small_share.warnings) == (0, ())
    assert small_share.sentence == (
        "17 of 20 judged cells agree with their reference; the remainder is within what chance explains."
    )
    assert (large_share.verdict, large_share.exit_code, large_share.family.rejected) == ("reproduced", 0, ())
    assert large_share.warnings == (
        "4 of 20 cells with seed noise deviate, more than chance explains: it gives 1.0 on average, and at most 3 in "
        "95 of 100 runs (binomial, cells taken to be independent).",
    )
    assert large_share.sentence == (
        "16 of 20 judged cells agree with their reference; "
        "4 deviate singly, more than chance explains, but none so far off that the family confirms it."
    )


def test_if_every_cell_deviates_that_is_confirmed_of_all_together() -> None:
    judgement = family(4, 4)
    assert (judgement.verdict, judgement.exit_code, len(judgement.failing)) == ("deviates", 1, 4)
    assert holm({c.id: c.p_value or 0 for c in judgement.cells}, 0.05) == (), "which no single one shows"
    assert family(3, 4).exit_code == 0


def test_what_is_not_left_to_chance_is_not_counted_as_chance() -> None:
    measurements = {CELL: Measurement(CELL, (35.4,), (0,))}
    assert judge([CELL], measurements, {CELL: RECORDED}, {}, []).family.by_chance == 0


def test_how_many_deviations_chance_gives() -> None:
    # quantiles of the binomial distribution, as scipy's binom has them
    assert [chance_bound(n, 0.05) for n in (0, 1, 20, 146, 500)] == [0, 0, 3, 12, 33]
