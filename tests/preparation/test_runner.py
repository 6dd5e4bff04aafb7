"""What holds for every set: whole or not at all, resumable, the same for any number of workers, nothing lost."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from suite.cli.main import main
from suite.core.files import write_atomically
from suite.core.paths import ROOT
from suite.datasets.segmentation import segmentation
from suite.errors import DatasetError, RequestError, StorageError
from suite.mini.digests import tree_digest
from suite.preparation import PREPARED, needs
from suite.preparation.images import link_or_copy, png
from suite.preparation.originals import ORIGINALS
from suite.preparation.runner import RECIPES, Prepared, prepare
from tests.support.holders import holding
from tests.support.lookalikes import noise, save, write_segmentation
from tests.support.originals import region, write_annotation, write_pascal

SIZE = (30, 40)


def write(data: Path, train: int = 5, val: int = 3) -> Path:
    """`data`/originals with so many images of VOC."""
    rng = np.random.default_rng(0)

    def objects() -> list:
        top, left = (int(rng.integers(20)) for _ in range(2))
        cat = region(SIZE, (top, left, top + 10, left + 15))
        return [("cat", cat, [("head", cat & (rng.random(SIZE) < 0.5))])]

    stems = {"train": [f"2008_{i:06d}" for i in range(train)], "val": [f"2009_{i:06d}" for i in range(val)]}
    images = {split: {stem: objects() for stem in names} for split, names in stems.items()}
    write_pascal(data / "originals", images, SIZE)
    return data


def prepared(data: Path, workers: int = 1, name: str = "pascal_part", originals: Path | None = None) -> Prepared:
    return prepare(name, data=data, originals=originals, workers=workers, progress=False)


def annotation(data: Path, stem: str) -> Path:
    return data / f"originals/pascal_part/Annotations_Part/{stem}.mat"


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_the_result_does_not_depend_on_the_number_of_workers_or_on_the_place(tmp_path: Path) -> None:
    trees = set()
    for workers in (1, 2, 5):
        done = prepared(write(tmp_path / str(workers)), workers)
        trees.add(tree_digest(done.root))
        assert done.manifest == json.loads((done.root / "prepared.json").read_bytes())
    assert len(trees) == 1


def test_what_systems_leave_behind_in_its_place_keeps_no_set_from_being_made(tmp_path: Path) -> None:
    (write(tmp_path) / "pascal_part/@eaDir").mkdir(parents=True)
    done = prepared(tmp_path)
    assert visible(done.root) == ["@eaDir", "ann", "img", "prepared.json"]


def test_images_are_linked_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    done = prepared(write(tmp_path))
    for image, _ in segmentation("pascal_part", done.root, "train").records:
        original = tmp_path / "originals/voc2010/VOCdevkit/VOC2010/JPEGImages" / image.name
        assert image.stat().st_ino == original.stat().st_ino
    assert visible(tmp_path) == ["originals", "pascal_part"]
    assert visible(done.root) == ["ann", "img", "prepared.json"]
    assert not list(tmp_path.glob(".pascal_part.[po]*"))


def test_a_second_run_changes_nothing_and_opens_no_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepared(write(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in first.root.rglob("*")}
    monkeypatch.setattr("suite.preparation.runner.make", None)
    again = prepared(tmp_path)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.manifest == first.manifest
    assert {path: path.stat().st_mtime_ns for path in first.root.rglob("*")} == before


def test_a_set_may_move_with_its_originals_or_outlive_them(tmp_path: Path) -> None:
    prepared(write(tmp_path / "a"))
    (tmp_path / "a").rename(tmp_path / "b")
    assert not prepared(tmp_path / "b").is_new
    shutil.rmtree(tmp_path / "b/originals")
    assert not prepared(tmp_path / "b").is_new
    (tmp_path / "b/pascal_part/ann/val/2009_000001.png").unlink()
    with pytest.raises(DatasetError, match=r"originals/voc2010: expected its folder of Pascal VOC 2010, found nothing"):
        prepared(tmp_path / "b")


def test_changed_originals_or_a_damaged_result_are_made_again(tmp_path: Path) -> None:
    first = prepared(write(tmp_path))
    write_annotation(annotation(tmp_path, "2008_000000"), [("dog", np.ones(SIZE, np.uint8), [])])
    changed = prepared(tmp_path)
    assert changed.is_new
    assert changed.manifest["digest"] != first.manifest["digest"]
    (changed.root / "ann/val/2009_000001.png").unlink()
    again = prepared(tmp_path)
    assert again.is_new
    assert again.manifest == changed.manifest
    assert (again.root / "ann/val/2009_000001.png").exists()


def test_another_version_of_the_rule_makes_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(write(tmp_path))
    monkeypatch.setitem(RECIPES, "pascal_part", replace(RECIPES["pascal_part"], rule=2))
    assert prepared(tmp_path).manifest["rule"] == 2


def test_masks_of_the_authors_are_never_touched(tmp_path: Path) -> None:
    write(tmp_path)
    root = tmp_path / "pascal_part"
    labels = np.full(SIZE, 193, np.uint8)
    write_segmentation(root / "img/train", root / "ann/train", {"2008_000000": labels})
    before = tree_digest(root)
    with pytest.raises(StorageError) as caught:
        prepared(tmp_path)
    assert str(caught.value) == (
        f"{root}: expected nothing or a set made by `prepare`, found other files, perhaps the authors' own masks, "
        "which need no preparing: move them away or choose another data folder"
    )
    assert tree_digest(root) == before
    assert segmentation("pascal_part", root, "train").mask(0)[0, 0] == 192, "the reader takes them as they are"
    assert prepared(tmp_path, name="pascal_object").is_new


def ends(process: psutil.Process, patience_s: float = 10) -> bool:
    """Whether an orphan ends by itself; one that waits for the system to take note of it has."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_killed_at_any_moment_it_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    whole = prepared(write(tmp_path / "whole", 80, 20))
    data = write(tmp_path / "data", 80, 20)
    work = data / ".pascal_part.preparing"
    kept: dict[Path, int] = {}
    for least in (5, 40):
        command = [sys.executable, "-m", "suite", "prepare", "pascal_part", "--data", str(data), "--workers", "2"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT)
        workers: list[psutil.Process] = []
        while len(masks := list(work.glob("ann/*/[!.]*.png"))) < least:
            assert process.poll() is None
            workers = psutil.Process(process.pid).children()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert all(map(ends, workers)), "workers end with the command"
        assert not (data / "pascal_part").exists(), "nobody reads half a set"
        kept |= {path.relative_to(work): path.stat().st_mtime_ns for path in masks}
    write_atomically(work / "ann/train/.2008_000079.png.x", b"what a killed worker was writing")
    done = prepared(data)
    assert tree_digest(done.root) == tree_digest(whole.root)
    assert {path: (done.root / path).stat().st_mtime_ns for path in kept} == kept, "finished masks are not made again"
    assert not list(done.root.rglob(".2008*"))


def test_finished_masks_of_other_originals_are_not_kept(tmp_path: Path) -> None:
    write(tmp_path)
    annotation(tmp_path, "2009_000002").write_bytes(b"damaged")
    with pytest.raises(DatasetError):
        prepared(tmp_path)
    first = tmp_path / ".pascal_part.preparing/ann/train/2008_000000.png"
    before = first.read_bytes()
    write(tmp_path / "fresh")
    annotation(tmp_path / "fresh", "2009_000002").replace(annotation(tmp_path, "2009_000002"))
    everywhere = np.ones(SIZE, np.uint8)
    write_annotation(annotation(tmp_path, "2008_000000"), [("dog", everywhere, [("head", everywhere)])])
    done = prepared(tmp_path)
    assert (done.root / "ann/train/2008_000000.png").read_bytes() != before


def test_all_files_that_cannot_be_used_are_reported_together(tmp_path: Path) -> None:
    write(tmp_path, 12, 2)
    for index in range(8):
        annotation(tmp_path, f"2008_{index:06d}").write_bytes(b"MATLAB 5.0" if index else b"")
    (tmp_path / "originals/voc2010/VOCdevkit/VOC2010/JPEGImages/2009_000001.jpg").unlink()
    with pytest.raises(DatasetError) as caught:
        prepared(tmp_path, workers=2)
    message, listed = str(caught.value), tmp_path / ".pascal_part.preparing/.problems.txt"
    assert re.match(r"9 of 14 images cannot be used: .*2008_000000\.mat: .*; .*2008_000001\.mat: ", message)
    assert message.endswith(
        f"; 4 more in {listed}: restore these files from their archive and run the same command again; "
        "the other images are kept"
    )
    assert "\n" not in message
    assert len(listed.read_text().splitlines()) == 9
    assert not (tmp_path / "pascal_part").exists()
    write(tmp_path / "fresh", 12, 2)
    whole = prepared(tmp_path / "fresh")
    for path in (tmp_path / "fresh/originals").rglob("*.*"):
        path.replace(tmp_path / path.relative_to(tmp_path / "fresh"))
    assert tree_digest(prepared(tmp_path).root) == tree_digest(whole.root)


def test_too_little_room_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.setattr("suite.preparation.making.shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(StorageError, match=r"expected 0\.0 GB of free space, got 0\.0 GB: make room; images are"):
        prepared(tmp_path)
    assert not list(tmp_path.rglob("*.png"))


def test_a_full_disk_ends_it_and_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("suite.core.files.os.fsync", refuse)
        with pytest.raises(StorageError, match="No space left on device"):
            prepared(tmp_path)
    assert not (tmp_path / "pascal_part").exists()
    assert prepared(tmp_path).is_new


def test_two_at_once_do_not_meet(tmp_path: Path) -> None:
    write(tmp_path)
    with holding(tmp_path / ".pascal_part.lock") as holder, pytest.raises(StorageError) as caught:
        prepared(tmp_path)
    assert re.fullmatch(
        rf"{tmp_path}/pascal_part: process {holder.pid} on .+ is preparing it: wait for it to end", str(caught.value)
    )
    assert prepared(tmp_path).is_new


def test_a_worker_that_is_killed_ends_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr("suite.preparation.pascal.read_annotation", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        with pytest.raises(StorageError, match=r"a worker was killed, so memory may be short: .* fewer workers"):
            prepared(tmp_path)
    assert prepared(tmp_path).is_new


def test_where_links_are_impossible_images_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("suite.preparation.images.os.link", refuse)
    image = prepared(tmp_path).root / "img/train/2008_000000.jpg"
    original = tmp_path / "originals/voc2010/VOCdevkit/VOC2010/JPEGImages/2008_000000.jpg"
    assert image.read_bytes() == original.read_bytes()
    assert image.stat().st_ino != original.stat().st_ino


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    image = save(tmp_path / "store/a.jpg", noise(4, 4))
    (tmp_path / "originals").mkdir()
    (tmp_path / "originals/a.jpg").symlink_to("../store/a.jpg")
    link_or_copy(tmp_path / "originals/a.jpg", tmp_path / "a.jpg")
    assert not (tmp_path / "a.jpg").is_symlink()
    assert (tmp_path / "a.jpg").read_bytes() == image.read_bytes()


def test_masks_are_written_alike_every_time() -> None:
    mask = np.arange(600, dtype=np.uint8).reshape(20, 30)
    assert png(mask) == png(mask.copy(order="F"))


def test_every_set_names_originals_that_can_be_had() -> None:
    assert set(PREPARED) == set(RECIPES)
    for name in PREPARED:
        assert needs(name)
        assert all(ORIGINALS[original].get for original in needs(name))
        assert RECIPES[name].name == name
    assert needs("cub200") == []


def test_interrupted_it_keeps_what_had_finished(tmp_path: Path) -> None:
    data = write(tmp_path, 80, 20)
    work = data / ".pascal_part.preparing"
    command = [sys.executable, "-m", "suite", "prepare", "pascal_part", "--data", str(data), "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=ROOT)
    while len(list(work.glob("ann/*/[!.]*.png"))) < 5:
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.splitlines()[-1].startswith("interrupted: what had finished is kept")
    assert "Traceback" not in stderr
    assert len(list(work.glob("ann/*/[!.]*.png"))) >= 5


def test_the_command_makes_what_it_can(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    arguments = ["--data", str(tmp_path), "--workers", "1"]
    assert main(["prepare", "lip,pascal_object", "pascal_part", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        f"pascal_object: made: 5 train, 3 val images in {tmp_path}/pascal_object",
        f"pascal_part: made: 5 train, 3 val images in {tmp_path}/pascal_part",
    ]
    assert f"error: lip: {tmp_path}/originals/lip: expected its folder of LIP, found nothing: get " in printed.err
    assert "warning: pascal_part: train: expected 4,998 images, got 5" in printed.err
    assert main(["prepare", "pascal_part", *arguments]) == 0
    assert capsys.readouterr().out == f"pascal_part: already there: 5 train, 3 val images in {tmp_path}/pascal_part\n"
    assert main(["prepare", "pascal_part", "--data", str(tmp_path), "--workers", "0"]) == RequestError.exit_code
    assert capsys.readouterr().err == "error: --workers '0': expected a whole number from 1 to 1000000000\n"
    assert main(["prepare", "pascal_part", "cub200", *arguments]) == RequestError.exit_code
    assert capsys.readouterr().err == (
        "error: unknown dataset to prepare 'cub200': expected one of pascal_part, pascal_object, ade20k_object, "
        "ade20k_part, lip\n"
    )


def test_originals_may_lie_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "store")
    assert prepared(tmp_path / "data", originals=tmp_path / "store/originals").is_new
    flat = tmp_path / "flat/voc2010"
    flat.parent.mkdir()
    (tmp_path / "store/originals/voc2010/VOCdevkit/VOC2010").rename(flat)
    (tmp_path / "store/originals/pascal_part").rename(tmp_path / "flat/pascal_part")
    assert prepared(tmp_path / "again", originals=tmp_path / "flat").is_new
