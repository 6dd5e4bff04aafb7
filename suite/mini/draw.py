"""Colouring placed figures and painting the scene they make.

Every shape is painted in its colour and, beside that, as its number: masks, boxes and visibility are looked up from
the numbers. Each part type of each object has one colour drawn from all hues and saturations, and backgrounds are
nearly grey, so that neither mean colour nor a part's colour says what is seen.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from suite.mini.shapes import Figure, Landmark, Points, Shape, ellipse

Pixels: TypeAlias = NDArray[np.uint8]
Numbers: TypeAlias = NDArray[np.int32]
Colour: TypeAlias = NDArray[np.float64]
Keypoint: TypeAlias = tuple[float, float, int]

SCALE = 2
"""Times the final size at which shapes are painted."""
COLOUR_DISTANCE = 60.0
"""Distance (RGB, 0..255) to the background's colour below which a part's is drawn again."""
NOISE = 3.0
"""Standard deviation of the grey noise, 0..255."""


@dataclass(frozen=True)
class Thing:
    """One object of a scene.

    Attributes:
        name: its class.
        box: left, top, right, bottom of its visible pixels, right and bottom exclusive; zeros where none is.
        keypoints: name -> (x, y, visible) in pixels; 2 seen, 1 hidden, 0 outside of the image.
    """

    name: str
    box: tuple[int, int, int, int]
    keypoints: dict[str, Keypoint]


@dataclass(frozen=True)
class Scene:
    """A painted scene.

    Attributes:
        image: (H, W, 3).
        shape_map: (H, W) number from 1 of the shape seen at each pixel, 0 for the background.
        shapes: for each number, less 1: the object's number from 0, and the shape in pixels.
        things: the objects, in painting order.
    """

    image: Pixels
    shape_map: Numbers
    shapes: tuple[tuple[int, Shape], ...]
    things: tuple[Thing, ...]

    def mask(self, values: Sequence[int]) -> Pixels:
        """Return (H, W): the value given for the shape seen at each pixel; 0 for the background."""
        return np.array([0, *values], np.uint8)[self.shape_map]

    @property
    def object_mask(self) -> Pixels:
        """(H, W): number from 1 of the object seen at each pixel; 0 for the background."""
        return self.mask([owner + 1 for owner, _ in self.shapes])


def compose(rng: np.random.Generator, objects: Sequence[tuple[str, Figure]], width: int, height: int) -> Scene:
    """Paint placed figures, the first one farthest away, on a muted background.

    Args:
        rng: draws colours, background, clutter and noise.
        objects: class and placed figure of each object.
        width: of the image, pixels.
        height: of the image, pixels.
    """
    muted = [_muted(rng), _muted(rng)]
    canvas = _Canvas(_background(rng, muted, width, height))
    for _ in range(int(rng.integers(0, 3))):
        canvas.paint(_blob(rng, width, height), _muted(rng), 0)
    shapes = [(owner, shape) for owner, (_, figure) in enumerate(objects) for shape in figure.shapes]
    colours = [colour for _, figure in objects for colour in _colours(rng, figure, muted)]
    for number, ((_, shape), colour) in enumerate(zip(shapes, colours, strict=True), start=1):
        canvas.paint(shape.points, colour, number)
    numbers = canvas.numbers()
    owners = np.array([0, *(owner + 1 for owner, _ in shapes)])[numbers]
    things, first = [], 1
    for i, (name, figure) in enumerate(objects, start=1):
        keypoints = {key: _keypoint(numbers, mark, first) for key, mark in figure.landmarks.items()}
        things.append(Thing(name, _box(owners == i), keypoints))
        first += len(figure.shapes)
    return Scene(canvas.image(rng), numbers, tuple(shapes), tuple(things))


class _Canvas:
    """Colours and shape numbers, painted side by side at SCALE times the final size."""

    def __init__(self, background: Image.Image) -> None:
        self._colours, self._numbers = background, Image.new("I", background.size, 0)
        self._pens = ImageDraw.Draw(self._colours), ImageDraw.Draw(self._numbers)

    def paint(self, outline: Points, colour: Colour, number: int) -> None:
        # whole pixels: the last bit of a coordinate may differ between processors, the drawing must not
        corners = np.rint(outline * SCALE).ravel().astype(int).tolist()
        self._pens[0].polygon(corners, fill=tuple(np.rint(colour).astype(int).tolist()))
        self._pens[1].polygon(corners, fill=number)

    def numbers(self) -> Numbers:
        """Return (H, W): number of the shape at the middle of each pixel."""
        return np.asarray(self._numbers, np.int32)[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]

    def image(self, rng: np.random.Generator) -> Pixels:
        """Return (H, W, 3): the colours, averaged over SCALE x SCALE, with grey noise."""
        colours = np.asarray(self._colours.reduce(SCALE), np.int16)
        noise = np.rint(NOISE * rng.standard_normal(colours.shape[:2])).astype(np.int16)
        return np.clip(colours + noise[..., None], 0, 255).astype(np.uint8)


def _background(rng: np.random.Generator, muted: list[Colour], width: int, height: int) -> Image.Image:
    blend = rng.random((4, 4, 1))
    coarse = np.rint(muted[0] * blend + muted[1] * (1 - blend)).astype(np.uint8)
    return Image.fromarray(coarse).resize((SCALE * width, SCALE * height), Image.Resampling.BICUBIC)


def _muted(rng: np.random.Generator) -> Colour:
    return _hsv(rng.random(), rng.uniform(0, 0.15), rng.uniform(0.3, 0.9))


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value)) * 255


def _colours(rng: np.random.Generator, figure: Figure, muted: list[Colour]) -> list[Colour]:
    """Return the colour of each shape: one a part type, unlike the background."""
    palette: dict[str, Colour] = {}
    for shape in figure.shapes:
        while shape.paint not in palette:
            colour = _hsv(rng.random(), rng.random(), rng.uniform(0.3, 1))
            if all(math.dist(colour, muted_colour) >= COLOUR_DISTANCE for muted_colour in muted):
                palette[shape.paint] = colour
    return [palette[shape.paint] * shape.shade for shape in figure.shapes]


def _blob(rng: np.random.Generator, width: int, height: int) -> Points:
    radius = rng.uniform(0.03, 0.1) * max(width, height)
    x, y = rng.random() * width, rng.random() * height
    return ellipse(x, y, radius, radius * rng.uniform(0.3, 1), rng.uniform(0, math.pi))


def _keypoint(numbers: Numbers, mark: Landmark, first: int) -> Keypoint:
    height, width = numbers.shape
    if not (0 <= mark.x < width and 0 <= mark.y < height):
        return mark.x, mark.y, 0
    return mark.x, mark.y, 2 if int(numbers[int(mark.y), int(mark.x)]) - first in mark.on else 1


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
