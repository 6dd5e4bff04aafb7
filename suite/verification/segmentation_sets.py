"""Checks of the six segmentation sets."""

from __future__ import annotations

from pathlib import Path

from suite.datasets.openers import image_size
from suite.datasets.segmentation import SPLITS, folders, mask_of, read_mask
from suite.datasets.segmentation_classes import CLASSES
from suite.errors import DatasetError
from suite.verification.outcome import Findings
from suite.verification.subject import Subject, check_sizes, in_threads, listed, no_images, open_images, report


def splits(subject: Subject, findings: Findings) -> None:
    """Count images."""
    check_sizes(subject, findings, {split: len(images) for split, images in subject.once(_images).items()})


def pairs(subject: Subject, findings: Findings) -> None:
    """Check that every image has its mask, and every mask its image."""
    count = 0
    for split, images in subject.once(_images).items():
        if not images:
            no_images(findings, split)
        image_folder, mask_folder = folders(subject.name, subject.root, split)
        expected: dict[Path, Path] = {}
        for image in images:
            mask = mask_of(image, image_folder, mask_folder)
            if (other := expected.setdefault(mask, image)) != image:
                findings.problem(
                    "shared masks", f"{_short(mask, subject)}: expected one image, got {other.name} and {image.name}"
                )
        present = set(listed(mask_folder, (".png",)))
        count += len(expected.keys() & present)
        for mask in sorted(expected.keys() - present):
            findings.problem("missing masks", f"{_short(mask, subject)}: expected the mask of {expected[mask].name}")
        for mask in sorted(present - expected.keys()):
            findings.problem("masks without image", f"{_short(mask, subject)}: expected an image of the same name")
    findings.say(f"{count:,} images with a mask each")


def images(subject: Subject, findings: Findings) -> None:
    """Check that a sample opens."""
    for split, files in subject.once(_images).items():
        open_images(subject, findings, split, files)


def masks(subject: Subject, findings: Findings) -> None:
    """Check that a sample of masks holds legal labels only, one channel, and is as large as its images."""
    classes = len(CLASSES[subject.name])
    count = 0
    for split, files in subject.once(_images).items():
        image_folder, mask_folder = folders(subject.name, subject.root, split)
        paired = [(image, mask_of(image, image_folder, mask_folder)) for image in files]
        sample = subject.choose([pair for pair in paired if pair[1].is_file()], split)
        if not sample:
            no_images(findings, split, "images with masks")
        count += len(sample)
        report(findings, "illegal masks", in_threads(lambda pair: _illegal(pair, subject, classes), sample))
    findings.say(f"{count:,} masks hold 0 to {classes} and 255 only, and fit their images")


def _illegal(pair: tuple[Path, Path], subject: Subject, classes: int) -> str | None:
    image, mask = pair
    try:
        height, width = read_mask(mask, classes).shape
    except DatasetError as error:
        return subject.word(error)
    try:
        size = image_size(image)  # the header alone: whether the image decodes is another check's question
    except DatasetError:
        return None
    if size == (width, height):
        return None
    return f"{_short(mask, subject)}: expected the {size} pixels of {image.name}, got {(width, height)}"


def _images(subject: Subject) -> dict[str, list[Path]]:
    """Map split to images, sorted."""
    return {split: listed(folders(subject.name, subject.root, split)[0], (".jpg",)) for split in SPLITS}


def _short(path: Path, subject: Subject) -> str:
    return path.relative_to(subject.root).as_posix()
