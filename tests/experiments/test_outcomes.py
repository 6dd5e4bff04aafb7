"""What pytest makes of a trial that ends otherwise than by its measurement, and of options that are none."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from suite.errors import RequestError
from suite.experiments import conftest as pages
from suite.experiments.judge import Trial
from suite.run.options import OPTIONS
from suite.run.request import make_request


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    request = make_request(encoders=["dino"], experiments=["part_retrieval"], device="cpu", run=tmp_path / "run")
    return Trial(request, *next(request.tasks()))


def end_by(error: BaseException, trial: Trial) -> tuple[BaseException, list[tuple[str, str]]]:
    """Raise in a trial; return what its test ends by, and its properties."""
    item: Any = SimpleNamespace(stash={pages._TRIAL: trial}, user_properties=[])
    call = pages.pytest_pyfunc_call(item)
    next(call)
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        call.throw(error)
    return caught.value, item.user_properties


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SystemExit(0), "stopped by SystemExit: 0"),
        (SystemExit(), "stopped by SystemExit"),
        (SystemExit("no licence\nfound"), "stopped by SystemExit: no licence found"),
        (asyncio.CancelledError(), "stopped by CancelledError"),
        (RequestError("no such file"), "no such file"),
        (MemoryError(), "out of memory"),
    ],
)
def test_a_trial_that_is_left_is_not_run_with_the_reason(error: BaseException, reason: str, trial: Trial) -> None:
    end, properties = end_by(error, trial)
    assert (type(end), str(end)) == (pytest.skip.Exception, reason)
    assert ("not_run", reason) in properties
    assert trial.store.reasons() == {trial.key: reason}


def test_a_fault_shows_its_traceback_and_is_not_run_either(trial: Trial) -> None:
    fault = TypeError("a  list")
    assert end_by(fault, trial)[0] is fault
    assert trial.store.reasons() == {trial.key: "stopped by TypeError: a list"}


@pytest.mark.parametrize(
    "kind", [KeyboardInterrupt, pytest.fail.Exception, pytest.skip.Exception, pytest.exit.Exception]
)
def test_a_signal_and_a_trial_s_own_answer_stay_what_they_are(kind: type[BaseException], trial: Trial) -> None:
    error = kind("why")
    end, properties = end_by(error, trial)
    assert end is error
    assert "not_run" not in dict(properties)
    assert trial.store.reasons() == {}


@pytest.mark.parametrize("text", ["0", "-3", "two", "", "1e3"])
def test_threads_that_are_no_count_are_refused(text: str) -> None:
    options = {f"asked_{option.attribute}": option.settings().get("default") for option in OPTIONS}
    options |= {"threads": text, "unjudged": False, "stored_only": False, "factor": []}
    config: Any = SimpleNamespace(getoption=options.get, getini=lambda _: False, stash={})
    with pytest.raises(pytest.exit.Exception) as caught:
        pages.pytest_configure(config)
    assert str(caught.value) == f"error: --threads '{text}': expected a whole number from 1 to 1000000000"
    assert caught.value.returncode == 3
