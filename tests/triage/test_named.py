"""A small part of the proof (`make triage-proof` is the whole): faults put into a run of retrieval are named.

Everything is measured on 60 images, in this process.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from suite.cli.main import main
from suite.core.values import seconds
from suite.experiments import context
from suite.report import triaged
from suite.report.triaged import AGAIN
from suite.run.execution import Execution
from suite.run.shards import Shard
from suite.triage import triage as whole
from suite.triage.measuring import Clock
from suite.triage.triage import Question, triage
from suite.triage.tries import Try
from tests.support.here import do_jobs_here
from tests.support.triage_faults import EPOCH, FAULTS, Injected, R
from tests.support.triage_proof import Study, found, label_of, place_of, study, with_fault

EASY = {"named variant", "mean and deviation", "RGB or BGR", "class token or patch mean", "final norm", EPOCH}
"""Faults that move retrieval on drawn CIFAR-10 whatever PIL does: its images are enlarged."""
HERE = [fault for fault in FAULTS if R in fault.experiments and fault.kind in EASY]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, drawn_cifar10: Path) -> Iterator[Study]:
    """A run of 60 images, triaged once, so that all that can be tried is measured."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        do_jobs_here(monkeypatch)
        monkeypatch.setattr("suite.reproduction.measure.prepare_data", lambda *_args, **_kwargs: None)
        context.load.cache_clear()
        yield study(R, tmp_path_factory.mktemp("triage"), drawn_cifar10, limit=60, dataset="cifar10")
        context.load.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("fault", HERE, ids=lambda fault: fault.kind)
def test_a_fault_is_named_with_confidence_and_no_other_is(one: Study, fault: Injected) -> None:
    answer = found(one, with_fault(fault, R, one.request, one.folder))
    assert [*answer.confident] == [label_of(fault, one.folder)], answer


@pytest.mark.slow
def test_what_it_wrote_is_what_it_says(one: Study, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads((one.request.run / triaged.FILE).read_text())
    label = label_of(next(fault for fault in HERE if fault.kind == EPOCH), one.folder)
    named = [cell for cell in record["cells"] if cell["by"] == [label]]
    assert named
    assert all(abs(row["after"]) <= named[0]["allowed"] for row in named[0]["tried"] if row["factor"] == label)
    assert record["not_tried"] == []
    assert {entry["factor"] for entry in record["not_applicable"]} == {"normalisation=imagenet"}
    assert main(["report", str(one.request.run)]) in {0, 2}
    capsys.readouterr()
    page = (one.request.run / "report.md").read_text()
    assert "## What explains the gaps" in page
    assert f"explained by {label.partition('=')[0]}" in page


@pytest.mark.slow
def test_it_changes_no_verdict(one: Study) -> None:
    report = json.loads((one.request.run / "report.json").read_text())
    assert {cell["verdict"] for cell in report["cells"] if cell["measured"] is not None} == {"no reference"}


@pytest.mark.slow
def test_a_try_is_an_ordinary_trial_in_a_folder_of_its_own(one: Study) -> None:
    cell = one.request.run / "triage" / "channels-bgr" / "cells" / R / "cifar10" / "dino.json"
    record = json.loads(cell.read_text())
    own = json.loads((one.request.run / "cells" / R / "cifar10" / "dino.json").read_text())
    assert record["protocol"]["factors"] == {"channels": "bgr"}
    assert "factors" not in own["protocol"]
    differ = {name for name, value in own["inputs"].items() if record["inputs"][name] != value}
    assert differ == {"encoder", "protocol"}


def faulty(one: Study) -> Path:
    return place_of(next(fault for fault in HERE if fault.kind == EPOCH), one.folder) / "faulty" / "run"


def networks(one: Study) -> list[str]:
    return [label_of(next(fault for fault in HERE if fault.kind == EPOCH), one.folder).removeprefix("network=")]


@pytest.mark.slow
def test_the_same_command_measures_nothing_again(one: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.triage.measuring._Timed.run", lambda _: pytest.fail("something was measured"))
    assert triage(one.request.run, Question(against=faulty(one), networks=networks(one))) == 0


@pytest.mark.slow
def test_time_that_is_up_begins_nothing_and_is_said(
    one: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (one.request.run / "triage" / "channels-bgr" / "cells" / R / "cifar10" / "dino.json").unlink()
    monkeypatch.setattr(whole.Clock, "of", lambda _seconds: Clock(0.0))
    assert triage(one.request.run, Question(against=faulty(one), networks=networks(one), budget_s=1.0)) == 2
    assert (
        "Not tried: channels=bgr (the budget of 1.0 s was spent; the same command goes on)" in capsys.readouterr().out
    )


@pytest.mark.slow
def test_shards_take_turns_and_the_whole_then_has_nothing_to_measure(
    one: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (one.request.run / "triage" / "channels-bgr" / "cells" / R / "cifar10" / "dino.json").unlink(missing_ok=True)
    question = Question(against=faulty(one), networks=networks(one))
    for number in (1, 2):
        assert triage(one.request.run, question, Execution(shard=Shard(2, number))) == 0
    count = len(one.tries)
    said = capsys.readouterr().out
    assert (
        f"shard 1 of 2: {-(-count // 2)} of {count} factors; make triage RUN={one.request.run} tells of all\n" in said
    )
    monkeypatch.setattr("suite.triage.measuring._Timed.run", lambda _: pytest.fail("something was measured"))
    assert triage(one.request.run, question) == 0


@pytest.mark.slow
def test_a_run_of_other_values_from_the_same_inputs_is_told_by_measuring_it_again(
    one: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of a machine at fault: the run was measured with reversed colours, of which its inputs say nothing."""
    fault = next(fault for fault in HERE if fault.kind == "RGB or BGR")
    run = with_fault(fault, R, one.request, one.folder)
    tried: list[str] = []
    measure = whole.measure

    def noted(one: Try, *arguments: Any, **options: Any) -> None:
        tried.append(one.label)
        measure(one, *arguments, **options)

    monkeypatch.setattr(whole, "measure", noted)
    assert triage(run, Question(against=one.request.run)) == 0
    assert tried == [AGAIN]
    cells = json.loads((run / triaged.FILE).read_text())["cells"]
    assert {(cell["outcome"], *cell["by"], row["after"]) for cell in cells for row in cell["tried"]} == {
        ("explained", AGAIN, 0.0)
    }
    assert (
        f"\nA repeated measurement closes {len(cells)} of {len(cells)} gaps, so nothing else is named for them\n"
        in capsys.readouterr().out
    )


NO_CELL = "--cell 'object_retrieval/cifar10/dino/encoded/app': the run measured no such cell: object_retrieval/cifar10/"
NO_REFERENCE = (
    "cell object_retrieval/cifar10/dino/encoded/ap: expected one with a reference, got one without: name a run"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cell=object_retrieval/cifar10/dino/encoded/app"], f"{{run}}: {NO_CELL}"),
        (["--cell=object_retrieval"], f"{{run}}: {NO_REFERENCE}"),
        (["--budget=0"], "--budget '0': expected a duration from a second to ten years, e.g. 8h, 90m or 1h30m"),
        (
            ["--against=nowhere"],
            "nowhere: expected a run folder with run.json, got nothing; make one with make reproduce",
        ),
    ],
)
def test_a_wrong_request_is_one_line(
    one: Study, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(one.request.run)
    assert main(["triage", run, *arguments]) == 3
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message.format(run=run)}")
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_run_against_itself_has_nothing_to_explain(one: Study, capsys: pytest.CaptureFixture[str]) -> None:
    run = one.request.run
    assert triage(run, Question(against=run)) == 0
    assert capsys.readouterr().out == f"{run}: no cell deviates or is inconclusive: nothing to explain\n"


@pytest.mark.slow
def test_a_checkpoint_of_no_encoder_of_the_run_is_refused(one: Study, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["triage", str(one.request.run), f"--against={faulty(one)}", "--checkpoint=mae@x.pth"])
    assert (code, capsys.readouterr().err) == (
        3,
        "error: --checkpoint 'mae@x.pth': expected a file of an encoder with a cell to explain, e.g. dino@FILE; those "
        "are dino\n",
    )


@pytest.mark.slow
def test_a_run_of_other_code_is_refused(
    one: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(context, "trial_code", lambda _: "another")
    run = one.request.run
    assert main(["triage", str(run), f"--against={faulty(one)}"]) == 3
    assert capsys.readouterr().err == (
        f"error: {run}: object_retrieval/cifar10/dino: expected a result of what is here, got one of other code: a "
        f"trial would differ from it by more than its factor: measure the run again (make reproduce RUN={run})\n"
    )


def test_a_budget_is_a_duration() -> None:
    assert seconds("--budget", "2h") == 7200
