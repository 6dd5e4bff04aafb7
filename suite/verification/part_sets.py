"""Checks of CUB-200-2011 and COCO 2017."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from suite.core.listing import entries, is_folder
from suite.datasets import coco, cub200
from suite.datasets.digests import file_digest
from suite.datasets.files import home
from suite.datasets.tables import LARGEST_PX
from suite.verification import facts
from suite.verification.outcome import Findings
from suite.verification.subject import Subject, check_md5, check_sizes, open_images


def cub200_digests(subject: Subject, findings: Findings) -> None:
    """Check the text files."""
    check_md5(home(subject.root, "CUB_200_2011"), facts.CUB200_MD5, findings, published=subject.published)


def cub200_splits(subject: Subject, findings: Findings) -> None:
    """Check the official split, and that each of its images is there."""
    index = subject.once(_birds)
    check_sizes(subject, findings, {"train": len(index.train), "test": len(index.test)})
    _present(subject, findings, [*index.files.values()])


def cub200_patches(subject: Subject, findings: Findings) -> None:
    """Count the part patches that the reader cuts, part by part."""
    counts = Counter(patch.part for patch in cub200.part_patches(subject.root))
    findings.say(f"{counts.total():,} part patches: " + ", ".join(f"{n:,} {part}" for part, n in counts.items()))
    for part, expected in facts.CUB200_PATCHES.items():
        if subject.published and counts[part] != expected:
            findings.problem("patches", f"{part}: expected {expected:,} part patches, got {counts[part]:,}")


def cub200_images(subject: Subject, findings: Findings) -> None:
    """Open images, grayscale files among them."""
    files = [*subject.once(_birds).files.values()]
    open_images(subject, findings, "all", [path for path in files if path.is_file()])


def coco_splits(subject: Subject, findings: Findings) -> None:
    """Check the images that the indices list, and that each is there."""
    sizes = {split: len(index.files) for split, index in subject.once(_people).items()}
    check_sizes(subject, findings, sizes)
    for index in subject.once(_people).values():
        _present(subject, findings, [*index.files.values()])


def coco_digests(subject: Subject, findings: Findings) -> None:
    """Report that no digest of a single annotation file is published, only that of their archive."""
    for split, kind in (("train2017", "person_keypoints"), ("val2017", "person_keypoints"), ("val2017", "instances")):
        path = subject.root / "annotations" / f"{kind}_{split}.json"
        if path.is_file():
            findings.say(f"{path.name} SHA-256 {file_digest(path)}")
        else:
            findings.problem("missing files", f"annotations/{path.name}: expected a file, found nothing")
    if subject.published:
        findings.no_reference("digests are published of the archive only")


def coco_annotations(subject: Subject, findings: Findings) -> None:
    """Count people, people with keypoints, objects and categories; and what the readers make of them."""
    for split, index in subject.once(_people).items():
        people = len(index.annotations), int((index.annotations.whole("num_keypoints") > 0).sum())
        findings.say(f"{split}: {people[0]:,} people, {people[1]:,} with keypoints")
        if subject.published and people != facts.COCO_PEOPLE[split]:
            findings.problem("annotations", f"{split}: expected {facts.COCO_PEOPLE[split]} people, got {people}")
    objects = coco.Index.read(subject.root, "instances", "val2017")
    counts = len(objects.annotations), len(objects.categories)
    findings.say(f"val2017: {counts[0]:,} objects of {counts[1]} categories")
    if subject.published and counts != facts.COCO_OBJECTS:
        findings.problem("annotations", f"val2017: expected {facts.COCO_OBJECTS} objects and categories, got {counts}")


def coco_images(subject: Subject, findings: Findings) -> None:
    """Check that a sample opens, at the size that the index gives."""
    for split, index in subject.once(_people).items():
        sides = (index.images.whole(key, largest=LARGEST_PX).tolist() for key in ("width", "height"))
        sizes = dict(zip(index.files.values(), zip(*sides, strict=True), strict=True))
        open_images(subject, findings, split, [path for path in sizes if path.is_file()], sizes)


def _birds(subject: Subject) -> cub200.Index:
    return cub200.Index.read(subject.root)


def _people(subject: Subject) -> dict[str, coco.Index]:
    return {split: coco.Index.read(subject.root, "person_keypoints", split) for split in coco.SPLITS}


def _present(subject: Subject, findings: Findings, files: list[Path]) -> None:
    """Check that each image that an index lists is there; list folders once, since a look-up a file is slow."""
    present: dict[Path, set[str]] = {}
    for path in files:
        folder = path.parent
        if folder not in present:
            present[folder] = set(entries(folder)[1]) if is_folder(folder) else set()
        if path.name not in present[folder]:
            findings.problem("missing images", f"{path.relative_to(subject.root)}: its index lists it, found nothing")
