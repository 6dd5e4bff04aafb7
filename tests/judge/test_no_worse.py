"""The one-sided gate: passed, failed, or not to be told, by the interval of every column."""

from __future__ import annotations

import pytest

from suite.judge.no_worse import no_worse_than

WORDS = ("experiment", "dataset", "setting", "metric")


def place(dataset: object) -> dict[str, str]:
    return dict(zip(WORDS, ("part_retrieval", f"set {dataset}", "encoded", "ap"), strict=True))


def candidate(*intervals: tuple[float, float]) -> dict:
    pairs = [
        place(number) | {"reference": "dino", "value": (low + high) / 2, "low": low, "high": high}
        for number, (low, high) in enumerate(intervals)
    ]
    return {"method": "mine", "columns": [place(n) for n in range(len(pairs))], "pairs": pairs, "floor_pairs": []}


@pytest.mark.parametrize(
    ("intervals", "verdict", "exit_code", "counts"),
    [
        ([(-0.4, 1.0), (-0.5, 0.0)], "no worse", 0, "no worse in 2, worse in 0, cannot tell in 0 of 2 columns."),
        ([(-0.4, 1.0), (-0.6, 0.0)], "cannot tell", 2, "no worse in 1, worse in 0, cannot tell in 1 of 2 columns."),
        ([(-0.6, 1.0), (-2.0, -0.6)], "worse", 1, "no worse in 0, worse in 1, cannot tell in 1 of 2 columns."),
    ],
)
def test_every_column_has_to_pass(intervals: list, verdict: str, exit_code: int, counts: str) -> None:
    gate = no_worse_than(candidate(*intervals), "dino", 0.5)
    assert (gate["verdict"], gate["exit_code"]) == (verdict, exit_code)
    assert gate["sentence"] == f"mine against dino, 0.5 points allowed: {counts}"


def test_without_a_pair_nothing_can_be_told() -> None:
    gate = no_worse_than(candidate((0, 1)), "mae", 0)
    assert (gate["verdict"], gate["exit_code"]) == ("cannot tell", 2)
    assert gate["sentence"] == (
        "mine against mae: cannot tell: mae was not measured on the same items: measure it beside (BESIDE=mae)."
    )


def test_a_column_that_was_not_compared_is_never_passed_over() -> None:
    entry = candidate((0.0, 1.0))
    entry["columns"].append(place("of other items"))
    gate = no_worse_than(entry, "dino", 0.5)
    assert (gate["verdict"], gate["exit_code"]) == ("cannot tell", 2)
    assert gate["columns"][1] == place("of other items") | {
        "value": None,
        "low": None,
        "high": None,
        "verdict": "cannot tell",
    }
    assert gate["sentence"].endswith("no worse in 1, worse in 0, cannot tell in 1 of 2 columns.")
