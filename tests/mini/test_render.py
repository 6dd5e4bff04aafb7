"""The mini data is drawn whole or not at all, the same on every run, and only where it must be."""

import errno
import os
from pathlib import Path

import pytest

from suite import datasets
from suite.errors import StorageError
from suite.mini.datasets import cub200
from suite.mini.digests import SAMPLE, recorded_digests, tree_digest
from suite.mini.render import STAMP, WRITERS, render

BIRDS = ["cub200"]


def draw_birds(data: Path, *, share: float = SAMPLE, workers: int = 1) -> list[bool]:
    """Draw the birds only; whether anything was drawn."""
    return [one.drawn for one in render(data, names=BIRDS, share=share, workers=workers, progress=False)]


def test_the_sample_has_the_recorded_bytes_with_two_workers(tmp_path: Path) -> None:
    results = render(tmp_path, share=SAMPLE, workers=2, progress=False)
    assert {one.name: one.digest for one in results} == recorded_digests(SAMPLE)
    assert all(one.as_recorded and one.drawn for one in results)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(WRITERS)


def test_one_worker_draws_the_same_bytes(tmp_path: Path) -> None:
    draw_birds(tmp_path)
    assert tree_digest(tmp_path / "cub200") == recorded_digests(SAMPLE)["cub200"]


def test_the_readers_know_a_dataset_by_the_same_digest(tmp_path: Path) -> None:
    draw_birds(tmp_path)
    assert datasets.digest(tmp_path / "cub200") == tree_digest(tmp_path / "cub200")


def test_both_shares_are_recorded_for_every_dataset() -> None:
    assert set(recorded_digests(1.0)) == set(recorded_digests(SAMPLE)) == set(WRITERS) == set(datasets.DATASETS)
    assert recorded_digests(0.5) == {}


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    assert draw_birds(tmp_path) == [True]
    before = (tmp_path / "cub200").stat().st_ino
    assert draw_birds(tmp_path) == [False]
    assert (tmp_path / "cub200").stat().st_ino == before


@pytest.mark.parametrize("damage", ["change", "remove", "add", "stamp"])
def test_damaged_data_is_drawn_again(tmp_path: Path, damage: str) -> None:
    draw_birds(tmp_path)
    digest = tree_digest(tmp_path / "cub200")
    table = tmp_path / "cub200" / "CUB_200_2011" / "classes.txt"
    if damage == "change":
        table.write_text(table.read_text().replace("1", "2"))
    elif damage == "remove":
        table.unlink()
    elif damage == "add":
        table.with_name("more.txt").write_text("")
    else:
        (tmp_path / "cub200" / STAMP).write_text("{")
    assert draw_birds(tmp_path) == [True]
    assert tree_digest(tmp_path / "cub200") == digest
    assert draw_birds(tmp_path) == [False]


def test_another_share_is_drawn_again(tmp_path: Path) -> None:
    draw_birds(tmp_path)
    assert draw_birds(tmp_path, share=0.04) == [True]


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    for leftover in (".cub200.partial", ".cub200.old"):
        (tmp_path / leftover / "images").mkdir(parents=True)
    draw_birds(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cub200"]
    assert tree_digest(tmp_path / "cub200") == recorded_digests(SAMPLE)["cub200"]


def test_what_systems_leave_behind_in_its_place_keeps_no_data_from_being_drawn(tmp_path: Path) -> None:
    (tmp_path / "cub200/@eaDir").mkdir(parents=True)
    assert draw_birds(tmp_path) == [True]
    assert (tmp_path / "cub200/@eaDir").is_dir()
    assert draw_birds(tmp_path) == [False]


def test_files_that_were_not_drawn_here_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "cub200").mkdir()
    (tmp_path / "cub200" / "mine.txt").write_text("precious")
    with pytest.raises(StorageError) as caught:
        draw_birds(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/cub200: expected drawings of the mini study, found other files: "
        "move them away or choose another data folder"
    )
    assert [path.name for path in tmp_path.rglob("*")] == ["cub200", "mine.txt"]


def test_a_full_disk_leaves_the_old_data_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_birds(tmp_path)
    before = tree_digest(tmp_path / "cub200")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cub200, "save_jpeg", full)
    with pytest.raises(StorageError) as caught:
        draw_birds(tmp_path, share=0.04)
    assert str(caught.value) == (
        f"{tmp_path}: cannot write the mini data (No space left on device): "
        "make room, or choose a data folder that can be written"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["cub200"]
    assert tree_digest(tmp_path / "cub200") == before


def test_a_killed_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cub200, "save_jpeg", lambda *_, **__: os._exit(9))
    with pytest.raises(StorageError) as caught:
        draw_birds(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: a drawing process was killed: expected it to finish, so memory may be short: "
        "run it again, with fewer workers"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_text("")
    with pytest.raises(StorageError, match=r"data: cannot write the mini data \(Not a directory\)"):
        draw_birds(data)
