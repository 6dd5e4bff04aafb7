"""A plan is printed, goes with a run, and is held against what the run took."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.plan import calibrate as calibration
from suite.plan.forecast import forecast, write_plan
from suite.plan.rates import load_rates
from suite.plan.record import against_actual, save_plan
from suite.report import html, markdown
from suite.results.store import Result, Store
from tests.support import report_sample
from tests.support.plans import paper


def test_the_verb_prints_costs_and_a_budget(nothing: dict[str, Path], capsys: pytest.CaptureFixture) -> None:
    ask = ["plan", "--no-calibrate", "--profile=paper", "--experiment=part_retrieval", "--encoder=mae", "--device=cpu"]
    assert main([*ask, "--budget=8h", *(f"--{name}={path}" for name, path in nothing.items())]) == 2
    output = capsys.readouterr().out
    assert "0 of 2 trials are measured already" in output
    assert "195,543" in output, "30,543 patches of CUB and 165,000 of COCO"
    assert "2 trials of unknown duration" in output
    assert "Within 8 h 00 min: 0 trials" in output
    assert not (nothing["cache"] / "plan").exists()
    assert main([*ask, "--budget=soon"]) == 3


def test_plan_against_actual(tmp_path: Path) -> None:
    assert against_actual(tmp_path, []) is None
    jobs = [
        {"trials": ["a/x/mae", "b/x/mae"], "seconds": 10.0},
        {"trials": ["a/x/dino"], "seconds": 4.0},
        {"trials": ["a/x/cae"], "seconds": None},
        {"trials": ["c/x/mae"], "seconds": 5.0},
    ]
    save_plan(tmp_path, jobs, processes=2)

    def cost(trial: str, seconds: float, *, reused: bool = False) -> dict[str, object]:
        experiment, dataset, method = trial.split("/")
        place = {"experiment": experiment, "dataset": dataset, "method": method}
        return place | {"seconds": seconds, "reused": reused}

    costs = [cost("a/x/mae", 18.0), cost("b/x/mae", 0.5), cost("a/x/dino", 2.5), cost("c/x/mae", 1.0, reused=True)]
    first, last = against_actual(tmp_path, costs)
    assert first == {
        "experiment": "a",
        "trials": 3,
        "planned_s": 14.0,
        "measured_s": 21.0,
        "unknown": 1,
        "ratio": 1.5,
    }
    assert (last["trials"], last["unknown"], last["ratio"]) == (0, 1, None), "a reused result took no time now"


def test_without_rates_a_run_plans_by_its_earlier_results(nothing: dict[str, Path]) -> None:
    request = paper(nothing, experiments=["part_retrieval"], encoders=["mae"], datasets=["cub200"])
    key = request.key(*next(request.tasks()))
    inputs = {"seeds": [0], "code": "of yesterday"}
    store = Store(request.run)
    store.save(Result(key, {}, {}, inputs, {"limit": None}, {"seconds": 7.5, "device": "cpu", "seeds": []}))
    write_plan(request)
    [job] = json.loads((request.run / "plan.json").read_text())["jobs"]
    assert job == {"trials": [str(key)], "seconds": 7.5, "basis": "earlier run"}
    write_plan(replace(request, limit=3))
    assert json.loads((request.run / "plan.json").read_text())["jobs"][0]["seconds"] is None, "of another size"


def test_a_run_plans_what_was_never_timed_by_similar_work(nothing: dict[str, Path]) -> None:
    request = paper(
        nothing, experiments=["part_retrieval"], encoders=["mae", "timm:test_vit@random"], datasets=["coco"]
    )
    estimate = forecast(request)
    rates = load_rates(request.cache, "cpu", calibration.threads_of(estimate))
    texts = dict.fromkeys(map(str, estimate.entries[0].job.steps), 1e-3) | {"decode 1": 1e-9, "draw 1": 1e-9}
    replace(rates, seconds=texts).save()
    write_plan(request)
    mae, timm = json.loads((request.run / "plan.json").read_text())["jobs"]
    assert (mae["basis"], timm["basis"]) == ("similar work", "similar work")
    assert mae["seconds"] > timm["seconds"] > 0


def test_the_report_shows_plan_against_actual(tmp_path: Path) -> None:
    report = report_sample.report()
    for page in (markdown.render(report), html.render(report, tmp_path)):
        assert page.count("Plan against actual") >= 1
        assert "1.21" in page
        assert "18 of 18" in page
        assert "0 of 8" not in page, "nothing to compare"
    assert "Plan against actual" not in markdown.render(report | {"plan": None})
