"""A report of a run that shards made: who made it, on what, and who died where."""

import json
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from suite.archive.verify import verify
from suite.archive.write import archive
from suite.errors import RequestError
from suite.report.collect import report
from suite.report.shards import parts_of, reasons_of
from suite.report.status import status
from suite.run.attempts.attempt import attempt
from tests.support.archived_run import alter
from tests.support.shard_runs import NUMERICS, TRIALS, request_of, write_shard

OUT_OF_MEMORY = "killed before its first line: most likely out of memory"


def judged(run: Path) -> dict[str, Any]:
    report(run)
    content: dict[str, Any] = json.loads((run / "report.json").read_text())
    return content


def reasons(content: dict[str, Any]) -> dict[str, set[str]]:
    """Why trials have no result; those that have one lack cells here, since it is made up."""
    told: dict[str, set[str]] = {}
    for cell in content["cells"]:
        trial = cell["id"].rsplit("/", 2)[0]
        if cell["verdict"] == "not run" and cell["reason"] != "not asked for" and trial not in content["results"]:
            told.setdefault(trial, set()).add(cell["reason"])
    return told


def test_a_report_counts_shards_and_kinds_of_machines(tmp_path: Path) -> None:
    for text in ("1/2", "2/2"):
        write_shard(tmp_path, text)
    content = judged(tmp_path)
    shards = content["shards"]
    assert shards["sentence"] == "2 shards worked at this run, on one kind of machine (Small CPU)."
    assert shards["warnings"] == []
    assert [(e["shard"], e["trials"], e["lacks"], e["fate"]) for e in shards["entries"]] == [
        ("1/2", [TRIALS[0], TRIALS[2]], [], "finished, exit code 0"),
        ("2/2", [TRIALS[1]], [], "finished, exit code 0"),
    ]
    assert [(e["shard"], e["measured"]["count"]) for e in content["attempts"]["entries"]] == [("1/2", 2), ("2/2", 1)]
    assert content["attempts"]["sentence"] is None
    assert content["environment"]["cpu"]["model"] == "Small CPU"
    page = (tmp_path / "report.html").read_text()
    assert '<h2 id="shards">Shards</h2>' in page
    assert shards["sentence"] in page
    assert shards["sentence"] in (tmp_path / "report.md").read_text()


def test_a_run_without_shards_says_nothing_of_them(run: Path) -> None:
    assert judged(run)["shards"] is None
    assert 'id="shards"' not in (run / "report.html").read_text()


def test_another_model_is_said_and_other_code_or_lock_is_a_warning(tmp_path: Path) -> None:
    write_shard(tmp_path, "1/3")
    write_shard(tmp_path, "2/3", environment={"cpu": {"model": "Large CPU"}, "code": {"commit": "b" * 40}})
    write_shard(tmp_path, "3/3", environment={"gpu": {"name": "GPU 9"}, "lock": {"sha256": "c" * 64}})
    content = judged(tmp_path)
    assert content["shards"]["sentence"] == (
        "3 shards worked at this run, on 3 kinds of machines (Small CPU and Large CPU and GPU 9)."
    )
    lock = content["environment"]["lock"]["sha256"][:12]
    warnings = [
        "Warning: shards of this run were made with other code: aaaaaaaaaaaa in 1/3, 3/3; bbbbbbbbbbbb in 2/3.",
        f"Warning: shards of this run were made with other requirements.lock: {lock} in 1/3, 2/3; cccccccccccc in 3/3.",
    ]
    assert content["shards"]["warnings"] == warnings
    assert [note for note in content["notes"] if note.startswith("Warning: shards")] == warnings


def test_results_of_machines_of_another_kind_are_this_run_s_own(tmp_path: Path) -> None:
    other = {**NUMERICS, "device": {"kind": "cpu", "model": "Large CPU"}}
    write_shard(tmp_path, "1/2", inputs={"environment": NUMERICS})
    write_shard(tmp_path, "2/2", inputs={"environment": other}, environment={"numerics": other})
    content = judged(tmp_path)
    assert [(e["number"], e["here"], e["results"]) for e in content["environments"]] == [
        (1, True, [TRIALS[0], TRIALS[2]]),
        (2, True, [TRIALS[1]]),
    ]
    assert not any("another environment" in note for note in content["notes"])
    assert "of another shard of this run: device.model Large CPU, not Small CPU" in (
        (tmp_path / "report.html").read_text()
    )
    assert verify(tmp_path).problems == ()


@pytest.mark.parametrize(
    ("state", "codes", "fate"),
    [
        ("nothing", "137\n", OUT_OF_MEMORY),
        ("nothing", "-9\n", OUT_OF_MEMORY),
        ("nothing", "143\n", "ended before its first line: SIGTERM"),
        ("nothing", "139\n", "ended before its first line: SIGSEGV"),
        ("nothing", "3\n", "ended before its first line: exit code 3, see its log"),
        ("nothing", "", "nothing on record: it has not begun, or its machine was lost"),
        ("begun", "", "its attempt of {} has no end on record: it runs still, was killed, or lost its machine"),
        ("begun", "137\n", "killed in its attempt of {}: most likely out of memory"),
        ("begun", "1\n", "ended in its attempt of {}: exit code 1, see its log"),
        ("stopped", "143\n", "stopped at {} (terminated, exit code 143), and not gone on with"),
        ("stopped", "143\n137\n", OUT_OF_MEMORY.replace(":", ", after an attempt that ended:")),
        ("lacking", "2\n", "finished, exit code 2"),
        ("failed", "3\n", "failed, exit code 3: the disk is full"),
    ],
)
def test_who_died_where_is_told_of_every_result_that_lacks(tmp_path: Path, state: str, codes: str, fate: str) -> None:
    write_shard(tmp_path, "1/2")
    folder = tmp_path / "shards" / "2-of-2"
    if state in {"begun", "lacking"}:
        write_shard(tmp_path, "2/2", ended=state == "lacking", exit_code=2)
    elif state in {"stopped", "failed"}:
        outcome = ("terminated", 143, None) if state == "stopped" else ("failed", 3, "the disk is full")
        with attempt(request_of(tmp_path), environment=NUMERICS, folder=folder) as attempt_log:
            attempt_log.end(outcome[0], exit_code=outcome[1], reason=outcome[2])
    if codes:
        folder.mkdir(exist_ok=True)
        (folder / "exit_code").write_text(codes)
    lines = (folder / "attempts.jsonl").read_text().splitlines() if (folder / "attempts.jsonl").exists() else []
    moment = json.loads(lines[-1])["time"] if lines else ""
    told = reasons_of(parts_of(tmp_path))
    assert told == {
        **dict.fromkeys((TRIALS[0], TRIALS[2]), "shard 1 of 2: finished, exit code 0"),
        TRIALS[1]: f"shard 2 of 2: {fate.format(moment)}",
    }


def test_a_shard_that_died_leaves_the_run_incomplete_and_names_itself(tmp_path: Path) -> None:
    write_shard(tmp_path, "1/2")
    folder = tmp_path / "shards" / "2-of-2"
    folder.mkdir()
    (folder / "exit_code").write_text("137\n")
    content = judged(tmp_path)
    assert (content["verdict"], content["exit_code"]) == ("incomplete", 2)
    assert reasons(content) == {TRIALS[1]: {f"shard 2 of 2: {OUT_OF_MEMORY}"}}
    assert content["shards"]["sentence"] == (
        "2 shards worked at this run, on one kind of machine (Small CPU); 1 of them lacks 1 result."
    )
    assert verify(tmp_path).problems == ()


def test_a_reason_that_was_noted_goes_before_what_became_of_the_shard(tmp_path: Path) -> None:
    from suite.results.store import Key, Store

    write_shard(tmp_path, "1/2")
    write_shard(tmp_path, "2/2", exit_code=2)
    Store(tmp_path).mark_not_run(Key(*TRIALS[1].split("/")), "its weights are missing")
    assert reasons(judged(tmp_path)) == {TRIALS[1]: {"its weights are missing"}}


def test_pictures_that_a_dead_shard_was_to_make_are_missed(tmp_path: Path) -> None:
    asked = {"datasets": ["cifar10", "imagenet1k"], "experiments": ["object_retrieval", "patch_search"]}
    asked["encoders"] = ["deit"]
    write_shard(tmp_path, "2/2", exit_code=2, **asked)
    content = judged(tmp_path)
    assert content["pictures_missing"] == [
        {
            "trial": "patch_search/imagenet1k/deit",
            "reason": "shard 1 of 2: nothing on record: it has not begun, or its machine was lost",
        }
    ]


def test_junit_covers_all_shards_and_names_them(tmp_path: Path) -> None:
    write_shard(tmp_path, "1/2")
    (tmp_path / "shards" / "2-of-2").mkdir()
    judged(tmp_path)
    cases = ET.parse(tmp_path / "junit.xml").getroot().iter("testcase")
    shards = {
        case.attrib["name"].partition("[")[2][:-1]: element.attrib["value"]
        for case in cases
        for element in case.iter("property")
        if element.attrib["name"] == "shard"
    }
    assert shards == {TRIALS[0]: "1/2", TRIALS[1]: "2/2", TRIALS[2]: "1/2"}


def test_what_a_shard_noted_is_covered_by_verification(tmp_path: Path) -> None:
    folder = write_shard(tmp_path, "1/1")
    (folder / "exit_code").write_text("0\n")
    judged(tmp_path)
    assert verify(tmp_path).problems == ()
    (folder / "exit_code").write_text("137\n")
    alter(folder / "environment.json", lambda content: content["os"].update(kernel="another"))
    (folder / "checks.json").write_text("{}")
    lines = [line.partition(": ") for line in verify(tmp_path).problems]
    assert [(name, text.partition(":")[0].partition(";")[0]) for name, _, text in lines] == [
        ("shards/1-of-1/environment.json", "altered"),
        ("shards/1-of-1/exit_code", "altered"),
        ("shards/1-of-1/checks.json", "the report knows no such file"),
    ]


def test_an_attempt_at_a_shard_after_the_report_is_told_by_verification(tmp_path: Path) -> None:
    write_shard(tmp_path, "1/1")
    judged(tmp_path)
    folder = write_shard(tmp_path, "1/1")
    name = json.loads((folder / "attempts.jsonl").read_text().splitlines()[-1])["attempt"]
    (line,) = (line for line in verify(tmp_path).problems if "attempts.jsonl" in line)
    assert line.startswith(f"shards/1-of-1/attempts.jsonl: attempt {name} of ")
    assert line.endswith(": begun since the report was made; run make report")


def test_an_archive_takes_shards_along_and_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    folder = write_shard(run, "1/1")
    (folder / "exit_code").write_text("0\n")
    (folder / "pytest.log").write_text("names the machine\n")
    judged(run)
    archive(run, tmp_path / "run.zip", licence="https://creativecommons.org/licenses/by/4.0/")
    with zipfile.ZipFile(tmp_path / "run.zip") as packed:
        packed.extractall(tmp_path / "unpacked")
    inside = {path.name for path in (tmp_path / "unpacked" / "shards" / "1-of-1").iterdir()}
    assert inside == {"attempts.jsonl", "environment.json", "exit_code"}
    assert verify(tmp_path / "unpacked").problems == ()


def test_attempts_that_did_not_end_well_are_in_the_head(tmp_path: Path) -> None:
    write_shard(tmp_path, "1/2", ended=False)
    for text in ("1/2", "2/2"):
        write_shard(tmp_path, text)
    sentence = judged(tmp_path)["attempts"]["sentence"]
    begun = "3 attempts were made at this run and its 2 shards; 1 of them did not end in exit code 0, most recently "
    assert sentence.startswith(f"{begun}that of ")
    assert sentence.endswith(", shard 1/2: no end on record.")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("environment.json", "[1]", "shards/1-of-1/environment.json: expected a table, got [1]"),
        ("checks.json", "{", "shards/1-of-1/checks.json: expected what checks found as JSON, got none: "),
        ("plan.json", "{}", "shards/1-of-1/plan.json: jobs: missing: expected a list"),
        ("attempts.jsonl", "x\n", "1 line of attempts.jsonl cannot be read"),
        ("exit_code", "x\n\0", None),
    ],
)
def test_a_damaged_file_of_a_shard_is_told_and_breaks_nothing(
    tmp_path: Path, name: str, content: str, told: str | None
) -> None:
    folder = write_shard(tmp_path, "1/1")
    (folder / name).write_text(content)
    judged(tmp_path)
    assert told is None or told in (tmp_path / "report.md").read_text().replace("\\", "")
    assert verify(tmp_path).problems == ()
    assert status(tmp_path).startswith(f"{tmp_path}: 3 groups of trials: 3 done, ")


@pytest.mark.parametrize("trial", ["x", "a/b", "a//c", ""])
def test_groups_of_damaged_names_are_refused_in_one_line(tmp_path: Path, trial: str) -> None:
    write_shard(tmp_path, "1/1")
    alter(tmp_path / "run.json", lambda content: content.update(groups=[[trial]]))
    for verb in (report, status):
        with pytest.raises(RequestError) as caught:
            verb(tmp_path)
        assert str(caught.value) == (
            f"{tmp_path}/run.json: groups: expected experiment/dataset/method, got {trial!r}; "
            "restore it, or measure again (make reproduce)"
        )
