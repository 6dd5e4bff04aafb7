"""The two releases of the full ADE20K: which images they hold, and what their classes are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from suite.core.listing import walk
from suite.errors import DatasetError
from suite.preparation.images import unusable
from suite.preparation.matlab import read_mat
from suite.preparation.originals import missing
from suite.preparation.recipe import Item, Listing

_LONG = {"train": "training", "val": "validation"}
_RELEASES = {"ADE20K_2021_17_01": "images/ADE", "ADE20K_2016_07_26": "images"}


def list_images(root: Path) -> Listing:
    """List every image of the release under `root`, with the files of its annotation.

    Raises:
        DatasetError: no known release is there, or two images have one name.
    """
    release, home = _release(root)
    items: dict[str, Item] = {}
    for split, long in _LONG.items():
        for image in _images(home / _RELEASES[release] / long):
            if image.stem in items:
                raise DatasetError(f"{image}: expected one image of that name, got {items[image.stem].image} too")
            items[image.stem] = Item(split, image.stem, image, _sources(image, release))
    if not items:
        raise missing("ade20k_full", home, f"images in {_RELEASES[release]}/training")
    ordered = sorted(items.values(), key=lambda item: (item.split, item.stem))
    return Listing(ordered, (home / "index_ade20k.mat",) if release.startswith("ADE20K_2016") else (), release)


def _release(root: Path) -> tuple[str, Path]:
    for name, images in _RELEASES.items():
        for home in (root / name, root):
            if (home / images / "training").is_dir():
                return name, home
    raise missing("ade20k_full", root, f"{' or '.join(_RELEASES)}")


def _images(folder: Path) -> Iterator[Path]:
    for parent, folders, names in walk(folder) if folder.is_dir() else ():
        # the release of 2021 keeps masks of single instances in a folder beside each image
        folders[:] = [name for name in folders if f"{name}.jpg" not in names]
        yield from (parent / name for name in names if name.endswith(".jpg"))


def _sources(image: Path, release: str) -> tuple[Path, ...]:
    parts: list[Path] = []
    while (path := image.with_name(f"{image.stem}_parts_{len(parts) + 1}.png")).exists():
        parts.append(path)
    json_files = [image.with_suffix(".json")] if release.startswith("ADE20K_2021") else []
    return (image.with_name(f"{image.stem}_seg.png"), *parts, *json_files)


def class_names(listing: Listing) -> dict[int, str]:
    """Map class to name, for a release with names in its index; empty for one whose images each bring their own.

    Raises:
        DatasetError: the index is missing or damaged.
    """
    if not listing.index:
        return {}
    path = listing.index[0]
    if not path.is_file():
        raise missing("ade20k_full", path.parent, path.name)
    try:
        cells = read_mat(path, ["index"])["index"]["objectnames"].ravel()[0].ravel()
        return {number: str(cell.ravel()[0]) for number, cell in enumerate(cells, 1) if cell.size}
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise unusable(path, f"expected index.objectnames ({type(error).__name__}: {error})") from error
