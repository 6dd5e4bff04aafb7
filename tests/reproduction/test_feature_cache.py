"""The cache of features in a run: what is wrong with it costs time, is said once, and changes no value."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from suite.cli.main import main
from suite.core.paths import MINI_WEIGHTS
from suite.features import cache
from tests.support.lookalike_data import write_data

PLACE = "object_retrieval/cifar10/deit"


@pytest.fixture(autouse=True)
def said_anew(monkeypatch: pytest.MonkeyPatch, nothing_drawn_or_loaded: None) -> None:
    """Let every test hear what is said once a process, with data and encoders of its own."""
    monkeypatch.setattr(cache, "_told", set[object]())


@pytest.fixture
def ask(tmp_path: Path, drawn_cifar10: Path) -> Callable[..., dict[str, Any]]:
    """`python -m suite reproduce` for one trial into a run of that name; returns its report."""

    def ask(run: str, *more: str) -> dict[str, Any]:
        trial = ["--experiment=object_retrieval", "--dataset=cifar10", "--encoder=deit", "--workers=1", "--device=cpu"]
        trial += ["--limit=60"]
        places = [f"--run={tmp_path / run}", f"--data={drawn_cifar10}", f"--cache={tmp_path / 'cache'}"]
        assert main(["reproduce", *trial, *places, *more]) == 0
        return json.loads((tmp_path / run / "report.json").read_text())

    return ask


def counts(report: dict[str, Any]) -> tuple[int, int]:
    """Views from the cache, and views computed."""
    [cost] = report["costs"]
    return cost["views_cached"], cost["views_computed"]


def warnings(text: str) -> list[str]:
    return [line.split("warning: ", 1)[1] for line in text.splitlines() if "warning: " in line]


@pytest.mark.slow
def test_hits_are_in_the_report_and_the_results_stay_the_same(
    ask: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    first, again = ask("first"), ask("again")
    assert (counts(first), counts(again)) == ((0, 60), (60, 0))
    assert first["digest"] == again["digest"]
    assert json.loads((tmp_path / "again/cells" / f"{PLACE}.json").read_text())["views"] == {
        "cached": 60,
        "computed": 0,
    }
    sentence = (
        "Of 60 views that are encoded once, the features of 60 came from the cache, and those of 0 were computed."
    )
    assert sentence in (tmp_path / "again/report.html").read_text()
    assert sentence in (tmp_path / "again/report.md").read_text()


@pytest.mark.slow
def test_no_room_keeps_nothing(ask: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    assert counts(ask("first", "--cache-gb=0")) == (0, 60)
    assert not (tmp_path / "cache/features").exists()


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"damaged" * 999])
def test_damaged_entries_are_said_once_and_made_again(
    ask: Callable[..., dict[str, Any]], tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    first = ask("first")
    entries = sorted((tmp_path / "cache/features").iterdir())
    sound = [path.read_bytes() for path in entries]
    entries[0].write_bytes(content)
    capsys.readouterr()
    again = ask("again")
    [warning] = warnings(capsys.readouterr().err)
    assert warning.startswith(f"{entries[0]}: damaged: expected ")
    assert warning.endswith(f"; in the cache {tmp_path / 'cache'} it is removed, and its features are computed anew")
    assert (again["digest"], counts(again)) == (first["digest"], (0, 60))
    assert [path.read_bytes() for path in entries] == sound


@pytest.mark.slow
def test_altered_bytes_are_not_used(ask: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    first = ask("first")
    for path in (tmp_path / "cache/features").iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:-20_000] + bytes(value ^ 1 for value in content[-20_000:]))
    assert ask("again")["digest"] == first["digest"]


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_said_in_a_line_and_done_without(
    ask: Callable[..., dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    report = ask("run")
    assert warnings(capsys.readouterr().err) == [
        f"{tmp_path / 'cache/.writable'}: cannot be written: File exists; free space or choose another folder; the run "
        f"keeps no features, and its checkpoints in {tmp_path / 'run/cache'}"
    ]
    assert counts(report) == (0, 60)
    assert report["asked"]["cache"] == str(tmp_path / "cache"), "what was asked for stays on record"
    assert "--cache-gb" not in report["asked"]["command"]


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["mae", "dino"])
def test_experiments_on_the_same_parts_share_them(tmp_path: Path, encoder: str) -> None:
    options = ["--profile=paper", "--dataset=cub200", f"--encoder={encoder}", "--device=cpu", "--limit=1000"]
    options += [f"--data={write_data(tmp_path / 'data')}", f"--weights={MINI_WEIGHTS}", "--workers=1"]
    digests, hits = [], []
    for experiments in ("part_classification,part_retrieval", "part_retrieval"):
        run = tmp_path / experiments
        main(["reproduce", *options, f"--run={run}", f"--cache={run}/cache", f"--experiment={experiments}"])
        report = json.loads((run / "report.json").read_text())
        digests.append(report["results"][f"part_retrieval/cub200/{encoder}"])
        hits.append({cost["experiment"]: cost["views_cached"] for cost in report["costs"]}["part_retrieval"])
    assert hits[0] > hits[1] == 0
    assert digests[0] == digests[1]
