"""Places of the original releases, and how to get one that does not lie there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from suite.core.listing import is_folder
from suite.datasets.files import home
from suite.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Original:
    """One release, as its owners publish it.

    Attributes:
        title: what it is called.
        inner: the folders that its archive unpacks to, outermost first; each may be there or not.
        holds: files or folders that must be in it.
        get: what to do where it is missing.
    """

    title: str
    inner: tuple[str, ...]
    holds: tuple[str, ...]
    get: str


ORIGINALS = {
    "voc2010": Original(
        "Pascal VOC 2010",
        ("VOCdevkit", "VOC2010"),
        ("JPEGImages", "ImageSets/Main/train.txt", "ImageSets/Main/val.txt"),
        "run `python -m suite fetch data pascal`, or unpack VOCtrainval_03-May-2010.tar there",
    ),
    "pascal_part": Original(
        "the Pascal-Part annotations",
        (),
        ("Annotations_Part",),
        "run `python -m suite fetch data pascal`, or unpack Pascal-Part's trainval.tar.gz there",
    ),
    "ade20k": Original(
        "ADE20K scene parsing",
        ("ADEChallengeData2016",),
        ("images/training", "images/validation", "annotations/training", "annotations/validation"),
        "run `python -m suite fetch data ade20k`, or unpack ADEChallengeData2016.zip there",
    ),
    "ade20k_full": Original(
        "the full ADE20K",
        (),
        (),
        "ask for it at https://ade20k.csail.mit.edu and unpack ADE20K_2021_17_01 or ADE20K_2016_07_26 there",
    ),
    "lip": Original(
        "LIP",
        (),
        (),
        "get TrainVal_images and TrainVal_parsing_annotations from http://lip.sysuhcp.com and unpack both there",
    ),
}


def find(name: str, data: Path, originals: Path) -> Path:
    """Find the folder of an original release.

    Args:
        name: one of `ORIGINALS`.
        data: the data folder; SceneParsing's ADE20K is read from its place in it.
        originals: the folder of the releases that are only prepared from.

    Raises:
        DatasetError: it is missing or not whole.
    """
    original = ORIGINALS[name]
    root = data / name if name == "ade20k" else originals / name
    if not is_folder(root):
        raise missing(name, root, "its folder")
    for inner in original.inner:
        root = home(root, inner)
    for path in original.holds:
        if not (root / path).exists():
            raise missing(name, root, path)
    return root


def missing(name: str, root: Path, expected: str) -> DatasetError:
    """Return the error for a release that is not there, or lacks something."""
    original = ORIGINALS[name]
    return DatasetError(f"{root}: expected {expected} of {original.title}, found nothing: {original.get}")
