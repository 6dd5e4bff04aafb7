"""ADE20K-Part (209 parts), from the full ADE20K. Which 209 the authors chose is unpublished: the choice is ours.

A part belongs to the outermost whole object around it; the wholes are ADE20K-Object's 59. The (object, part) pairs
that most training images show are the classes. Where a part of a part is a class too, it hides the part around it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from suite.core.files import write_json
from suite.datasets.segmentation_classes import CLASSES
from suite.preparation.ade20k_full import Classes, Region, Scene, read_scene
from suite.preparation.ade20k_releases import class_names, list_images
from suite.preparation.ade20k_synonyms import object_label
from suite.preparation.problems import all_good, attempt
from suite.preparation.recipe import Item, Listing, Mask, Parallel, Plan, Recipe

Pair = tuple[int, str]
"""Pair of (object 1..59, name of the part with its synonyms)."""

OBJECTS = CLASSES["ade20k_object"]
CLASSES_KEPT = 209
SELECTION = ".selection.json"


def pairs(scene: Scene) -> Iterator[tuple[Pair, npt.NDArray[np.intp]]]:
    """Yield every part of one of the 59 objects, with its pixels; inner parts after outer ones."""
    whole = scene.whole.ravel()
    for region in scene.regions:
        owner = _owner(region, whole[region.pixels], scene.names)
        if owner:
            yield (owner, region.part), region.pixels


def _owner(region: Region, below: Classes, names: Mapping[int, str]) -> int:
    """Return the object 1..59 that a part belongs to, 0 for none of them.

    The release's word counts; where it names several objects or is silent, the one that lies below most of the part.

    Args:
        region: the part.
        below: classes of the whole objects at its pixels.
        names: class -> name.
    """
    if region.owners is not None:
        labels = {object_label(owner) for owner in region.owners}
        if len(labels) == 1:
            return labels.pop()
    candidates = [n for n in np.unique(below).tolist() if n in names]
    if region.owners is not None:
        candidates = [n for n in candidates if names[n] in region.owners]
    # objects outside the 59 compete: a bicycle's wheel that touches a car is not the car's
    best = max(candidates, key=lambda n: (np.count_nonzero(below == n), -n), default=None)
    return 0 if best is None else object_label(names[best])


def rank(looks: Sequence[tuple[Item, Sequence[Pair]]], limit: int = CLASSES_KEPT) -> list[tuple[Pair, int]]:
    """Rank the pairs that most training images show, and how many do; by object, then by name.

    Ties at the end of the list go to the earlier object, then to the earlier name.
    """
    counts = Counter(pair for item, image_pairs in looks if item.split == "train" for pair in set(image_pairs))
    best = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:limit]
    return sorted(best)


def _look(item: Item, names: Mapping[int, str]) -> tuple[Item, list[Pair], int]:
    """List an image's pairs, and count its parts that have no name."""
    scene = read_scene(item, names)
    return item, sorted({pair for pair, _ in pairs(scene)}), scene.unnamed


def convert(item: Item, names: Mapping[int, str], labels: Mapping[Pair, int]) -> Mask:
    """Return (H, W) labels of the chosen pairs, 0 elsewhere."""
    scene = read_scene(item, names)
    mask = np.zeros(scene.whole.size, dtype=np.uint8)
    for pair, pixels in pairs(scene):
        if pair in labels:
            mask[pixels] = labels[pair]
    return mask.reshape(scene.whole.shape)


def _list(originals: Mapping[str, Path]) -> Listing:
    return list_images(originals["ade20k_full"])


def _plan(_originals: Mapping[str, Path], listing: Listing, run: Parallel, work: Path) -> Plan:
    names = class_names(listing)
    selection = _selection(listing, names, run, work)
    ranking = [((owner, part), count) for (owner, part), count in selection["chosen"]]
    labels = {pair: label for label, (pair, _) in enumerate(ranking, 1)}
    rows = [(labels[pair], OBJECTS[pair[0] - 1], pair[1], count) for pair, count in ranking]
    table = "".join("\t".join(map(str, row)) + "\n" for row in [("label", "object", "part", "training images"), *rows])
    warnings = []
    if len(ranking) < CLASSES_KEPT:
        warnings.append(f"expected {CLASSES_KEPT} (object, part) pairs, found {len(ranking)}")
    if selection["unnamed"]:
        warnings.append(
            f"{selection['unnamed']} parts are of classes that the release does not name, and have no label"
        )
    keep = set(selection["keep"])
    return Plan(
        [item for item in listing.items if item.stem in keep],
        partial(convert, names=names, labels=labels),
        {"classes.tsv": table.encode()},
        warnings,
    )


def _selection(listing: Listing, names: Mapping[int, str], run: Parallel, work: Path) -> dict[str, Any]:
    """Return the classes, and the images that show one; from `work` where an earlier attempt got that far."""
    path = work / SELECTION
    if not path.exists():
        results = run(partial(attempt, task=partial(_look, names=names)), listing.items, "ade20k_part: which parts")
        looks = all_good(results, work)
        ranking = rank([(item, image_pairs) for item, image_pairs, _ in looks])
        selected_pairs = {pair for pair, _ in ranking}
        keep = [item.stem for item, image_pairs, _ in looks if selected_pairs & set(image_pairs)]
        write_json(path, {"chosen": ranking, "keep": keep, "unnamed": sum(unnamed for *_, unnamed in looks)})
    selection: dict[str, Any] = json.loads(path.read_bytes())
    return selection


ADE20K_PART = Recipe(
    name="ade20k_part",
    rule=1,
    classes=CLASSES_KEPT,
    published={},
    ours="everything but the number of classes: the (object, part) pairs, 59 objects, that most training images show "
    "(classes.tsv); a part belongs to the outermost object around it; images that show none of the pairs are left out",
    list=_list,
    plan=_plan,
)
