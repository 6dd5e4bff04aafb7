"""Verification of datasets: which checks each has, and running them all whatever they find."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from suite import datasets
from suite.datasets.files import damaged
from suite.datasets.segmentation_classes import CLASSES
from suite.errors import DatasetError, RequestError
from suite.mini.digests import recorded_digests, tree_digest
from suite.verification import classification_sets, part_sets, segmentation_sets
from suite.verification.outcome import Check, Findings
from suite.verification.subject import Subject

Checker = Callable[[Subject, Findings], None]

_SEGMENTATION: dict[str, Checker] = {
    "splits": segmentation_sets.splits,
    "pairs": segmentation_sets.pairs,
    "images": segmentation_sets.images,
    "masks": segmentation_sets.masks,
}

CHECKS: dict[str, dict[str, Checker]] = {
    "cifar10": {"digests": classification_sets.cifar10_digests, "splits": classification_sets.cifar10_splits},
    "coco": {
        "digests": part_sets.coco_digests,
        "splits": part_sets.coco_splits,
        "annotations": part_sets.coco_annotations,
        "images": part_sets.coco_images,
    },
    "cub200": {
        "digests": part_sets.cub200_digests,
        "splits": part_sets.cub200_splits,
        "patches": part_sets.cub200_patches,
        "images": part_sets.cub200_images,
    },
    "imagenet1k": {
        "splits": classification_sets.imagenet_splits,
        "classes": classification_sets.imagenet_classes,
        "images": classification_sets.imagenet_images,
    },
    **dict.fromkeys(CLASSES, _SEGMENTATION),
}
"""Checks by dataset and name, in the order in which they run."""

SAMPLE = 100
"""Images of each split that are opened unless all are asked for."""


def subjects(
    names: list[str], data: Path, profile: str, *, sample: int | None = SAMPLE, seed: int = 0
) -> list[Subject]:
    """List the datasets to verify.

    Args:
        names: datasets; the paper has ten.
        data: the data folder.
        profile: `paper` holds them against what is published, `mini` against the recorded drawings.
        sample: images of each split to open; None for all.
        seed: draws the sample.

    Raises:
        RequestError: there is no such dataset, or a sample of none.
    """
    if sample is not None and sample < 1:
        raise RequestError(f"sample {sample}: expected at least 1, or --full")
    roots = {name: datasets.dataset_root(data, name) for name in names}
    return [Subject(name, root, profile == "paper", sample, seed) for name, root in roots.items()]


def checks_of(subject: Subject) -> dict[str, Checker]:
    """Return the checks of one dataset; drawn data have one more, since their bytes are known."""
    drawings = {} if subject.published else {"drawings": drawings_as_recorded}
    return drawings | CHECKS[subject.name]


def verify(subject: Subject) -> Iterator[Check]:
    """Run every check of a dataset, whatever the others find; only its folder's absence ends it."""
    absence = _missing(subject, "folder")
    if absence:
        yield absence
        return
    for name in checks_of(subject):
        yield run_check(subject, name)


def run_check(subject: Subject, name: str) -> Check:
    """Run one check; `missing` where the dataset's folder is missing or empty."""
    absence = _missing(subject, name)
    if absence:
        return absence
    findings = Findings()
    try:
        checks_of(subject)[name](subject, findings)
    except DatasetError as error:
        findings.problem("unreadable index", subject.word(error))
    except OSError as error:  # a folder that may not be entered
        findings.problem("unreadable index", subject.word(damaged(Path(error.filename or subject.root), error)))
    return findings.check(subject.name, name)


def _missing(subject: Subject, name: str) -> Check | None:
    try:
        datasets.require(subject.root, subject.name)
    except DatasetError as error:
        return Check(subject.name, name, "missing", str(error))
    return None


def drawings_as_recorded(subject: Subject, findings: Findings) -> None:
    """Check that the mini study's bytes are the recorded ones, or at least those that were drawn here."""
    digest, recorded = tree_digest(subject.root), recorded_digests(1.0)[subject.name]
    if digest == recorded:
        findings.say(f"drawn as recorded, SHA-256 {digest[:12]}")
        return
    stamp = subject.root / ".rendered.json"
    try:
        drawn_digest = json.loads(stamp.read_bytes())["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        drawn_digest = None
    if drawn_digest == digest:
        findings.warn(f"drawn with other versions of NumPy or Pillow: SHA-256 {digest[:12]}, recorded {recorded[:12]}")
    else:
        findings.problem(
            "changed data", f"expected SHA-256 {recorded[:12]} of all files, got {digest[:12]}: draw it again"
        )
