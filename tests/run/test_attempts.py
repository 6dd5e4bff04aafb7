"""Every attempt of a run is on record, however it ended; the report and `verify` know them."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from suite.archive.contents import contents, description, media_type
from suite.cli.main import main
from suite.core.paths import EXPERIMENTS, ROOT
from suite.errors import DatasetError, StorageError
from suite.report import html, markdown
from suite.report.collect import report
from suite.run.attempts.attempt import Attempt, attempt
from suite.run.attempts.history import history
from suite.run.attempts.lines import FILE, append, read
from suite.run.request import Request, make_request
from tests.support import report_sample
from tests.support.archived_run import write_run

TRIAL = "object_retrieval/cifar10/deit"
NARROW = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--encoder", "deit", "--device", "cpu"]


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    return make_request(
        encoders=["deit"], datasets=["cifar10"], experiments=["object_retrieval"], device="cpu", run=tmp_path / "run"
    )


def names(run: Path) -> list[tuple[Any, ...]]:
    attempts = history(run)
    assert attempts is not None
    return [(e["outcome"], e["verdict"], e["exit_code"], e["failure"]) for e in attempts["entries"]]


def test_it_begins_and_ends(asked: Request) -> None:
    with attempt(asked, reason="why") as this:
        [line] = read(asked.run)[0]
        assert (line["event"], line["verb"], line["reason"]) == ("begin", "reproduce", "why")
        assert set(line["code"]) == {"suite", "commit", "dirty"}
        assert len(line["environment"]) == 64
        assert names(asked.run) == [("no end on record", None, None, None)], "what a kill -9 leaves"
        this.measured, this.reused, this.lost = {"a/b/c"}, {"a/b/e", "a/b/d"}, set()
        this.end("finished", exit_code=1, verdict="deviates")
    [entry] = history(asked.run)["entries"]
    assert entry["measured"] == {"count": 1, "names": ["a/b/c"]}
    assert entry["reused"] == {"count": 2, "names": ["a/b/d", "a/b/e"]}
    assert entry["lost"] == {"count": 0, "names": []}
    assert (entry["outcome"], entry["verdict"], entry["exit_code"]) == ("finished", "deviates", 1)
    assert entry["command"].startswith("python -m suite reproduce --profile=mini --encoder=deit")


@pytest.mark.parametrize(
    ("error", "noted"),
    [
        (DatasetError("no\ndata"), ("failed", None, 2, "no data")),
        (KeyboardInterrupt(), ("interrupted", None, 130, None)),
        (ValueError("a bug"), ("failed", None, 4, "ValueError: a bug")),
    ],
)
def test_what_ends_in_an_error_is_noted_with_it(asked: Request, error: BaseException, noted: tuple[Any, ...]) -> None:
    with pytest.raises(type(error)), attempt(asked):
        raise error
    assert names(asked.run) == [noted]


def test_after_an_end_an_error_has_the_last_word(asked: Request) -> None:
    def ended(handle: Attempt) -> None:
        handle.end("finished", exit_code=0, verdict="reproduced")
        raise StorageError("the report: disk full")

    with pytest.raises(StorageError), attempt(asked) as this:
        ended(this)
    assert names(asked.run) == [("failed", None, 3, "the report: disk full")]


@pytest.mark.parametrize("kept", range(0, 60, 7))
def test_whole_lines_count_and_the_next_begins_on_its_own(asked: Request, kept: int) -> None:
    for _ in range(2):
        with attempt(asked) as this:
            this.end("finished", exit_code=0, verdict="reproduced")
    path = asked.run / FILE
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    path.write_bytes(whole[: last + kept])
    assert [entry[0] for entry in names(asked.run)] == ["finished", "no end on record"]
    with attempt(asked) as this:
        this.end("finished", exit_code=1, verdict="deviates")
    attempts = history(asked.run)
    assert [entry["outcome"] for entry in attempts["entries"]] == ["finished", "no end on record", "finished"]
    assert attempts["unreadable"] == (1 if kept else 0)
    assert path.read_bytes().startswith(whole[: last + kept]), "nothing of what was there is touched"


def test_an_end_whose_beginning_was_cut_still_counts(asked: Request) -> None:
    with attempt(asked) as this:
        this.end("finished", exit_code=1, verdict="deviates")
    path = asked.run / FILE
    path.write_bytes(path.read_bytes()[40:])
    attempts = history(asked.run)
    assert (attempts["unreadable"], attempts["count"]) == (1, 1)
    assert (attempts["entries"][0]["verdict"], attempts["entries"][0]["started"]) == ("deviates", None)


def test_a_line_is_one_write_that_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, int]] = []
    write, fsync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda handle, text: calls.append(("write", len(text))) or write(handle, text))
    monkeypatch.setattr(os, "fsync", lambda handle: calls.append(("fsync", 0)) or fsync(handle))
    append(tmp_path, {"attempt": "a", "event": "begin", "names": ["x" * 40] * 500})
    assert [name for name, _ in calls] == ["write", "fsync"]
    assert calls[0][1] == (tmp_path / FILE).stat().st_size > 20_000


def test_a_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError) as caught:
        append(tmp_path, {})
    assert str(caught.value) == (
        f"{tmp_path / FILE}: cannot be written: No space left on device; free space or choose another folder"
    )


@pytest.fixture
def places(tmp_path: Path, drawn_cifar10: Path) -> list[str]:
    """The options of one trial in folders of the test's own."""
    return ["--run", str(tmp_path / "run"), "--data", str(drawn_cifar10), "--cache", str(tmp_path / "cache"), *NARROW]


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_drawn_or_loaded")
def test_a_run_and_its_report_tell_of_an_earlier_attempt_that_ended_otherwise(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture
) -> None:
    run = tmp_path / "run"
    assert main(["reproduce", *places, "--data", str(tmp_path / "nowhere"), "--workers", "1"]) == 2
    assert json.loads((run / "report.json").read_text())["attempts"]["sentence"] is None
    capsys.readouterr()
    assert main(["reproduce", *places, "--workers", "1"]) == 0
    attempts = json.loads((run / "report.json").read_text())["attempts"]
    first, second = attempts["entries"]
    assert (first["verdict"], first["exit_code"], first["lost"]) == ("incomplete", 2, {"count": 1, "names": [TRIAL]})
    assert (second["verdict"], second["exit_code"]) == ("reproduced", 0)
    assert second["measured"] == {"count": 1, "names": [TRIAL]}
    sentence = (
        "This run took 2 attempts; 1 of the earlier 1 ended otherwise than the last (reproduced, exit code 0), "
        f"most recently that of {first['started']}: incomplete, exit code 2."
    )
    assert attempts["sentence"] == sentence
    assert f"note: {sentence}" in capsys.readouterr().out
    for name in ("report.html", "report.md"):
        assert "1 of the earlier 1 ended otherwise" in (run / name).read_text()
    assert main(["reproduce", *places, "--workers", "1"]) == 0
    assert history(run)["entries"][2]["reused"] == {"count": 1, "names": [TRIAL]}
    assert main(["verify", str(run)]) == 0
    before = {name: (run / name).read_bytes() for name in ("report.json", "report.html", "report.md", FILE)}
    for _ in range(2):
        main(["report", str(run)])
        assert {name: (run / name).read_bytes() for name in before} == before, "judging again is no attempt"


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_drawn_or_loaded")
def test_a_run_that_was_interrupted_says_so(tmp_path: Path, places: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("suite.experiments.retrieval.retrieval_scores", interrupted)
    assert main(["reproduce", *places, "--workers", "1"]) == 130
    assert names(tmp_path / "run") == [("interrupted", "incomplete", 130, None)]


@pytest.mark.slow
def test_a_kill_leaves_a_trace(tmp_path: Path, places: list[str]) -> None:
    command = [sys.executable, "-m", "suite", "reproduce", "--runtime=venv", *places]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while not (tmp_path / "run" / FILE).exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert names(tmp_path / "run") == [("no end on record", None, None, None)]


@pytest.mark.slow
def test_pytest_alone_is_an_attempt_too(tmp_path: Path, places: list[str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXPERIMENTS), *places]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 0, done.stdout.decode()
    [entry] = history(tmp_path / "run")["entries"]
    assert (entry["verb"], entry["outcome"], entry["exit_code"], entry["verdict"]) == ("pytest", "finished", 0, None)
    assert entry["measured"]["names"] == [TRIAL]


def test_verify_and_archive_know_the_file(tmp_path: Path, asked: Request, capsys: pytest.CaptureFixture) -> None:
    run = write_run(tmp_path / "run")
    assert json.loads((run / "report.json").read_text())["attempts"] is None, "an older run has none on record"
    with attempt(asked) as this:
        this.end("finished", exit_code=1, verdict="deviates")
    [entry] = history(run)["entries"]
    place = f"attempts.jsonl: attempt {entry['attempt']} of {entry['started']}"
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == f"{place}: begun since the report was made; run make report"
    report(run)
    assert main(["verify", str(run)]) == 0
    text = (run / FILE).read_text()
    (run / FILE).write_text(text.replace('"verdict": "deviates"', '"verdict": "reproduced"'))
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == (
        f"{place}: reported 'deviates, exit code 1', on record 'reproduced, exit code 1', or altered otherwise"
    )
    (run / FILE).unlink()
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == f"{place}: the report lists it, and it is missing"
    (run / FILE).write_text(text)
    assert contents(run)[FILE].decode() == text
    assert description(FILE) == "Every attempt: when, with which code and environment, what was measured, how it ended"
    assert media_type(FILE) == "application/jsonl"


@pytest.mark.parametrize("reason", [[], ["--reason", "  "]])
def test_references_are_recorded_for_a_reason(tmp_path: Path, reason: list[str], capsys: pytest.CaptureFixture) -> None:
    assert main(["record", "--run", str(tmp_path / "run"), *reason]) == 3
    assert capsys.readouterr().err == (
        "error: record: expected a reason, got none: pass REASON='why these values are to be the new ones'\n"
    )
    assert not (tmp_path / "run").exists()


def test_a_hostile_attempt_stays_text(tmp_path: Path) -> None:
    sample = report_sample.report(tmp_path)
    page, text = html.render(sample, tmp_path), markdown.render(sample)
    assert "## Attempts" in text
    assert "<script>alert" not in page + text
    cut = sample | {"attempts": {"count": 1, "unreadable": 2, "sentence": None, "entries": []}}
    assert "2 lines of attempts\\.jsonl" not in text
    assert "2 lines of attempts.jsonl cannot be read: cut by a crash, or altered." in html.render(cut, tmp_path)
