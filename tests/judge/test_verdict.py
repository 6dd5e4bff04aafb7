"""Verdicts of cells and of runs: green, red or neither, and how a run ends."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from scipy import stats

from suite.cells import METHODS, CellId, Measurement
from suite.core.paths import EXPECTED as ROOT
from suite.errors import RequestError
from suite.judge.claims import load_claims
from suite.judge.intervals import Interval, holm
from suite.judge.verdict import Judgement, judge
from suite.reference.expected import Expected, load_expected
from suite.results.noise import Spread, pooled_sd
from tests.support.published import published

CELL = CellId("e", "d", "dino", "s", "m")
OTHER = replace(CELL, method="mae")
PUBLISHED = published(CELL, deterministic=True, numeric=0.05)
PROBE = published(CELL)
# recorded over 5 seeds with 28 degrees of freedom: t(.975, 28) = 2.0484
RECORDED = replace(PROBE, rounding=0.0, numeric=0.25, cap=3.0, seed_sd=0.5, seed_df=28, seeds=5)


def run(reference: Expected | None, *values: float, strict: bool = False) -> Judgement:
    measurements = {CELL: Measurement(CELL, values, () if len(values) == 1 else tuple(range(len(values))))}
    expected = {} if reference is None else {CELL: reference}
    return judge([CELL], measurements, expected, {}, [], strict=strict)


@pytest.mark.parametrize(
    ("value", "verdict", "reason"),
    [
        (50.0, "reproduced", "differs by +0.00, tolerance 0.10"),
        (49.9, "reproduced", "differs by -0.10, tolerance 0.10"),
        (50.1, "reproduced", "differs by +0.10, tolerance 0.10"),
        (50.11, "deviates", "differs by +0.11, tolerance 0.10"),
        (30.0, "deviates", "differs by -20.00, tolerance 0.10"),
    ],
)
def test_nothing_trained_allows_rounding_and_numerics(value: float, verdict: str, reason: str) -> None:
    (cell,) = run(PUBLISHED, value).cells
    assert (cell.verdict, cell.reason, cell.warning) == (verdict, reason, False)
    assert cell.p_value == (1.0 if verdict == "reproduced" else 0.0)
    assert (cell.measured, cell.expected, cell.table) == (value, 50.0, "Table 9")
    assert cell.difference == pytest.approx(value - 50.0)


def test_a_published_probe_is_judged_by_the_noise_of_the_run() -> None:
    # values 50.0 50.1 50.2: sd 0.1, df 2, t(.975, 2) = 4.3027, so 0.05 + 4.3027 * 0.1 * sqrt(1 + 1/3) = 0.5468
    (cell,) = run(replace(PROBE, cap=0.6), 50.0, 50.1, 50.2).cells
    assert cell.tolerance == pytest.approx(0.05 + 4.302653 * 0.1 * math.sqrt(4 / 3))
    assert cell.verdict == "reproduced"


def test_noise_is_pooled_over_the_papers_methods_and_the_floors_and_not_over_others() -> None:
    cells = [replace(CELL, method=method) for method in ("dino", "raw_pixels", "theirs", "mine")]
    runs = [(1.0, 2.0, 3.0), (1.0, 3.0), (0.0, 10.0), (7.0,)]  # squares 2 + 2 over 2 + 1 degrees of freedom
    pools = pooled_sd(Measurement(cell, values) for cell, values in zip(cells, runs, strict=True))
    assert {pool.method: spread.df for pool, spread in pools.items()} == {"methods": 3, "theirs": 1}
    assert pools[replace(CELL, method="methods")].sd == pytest.approx(math.sqrt(4 / 3))


def test_a_wide_interval_is_no_evidence() -> None:
    judgement = run(PROBE, 49.0, 50.0, 51.0)
    (cell,) = judgement.cells
    assert cell.verdict == "inconclusive"
    # the paper's own single run has sd 1, so even endless seeds leave 0.05 + 1.96 * 1 * sqrt(1 + 0) = 2.01
    assert cell.reason == (
        "differs by +0.00, tolerance 5.02: wider than 0.3 is no evidence; "
        "no number of seeds would decide: the reference's own noise alone is wider"
    )
    assert (judgement.verdict, judgement.exit_code) == ("inconclusive", 2)
    assert judgement.sentence == (
        "No deviation is confirmed, but only 0 of 1 judged cells agree with their reference; "
        "1 cannot tell, with seed noise too large or unknown, and 0 deviate singly."
    )


def test_a_difference_beyond_even_a_wide_interval_deviates() -> None:
    assert run(PROBE, 29.0, 30.0, 31.0).cells[0].verdict == "deviates"


@pytest.mark.parametrize(
    ("value", "verdict", "reason"),
    [
        (50.05, "reproduced", "equal to the printed digits"),
        (50.06, "inconclusive", "a single seed, and the seed noise is unknown: run SEED=0,1,2"),
        (20.0, "inconclusive", "a single seed, and the seed noise is unknown: run SEED=0,1,2"),
    ],
)
def test_a_single_seed_without_known_noise(value: float, verdict: str, reason: str) -> None:
    (cell,) = run(PROBE, value).cells
    assert (cell.verdict, cell.reason) == (verdict, reason)
    assert (cell.tolerance, cell.p_value) == (None, None)


@pytest.mark.parametrize(("value", "verdict"), [(51.36, "reproduced"), (51.38, "deviates"), (48.62, "deviates")])
def test_a_recorded_probe_is_judged_by_its_recorded_noise(value: float, verdict: str) -> None:
    # 0.25 + 2.0484 * 0.5 * sqrt(1 + 1/5) = 1.3720
    (cell,) = run(RECORDED, value).cells
    assert cell.tolerance == pytest.approx(1.3720, abs=1e-4)
    assert cell.verdict == verdict


@pytest.mark.parametrize(("value", "verdict"), [(50.25, "reproduced"), (50.26, "deviates")])
def test_without_any_seed_noise_one_test_item_is_allowed(value: float, verdict: str) -> None:
    assert run(replace(RECORDED, seed_sd=0.0), value).cells[0].verdict == verdict


@pytest.mark.parametrize("df", [1, 4, 28])
@pytest.mark.parametrize("difference", [-3.0, -0.7, 0.2, 0.31, 5.0])
def test_p_values_follow_the_t_distribution_and_agree_with_the_tolerance(df: int, difference: float) -> None:
    interval = Interval.of_means(0.3, Spread(0.4, df), k=2, K=5)
    error = 0.4 * math.sqrt(1 / 2 + 1 / 5)
    statistic = max(abs(difference) - 0.3, 0) / error
    assert interval.p_value(difference) == pytest.approx(2 * stats.t.sf(statistic, df))
    assert interval.half_width == pytest.approx(0.3 + stats.t.ppf(0.975, df) * error)
    assert (interval.p_value(difference) < 0.05) == (abs(difference) > interval.half_width)


def test_holm_steps_down() -> None:
    cells = [replace(CELL, method=method) for method in METHODS[:4]]
    # thresholds .05/4, .05/3, .05/2, .05: .005 and .01 pass, .03 stops it, and .04 is not looked at
    assert holm(dict(zip(cells, (0.01, 0.04, 0.03, 0.005), strict=True)), 0.05) == (cells[3], cells[0])
    assert holm(dict(zip(cells, (0.2, 0.04, 0.03, 0.02), strict=True)), 0.05) == ()
    assert holm({}, 0.05) == ()


def judge_seven(value: float, *, strict: bool = False) -> Judgement:
    """Seven probes with 50.0 recorded; six at 50.0, one at `value`."""
    cells = [replace(CELL, method=method) for method in METHODS]
    measurements = {cell: Measurement(cell, (50.0,), (0,)) for cell in cells} | {
        CELL: Measurement(CELL, (value,), (0,))
    }
    expected = {cell: replace(RECORDED, cell=cell) for cell in cells}
    return judge(cells, measurements, expected, {}, [], strict=strict)


def test_a_single_deviation_warns() -> None:
    judgement = judge_seven(51.45)  # p = .037, above .05 / 7
    cell = next(c for c in judgement.cells if c.id == CELL)
    assert (cell.verdict, cell.warning) == ("deviates", True)
    assert cell.reason == "differs by +1.45, tolerance 1.37; not confirmed among 7 tested cells (Holm, 5%)"
    assert (judgement.verdict, judgement.exit_code, judgement.family.rejected) == ("reproduced", 0, ())
    assert judgement.sentence == (
        "6 of 7 judged cells agree with their reference; the remainder is within what chance explains."
    )


def test_strict_fails_on_any_deviation() -> None:
    judgement = judge_seven(51.45, strict=True)
    assert (judgement.verdict, judgement.exit_code) == ("deviates", 1)
    assert judgement.sentence == (
        "1 of 7 judged cells differ from their reference beyond tolerance, "
        "most of all e/d/dino/s/m with 51.45 instead of 50.00."
    )


def test_a_confirmed_deviation_fails() -> None:
    judgement = judge_seven(55.0)
    assert judgement.family.rejected == (CELL,)
    assert (judgement.family.alpha, judgement.family.judged) == (0.05, 7)
    assert (judgement.verdict, judgement.exit_code) == ("deviates", 1)


def test_what_agrees_is_green() -> None:
    judgement = run(PUBLISHED, 50.0)
    assert (judgement.verdict, judgement.exit_code) == ("reproduced", 0)
    assert judgement.sentence == "1 of 1 judged cells agree with their reference."
    assert judgement.counts == {
        "reproduced": 1,
        "deviates": 0,
        "inconclusive": 0,
        "not run": 0,
        "no reference": 0,
        "known deviation": 0,
        "unexpected": 0,
    }


def both(value: float, **options: object) -> Judgement:
    """DINO measured, MAE not."""
    expected = {CELL: PUBLISHED, OTHER: replace(PUBLISHED, cell=OTHER, value=40.0)}
    measurements = {CELL: Measurement(CELL, (value,))}
    requested_cells = options.pop("requested_cells", [CELL, OTHER])
    return judge(requested_cells, measurements, expected, options.pop("not_run", {}), [], **options)  # type: ignore[arg-type]


def test_what_was_asked_for_and_did_not_run_is_incomplete() -> None:
    judgement = both(50.0, not_run={OTHER: "weights missing"})
    missing_cell = judgement.cells[1]
    assert (missing_cell.verdict, missing_cell.reason, missing_cell.measured, missing_cell.expected) == (
        "not run",
        "weights missing",
        None,
        40.0,
    )
    assert (judgement.verdict, judgement.exit_code) == ("incomplete", 2)
    assert judgement.sentence == ("1 of 2 cells asked for did not run; 1 of 1 judged cells agree with their reference.")


def test_a_cell_nobody_accounts_for_is_not_green_either() -> None:
    judgement = both(50.0)
    assert (judgement.cells[1].verdict, judgement.cells[1].reason) == ("not run", "no result was stored")
    assert judgement.exit_code == 2


def test_a_deviation_wins_over_what_did_not_run() -> None:
    judgement = both(30.0)
    assert (judgement.verdict, judgement.exit_code) == ("deviates", 1)
    assert judgement.sentence.endswith("30.00 instead of 50.00; 1 of 2 cells asked for did not run.")


@pytest.mark.parametrize(("reasons", "reason"), [({}, "not asked for"), ({OTHER: "not there yet"}, "not there yet")])
def test_listed_cells_are_shown_and_fail_nothing(reasons: dict[CellId, str], reason: str) -> None:
    judgement = both(50.0, requested_cells=[CELL], profile_cells=[OTHER, CELL], not_run=reasons)
    assert [(c.id, c.verdict) for c in judgement.cells] == [(CELL, "reproduced"), (OTHER, "not run")]
    assert judgement.cells[1].reason == reason
    assert (judgement.verdict, judgement.exit_code, judgement.counts["not run"]) == ("reproduced", 0, 1)


def test_a_stored_cell_is_judged_even_if_not_asked_for() -> None:
    measurements = {CELL: Measurement(CELL, (50.0,)), OTHER: Measurement(OTHER, (10.0,))}
    judgement = judge([CELL], measurements, {CELL: PUBLISHED, OTHER: replace(PUBLISHED, cell=OTHER)}, {}, [])
    assert [c.verdict for c in judgement.cells] == ["reproduced", "deviates"]
    assert judgement.exit_code == 1


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (None, "no reference value for this cell"),
        (replace(PUBLISHED, value=None), "published but not transcribed: a paper"),
    ],
)
def test_without_a_reference_nothing_is_green(reference: Expected | None, reason: str) -> None:
    judgement = run(reference, 50.0)
    assert (judgement.cells[0].verdict, judgement.cells[0].reason) == ("no reference", reason)
    assert (judgement.verdict, judgement.exit_code, judgement.family.judged) == ("not judged", 0, 0)
    assert judgement.sentence == ("Everything asked for ran, but none of its cells (1) has a reference value.")


@pytest.mark.parametrize("values", [(), (math.nan,), (50.0, math.inf)])
def test_a_result_without_finite_values_did_not_run(values: tuple[float, ...]) -> None:
    judgement = run(PUBLISHED, *values)
    assert (judgement.cells[0].verdict, judgement.exit_code) == ("not run", 2)


def test_nothing_asked_for_is_a_wrong_request() -> None:
    with pytest.raises(RequestError) as error:
        judge([], {}, {}, {}, [])
    assert str(error.value) == (
        "nothing to judge: no cell fits what was asked for; choose another experiment or dataset"
    )


def test_the_place_in_the_paper_is_filled_in() -> None:
    measurements = {CELL: Measurement(CELL, (50.0,), (0,))}
    judgement = judge([CELL], measurements, {CELL: replace(RECORDED, table=None)}, {}, [], places={CELL: "Table 3"})
    assert judgement.cells[0].table == "Table 3"


def test_the_papers_own_numbers_reproduce_the_paper() -> None:
    expected = load_expected("paper", ROOT)
    measurements = {
        cell: Measurement(cell, (e.value,), () if e.deterministic else (0,))
        for cell, e in expected.items()
        if e.value is not None
    }
    claims = load_claims(ROOT / "claims.toml")
    judgement = judge(list(measurements), measurements, expected, {}, claims, profile_cells=list(expected))
    assert judgement.counts == {
        "reproduced": 146,
        "deviates": 0,
        "inconclusive": 0,
        "not run": 70,
        "no reference": 0,
        "known deviation": 0,
        "unexpected": 0,
    }
    assert [c.holds_here for c in judgement.claims] == [c.holds_in_paper for c in claims]
    assert (judgement.verdict, judgement.exit_code) == ("reproduced", 0)


def test_claims_never_fail_a_run() -> None:
    claims = load_claims(ROOT / "claims.toml")
    judgement = judge([CELL], {CELL: Measurement(CELL, (50.0,))}, {CELL: PUBLISHED}, {}, claims)
    assert {c.verdict for c in judgement.claims} == {"not run"}
    assert judgement.exit_code == 0
