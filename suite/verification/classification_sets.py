"""Checks of CIFAR-10 and ImageNet-1K."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from suite.datasets import cifar10, imagenet1k
from suite.datasets.files import home
from suite.verification import facts
from suite.verification.outcome import Findings
from suite.verification.subject import Subject, check_md5, check_sizes, listed, no_images, open_images


def cifar10_digests(subject: Subject, findings: Findings) -> None:
    """Check the seven files of the Python version."""
    folder = home(subject.root, "cifar-10-batches-py")
    check_md5(folder, facts.CIFAR10_MD5, findings, published=subject.published)


def cifar10_splits(subject: Subject, findings: Findings) -> None:
    """Read both splits whole: there are no image files to sample. Every class has its equal share."""
    sizes = {}
    for split in cifar10.SPLITS:
        views = cifar10.images(subject.root, split)
        sizes[split] = len(views)
        shares = np.bincount(views.labels, minlength=len(views.class_names))
        if subject.published and len(set(shares.tolist())) != 1:
            findings.problem("unequal classes", f"{split}: expected equally many images of each class, got {shares}")
    check_sizes(subject, findings, sizes)


def imagenet_splits(subject: Subject, findings: Findings) -> None:
    """Count images, in all and by class."""
    files = subject.once(_files)
    check_sizes(subject, findings, {split: sum(map(len, classes.values())) for split, classes in files.items()})
    for split, classes in files.items():
        minimum, maximum = facts.IMAGENET_CLASS_SIZES[split]
        for wnid, images in classes.items():
            if not images:
                findings.problem("empty classes", f"{split}/{wnid}: expected images, found none")
            elif subject.published and not minimum <= len(images) <= maximum:
                findings.problem(
                    "class sizes", f"{split}/{wnid}: expected {minimum} to {maximum} images, got {len(images)}"
                )


def imagenet_classes(subject: Subject, findings: Findings) -> None:
    """Check the folders: 1,000 wnids, the same in both splits, and each validation image in its own."""
    files = subject.once(_files)
    train, val = files["train"].keys(), files["val"].keys()
    for wnid in sorted(train ^ val):
        findings.problem("unpaired classes", f"{wnid}: a folder in {'train' if wnid in train else 'val'} only")
    for split, classes in files.items():
        for name in imagenet1k.contents(subject.root / split)[1]:
            findings.problem("strange names", f"{split}/{name}: expected a wnid (n01440764, ...)")
        if not classes:
            no_images(findings, split, "a folder per class (n01440764, ...)")
    findings.say(f"{len(val):,} classes, in train and val")
    if not subject.published:
        return
    for split, classes in files.items():
        if classes and len(classes) != facts.IMAGENET_CLASSES:
            findings.problem(
                "classes", f"{split}: expected {facts.IMAGENET_CLASSES:,} class folders, got {len(classes):,}"
            )
    places = {path.name: wnid for wnid, images in files["val"].items() for path in images}
    for name, wnid in facts.IMAGENET_VAL_FOLDERS.items():
        if name in places and places[name] != wnid:
            findings.problem("misplaced images", f"val/{places[name]}/{name}: expected in {wnid} (devkit order?)")


def imagenet_images(subject: Subject, findings: Findings) -> None:
    """Open images, CMYK, grayscale and misnamed files among them."""
    for split, classes in subject.once(_files).items():
        open_images(subject, findings, split, [path for images in classes.values() for path in images])


def _files(subject: Subject) -> Mapping[str, Mapping[str, list[Path]]]:
    """Map split -> folder -> images, sorted; no image where a class is empty."""
    images: dict[str, dict[str, list[Path]]] = {}
    for split in imagenet1k.SPLITS:
        folder = subject.root / split
        images[split] = {name: listed(folder / name) for name in imagenet1k.contents(folder)[0]}
    return images
