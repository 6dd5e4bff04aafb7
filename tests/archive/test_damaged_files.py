"""Whatever happens to a file of a run folder is one line or a note that names it: no traceback, no silent verdict."""

import contextlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from suite.candidate.check import adopt
from suite.cli.main import main
from suite.errors import SuiteError
from suite.reproduction.settled import FILE as SETTLED
from suite.reproduction.settled import settled
from suite.results.store import Store
from tests.support.archived_run import KEY
from tests.support.damage import WHOLE, changed, put
from tests.support.whole_run import FILES, NOT_RUN, STRIPS, whole_request, write_whole_run

Verb = Callable[..., tuple[int, str]]
ITEMS = f"items/{KEY}.safetensors"
NOTE = f"not_run/{str(NOT_RUN).replace('/', '__')}.json"
UNCHECKED = {SETTLED}
"""What nobody reads: it says that a run has nothing left to do, and is made again where it is wrong."""
SHARE = int(os.environ.get("DAMAGES", "6"))
"""Damages of single keys that are tried of each file; they are some hundred."""


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_whole_run(tmp_path_factory.mktemp("pristine") / "run")


@pytest.fixture
def verb(capsys: pytest.CaptureFixture) -> Verb:
    """Calls a verb of the command line: its exit code, and what it printed."""

    def call(*arguments: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        code = main(list(map(str, arguments)))
        output = capsys.readouterr()
        return code, output.out + output.err

    return call


def hold(run: Path, name: str, pristine: Path, verb: Verb) -> None:
    """Ask every reader of a run folder in which this file is damaged."""
    verdict = json.loads((pristine / "report.json").read_text())["verdict"]
    words = (name, str(KEY), str(STRIPS)) if name.startswith(("cells", "items")) else (name,)
    code, text = verb("verify", run)
    is_left_out = name == "junit.xml" and not os.path.lexists(run / name)  # as by an archive
    assert code in {0} if name in UNCHECKED or is_left_out else code in {1, 2, 3}, text
    if code:
        assert any(word in text for word in words), text
    compare_code, _ = verb("compare", pristine, run)
    assert compare_code in {0, 1, 3}
    request = whole_request(run)
    with contextlib.suppress(SuiteError):
        assert settled(request) is None
    with contextlib.suppress(SuiteError):
        adopt(run, whole_request(run.with_name("other")))
    report_code, text = verb("report", run)
    assert report_code in {0, 1, 2, 3}
    if report_code == 3:
        assert any(word in text for word in words), text
        *warnings, error = text.splitlines()
        assert error.startswith("error: ")
        assert all(line.startswith("warning: ") for line in warnings)
    elif json.loads((run / "report.json").read_text())["verdict"] != verdict:
        assert any(word in text for word in words), text
    shutil.rmtree(run.with_name("other"), ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_something_else_is_named_by_every_verb(name: str, pristine: Path, run: Path, verb: Verb) -> None:
    for damage in WHOLE.values():
        damage(run / name)
        hold(run, name, pristine, verb)
        shutil.rmtree(run)
        shutil.copytree(pristine, run)


def edits(content: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Some damages of single keys, the same each time."""
    every = [(what, edited) for what, edited in changed(content) if edited != content]
    return iter(random.Random(name).sample(every, min(SHARE, len(every))))


JSON_FILES = [name for name in FILES if name.endswith(".json") and name != "sbom.json"]


@pytest.mark.slow
@pytest.mark.parametrize("name", JSON_FILES)
def test_a_value_of_another_type_is_named_by_every_verb(name: str, pristine: Path, run: Path, verb: Verb) -> None:
    content = json.loads((pristine / name).read_text())
    for _, edited in edits(content, name):
        put(run / name, edited)
        if (run / name).read_bytes() == (pristine / name).read_bytes() or json.loads(
            (run / name).read_text()
        ) == content:
            continue
        hold(run, name, pristine, verb)
        shutil.rmtree(run)
        shutil.copytree(pristine, run)


@pytest.mark.slow
def test_an_attempt_of_other_types_counts_as_unreadable(pristine: Path, run: Path, verb: Verb) -> None:
    begin, end = map(json.loads, (pristine / "attempts.jsonl").read_text().splitlines())
    for number, line in ((0, begin), (1, end)):
        for _, edited in edits(line, str(number)):
            lines = [edited if number == 0 else begin, edited if number == 1 else end]
            (run / "attempts.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in lines))
            if lines != [begin, end]:
                hold(run, "attempts.jsonl", pristine, verb)
            shutil.rmtree(run)
            shutil.copytree(pristine, run)


def test_scores_of_other_shapes_are_named(run: Path, verb: Verb) -> None:
    arrays = load_file(run / ITEMS)
    del arrays["evidence.seeds"]  # none, since nothing is random
    for name, array in arrays.items():
        for other in (array[..., :0], array.reshape(-1), np.zeros((3, 3, 3), np.uint8), array.astype(np.complex64)):
            if (other.shape, other.dtype) == (array.shape, array.dtype):
                continue
            save_file({**arrays, name: np.ascontiguousarray(other)}, run / ITEMS)
            cell = json.loads((run / f"cells/{KEY}.json").read_text())
            cell["items"]["sha256"] = sha256((run / ITEMS).read_bytes()).hexdigest()
            put(run / f"cells/{KEY}.json", cell)
            code, text = verb("report", run)
            assert code == 3, (name, other.shape)
            assert str(KEY) in text


def test_a_damaged_note_still_says_what_did_not_run(run: Path) -> None:
    for content, reason in (
        ("{}", f"its reason is lost: {NOTE}: key: missing: expected a text"),
        ('{"key": "a/b/c", "reason": "no"}', f"its reason is lost: {NOTE}: key: expected {NOT_RUN}, got 'a/b/c'"),
    ):
        (run / NOTE).write_text(content)
        assert Store(run).reasons()[NOT_RUN] == reason


def test_a_cell_file_of_half_a_character_is_one_line(run: Path, verb: Verb) -> None:
    path = run / f"cells/{KEY}.json"
    put(path, json.loads(path.read_text()) | {"experiment": "\ud800"})
    assert verb("archive", run) == (
        3,
        f"error: {path}: expected the result of {KEY}, got that of \\ud800/cifar10/deit: restore the file, or measure "
        "again (make reproduce)\n",
    )


def test_a_note_of_nothing_is_one_line(run: Path, verb: Verb) -> None:
    (run / "not_run/something.json").write_text("{}")
    assert verb("report", run) == (
        3,
        f"error: {run}/not_run/something.json: expected a note named experiment__dataset__method.json of what did not "
        "run; remove it\n",
    )


@pytest.mark.parametrize("folder", ["cells", "not_run"])
def test_a_file_in_the_place_of_a_folder_is_no_empty_folder(folder: str, run: Path, verb: Verb) -> None:
    shutil.rmtree(run / folder)
    (run / folder).write_text("")
    code, text = verb("report", run)
    assert (code, text) == (
        3,
        f"error: {run / folder}: expected a folder, got a file: restore the file, or measure again (make reproduce)\n",
    )


def test_what_a_report_can_do_without_is_a_note_in_it(run: Path, verb: Verb) -> None:
    (run / "environment.json").write_text("[1]")
    (run / "checks.json").write_text('{"schema": 2, "subjects": {}}')
    (run / "plan.json").write_text('{"jobs": 3}')
    verb("report", run)
    advice = "left out here: restore it, or measure again (make reproduce)."
    assert json.loads((run / "report.json").read_text())["notes"][-3:] == [
        f"environment.json: expected a table, got [1]; {advice}",
        f"checks.json: expected what checks found in schema 1, got schema 2; {advice}",
        f"plan.json: jobs: expected a list, got 3; {advice}",
    ]
