"""CUB-200-2011: `CUB_200_2011/`, photographs of birds with fifteen points each, described in text files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from suite.mini.birds import SPECIES, bird
from suite.mini.datasets.base import Parallel, generator, save_jpeg, sized
from suite.mini.draw import Thing
from suite.mini.scene import CLASSES, draw

FAMILY = 3
IMAGES = 60
"""Images a species; every other one is for training."""
WIDTHS, HEIGHTS = (230, 281), (200, 251)
GRAYSCALE_EVERY = 150

PARTS = (
    "back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing", "nape",
    "right eye", "right leg", "right wing", "tail", "throat",
)  # fmt: skip
"""Parts in the order of their ids, from 1."""

_FOLDERS = tuple(f"{i:03d}.Mini_{name.title()}" for i, name in enumerate(SPECIES, start=1))


def write(root: Path, parallel: Parallel, share: float) -> None:
    """Write the images, their classes, boxes and parts, and the split."""
    folder = root / "CUB_200_2011"
    for name in _FOLDERS:
        (folder / "images" / name).mkdir(parents=True)
    (folder / "parts").mkdir()
    count = sized(IMAGES, share, least=2)
    birds = parallel(partial(_write_image, folder=folder, count=count), len(_FOLDERS) * count)
    tables: dict[str, list[list[object]]] = {
        "images.txt": [[_path(i, count)] for i in range(len(birds))],
        "image_class_labels.txt": [[i // count + 1] for i in range(len(birds))],
        "train_test_split.txt": [[1 - i % 2] for i in range(len(birds))],
        "bounding_boxes.txt": [[*_box(thing)] for thing in birds],
        "classes.txt": [[name] for name in _FOLDERS],
        "parts/parts.txt": [[name] for name in PARTS],
    }
    for name, rows in tables.items():
        _write_table(folder / name, [[i, *row] for i, row in enumerate(rows, start=1)])
    points = [[i, p, *_point(thing, name)] for i, thing in enumerate(birds, 1) for p, name in enumerate(PARTS, 1)]
    _write_table(folder / "parts" / "part_locs.txt", points)


def _path(index: int, count: int) -> str:
    folder = _FOLDERS[index // count]
    # as in the real set, ids do not follow the order of the file names
    return f"{folder}/{folder[4:]}_{(960 - 37 * (index % count)) % 997:04d}_{1000 + index * 7}.jpg"


def _write_image(index: int, folder: Path, count: int) -> Thing:
    rng = generator(FAMILY, index)
    form = list(SPECIES.values())[index // count]
    width, height = int(rng.integers(*WIDTHS)), int(rng.integers(*HEIGHTS))
    scene = draw(rng, CLASSES.index("finch"), width, height, builder=partial(bird, form=form))
    mode = "L" if index % GRAYSCALE_EVERY == 4 else "RGB"
    save_jpeg(folder / "images" / _path(index, count), scene.image, mode=mode)
    return scene.things[0]


def _box(thing: Thing) -> list[str]:
    left, top, right, bottom = thing.box
    return [f"{value}.0" for value in (left, top, right - left, bottom - top)]


def _point(thing: Thing, part: str) -> list[str]:
    """Return x, y, visible: whole pixels, and zeros for what is not seen."""
    x, y, visible = thing.keypoints[part]
    return [f"{int(x)}.0", f"{int(y)}.0", "1"] if visible == 2 else ["0.0", "0.0", "0"]


def _write_table(path: Path, rows: list[list[object]]) -> None:
    path.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
