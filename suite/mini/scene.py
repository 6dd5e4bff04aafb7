"""The classes of the mini study, scenes of one object, and the images the mini encoders are trained on."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from suite.mini.animals import QUADRUPEDS, beetle, butterfly, fish, frog, quadruped
from suite.mini.birds import SPECIES, bird
from suite.mini.draw import Pixels, Scene, compose
from suite.mini.person import person
from suite.mini.place import Frame, place
from suite.mini.shapes import Figure
from suite.mini.vehicles import airplane, boat, bus, car, truck

BUILDERS: dict[str, Callable[[Figure], None]] = {
    **{name: partial(quadruped, form=form) for name, form in QUADRUPEDS.items()},
    **{name: partial(bird, form=SPECIES[name]) for name in ("finch", "duck", "ostrich")},
    "fish": fish,
    "frog": frog,
    "butterfly": butterfly,
    "beetle": beetle,
    "person": person,
    "car": car,
    "truck": truck,
    "bus": bus,
    "airplane": airplane,
    "boat": boat,
}
CLASSES: tuple[str, ...] = tuple(BUILDERS)
"""The object classes; a class number is an index into this."""

PARTS = (
    "head", "eye", "snout", "ear", "horn", "body", "wing", "leg", "foot", "tail", "fin", "antenna",
    "arm", "hand", "thigh", "hair", "mouth", "wheel", "window", "light", "box", "engine", "mast", "sail",
)  # fmt: skip
"""The part types; a part's number in a part mask is 1 + its index."""

EXTENT = (0.84, 0.99)
"""Least and greatest share of the frame that an object takes."""

GROUP_EXTENT, OVERLAP = (0.75, 1.06), 1.3
"""Extent where several share an image, and how much wider than its share each one's frame is."""


def draw(
    rng: np.random.Generator,
    cls: int | None,
    width: int,
    height: int | None = None,
    *,
    builder: Callable[[Figure], None] | None = None,
) -> Scene:
    """Draw a scene of one object, somewhere in the frame.

    Args:
        rng: every choice is drawn from it.
        cls: number of the class; None for any, all equally likely.
        width: of the image, pixels.
        height: of the image, pixels; `width` unless given.
        builder: draws another figure in place of the class's own, e.g. another species of bird.
    """
    height = height or width
    number = int(rng.integers(len(CLASSES))) if cls is None else cls
    figure = Figure(rng)
    (builder or BUILDERS[CLASSES[number]])(figure)
    placed = place(figure, Frame(0, 0, width, height), EXTENT)
    return compose(rng, [(CLASSES[number], placed)], width, height)


def draw_group(rng: np.random.Generator, names: Sequence[str], width: int, height: int) -> Scene:
    """Draw a scene of several objects, side by side but for some overlap; some are cut by the border.

    Args:
        rng: every choice is drawn from it.
        names: classes of the objects, from left to right.
        width: of the image, pixels.
        height: of the image, pixels.
    """
    share = min(1.0, OVERLAP / len(names))
    step = (1 - share) / max(1, len(names) - 1)
    objects = []
    for i, name in enumerate(names):
        figure = Figure(rng)
        BUILDERS[name](figure)
        frame = Frame(i * step * width, 0, share * width, height)
        objects.append((name, place(figure, frame, GROUP_EXTENT)))
    return compose(rng, [objects[i] for i in rng.permutation(len(objects))], width, height)


def part_mask(scene: Scene) -> Pixels:
    """Return (H, W): number of the part type seen at each pixel (`PARTS`), 0 for the background."""
    return scene.mask([1 + PARTS.index(shape.part) for _, shape in scene.shapes])


def pretraining_images(n: int, seed: int, size: int = 64, workers: int = 2) -> tuple[Pixels, NDArray[np.int64]]:
    """Draw scenes of one object, classes equally likely; the same whatever the number of workers.

    Args:
        n: number of images; the first n of a longer request are the same.
        seed: of the whole set.
        size: side, pixels.
        workers: processes.

    Returns:
        Images (n, size, size, 3) and class numbers (n,).
    """
    draw_image = partial(_pretraining_image, seed=seed, size=size)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        pairs = list(pool.map(draw_image, range(n), chunksize=100))
    return np.stack([image for image, _ in pairs]), np.array([label for _, label in pairs], np.int64)


def _pretraining_image(index: int, seed: int, size: int) -> tuple[Pixels, int]:
    rng = np.random.default_rng([seed, index])
    scene = draw(rng, None, size)
    return scene.image, CLASSES.index(scene.things[0].name)
