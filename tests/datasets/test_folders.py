"""Folders as people have them: what systems leave in them changes nothing, and nothing of them is lost unsaid."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from suite.cli.main import main
from suite.core.paths import ROOT
from suite.datasets import digest, imagenet1k, require
from suite.datasets.files import RESTORE, images_under
from suite.datasets.segmentation import segmentation
from suite.errors import DatasetError
from suite.mini.digests import tree_digest
from suite.verification import data
from tests.support.lookalikes import noise, save, write_imagenet, write_segmentation

LEFT_BEHIND = (".ipynb_checkpoints", "@eaDir", "__MACOSX", "lost+found", "#recycle")


def litter(root: Path) -> Path:
    """Leave in every folder below what systems leave: folders of images, and files under images' names."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        for name in LEFT_BEHIND:
            (folder / name).mkdir()
            for suffix in (".jpg", ".png", ".JPEG"):
                (folder / name / f"x{suffix}").write_bytes(b"a thumbnail")
        for name in ("._x.jpg", "._x.png", "._x.JPEG", ".DS_Store", "Thumbs.db", "desktop.ini"):
            (folder / name).write_bytes(b"Mac OS X")
    return root


def error(call) -> str:
    with pytest.raises(DatasetError) as caught:
        call()
    return str(caught.value)


def checks(root: Path) -> dict[str, tuple[str, ...]]:
    """Check -> its problems, of the checks that failed."""
    (subject,) = data.subjects([root.name], root.parent, "mini")
    outcomes = {check.name: check for check in data.verify(subject)}
    return {n: check.problems for n, check in outcomes.items() if check.status == "failed" and n != "drawings"}


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    return write_imagenet(tmp_path / "imagenet1k")


@pytest.fixture
def lip(tmp_path: Path) -> Path:
    labels = (np.arange(48, dtype=np.uint8) % 20).reshape(6, 8)
    for split in ("train", "val"):
        write_segmentation(tmp_path / f"lip/img/{split}", tmp_path / f"lip/ann/{split}", {"a": labels, "sub/b": labels})
    return tmp_path / "lip"


@pytest.mark.parametrize("split", ["train", "val"])
def test_labels_and_digest_of_imagenet_stay_whatever_systems_leave_behind(imagenet: Path, split: str) -> None:
    before, digests = imagenet1k.images(imagenet, split), (digest(imagenet), tree_digest(imagenet))
    after = imagenet1k.images(litter(imagenet), split)
    assert after.class_names == ("n01440764", "n02105855")
    assert after.labels.tolist() == before.labels.tolist()
    assert [view.image for view in after.views] == [view.image for view in before.views]
    assert (digest(imagenet), tree_digest(imagenet)) == digests
    assert digests[0] == digests[1]
    assert checks(imagenet) == {}


def test_records_and_digest_of_masks_stay_whatever_systems_leave_behind(lip: Path) -> None:
    before, digests = segmentation("lip", lip, "val").records, (digest(lip), tree_digest(lip))
    assert segmentation("lip", litter(lip), "val").records == before
    assert (digest(lip), tree_digest(lip)) == digests
    assert checks(lip) == {}


@pytest.mark.parametrize("name", ["old", "N01440764", "n0144076", "n014407640", "n01440764 (copy)", "n٠١٤٤٠٧٦٤"])
def test_a_folder_that_is_no_wnid_is_refused_and_shifts_no_label(imagenet: Path, name: str) -> None:
    save(imagenet / "val" / name / "x.JPEG", noise(8, 8))
    place = imagenet / "val" / name
    assert error(lambda: imagenet1k.images(imagenet, "val")) == (
        f"{place}: expected the folders of classes (n01440764, ...) only: move it away"
    )
    assert f"val/{name}: expected a wnid (n01440764, ...)" in checks(imagenet)["classes"]


def test_images_left_beside_the_folders_of_classes_are_not_lost(imagenet: Path) -> None:
    """As of a validation archive that was sorted in part; a list of names is no harm."""
    (imagenet / "val/list.txt").touch()
    assert len(imagenet1k.images(imagenet, "val")) == 3
    loose = save(imagenet / "val/ILSVRC2012_val_00000009.JPEG", noise(8, 8))
    assert error(lambda: imagenet1k.images(imagenet, "val")) == (
        f"{loose}: expected the folders of classes (n01440764, ...) only: move it away"
    )
    assert checks(imagenet)["classes"] == (f"val/{loose.name}: expected a wnid (n01440764, ...)",)


def test_a_file_in_the_place_of_a_folder_is_said(imagenet: Path, lip: Path) -> None:
    (imagenet / "val/n09999999").touch()
    assert error(lambda: imagenet1k.images(imagenet, "val")) == (
        f"{imagenet}/val/n09999999: expected the folders of classes (n01440764, ...) only: move it away"
    )
    shutil.rmtree(lip / "img/val")
    (lip / "img/val").touch()
    assert error(lambda: segmentation("lip", lip, "val")) == (
        f"{lip}/img/val: expected images (.jpg), found a file: {RESTORE}"
    )


def test_images_behind_linked_folders_are_read_and_change_the_digest(lip: Path, tmp_path: Path) -> None:
    before = segmentation("lip", lip, "val").records
    plain = digest(lip)
    for kind in ("img", "ann"):
        (lip / kind / "val/sub").rename(tmp_path / kind)
        (lip / kind / "val/sub").symlink_to(tmp_path / kind)
    assert segmentation("lip", lip, "val").records == before
    assert digest(lip) == tree_digest(lip) == plain, "the same files under the same names, wherever they lie"
    save(tmp_path / "img/b.jpg", noise(6, 8, seed=9))
    assert digest(lip) == tree_digest(lip) != plain


def test_a_link_to_a_class_is_a_class(imagenet: Path, tmp_path: Path) -> None:
    (imagenet / "val/n02105855").rename(tmp_path / "elsewhere")
    (imagenet / "val/n02105855").symlink_to(tmp_path / "elsewhere")
    assert imagenet1k.images(imagenet, "val").labels.tolist() == [0, 0, 1]
    shutil.rmtree(tmp_path / "elsewhere")
    assert error(lambda: imagenet1k.images(imagenet, "val")) == (
        f"{imagenet}/val/n02105855: cannot be read (No such file or directory): {RESTORE}"
    )


def test_names_in_upper_case_and_names_that_are_no_utf_8_count(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.jpg")
    for name in ("A.JPG", "b.Jpeg", "c.PNG", odd):
        (tmp_path / name).touch()
    assert [path.name for path in images_under(tmp_path)] == ["A.JPG", "b.Jpeg", "c.PNG", odd]


def test_verify_names_damaged_files_of_any_name_in_a_line_each(lip: Path) -> None:
    for name in (b"caf\xe9.jpg", b"two\nlines.jpg"):
        (lip / "img/val" / os.fsdecode(name)).touch()
    verify = [sys.executable, "-m", "suite", "verify", "data", "lip", "--data", str(lip.parent), "--profile", "mini"]
    done = subprocess.run(verify, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    problem = "cannot be read (expected a whole JPEG or PNG image, got an empty file)"
    assert f"  img/val/caf\\udce9.jpg: {problem}\n  img/val/two lines.jpg: {problem}\n" in done.stdout


@pytest.mark.parametrize("forbidden", ["lip", "val", "sub"])
def test_a_folder_that_may_not_be_listed_is_an_error_of_readers_digest_and_verify(
    lip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], forbidden: str
) -> None:
    """Root may list any folder, so the system's refusal is put on."""
    scan = os.scandir

    def refuse(folder="."):
        if Path(os.fspath(folder)).name == forbidden:
            raise PermissionError(13, "Permission denied", os.fspath(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    refused = {"lip": lip, "val": lip / "ann/val", "sub": lip / "ann/train/sub"}[forbidden]
    assert error(lambda: digest(lip)) == f"{refused}: cannot be listed (Permission denied): let this user read it"
    reader = {"lip": lambda: require(lip, "lip")}.get(forbidden, lambda: segmentation("lip", lip, "val"))
    assert "cannot be listed (Permission denied): let this user read it" in error(reader)
    assert main(["verify", "data", "lip", "--data", str(lip.parent), "--profile", "mini"]) == 2
    assert "cannot be listed (Permission denied)" in capsys.readouterr().out


def test_a_folder_of_nothing_but_what_systems_leave_behind_is_empty(tmp_path: Path) -> None:
    (tmp_path / "lip").mkdir()
    litter(tmp_path / "lip")
    assert error(lambda: require(tmp_path / "lip", "lip")) == (
        f"{tmp_path}/lip: expected the folder of LIP, found an empty folder: {RESTORE}"
    )
