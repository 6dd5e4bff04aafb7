"""A check that looked at nothing is never green, and each line says what is so."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.datasets.segmentation_classes import CLASSES
from suite.errors import DatasetError
from suite.preparation.matlab import read_annotation
from suite.verification import data, packages
from suite.verification.outcome import Findings
from tests.support.lookalikes import broken_exif, write_imagenet


@pytest.fixture
def without_files(lookalike_data: Path, tmp_path: Path) -> Path:
    """Every dataset without a single image or mask, its folders and index files in place."""
    copy = Path(shutil.copytree(lookalike_data, tmp_path / "data"))
    for path in [*copy.rglob("*.*")]:
        if path.suffix.lower() in {".jpg", ".jpeg", ".png"}:
            path.unlink()
    for name in data.CHECKS:
        (copy / name / "README").write_text("a folder that holds something")
    return copy


def verified(folder: Path, name: str, profile: str) -> Iterator[tuple[str, str, str]]:
    (subject,) = data.subjects([name], folder, profile)
    for check in data.verify(subject):
        yield check.name, check.status, "; ".join([check.detail, *check.problems])


BY_FILES = {
    "coco": {"splits", "images"},
    "cub200": {"splits", "images"},
    "imagenet1k": {"splits", "images"},
    **{name: {"splits", "pairs", "images", "masks"} for name in CLASSES},
}


@pytest.mark.parametrize("profile", ["mini", "paper"])
@pytest.mark.parametrize("name", BY_FILES)
def test_no_check_of_images_passes_where_there_is_none(without_files: Path, name: str, profile: str) -> None:
    statuses = {check: status for check, status, _ in verified(without_files, name, profile)}
    assert {check for check in BY_FILES[name] if statuses[check] != "failed"} == set()


def test_an_empty_segmentation_set_is_told_in_words(without_files: Path) -> None:
    told = {check: text for check, _, text in verified(without_files, "lip", "mini")}
    none = "train: expected images, found none; val: expected images, found none"
    assert told["splits"] == f"2 empty splits; {none}"
    assert told["images"] == f"2 empty splits; {none}"
    assert told["masks"] == (
        "2 empty splits; train: expected images with masks, found none; val: expected images with masks, found none"
    )
    assert told["pairs"] == f"2 empty splits; {none}"


def test_imagenet_without_class_folders_has_no_classes_in_train_and_val(tmp_path: Path) -> None:
    (tmp_path / "imagenet1k/train").mkdir(parents=True)
    told = {check: (status, text) for check, status, text in verified(tmp_path, "imagenet1k", "mini")}
    assert told["classes"] == (
        "failed",
        "2 empty splits; train: expected a folder per class (n01440764, ...), found none; "
        "val: expected a folder per class (n01440764, ...), found none",
    )


def test_a_check_that_says_nothing_has_failed() -> None:
    check = Findings().check("lip", "images")
    assert (check.status, check.problems) == ("failed", ("it looked at nothing",))


def test_installed_files_without_a_lock_are_missing_and_none_installed_is_wrong(tmp_path: Path) -> None:
    absent = packages.installed_files(lock=tmp_path / "requirements.lock")
    assert (absent.status, absent.detail) == ("missing", "no requirements.lock: nothing says which files belong here")
    (tmp_path / "requirements.lock").write_text("nowhere==1.0 --hash=sha256:0\n")
    for check in (
        packages.installed_files(lock=tmp_path / "requirements.lock"),
        packages.packages(tmp_path / "requirements.lock"),
    ):
        assert (check.status, check.problems) == (
            "failed",
            ("none of the 1 packages of requirements.lock is installed; run make setup",),
        )


def test_a_missing_annotation_is_called_missing_and_not_damaged(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read_annotation(tmp_path / "2008_000001.mat")
    assert str(caught.value) == f"{tmp_path}/2008_000001.mat: No such file or directory"


def test_the_decoders_warnings_do_not_stand_in_the_output(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    root = write_imagenet(tmp_path / "imagenet1k")
    for image in root.rglob("*.JPEG"):
        if image.read_bytes()[:2] == b"\xff\xd8":
            broken_exif(image)
    with warnings.catch_warnings(record=True) as told:
        main(["verify", "data", "imagenet1k", "--profile", "paper", "--data", str(tmp_path), "--full"])
    assert told == []
    assert capfd.readouterr().err == ""
