"""Several candidates: every pair of the report in one family, ranks among all, the trend of a sweep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from suite.cells import BASELINES, METHODS
from suite.judge.standing import standings
from suite.judge.together import together
from suite.judge.trend import POSITION, axis_of
from suite.results.store import Key, Store
from tests.support.candidate_run import ITEMS, PLACES, SWEEP, of_older_version, store_result, write_sweep

METHODS_OF_SWEEP = [*SWEEP.values()]
SPECS = {method: spec for spec, method in SWEEP.items()}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_sweep(tmp_path)
    return tmp_path


def entries(run: Path) -> list[dict]:
    return standings(Store(run), list(Store(run).results()), {}, "recorded", METHODS_OF_SWEEP)


def by_hand(run: Path) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Column, candidate, other -> difference and p-value, by a bootstrap over images that is written out."""
    answers = {}
    for place, (name, _) in PLACES.items():
        scores = {
            m: Store(run).items(Store(run).load(Key(*place.split("/"), m))).scores[name].mean(axis=0)
            for m in (*METHODS_OF_SWEEP, *METHODS)
        }
        images = np.random.default_rng(7).integers(0, ITEMS // 3, (9_999, ITEMS // 3))
        for first, candidate in enumerate(METHODS_OF_SWEEP):
            for other in (*METHODS, *METHODS_OF_SWEEP[first + 1 :]):
                of_images = 100 * (scores[candidate] - scores[other]).reshape(-1, 3).mean(axis=1)
                draws = of_images[images].mean(axis=1)
                tail = min((draws <= 0).sum(), (draws >= 0).sum())
                answers[place, candidate, other] = float(of_images.mean()), min(1.0, 2 * (1 + tail) / 10_000)
    return answers


def confirmed_by_hand(p_values: dict) -> set:
    """Holm's step-down procedure by its adjusted p-values: max over the smaller ones of (m - rank) * p."""
    adjusted, running = {}, 0.0
    for rank, (key, p) in enumerate(sorted(p_values.items(), key=lambda pair: pair[1])):
        running = max(running, (len(p_values) - rank) * p)
        adjusted[key] = running
    return {key for key, p in adjusted.items() if p <= 0.05}


def test_holm_is_over_all_pairs_of_the_report_a_pair_of_candidates_once(run: Path) -> None:
    answers = by_hand(run)
    assert len(answers) == 4 * (3 * 7 + 3)
    expected = confirmed_by_hand({key: p for key, (_, p) in answers.items()})
    found = {}
    for entry in entries(run):
        for pair in (*entry["pairs"], *entry["rival_pairs"]):
            place = f"{pair['experiment']}/{pair['dataset']}"
            found[place, entry["method"], pair["reference"]] = pair
    assert len(found) == len(answers) + 4 * 3, "between candidates, each stands in the entries of both"
    for key, (value, p_value) in answers.items():
        assert found[key]["value"] == pytest.approx(value, abs=1e-4)
        assert found[key]["p_value"] == pytest.approx(p_value, abs=0.02)
        assert found[key]["confirmed"] == (key in expected)
    assert 0 < len(expected) < len(answers)
    place, first, second = "part_retrieval/cub200", *METHODS_OF_SWEEP[:2]
    there, back = found[place, first, second], found[place, second, first]
    assert (back["value"], back["low"], back["high"]) == (-there["value"], -there["high"], -there["low"])
    assert (back["p_value"], back["confirmed"]) == (there["p_value"], there["confirmed"])


def test_the_family_is_said_with_its_size(run: Path) -> None:
    several = entries(run)
    family = together(several, SPECS)["family"]
    confirmed = sum(p["confirmed"] for e in several for p in e["pairs"])
    confirmed += sum(p["confirmed"] for e in several for p in e["rival_pairs"]) // 2
    assert family == {
        "alpha": 0.05,
        "size": 96,
        "with_seven": 84,
        "between": 12,
        "confirmed": confirmed,
        "sentence": "96 paired comparisons of 3 candidates are one family: 84 with the seven and 12 among themselves. "
        f"Holm's procedure at 5 % over all of them confirms a difference in {confirmed}; {96 - confirmed} are open.",
    }
    assert together(several[:1], SPECS) is None


def test_a_larger_family_confirms_less(run: Path) -> None:
    place = "part_retrieval/cub200"
    store_result(run, place, METHODS_OF_SWEEP[0], 47.6)
    one = next(
        e
        for e in standings(
            Store(run),
            [r for r in Store(run).results() if r.key.method in (METHODS_OF_SWEEP[0], *METHODS)],
            {},
            "recorded",
        )
    )
    assert one["rival_pairs"] == []
    among_many = entries(run)[0]
    for alone, beside in zip(one["pairs"], among_many["pairs"], strict=True):
        assert (alone["value"], alone["p_value"]) == (beside["value"], beside["p_value"]), "only the family differs"
        assert alone["confirmed"] >= beside["confirmed"]


def test_ranks_of_all_are_among_candidates_and_the_seven_and_floors_have_none(run: Path) -> None:
    several = entries(run)
    [column] = [c for c in together(several, SPECS)["columns"] if c["experiment"] == "part_retrieval"]
    assert column["values"] == dict(zip(METHODS_OF_SWEEP, (41.0, 49.0, 57.0), strict=True))
    assert column["of"] == 10
    assert [column["ranks"][m] for m in (*METHODS_OF_SWEEP, "deit", "dino", "beit", "mae", "ibot")] == [
        *(7, 6, 4),
        *(1, 3, 5, 8, 10),
    ]
    assert not {*BASELINES} & {*column["ranks"]}
    own_ranks = [c["rank"] for e in several for c in e["columns"] if c["experiment"] == "part_retrieval"]
    assert own_ranks == [5, 5, 4], "each one's own is among the seven, whoever is beside it"
    assert [e["mean_ranks"][e["method"]] for e in several] == [
        {"object": 4, "part": 5},
        {"object": 4, "part": 5},
        {"object": 4, "part": 4},
    ]
    assert [e["better_at"] for e in several] == ["object", "object", None]


def test_candidates_stand_in_the_user_s_order(run: Path) -> None:
    order = METHODS_OF_SWEEP[::-1]
    several = standings(Store(run), list(Store(run).results()), {}, "recorded", order)
    assert [entry["method"] for entry in several] == order
    assert together(several, SPECS)["methods"] == order


def test_only_the_same_items_are_paired_among_candidates(run: Path) -> None:
    first, second, third = METHODS_OF_SWEEP
    store_result(run, "part_retrieval/cub200", first, 41.0, identity="other items")
    store_result(run, "part_retrieval/cub200", second, 49.0, identity="other items")
    pairs = {
        (entry["method"], pair["reference"])
        for entry in entries(run)
        for pair in (*entry["pairs"], *entry["rival_pairs"])
        if pair["experiment"] == "part_retrieval"
    }
    assert pairs == {(first, second), (second, first), *((third, method) for method in METHODS)}


def test_columns_that_none_of_the_seven_has_are_compared_among_candidates(run: Path) -> None:
    for method in METHODS:
        (run / f"cells/object_retrieval/cifar10/{method}.json").unlink()
    several = entries(run)
    pairs = [p for e in several for p in e["rival_pairs"] if p["experiment"] == "object_retrieval"]
    assert len(pairs) == 3 * 2
    [column] = [c for c in together(several, SPECS)["columns"] if c["experiment"] == "object_retrieval"]
    assert column["ranks"] == dict(zip(METHODS_OF_SWEEP, (3, 2, 1), strict=True))


def test_the_trend_has_values_and_intervals_over_images(run: Path) -> None:
    trend = together(entries(run), SPECS)["trend"]
    assert trend["axis"] == "epoch"
    [line] = [c for c in trend["columns"] if c["experiment"] == "part_retrieval"]
    assert [(p["method"], p["x"], p["value"]) for p in line["points"]] == [
        *zip(METHODS_OF_SWEEP, (100.0, 200.0, 300.0), (41.0, 49.0, 57.0), strict=True)
    ]
    items = Store(run).items(Store(run).load(Key("part_retrieval", "cub200", METHODS_OF_SWEEP[0])))
    of_images = 100 * items.scores["encoded/ap"].mean(axis=0).reshape(-1, 3).mean(axis=1)
    draws = of_images[np.random.default_rng(5).integers(0, len(of_images), (20_000, len(of_images)))].mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert line["points"][0]["low"] == pytest.approx(low, abs=0.1)
    assert line["points"][0]["high"] == pytest.approx(high, abs=0.1)
    levels = {level["level"]: level for level in trend["levels"]}
    assert levels["part"]["columns"] == 2
    values = [c["points"][2]["value"] for c in trend["columns"] if c["level"] == "part"]
    assert levels["part"]["points"][2]["value"] == pytest.approx(sum(values) / 2)
    widths = [levels["part"]["points"][2]["high"] - levels["part"]["points"][2]["low"]]
    widths += [c["points"][2]["high"] - c["points"][2]["low"] for c in trend["columns"] if c["level"] == "part"]
    assert widths[0] < min(widths[1:]), "a mean of two columns is surer than one"
    assert together(entries(run)[:2], SPECS)["trend"] is None, "two are no trend"


def test_seed_noise_stands_apart_and_a_column_without_items_has_no_interval(run: Path, monkeypatch) -> None:
    monkeypatch.setitem(PLACES, "part_classification/cub200", ("linear/accuracy", [0, 1, 2]))
    result = store_result(run, "part_classification/cub200", METHODS_OF_SWEEP[0], 41.0)
    of_older_version(run, Store(run).load(Key("part_retrieval", "cub200", METHODS_OF_SWEEP[1])))
    trend = together(entries(run), SPECS)["trend"]
    lines = {column["experiment"]: column["points"] for column in trend["columns"]}
    deviation = float(np.std(result.values["linear/accuracy"], ddof=1))
    assert lines["part_classification"][0]["seed_sd"] == pytest.approx(deviation)
    assert lines["part_classification"][1]["seed_sd"] is None
    assert lines["part_retrieval"][1]["low"] is None
    assert [point["low"] is None for point in trend["levels"][1]["points"]] == [False, True, False]


@pytest.mark.parametrize(
    ("specs", "label", "numbers"),
    [
        (["d@epoch100.pth", "d@epoch200.pth", "d@epoch1000.pth"], "epoch", [100, 200, 1000]),
        (["d@r2/checkpoint_0300.pth", "d@r2/checkpoint_0400.pth"], "checkpoint", [300, 400]),
        (["d@ep=1-step=50.ckpt", "d@ep=2-step=100.ckpt"], "ep", [1, 2]),
        (["m:f?lr=0.01", "m:f?lr=0.1"], "lr", [0.01, 0.1]),
        (["d@1/x.pth", "d@2/x.pth"], "number in the name", [1, 2]),
        (["d@epoch200.pth", "d@epoch100.pth"], POSITION, [1, 2]),
        (["d@epoch100.pth", "d@epoch1000.pth", "d@epoch200.pth"], POSITION, [1, 2, 3]),
        (["d@epoch100.pth", "d@last.pth"], POSITION, [1, 2]),
        (["d@a.pth", "d@b.pth"], POSITION, [1, 2]),
    ],
)
def test_a_sweep_is_drawn_over_the_number_that_grows_in_its_names_else_over_its_order(
    specs: list[str], label: str, numbers: list[float]
) -> None:
    assert axis_of(specs) == (label, numbers)
