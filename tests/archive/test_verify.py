"""A run has one digest; `verify RUN` names whatever was altered since its report, and measures nothing."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.report.collect import report
from suite.results.digests import result_digests, run_digest
from suite.results.store import Key, Result, Store
from tests.support.archived_run import CELL, CELLS, KEY, alter, items, result


def test_the_digest_is_that_of_sha256sums_lines(pristine: Path) -> None:
    claims = []
    for path in sorted((pristine / "cells").rglob("*.json")):
        cell = json.loads(path.read_text())
        name = "/".join(cell[word] for word in ("experiment", "dataset", "method"))
        content = {k: cell[k] for k in ("values", "summaries", "inputs", "protocol", "seeds")}
        text = json.dumps({**content, "items": cell.get("items"), "name": name}, sort_keys=True, separators=(",", ":"))
        claims.append(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n")
    stored_report = json.loads((pristine / "report.json").read_text())
    assert stored_report["digest"] == hashlib.sha256("".join(claims).encode()).hexdigest()


def test_the_digest_tells_values_from_circumstances() -> None:
    def digest(*results: Result) -> str:
        return run_digest(result_digests(results))

    other_key = Key("object_retrieval", "coco", "deit")
    assert digest(result()) == digest(result(seconds=2.0)), "how long it took is no result"
    assert digest(result(), result(other_key)) == digest(result(other_key), result()), "in any order"
    digests = {digest(result()), digest(result(value=12.250000000000002)), digest(result(other_key)), digest()}
    assert len(digests) == 4


def test_an_untouched_run_verifies(run: Path, capsys: pytest.CaptureFixture) -> None:
    digest = json.loads((run / "report.json").read_text())["digest"]
    assert main(["verify", str(run)]) == 0
    assert capsys.readouterr().out == f"{run}: results and report agree\nsha256:{digest}\n"
    assert main(["verify", str(run), "--digest", f"sha256:{digest}"]) == 0
    assert main(["verify", str(run), "--digest", digest[:12].upper()]) == 0


def test_a_run_without_results_is_not_said_to_agree(run: Path, capsys: pytest.CaptureFixture) -> None:
    shutil.rmtree(run / "cells")
    report(run)
    capsys.readouterr()
    words = f"{run}: expected results to verify, got none: nothing was measured, or its cells are not there"
    assert main(["verify", str(run)]) == 2
    assert capsys.readouterr().out == f"{words}\n"
    assert main(["archive", str(run)]) == 3
    assert f"{words}; measure first (make reproduce)\n" in capsys.readouterr().err


def set_value(run: Path) -> None:
    """Consistently: value, items and digests."""
    Store(run).save(result(value=12.5), items(12.5))


def set_reported(run: Path) -> None:
    alter(run / "report.json", lambda r: next(c for c in r["cells"] if c["id"] == CELL).update(measured=99.0))


ALTERED = {
    "a value": (set_value, f"{CELLS}: altered"),
    "a value, seen in its cell": (set_value, f"{CELL}: measured: reported 12.25, judged again 12.5"),
    "what it was made from": (
        lambda run: alter(run / CELLS, lambda cell: cell["inputs"].update(weights="d" * 64), sign=True),
        f"{CELLS}: altered",
    ),
    "a cell file is gone": (lambda run: (run / CELLS).unlink(), f"{CELLS}: the report was made from it, and it is"),
    "a cell file is no JSON": (
        lambda run: (run / CELLS).write_text("{"),
        f"{CELLS}: expected a result as JSON, got none: Expecting property name",
    ),
    "the report's value": (set_reported, f"{CELL}: measured: reported 99.0, judged again 12.25"),
    "the report's verdict": (
        lambda run: alter(run / "report.json", lambda r: r.update(verdict="reproduced")),
        "verdict: reported 'reproduced', judged again 'deviates'",
    ),
    "the report's claims": (
        lambda run: alter(run / "report.json", lambda r: r["claims"][0].update(verdict="holds")),
        "reported 'holds', judged again",
    ),
    "the report's digest": (
        lambda run: alter(run / "report.json", lambda r: r.update(digest="0" * 64)),
        "report.json: its digest is not that of the results it lists",
    ),
    "the scores of single items": (
        lambda run: (run / f"items/{KEY}.safetensors").write_bytes(b"x"),
        f"items/{KEY}.safetensors: altered: expected SHA-256 ",
    ),
}


@pytest.mark.parametrize(("edit", "message"), ALTERED.values(), ids=ALTERED)
def test_what_was_altered_is_named(edit: Callable, message: str, run: Path, capsys: pytest.CaptureFixture) -> None:
    edit(run)
    assert main(["verify", str(run)]) == 1
    output = capsys.readouterr().out
    assert message in output
    assert "mae" not in output.replace("claim", ""), "and nothing else is accused"


def test_a_report_made_anew_hides_nothing_from_its_citation(run: Path, capsys: pytest.CaptureFixture) -> None:
    citation = json.loads((run / "report.json").read_text())["digest"]
    set_value(run)
    report(run)
    assert main(["verify", str(run)]) == 0, "a forger who reports again is consistent"
    assert main(["verify", str(run), "--digest", citation]) == 1, "but the citation knows"
    assert f"digest: cited {citation}, the results have " in capsys.readouterr().out


def test_the_report_says_how_to_cite_and_check_it(pristine: Path) -> None:
    digest = json.loads((pristine / "report.json").read_text())["digest"]
    for name in ("report.html", "report.md"):
        text = (pristine / name).read_text()
        assert f"results sha256:{digest}" in text, name
        assert f"python -m suite verify runs/run --digest {digest}" in text, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "expected data, or the folder of a run"),
        (["{run}", "cub200"], "expected one run and nothing after it, got cub200"),
        (["{run}", "--digest", "1234"], "expected 12 to 64 hexadecimal digits"),
        (
            ["{run}/cells"],
            "expected the folder of a finished run, with report.json, got one without; make one with make",
        ),
    ],
)
def test_a_wrong_request_is_one_line(
    arguments: list[str], message: str, run: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["verify", *(word.format(run=run) for word in arguments)]) == 3
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_citation_of_a_run_without_results_is_a_line_and_no_traceback(
    run: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.rmtree(run / "cells")
    assert main(["verify", str(run), "--digest", "a" * 64]) == 1
    assert f"digest: cited {'a' * 64}, the results have None\n" in capsys.readouterr().out
