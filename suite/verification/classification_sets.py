"""Checks of CIFAR-10 and ImageNet-1K."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from suite.datasets import cifar10, imagenet1k
from suite.datasets.files import home
from suite.verification import facts
from suite.verification.outcome import Findings
from suite.verification.subject import Subject, check_md5, check_sizes, listed, open_images

_WNID = re.compile(r"n\d{8}")


def cifar10_digests(subject: Subject, found: Findings) -> None:
    """Check the seven files of the Python version."""
    folder = home(subject.root, "cifar-10-batches-py")
    check_md5(folder, facts.CIFAR10_MD5, found, published=subject.published)


def cifar10_splits(subject: Subject, found: Findings) -> None:
    """Read both splits whole: there are no image files to sample. Every class has its equal share."""
    sizes = {}
    for split in cifar10.SPLITS:
        views = cifar10.images(subject.root, split)
        sizes[split] = len(views)
        shares = np.bincount(views.labels, minlength=len(views.class_names))
        if subject.published and len(set(shares.tolist())) != 1:
            found.problem("unequal classes", f"{split}: expected equally many images of each class, got {shares}")
    check_sizes(subject, found, sizes)


def imagenet_splits(subject: Subject, found: Findings) -> None:
    """Count images, in all and by class."""
    files = subject.once(_files)
    check_sizes(subject, found, {split: sum(map(len, of.values())) for split, of in files.items()})
    for split, of in files.items():
        least, most = facts.IMAGENET_CLASS_SIZES[split]
        for wnid, images in of.items():
            if not images:
                found.problem("empty classes", f"{split}/{wnid}: expected images, found none")
            elif subject.published and not least <= len(images) <= most:
                found.problem("class sizes", f"{split}/{wnid}: expected {least} to {most} images, got {len(images)}")


def imagenet_classes(subject: Subject, found: Findings) -> None:
    """Check the folders: 1,000 wnids, the same in both splits, and each validation image in its own."""
    files = subject.once(_files)
    train, val = files["train"].keys(), files["val"].keys()
    for wnid in sorted(train ^ val):
        found.problem("unpaired classes", f"{wnid}: a folder in {'train' if wnid in train else 'val'} only")
    for wnid in sorted(name for name in train | val if not _WNID.fullmatch(name)):
        found.problem("strange folders", f"{wnid}: expected a wnid (n01440764, ...)")
    found.say(f"{len(val):,} classes, in train and val")
    if not subject.published:
        return
    for split, of in files.items():
        if len(of) != facts.IMAGENET_CLASSES:
            found.problem("classes", f"{split}: expected {facts.IMAGENET_CLASSES:,} class folders, got {len(of):,}")
    places = {path.name: wnid for wnid, images in files["val"].items() for path in images}
    for name, wnid in facts.IMAGENET_VAL_FOLDERS.items():
        if name in places and places[name] != wnid:
            found.problem("misplaced images", f"val/{places[name]}/{name}: expected in {wnid} (devkit order?)")


def imagenet_images(subject: Subject, found: Findings) -> None:
    """Open images, CMYK, grayscale and misnamed files among them."""
    for split, of in subject.once(_files).items():
        open_images(subject, found, split, [path for images in of.values() for path in images])


def _files(subject: Subject) -> Mapping[str, Mapping[str, list[Path]]]:
    """Map split -> folder -> images, sorted; no image where a class is empty."""
    found: dict[str, dict[str, list[Path]]] = {}
    for split in imagenet1k.SPLITS:
        folder = subject.root / split
        names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        found[split] = {name: listed(folder / name) for name in names}
    return found
