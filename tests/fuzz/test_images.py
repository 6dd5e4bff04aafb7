"""Photographs and masks: every file that Pillow can write under every suffix, and damage to those that are read."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.datasets.pixels import read_rgb
from suite.datasets.segmentation import read_mask
from suite.imagenet_pipeline.augment import Region
from suite.imagenet_pipeline.decode import exact, fast
from tests.support.fuzzing import CASES, hold
from tests.support.mutations import cases, in_bytes, in_head
from tests.support.pictures import corpus, picture

CLASSES = 209
FORMATS = ("JPEG", "PNG")
CORPUS = [*corpus()]


def region(width: int, height: int) -> Region:
    return Region(16, (0, 0, width, height), (16, 16))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def rgb(content: bytes) -> np.ndarray:
    """Pixels by Pillow alone, of the formats of photographs; of 16 bits the upper eight."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        if image.mode == "I;16":
            return np.repeat((np.array(image) // 256).astype(np.uint8)[..., None], 3, axis=2)
        return np.asarray(image.convert("RGB"))


def same_photograph(value: np.ndarray, content: bytes) -> str | None:
    return None if np.array_equal(value, rgb(content)) else "the pixels are others"


def same_mask(value: np.ndarray, content: bytes) -> str | None:
    """A mask is what an 8-bit PNG stores, one down, and 255 where it stores 0 or 255."""
    if not content.startswith(b"\x89PNG") or content[24] > 8 or content[25] not in {0, 3}:
        return "it is no PNG of one channel of 8 bits"
    with Image.open(io.BytesIO(content)) as image:
        stored = np.asarray(image)
    if not set(np.unique(stored)) <= {*range(CLASSES + 1), 255}:
        return "it has an illegal label"
    expected = np.where((stored == 0) | (stored == 255), 255, stored.astype(int) - 1)
    return None if np.array_equal(value, expected) else "the labels are others"


def same_square(value: np.ndarray, content: bytes) -> str | None:
    """The fast decoder's square is PIL's to a level or two, which its resize rounds otherwise."""
    image = Image.fromarray(rgb(content)).resize((16, 16), Image.Resampling.BICUBIC)
    difference = np.abs(value.astype(int) - np.asarray(image)).max()
    return None if difference <= 3 else f"it is {difference} levels from PIL's"


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_every_file_that_pillow_writes(folder: Path, suffix: str) -> None:
    path = folder / f"x{suffix}"
    contents = [content for *_, content in CORPUS]
    assert len({name for name, *_ in CORPUS}) > 15
    photographs = hold(path, contents, lambda: np.asarray(read_rgb(path)), same_photograph)
    assert photographs == sum(name.partition(" ")[0] in {"JPEG", "MPO", "PNG"} for name, *_ in CORPUS)
    masks = hold(path, contents, lambda: read_mask(path, CLASSES), same_mask)
    assert masks == sum((name, mode) in {("PNG", "L"), ("PNG", "P")} for name, mode, _ in CORPUS)
    hold(path, contents, lambda: fast(path, region), same_square)


def encoded(name: str, mode: str, **how: object) -> bytes:
    buffer = io.BytesIO()
    picture(mode, 40, 30).save(buffer, format=name, **how)
    return buffer.getvalue()


PHOTOGRAPHS = {
    "JPEG": encoded("JPEG", "RGB"),
    "progressive JPEG": encoded("JPEG", "RGB", progressive=True),
    "gray JPEG": encoded("JPEG", "L"),
    "CMYK JPEG": encoded("JPEG", "CMYK"),
    "PNG": encoded("PNG", "RGB"),
    "PNG of 16 bits": encoded("PNG", "I;16"),
}
MASKS = {"gray": encoded("PNG", "L"), "palette": encoded("PNG", "P"), "interlaced": encoded("PNG", "L", optimize=True)}


def damage(content: bytes, kind: str) -> Iterator[bytes]:
    return cases(content, kind, CASES, in_head, in_head, in_bytes)


@pytest.mark.parametrize("kind", PHOTOGRAPHS)
def test_damaged_photographs(folder: Path, kind: str) -> None:
    path = folder / "x.jpg"
    hold(path, damage(PHOTOGRAPHS[kind], kind), lambda: np.asarray(read_rgb(path)), same_photograph)


@pytest.mark.parametrize("kind", PHOTOGRAPHS)
def test_damaged_photographs_in_the_fast_decoder(folder: Path, kind: str) -> None:
    path = folder / "x.JPEG"
    hold(path, damage(PHOTOGRAPHS[kind], kind), lambda: fast(path, region), same_square)
    hold(path, damage(PHOTOGRAPHS[kind], kind), lambda: exact(path, region), same_square)


@pytest.mark.parametrize("kind", MASKS)
def test_damaged_masks(folder: Path, kind: str) -> None:
    path = folder / "x.png"
    hold(path, damage(MASKS[kind], kind), lambda: read_mask(path, CLASSES), same_mask)
