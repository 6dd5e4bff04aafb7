"""The mini study's judge turns red for every mistake that could be made, and for no arithmetic of another machine."""

from pathlib import Path

import pytest

from suite.core.locks import waited_for
from suite.mini.render import render
from tests.support.detection import CASES, FACTORS, FAULTS, PAGE, TRIALS, Injected, judged, scaled, smallest_factor


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mini data of the trials, drawn once for all processes of a test run."""
    folder = tmp_path_factory.getbasetemp().parent / "detection"
    with waited_for(folder.with_suffix(".lock"), f"{folder}"):
        render(folder, names=tuple({dataset: "" for dataset, _ in TRIALS.values()}), workers=1, progress=False)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("experiment", TRIALS)
def test_an_untouched_trial_is_green(experiment: str, data: Path) -> None:
    judgement = judged(experiment, data)
    assert (judgement.exit_code, judgement.verdict) == (0, "reproduced"), judgement.sentence


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "experiment"), [pytest.param(*c, id=f"{c[0].name}, {c[1]}") for c in CASES])
def test_a_fault_turns_its_trial_red(fault: Injected, experiment: str, data: Path) -> None:
    judgement = judged(experiment, data, fault.put_in)
    assert (judgement.exit_code, judgement.verdict) == (1, "deviates"), judgement.sentence


@pytest.mark.parametrize("experiment", TRIALS)
@pytest.mark.parametrize("factor", FACTORS)
def test_one_per_cent_more_or_less_turns_an_experiment_red(experiment: str, factor: float) -> None:
    assert scaled(experiment, 1).exit_code == 0
    assert scaled(experiment, factor).exit_code == 1


def test_the_page_has_the_factors_of_today_and_an_entry_for_every_fault() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    heads, *rows = [[entry.strip() for entry in line.strip("|").split("|")] for line in lines if "--" not in line]
    assert heads[3:] == list(dict.fromkeys(fault.name for fault in FAULTS))
    assert [row[2] for row in rows] == [f"{smallest_factor(experiment):.5f}" for experiment in TRIALS]
    filled = {(heads[i], e) for e, row in zip(TRIALS, rows, strict=True) for i in range(3, len(heads)) if row[i]}
    assert filled == {(fault.name, experiment) for fault, experiment in CASES}
