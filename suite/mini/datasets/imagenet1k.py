"""ImageNet-1K: `{train,val}/<wnid>/*.JPEG`, and the class names as Kaggle's copy lists them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PIL import Image

from suite.mini.datasets.base import Parallel, generator, save_jpeg, sized
from suite.mini.draw import Pixels
from suite.mini.scene import CLASSES, draw

FAMILY = 2
TRAIN, VAL = 120, 40
"""Images a class."""
SIDES = (96, 129)

SYNSETS = {
    "fish": ("n01443537", "goldfish, Carassius auratus"),
    "ostrich": ("n01518878", "ostrich, Struthio camelus"),
    "finch": ("n01532829", "house finch, linnet, Carpodacus mexicanus"),
    "frog": ("n01644373", "tree frog, tree-frog"),
    "duck": ("n01847000", "drake"),
    "dog": ("n02099712", "Labrador retriever"),
    "cat": ("n02123045", "tabby, tabby cat"),
    "beetle": ("n02165105", "tiger beetle"),
    "butterfly": ("n02279972", "monarch, monarch butterfly, milkweed butterfly, Danaus plexippus"),
    "rabbit": ("n02325366", "wood rabbit, cottontail, cottontail rabbit"),
    "horse": ("n02389026", "sorrel"),
    "cow": ("n02403003", "ox"),
    "deer": ("n02422699", "impala, Aepyceros melampus"),
    "elephant": ("n02504013", "Indian elephant, Elephas maximus"),
    "airplane": ("n02690373", "airliner"),
    "car": ("n04285008", "sports car, sport car"),
    "truck": ("n04467665", "trailer truck, tractor trailer, trucking rig, rig, articulated lorry, semi"),
    "bus": ("n04487081", "trolleybus, trolley coach, trackless trolley"),
    "boat": ("n04612504", "yawl"),
    "person": ("n10148035", "groom, bridegroom"),
}
"""Our class -> WordNet id and ImageNet's words for it, sorted by id."""

_NAMES = tuple(SYNSETS)


def write(root: Path, parallel: Parallel, share: float) -> None:
    """Write both splits, class by class in turn."""
    for wnid, _ in SYNSETS.values():
        for split in ("train", "val"):
            (root / split / wnid).mkdir(parents=True)
    train, val = (len(SYNSETS) * sized(count, share) for count in (TRAIN, VAL))
    parallel(partial(_write_image, root=root, train=train), train + val)
    lines = [f"{wnid} {words}\n" for wnid, words in SYNSETS.values()]
    (root / "LOC_synset_mapping.txt").write_text("".join(lines))


def _write_image(index: int, root: Path, train: int) -> None:
    rng = generator(FAMILY, index)
    name = _NAMES[index % len(_NAMES)]
    wnid = SYNSETS[name][0]
    width, height = (int(side) for side in rng.integers(*SIDES, size=2))
    pixels = draw(rng, CLASSES.index(name), width, height).image
    if index < train:
        path = root / "train" / wnid / f"{wnid}_{index // len(_NAMES) * 37 % 1009 + 10}.JPEG"
    else:
        path = root / "val" / wnid / f"ILSVRC2012_val_{index - train + 1:08d}.JPEG"
    _save(path, pixels, index)


def _save(path: Path, pixels: Pixels, index: int) -> None:
    """Save as in the real set: one file is a PNG in disguise, one is CMYK and some are grayscale."""
    if index == 5:
        Image.fromarray(pixels).save(path, "PNG")
    else:
        save_jpeg(path, pixels, mode="CMYK" if index == 6 else "L" if index % 200 == 7 else "RGB")
