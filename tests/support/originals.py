"""Tiny copies of the original releases that `suite.preparation` reads, written in their owners' formats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from tests.support.lookalikes import noise, save

LONG = {"train": "training", "val": "validation"}
Box = tuple[int, int, int, int]
"""(top, left, bottom, right)"""


def region(shape: tuple[int, int], box: Box) -> np.ndarray:
    """(H, W) uint8, 1 within the box."""
    mask = np.zeros(shape, dtype=np.uint8)
    mask[box[0] : box[2], box[1] : box[3]] = 1
    return mask


# Pascal-Part


def write_annotation(path: Path, objects: Sequence[tuple[str, np.ndarray, Sequence[tuple[str, np.ndarray]]]]) -> Path:
    """A `.mat` of Pascal-Part: objects (class, silhouette, parts (name, mask))."""
    things = np.empty((1, len(objects)), dtype=[(n, object) for n in ("class", "class_ind", "mask", "parts")])
    for index, (name, mask, parts) in enumerate(objects):
        listed: np.ndarray = np.zeros((0, 0))  # MATLAB's [], as real files have it where there is no part
        if parts:
            listed = np.empty((1, len(parts)), dtype=[("part_name", object), ("mask", object)])
            for at, part in enumerate(parts):
                listed[0, at] = part
        things[0, index] = (name, 1, mask, listed)
    annotation = np.empty((1, 1), dtype=[("imname", object), ("objects", object)])
    annotation[0, 0] = (path.stem, things)
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"anno": annotation}, do_compression=True)
    with path.open("r+b") as file:
        file.write(b"MATLAB 5.0 MAT-file".ljust(116))  # without the time of day
    return path


def write_pascal(originals: Path, images: Mapping[str, Mapping[str, Sequence[Any]]], size: tuple[int, int]) -> Path:
    """`voc2010` and `pascal_part` with split -> stem -> objects; JPEGImages also holds an image of no list."""
    home = originals / "voc2010/VOCdevkit/VOC2010"
    (home / "ImageSets/Main").mkdir(parents=True)
    for split, objects in images.items():
        (home / f"ImageSets/Main/{split}.txt").write_text("".join(f"{stem}\n" for stem in objects))
        for seed, stem in enumerate(objects):
            save(home / f"JPEGImages/{stem}.jpg", noise(*size, seed=seed))
            write_annotation(originals / f"pascal_part/Annotations_Part/{stem}.mat", objects[stem])
    save(home / "JPEGImages/2010_999999.jpg", noise(*size))
    return originals


# SceneParsing

OBJECT_INFO = {
    2: "building, edifice", 3: "sky", 5: "tree", 8: "bed", 9: "windowpane, window", 11: "cabinet",
    13: "person, individual, someone, somebody, mortal, soul", 15: "door, double door", 16: "table",
    18: "plant, flora, plant life", 20: "chair", 21: "car, auto, automobile, machine, motorcar",
    24: "sofa, couch, lounge", 25: "shelf", 26: "house", 31: "armchair", 32: "seat", 33: "fence, fencing",
    34: "desk", 36: "wardrobe, closet, press", 37: "lamp", 38: "bathtub, bathing tub, bath, tub",
    43: "column, pillar", 45: "chest of drawers, chest, bureau, dresser", 48: "sink", 49: "skyscraper",
    51: "refrigerator, icebox", 54: "stairs, steps", 57: "pool table, billiard table, snooker table",
    60: "stairway, staircase", 63: "bookcase", 64: "blind, screen", 65: "coffee table, cocktail table",
    66: "toilet, can, commode, crapper, pot, potty, stool, throne",
    72: "stove, kitchen stove, range, kitchen range, cooking stove",
    75: "computer, computing machine, computing device, data processor, electronic computer, information processing "
        "system",
    76: "swivel chair", 77: "boat",
    81: "bus, autobus, coach, charabanc, double-decker, jitney, motorbus, motorcoach, omnibus, passenger vehicle",
    83: "light, light source", 84: "truck, motortruck", 86: "chandelier, pendant, pendent",
    91: "airplane, aeroplane, plane", 98: "ottoman, pouf, pouffe, puff, hassock", 99: "bottle", 103: "van",
    108: "washer, automatic washer, washing machine", 111: "stool", 117: "minibike, motorbike", 119: "oven",
    125: "microwave, microwave oven", 130: "dishwasher, dish washer, dishwashing machine",
    131: "screen, silver screen, projection screen", 134: "hood, exhaust hood", 135: "sconce",
    137: "traffic light, traffic signal, stoplight", 140: "fan", 148: "glass, drinking glass", 149: "clock",
}  # fmt: skip
"""Scene parsing's id -> name, for the 59 that are in ADE20K-Object (objectInfo150.txt of the release)."""


def write_scene_parsing(data: Path, masks: Mapping[str, Mapping[str, np.ndarray]], *, palette: bool = False) -> Path:
    """`ade20k/ADEChallengeData2016` with split -> stem -> mask of ids 0..150."""
    home = data / "ade20k/ADEChallengeData2016"
    for split, images in masks.items():
        for seed, (stem, mask) in enumerate(images.items()):
            save(home / f"images/{LONG[split]}/{stem}.jpg", noise(*mask.shape, seed=seed))
            write_mask(home / f"annotations/{LONG[split]}/{stem}.png", mask, "P" if palette else "L")
    rows = [f"{id_}\t0.0100\t100\t10\t{OBJECT_INFO.get(id_, f'other {id_}')}\n" for id_ in range(1, 151)]
    (home / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n" + "".join(rows))
    return data


def write_mask(path: Path, mask: np.ndarray, mode: str = "L") -> Path:
    """A PNG of mode L, P (with a palette that is not gray) or RGB (equal channels)."""
    image = Image.fromarray(mask)
    if mode == "P":
        image.putpalette(np.random.default_rng(1).integers(0, 256, 768, dtype=np.uint8).tobytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    (image.convert("RGB") if mode == "RGB" else image).save(path)
    return path


# the full ADE20K


@dataclass(frozen=True)
class Thing:
    """An object or part in a box, and its own parts."""

    name: str
    box: Box
    parts: tuple[Thing, ...] = ()


def write_ade20k_full(
    originals: Path,
    release: str,
    images: Mapping[str, Mapping[str, Sequence[Thing]]],
    size: tuple[int, int],
) -> Path:
    """`ade20k_full` of either release with split -> stem -> whole objects."""
    home = originals / "ade20k_full" / release
    new = release == "ADE20K_2021_17_01"
    names = sorted({thing.name for stems in images.values() for things in stems.values() for thing, *_ in flat(things)})
    first = 300 if new else 1  # the releases number classes differently; above 255 R matters too
    number = {name: first + at for at, name in enumerate(names)}
    for split, stems in images.items():
        for seed, (stem, things) in enumerate(stems.items()):
            folder = home / ("images/ADE" if new else "images") / LONG[split] / ("urban/street" if new else "s/street")
            save(folder / f"{stem}.jpg", noise(*size, seed=seed))
            _write_masks(folder, stem, things, number, size)
            if new:
                _write_json(folder, stem, things, number)
            else:
                rows = [f'{at:03d} # {level} # 0 # {t.name} # {t.name} # ""\n' for t, level, _, at in flat(things)]
                (folder / f"{stem}_atr.txt").write_text("".join(rows))
    if not new:
        cells = np.empty((1, first + len(names) - 1), dtype=object)
        cells[0] = [np.array([]) for _ in range(cells.size)]
        for name, at in number.items():
            cells[0, at - 1] = name
        savemat(home / "index_ade20k.mat", {"index": {"objectnames": cells, "filename": np.array(["a"], dtype=object)}})
    return originals


def flat(things: Sequence[Thing], level: int = 0, parent: int | None = None, at: int = 0) -> list[Any]:
    """(thing, level, id of its parent, id) of things and all their parts."""
    rows: list[Any] = []
    for thing in things:
        mine = at + len(rows)
        rows.append((thing, level, parent, mine))
        rows += flat(thing.parts, level + 1, mine, mine + 1)
    return rows


def _write_masks(
    folder: Path, stem: str, things: Sequence[Thing], number: Mapping[str, int], size: tuple[int, int]
) -> None:
    rows = flat(things)
    for level in range(1 + max(row[1] for row in rows)):
        pixels = np.zeros((*size, 3), dtype=np.uint8)
        for instance, (thing, *_) in enumerate([row for row in rows if row[1] == level], 1):
            at = number[thing.name]
            pixels[region(size, thing.box) > 0] = (at // 256 * 10, at % 256, instance)
        name = f"{stem}_parts_{level}.png" if level else f"{stem}_seg.png"
        Image.fromarray(pixels).save(folder / name)


def _write_json(folder: Path, stem: str, things: Sequence[Thing], number: Mapping[str, int]) -> None:
    rows = flat(things)
    objects = [
        {
            "id": at, "name": thing.name, "name_ndx": number[thing.name], "raw_name": thing.name, "attributes": [],
            "occluded": [], "crop": "0", "instance_mask": f"{stem}/instance_{at:03d}_{stem}.png",
            "parts": {
                "hasparts": [child for _, _, parent, child in rows if parent == at],
                "ispartof": [] if parent is None else parent,
                "part_level": level,
            },
        }
        for thing, level, parent, at in rows
    ]  # fmt: skip
    document = {"annotation": {"filename": f"{stem}.jpg", "object": objects, "source": {"origin": "Málaga"}}}
    # the release has free text in Latin-1
    (folder / f"{stem}.json").write_bytes(json.dumps(document, ensure_ascii=False).encode("latin-1"))
    write_mask(folder / stem / f"instance_000_{stem}.png", np.zeros((4, 4), dtype=np.uint8))
    save(folder / stem / "preview.jpg", noise(4, 4))  # whatever lies in there is no image of the set


# LIP


def write_lip(originals: Path, masks: Mapping[str, Mapping[str, np.ndarray]], mode: str = "L") -> Path:
    """`lip` as its archives unpack: a folder each, one within a folder of its own name, and mirrored labels."""
    home = originals / "lip"
    for split, images in masks.items():
        for seed, (stem, mask) in enumerate(images.items()):
            save(home / f"TrainVal_images/{split}_images/{stem}.jpg", noise(*mask.shape, seed=seed))
            annotations = home / "TrainVal_parsing_annotations/TrainVal_parsing_annotations"
            write_mask(annotations / f"{split}_segmentations/{stem}.png", mask, mode)
            write_mask(annotations / f"{split}_segmentations_reversed/{stem}.png", mask[:, ::-1].copy(), mode)
        (home / f"TrainVal_images/{split}_id.txt").write_text("".join(f"{stem}\n" for stem in images))
    return originals
