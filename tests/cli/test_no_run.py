"""What is no run, or no finished one, is refused in one line, whichever verb is given it."""

from pathlib import Path

import pytest

from suite.cli.main import main

OF_A_RUN = {
    "status": ["status", "{place}"],
    "report": ["report", "{place}"],
    "triage": ["triage", "{place}"],
    "accept": ["accept", "{place}", "--reason=why"],
    "merge": ["merge", "{place}.out", "{place}"],
}
OF_A_FINISHED_RUN = {
    "compare": ["compare", "{place}", "{place}"],
    "archive": ["archive", "{place}"],
}
THERE = {"nothing": "nothing", "file": "a file", "folder": "one without"}


@pytest.fixture(params=THERE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A place where no run is, and what is said to be there."""
    path = tmp_path / request.param
    if request.param == "file":
        path.write_text("{}")
    if request.param == "folder":
        path.mkdir()
    return path, THERE[request.param]


@pytest.mark.parametrize("verb", OF_A_RUN)
def test_what_is_no_run_is_refused(verb: str, place: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    path, there = place
    assert main([word.format(place=path) for word in OF_A_RUN[verb]]) == 3
    assert capsys.readouterr().err == (
        f"error: {path}: expected a run folder with run.json, got {there}; make one with make reproduce\n"
    )


@pytest.mark.parametrize("verb", OF_A_FINISHED_RUN)
@pytest.mark.parametrize("place", ["nothing", "folder"], indirect=True)  # a file may be the report itself
def test_what_is_no_finished_run_is_refused(
    verb: str, place: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path, there = place
    assert main([word.format(place=path) for word in OF_A_FINISHED_RUN[verb]]) == 3
    assert capsys.readouterr().err == (
        f"error: {path}: expected the folder of a finished run, with report.json, got {there}; make one with make "
        "reproduce\n"
    )
