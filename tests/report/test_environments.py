"""A result of another environment is measured again, or kept and said to be; report and `verify` name it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from suite.cli.main import main
from suite.core import numerics
from suite.core.files import write_json
from suite.experiments.judge import Trial
from suite.report import html, markdown
from suite.report.collect import report
from suite.results.store import Key, Store
from suite.run.request import make_request
from tests.support import report_circumstances, report_sample
from tests.support.archived_run import CELLS, KEY, alter, items, result, write_run

CELL = "object_retrieval/cifar10/deit/encoded/ap"
OLD = {"python": "3.11", "packages": {"torch": "2.5.0", "numpy": "2.4.6"}, "device": {"kind": "cpu", "model": "A"}}
NEW = OLD | {"packages": {"torch": "2.14.1", "numpy": "2.4.6"}}


@pytest.fixture
def ask(tmp_path: Path, drawn_cifar10: Path, nothing_drawn_or_loaded: None) -> Callable[..., int]:
    """`python -m suite reproduce` for one trial."""
    narrow = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--encoder", "deit", "--workers", "1"]
    places = ["--run", str(tmp_path / "run"), "--data", str(drawn_cifar10), "--cache", str(tmp_path / "cache")]
    return lambda *options: main(["reproduce", *narrow, *places, *options])


def under(monkeypatch: pytest.MonkeyPatch, torch: str) -> None:
    """From now on this process has that torch."""
    facts = numerics._fixed("cpu")
    changed_facts = facts | {"packages": facts["packages"] | {"torch": torch}}
    monkeypatch.setattr(numerics, "_fixed", lambda _kind: changed_facts)


def read(run: Path) -> dict[str, Any]:
    return json.loads((run / "report.json").read_text())


@pytest.mark.slow
def test_a_result_of_another_torch_is_measured_again(
    ask: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        under(patch, "2.5.0")
        assert ask() == 0
    path = tmp_path / "run" / "cells" / f"{KEY}.json"
    assert json.loads(path.read_text())["inputs"]["environment"]["packages"]["torch"] == "2.5.0"
    capsys.readouterr()
    assert ask() == 0
    assert "reused" not in capsys.readouterr().err
    [entry] = read(tmp_path / "run")["environments"]
    assert (entry["number"], entry["here"], entry["results"]) == (1, True, [str(KEY)])
    assert "torch 2.5.0" not in entry["said"]
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 4, "and so are the features that it is made of"


@pytest.mark.slow
def test_asked_to_it_is_kept_and_said_to_be(
    ask: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        under(patch, "2.5.0")
        ask()
    capsys.readouterr()
    assert ask("--keep-other-environments") == 0
    output = capsys.readouterr()
    assert "1 reused" in output.err
    torch_version = read(run)["environment"]["packages"]["torch"]
    note = (
        "1 of 1 results were made in another environment than this run's, kept as asked (--keep-other-environments); "
        f"their cells carry its number. In environment 2: packages.torch 2.5.0, not {torch_version}."
    )
    assert f"note: {note}" in output.out
    content = read(run)
    assert content["notes"] == [note]
    assert [cell["environment"] for cell in content["cells"] if cell["id"] == CELL] == [2]
    assert content["asked"]["command"].endswith("--keep-other-environments")
    assert f'name="{CELL}#environment" value="2"' in (run / "junit.xml").read_text()
    assert main(["verify", str(run)]) == 0
    assert ask() == 0, "without it, measured again"
    assert read(run)["notes"] == []


def test_what_else_has_changed_is_measured_again_even_if_asked_to_keep(tmp_path: Path) -> None:
    request = make_request(device="cpu", run=tmp_path, keep_other_environments=True)
    task = next(iter(request.tasks()))
    trial = Trial(request, *task)
    trial.inputs = lambda: {"weights": "a", "environment": NEW}
    trial.store.save(replace(result(trial.key), inputs={"weights": "a", "environment": OLD}), items())
    assert trial.stored() is not None
    trial.store.save(replace(result(trial.key), inputs={"weights": "b", "environment": OLD}), items())
    assert trial.stored() is None
    strict_trial = Trial(replace(request, keep_other_environments=False), *task)
    strict_trial.inputs = trial.inputs
    trial.store.save(replace(result(trial.key), inputs={"weights": "a", "environment": OLD}), items())
    assert strict_trial.stored() is None


@pytest.fixture
def mixed_run(tmp_path: Path) -> Path:
    """A run in one environment that holds a result of another, which nobody asked to keep."""
    run = write_run(tmp_path / "run")
    store = Store(run)
    mae = Key("object_retrieval", "cifar10", "mae")
    for key, value, origin in ((KEY, 12.25, OLD), (mae, 10.5, NEW)):
        stored_result = result(key, value)
        store.save(replace(stored_result, inputs={**stored_result.inputs, "environment": origin}), items(value))
    environment = report_circumstances.environment() | {"numerics": NEW}
    write_json(run / "environment.json", environment)
    report(run)
    return run


def test_the_report_lists_every_environment_and_marks_the_cells(mixed_run: Path) -> None:
    content = read(mixed_run)
    assert [(e["number"], e["here"], e["differs"], e["results"]) for e in content["environments"]] == [
        (1, True, [], ["object_retrieval/cifar10/mae"]),
        (2, False, ["packages.torch 2.5.0, not 2.14.1"], [str(KEY)]),
    ]
    cells = {cell["id"]: cell["environment"] for cell in content["cells"] if cell["measured"] is not None}
    assert cells == {CELL: 2, CELL.replace("deit", "mae"): 1}
    page, text = (mixed_run / "report.html").read_text(), (mixed_run / "report.md").read_text()
    for rendering in (page, text):
        assert "1 of 2 results were made in another environment than this run" in " ".join(rendering.split())
        assert "made in environment 2" in rendering
        assert "another: packages.torch 2.5.0, not 2.14.1" in rendering


def test_verify_names_a_cell_of_another_environment_than_the_report_says(mixed_run: Path, capsys) -> None:
    capsys.readouterr()
    assert main(["verify", str(mixed_run)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == (
        "cells/object_retrieval/cifar10/deit.json: made in another environment than the report's: "
        "packages.torch 2.5.0, not 2.14.1; measure again with make reproduce"
    )


def test_verify_holds_environment_and_marks_against_the_report(mixed_run: Path, capsys) -> None:
    content = read(mixed_run)
    content["environment"]["packages"]["torch"] = "2.5.0"
    content["environments"] = content["environments"][:1]
    write_json(mixed_run / "report.json", content)
    capsys.readouterr()
    assert main(["verify", str(mixed_run)]) == 1
    output = capsys.readouterr().out
    assert "report.json: environment: its packages are not those that the run noted in environment.json\n" in output
    assert f"cells/{KEY}.json: environment: reported none, the result's is " in output


def test_an_old_run_opens_and_says_how_its_environment_is_known(tmp_path: Path, capsys) -> None:
    run = write_run(tmp_path / "run")
    for path in run.glob("cells/*/*/*.json"):  # schema 1, from before evidence and environment
        alter(
            path, lambda cell: [cell.update(schema=1, packages={"torch": "2.14.1"}, device="cpu"), cell.pop("digest")]
        )
    write_json(run / "environment.json", report_circumstances.environment())
    report(run)
    content = read(run)
    assert content["notes"][-1:] == [
        "The environment of 2 of 2 results (environment 1) is known only by the packages noted with them: "
        "cpu; torch 2.14.1. The next make reproduce measures them again."
    ]
    assert main(["verify", str(run)]) == 0
    alter(run / CELLS, lambda cell: cell.update(packages={"torch": "2.5.0"}))
    report(run)
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1, "the seen case: the report claims 2.14.1"
    assert "packages.torch 2.5.0, not 2.14.1" in capsys.readouterr().out


def test_references_are_recorded_in_one_environment(tmp_path: Path, capsys) -> None:
    assert main(["record", "--keep-other-environments", "--run", str(tmp_path)]) == 3
    assert capsys.readouterr().err == (
        "error: record: expected results of one environment: pass no --keep-other-environments\n"
    )


def test_a_hostile_environment_stays_text(tmp_path: Path) -> None:
    sample = report_sample.report(tmp_path)
    page, text = html.render(sample, tmp_path), markdown.render(sample)
    assert '<sup title="made in environment 2">2</sup>' in page
    assert "<sup>2</sup>" in text
    assert "<script>alert" not in page + text
