"""Each step of a run is one line as it begins, with the time that is left by the speed of the steps before."""

from collections.abc import Mapping

import pytest

from suite.run.steps import STEPS, Steps, expected_seconds

SECONDS = {"data": 10.0, "plan": 2.0, "measuring": 300.0, "judging": 4.0, "report": 4.0}


def told(took: Mapping[str, float], expected: Mapping[str, float | None] = SECONDS) -> list[str]:
    """The lines of a run whose steps took so many seconds."""
    lines: list[str] = []
    moment = 100.0
    steps = Steps(lines.append, lambda: moment)
    for name in STEPS:
        steps.begin(name, "...")
        steps.expect(expected)
        moment += took[name]
    return lines


def test_all_steps_say_where_they_are_and_how_long_the_rest_takes() -> None:
    assert told({"set-up": 5, **SECONDS}) == [
        "[step 1 of 6] set-up: ...",
        "[step 2 of 6] data: ...; about 5 min 20 s left",
        "[step 3 of 6] plan: ...; about 5 min 10 s left",
        "[step 4 of 6] measuring: ...; about 5 min 08 s left",
        "[step 5 of 6] judging: ...; about 8.0 s left",
        "[step 6 of 6] report: ...; about 4.0 s left",
    ]


def test_a_machine_half_as_fast_has_twice_the_time_left() -> None:
    lines = told({"set-up": 5, **{name: 2 * seconds for name, seconds in SECONDS.items()}})
    assert lines[1:4] == [
        "[step 2 of 6] data: ...; about 5 min 20 s left",
        "[step 3 of 6] plan: ...; about 10 min 20 s left",
        "[step 4 of 6] measuring: ...; about 10 min 16 s left",
    ]


def test_a_step_that_found_its_work_done_tells_of_no_speed() -> None:
    lines = told({"set-up": 5, **SECONDS, "data": 0.1})
    assert lines[2] == "[step 3 of 6] plan: ...; about 5 min 10 s left"


def test_what_is_not_known_is_not_told_until_it_is_over() -> None:
    lines = told({"set-up": 5, **SECONDS}, {**SECONDS, "measuring": None})
    assert lines[1:5] == [
        "[step 2 of 6] data: ...",
        "[step 3 of 6] plan: ...",
        "[step 4 of 6] measuring: ...",
        "[step 5 of 6] judging: ...; about 8.0 s left",
    ]


def test_the_mini_study_takes_as_long_as_was_measured() -> None:
    """318 s of measuring and 18 s before it, on two cores (2026-11-28)."""
    seconds = expected_seconds(128, 2)
    assert seconds["measuring"] == pytest.approx(318, rel=0.05)
    assert seconds["data"] + seconds["plan"] == pytest.approx(18, rel=0.5)
    assert expected_seconds(0, 2)["measuring"] == 0


def test_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Steps().begin("judging", "what was measured")
    assert capsys.readouterr() == ("", "[step 5 of 6] judging: what was measured\n")
