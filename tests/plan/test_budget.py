"""What fits into a number of hours: jobs side by side, what is taken first, and the commands that run it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from suite.experiments.costs.job import Job
from suite.plan.budget import choose, commands
from suite.plan.forecast import Entry, Forecast
from suite.plan.rates import Rates
from suite.results.store import Key
from suite.run.request import Request, make_request
from tests.support.plans import paper


def with_durations(request: Request, seconds: dict[str, float]) -> Forecast:
    """A forecast of one job a trial, its duration by dataset."""
    entries = [Entry(Job((request.key(*task),)), seconds.get(task[1]), "") for task in request.tasks()]
    return Forecast(request, entries, [], [], 1, Rates(Path("none")), {})


def test_jobs_run_side_by_side(nothing: dict[str, Path]) -> None:
    forecast = with_durations(paper(nothing, experiments=["object_retrieval"]), {"cifar10": 10.0, "coco": 3.0})
    assert forecast.until_done(forecast.entries) == 7 * 13
    assert replace(forecast, processes=2).until_done(forecast.entries[:3]) == 20, "three jobs of 10 s"
    assert replace(forecast, processes=99).until_done(forecast.entries) == 10, "no sooner than the longest"
    assert forecast.until_done([]) == 0


@pytest.fixture
def request_(nothing: dict[str, Path]) -> Request:
    return paper(nothing, experiments=["part_retrieval", "object_retrieval"], encoders=["deit", "mae", "beit"])


def test_the_cheapest_information_comes_first(request_: Request) -> None:
    forecast = with_durations(request_, {"cub200": 10.0, "coco": 50.0, "cifar10": 1.0})
    choice = choose(forecast, 34.0)
    assert {key.dataset for key in choice.chosen} == {"cub200", "cifar10"}
    assert choice.seconds == 33
    assert len(choice.left_out) == 6
    partly = choose(forecast, 25.0)
    assert [key.method for key in partly.chosen if key.dataset == "cub200"] == ["deit", "mae"], "order of the request"
    assert partly.seconds <= 25


def test_what_has_no_duration_is_never_picked_and_what_is_measured_always(request_: Request) -> None:
    forecast = with_durations(request_, {"cub200": 10.0})
    done = forecast.entries.pop(0)
    forecast = replace(forecast, measured=list(done.job.keys))
    choice = choose(forecast, 10.0)
    assert choice.chosen[0] == done.job.keys[0]
    assert {key.dataset for key in choice.chosen[1:]} <= {"cub200"}
    assert len(choice.chosen) == 2


@pytest.mark.parametrize("budget", [3.0, 25.0, 34.0, 60.0, 130.0, 1_000.0])
def test_the_commands_run_exactly_what_was_chosen(request_: Request, budget: float, tmp_path: Path) -> None:
    forecast = with_durations(request_, {"cub200": 10.0, "coco": 50.0, "cifar10": 1.0})
    choice = choose(forecast, budget)
    run: Counter[Key] = Counter()
    for command in commands(request_, choice.chosen):
        words = command.split()
        assert words[:4] == ["python", "-m", "suite", "reproduce"]
        options: dict[str, list[str]] = {}
        for word in words[4:]:
            name, _, value = word.partition("=")
            options.setdefault(name, []).append(value)
        again = make_request(
            profile="paper",
            encoders=options["--encoder"],
            datasets=options["--dataset"],
            experiments=options["--experiment"],
            run=tmp_path / "r",
        )
        run.update(again.key(*task) for task in again.tasks())
    assert run == Counter(choice.chosen)


def test_all_of_a_request_is_one_command(request_: Request) -> None:
    forecast = with_durations(request_, dict.fromkeys(("cub200", "coco", "cifar10"), 1.0))
    assert len(commands(request_, choose(forecast, 100.0).chosen)) == 1
