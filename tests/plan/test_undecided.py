"""A plan says which cells cannot be told, how many seeds would decide them, and their hours."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.cli.main import main
from suite.cli.plan import undecided
from suite.judge.deciding import seeds_from
from suite.plan.undecided import render_undecided, with_rates
from suite.run.request import Request, make_request
from tests.support.fabricated import table_1


def asked(nothing: dict[str, Path], **more: object) -> Request:
    return make_request(
        **{"profile": "paper", "experiments": ["image_classification"], "device": "cpu"} | nothing | more
    )


def test_a_planned_run_of_one_seed_leaves_published_probes_open(nothing: dict[str, Path]) -> None:
    [open_] = undecided(asked(nothing))
    assert (open_.cells, open_.seeds, open_.sentence) == (14, (0, 1), "unknown: two at least: SEED=0,1, time unknown")
    assert undecided(asked(nothing, seeds=(0, 1))) == [], "two seeds tell something"
    assert undecided(asked(nothing, profile="mini")) == [], "recorded references bring their seed noise"
    assert undecided(asked(nothing, experiments=["part_retrieval"])) == [], "nothing is trained"


def test_of_a_judged_run_it_repeats_what_the_report_says(nothing: dict[str, Path]) -> None:
    table_1(nothing["run"], 0.1, (-0.09, 0.0, 0.09))
    [open_] = undecided(asked(nothing))
    assert open_.sentence == "6 seeds: SEED=0,1,2,3,4,5, about 14 h here"
    assert undecided(asked(nothing, encoders=["dino"])) == [], "of other encoders than were asked for"


def test_the_plans_own_rates_come_first(nothing: dict[str, Path]) -> None:
    table_1(nothing["run"], 0.1, (-0.09, 0.0, 0.09))
    request, seen = asked(nothing), []

    def two_hours(narrow: Request) -> float:
        seen.append((narrow.experiments, narrow.datasets, narrow.seeds))
        return 7200.0

    assert render_undecided(with_rates(request, undecided(request), two_hours)) == (
        "Cells that cannot be told, and the seeds that would decide them:\n"
        "  Image classification on ImageNet-1K, 14 cells: 6 seeds: SEED=0,1,2,3,4,5, about 2 h here"
    )
    assert seen == [(("image_classification",), ("imagenet1k",), (0, 1, 2, 3, 4, 5))]
    assert render_undecided([]) == ""


def test_the_verb_prints_it(nothing: dict[str, Path], capsys: pytest.CaptureFixture) -> None:
    places = [f"--{name}={path}" for name, path in nothing.items()]
    ask = ["plan", "--no-calibrate", "--profile=paper", "--experiment=image_classification", "--device=cpu"]
    assert main([*ask, *places]) == 2
    output = capsys.readouterr().out
    assert "Image classification on ImageNet-1K, 14 cells: unknown: two at least: SEED=0,1, time unknown" in output


def test_seeds_that_were_asked_for_come_first() -> None:
    assert seeds_from((17,), 4) == [17, 0, 1, 2]
    assert seeds_from((0, 2), 3) == [0, 2, 1]
