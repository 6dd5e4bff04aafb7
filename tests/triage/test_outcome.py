"""What explains a gap, and with what confidence: by numbers that are made up."""

from dataclasses import replace

import pytest

from suite.cells import CellId
from suite.judge.paired import Difference
from suite.report.triaged import AGAIN, view
from suite.triage.outcome import Answer, Gap, best_pair, outcome

CELL = CellId("part_retrieval", "cub200", "dino", "encoded", "ap")
GAP = Gap(CELL, "deviates", measured=40.0, expected=45.0, allowed=0.1)


def answer(label: str, value: float, *, half: float = 0.5, p_value: float = 0.0002, broken: int = 0) -> Answer:
    moved = value - GAP.measured
    return Answer(label, value, Difference(moved, moved - half, moved + half, p_value, 100, 50), broken)


NONE_SAME = "Measured again as it is, 0 of 1 cells come out with the same bits; the others by chance or the machine,"
RIGHT, FAR, NEAR = answer("channels=bgr", 45.02), answer("final-norm=left-out", 20.0), answer("antialias=off", 43.0)


@pytest.mark.parametrize(
    ("answers", "words", "by"),
    [
        ((FAR, RIGHT, NEAR), "explained", ["channels=bgr"]),
        ((RIGHT, answer("precision=float16", 45.0)), "explained", ["precision=float16", "channels=bgr"]),
        ((replace(RIGHT, broken=1),), "perhaps explained", ["channels=bgr"]),
        ((answer("channels=bgr", 45.02, p_value=0.4),), "perhaps explained", ["channels=bgr"]),
        ((replace(RIGHT, moved=None),), "perhaps explained", ["channels=bgr"]),
        ((FAR, NEAR), "partly explained", ["antialias=off"]),
        ((answer("antialias=off", 41.0),), "unexplained", []),
        ((answer("antialias=off", 43.0, p_value=0.4),), "unexplained", []),
        ((FAR,), "unexplained", []),
        ((), "unexplained", []),
    ],
)
def test_an_outcome_names_what_closes_the_gap(answers: tuple[Answer, ...], words: str, by: list[str]) -> None:
    told = outcome(GAP, answers)
    assert (told["outcome"], told["by"]) == (words, by)


def test_an_outcome_tells_the_gap_before_and_after_with_the_interval() -> None:
    told = outcome(GAP, [RIGHT])
    [row] = told["tried"]
    assert (told["before"], round(row["after"], 6), round(row["closed"], 6)) == (-5.0, 0.02, 0.996)
    assert (row["moved"], row["low"], row["high"]) == pytest.approx((5.02, 4.52, 5.52))


def test_what_seeds_may_move_is_no_explanation() -> None:
    assert outcome(replace(GAP, seed_noise=6.0), [RIGHT])["outcome"] == "perhaps explained"
    assert outcome(replace(GAP, seed_noise=None), [RIGHT])["outcome"] == "perhaps explained"
    assert outcome(replace(GAP, seed_noise=1.0), [RIGHT])["outcome"] == "explained"


def test_many_tries_ask_for_more_than_one_does() -> None:
    one = answer("channels=bgr", 45.0, p_value=0.03)
    others = [answer(f"normalisation={n}", 20.0, p_value=0.9) for n in range(9)]
    assert outcome(GAP, [one])["outcome"] == "explained"
    assert outcome(GAP, [one, *others])["outcome"] == "perhaps explained"


def test_a_cell_that_is_where_it_should_be_needs_no_explanation() -> None:
    told = outcome(replace(GAP, measured=45.05), [RIGHT])
    assert (told["outcome"], told["by"]) == ("no gap", [])


def test_a_repeated_measurement_that_closes_the_gap_is_named_alone() -> None:
    """Whatever else was measured after it lacks what chance or the machine did, and closes the gap, too."""
    again = replace(answer(AGAIN, 45.02, p_value=0.4), broken=1)
    told = outcome(GAP, [RIGHT, answer("precision=float64", 45.0), again])
    assert (told["outcome"], told["by"]) == ("explained", [AGAIN])
    told = outcome(GAP, [RIGHT, answer(AGAIN, 40.0, p_value=1.0)])
    assert (told["outcome"], told["by"]) == ("explained", ["channels=bgr"])


def test_a_repeated_measurement_is_none_of_a_pair() -> None:
    half, again = answer("normalisation=clip", 43.0), answer(AGAIN, 43.5)
    assert best_pair([outcome(GAP, [half, again])]) is None


@pytest.mark.parametrize(
    ("value", "moved", "sentences"),
    [
        (40.0, 0.0, ["Measured again as it is, 1 of 1 cells come out with the same bits"]),
        (
            42.0,
            2.0,
            [f"{NONE_SAME} {CELL} +2.00"],
        ),
        (
            45.0,
            5.0,
            [
                f"{NONE_SAME} {CELL} +5.00",
                "A repeated measurement closes 1 of 1 gaps, so nothing else is named for them",
            ],
        ),
    ],
)
def test_what_a_repeated_measurement_tells_is_said(value: float, moved: float, sentences: list[str]) -> None:
    told = outcome(GAP, [Answer(AGAIN, value, Difference(moved, moved, moved, 1.0, 100, 50))])
    shown = view({"against": None, "cells": [told], "factors": [], "not_applicable": [], "not_tried": []})
    assert [line for line in shown.summary if "easure" in line and "Tried" not in line] == sentences


def test_the_best_pair_is_of_two_names() -> None:
    half, less = answer("normalisation=clip", 43.0), answer("normalisation=none", 42.0)
    cells = [outcome(GAP, [half, less, answer("antialias=off", 41.5), FAR])]
    assert best_pair(cells) == ("normalisation=clip", "antialias=off")
    assert best_pair([outcome(GAP, [half, less])]) is None


def test_what_meets_the_items_of_a_reference_is_sure_although_few_images_were_seen() -> None:
    vague = answer("channels=bgr", 45.02, p_value=0.4)
    near, far = (Difference(0.02, 0.02 - half, 0.02 + half, 0.9, 100, 50) for half in (1.2, 1.3))
    assert outcome(GAP, [replace(vague, left=near)])["outcome"] == "explained"
    assert outcome(GAP, [replace(vague, left=far)])["outcome"] == "perhaps explained"
    assert outcome(GAP, [replace(vague, left=near, broken=1)])["outcome"] == "perhaps explained"


def test_a_mean_that_comes_out_right_by_chance_is_not_named_with_confidence() -> None:
    by_chance = replace(RIGHT, left=Difference(0.02, -3.0, 3.0, 0.9, 100, 50))
    assert outcome(GAP, [by_chance])["outcome"] == "perhaps explained"
    assert outcome(GAP, [replace(RIGHT, open=1)])["outcome"] == "perhaps explained"
    assert (
        outcome(GAP, [replace(RIGHT, left=Difference(0.02, 0.0, 0.04, 0.9, 100, 50), open=1)])["outcome"] == "explained"
    )
