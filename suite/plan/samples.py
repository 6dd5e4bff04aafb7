"""A small sample of each kind of work, made of random numbers, on the code that the experiments use."""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from suite.datasets.pixels import crop, read_rgb, transform_named
from suite.datasets.segmentation import SegmentationSet
from suite.encoders import Encoder
from suite.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD
from suite.experiments.costs.job import Operation
from suite.experiments.costs.shape import Shape
from suite.imagenet_pipeline.augment import draw_crops, training_region
from suite.imagenet_pipeline.decode import DECODERS
from suite.metrics.ranking import average_precisions
from suite.plan.shapes import build
from suite.probes import predict
from suite.probes.learner import Kind, ProbeLearner, ProbeSpec
from suite.probes.segmentation import SegmentationHead
from suite.segmentation.bank import HeadLearner, HeadSpec
from suite.segmentation.crops import CropRecipe, Crops
from suite.segmentation.evaluate import SlideRecipe, evaluate
from suite.segmentation.store import ImageStore
from suite.training.schedules import Cosine, Poly

Sample = tuple[Callable[[], object], float]
"""Call to time, and how many units that is."""

_PASS_FLOPS = 2e10
"""FLOPs of a forward pass on the CPU: more images at a time take as long each."""
_ITEMS = 1024
_STORED = 8
_DRAWS = 4
_NAME = "set"


@contextmanager
def prepare(operation: Operation, shapes: Mapping[str, Shape], device: str) -> Iterator[Sample]:
    """Prepare a sample of an operation, ready to be timed; its files vanish afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield _SAMPLES[operation.kind](operation, shapes, device, Path(folder))


def _encode(operation: Operation, shapes: Mapping[str, Shape], device: str, _folder: Path) -> Sample:
    name, _, precision = operation.subject.rpartition(" ")
    side, batch = operation.sizes
    if device == "cpu":
        batch = min(batch, max(1, int(_PASS_FLOPS // max(1, shapes[name].flops(side)))))
    encoder, images = _built(shapes[name], device), torch.randn(batch, 3, side, side, device=device)
    lower = None if precision == "float32" else getattr(torch, precision)

    def call() -> None:
        with torch.autocast(device, lower, enabled=lower is not None):
            encoder(images)

    return call, batch


@functools.lru_cache(maxsize=1)
def _built(shape: Shape, device: str) -> Encoder:
    """Build an encoder; the last one is kept, for its other sizes."""
    return build(shape, device)


def _decode(operation: Operation, _shapes: Mapping[str, Shape], _device: str, folder: Path) -> Sample:
    path = _picture(folder / "a.jpg", operation.sizes[-1])
    return partial(read_rgb, path), 1


def _stream(operation: Operation, _shapes: Mapping[str, Shape], _device: str, folder: Path) -> Sample:
    side, pixels = operation.sizes
    path = _picture(folder / "a.jpg", pixels)
    regions = [partial(training_region, size=side, draws=row) for row in draw_crops(_DRAWS, seed=0, epoch=0)]

    def call() -> None:
        for region in regions:
            DECODERS["fast"](path, region)

    return call, _DRAWS


def _draw(operation: Operation, _shapes: Mapping[str, Shape], _device: str, _folder: Path) -> Sample:
    (size,) = operation.sizes
    image, region = Image.fromarray(_noise(size, size)), round(0.75 * size)
    transform = transform_named("square")
    return lambda: np.asarray(transform(crop(image, (0, 0, region, region)), size)), 1


def _rank(_operation: Operation, _shapes: Mapping[str, Shape], _device: str, _folder: Path) -> Sample:
    features, codes = torch.randn(_ITEMS, 64), np.arange(_ITEMS, dtype=np.int32) % 4
    return partial(average_precisions, features, codes, None), _ITEMS**2 * math.log2(_ITEMS)


def _match(_operation: Operation, _shapes: Mapping[str, Shape], _device: str, _folder: Path) -> Sample:
    """Sample on the processor whatever the device: that is where features lie."""
    matrix = np.random.default_rng(0).standard_normal((_ITEMS, _ITEMS), np.float32)
    return lambda: matrix @ matrix, 2 * _ITEMS**3


def _probes(operation: Operation, device: str) -> tuple[list[ProbeLearner], Tensor]:
    width, tokens, classes, heads, batch = operation.sizes
    count = min(batch, max(32, 2 * 10**7 // (width * tokens))) if device == "cpu" else batch
    kinds: tuple[Kind, ...] = ("linear", "attentive")
    specs = [
        ProbeSpec(kind, _NAME, kind, width, classes, 0.01, batch_size=count, schedule=Cosine(1), num_heads=heads)
        for kind in kinds
    ]
    return [ProbeLearner(spec, device) for spec in specs], torch.randn(count, tokens, width, device=device)


def _fit(operation: Operation, _shapes: Mapping[str, Shape], device: str, _folder: Path) -> Sample:
    probes, tokens = _probes(operation, device)
    labels = torch.arange(len(tokens), device=device) % operation.sizes[2]

    def call() -> None:
        for probe in probes:
            probe.take(tokens, labels, epoch=0, position=0, items=len(tokens))

    return call, len(tokens)


def _predict(operation: Operation, _shapes: Mapping[str, Shape], device: str, _folder: Path) -> Sample:
    probes, tokens = _probes(operation, device)
    return lambda: [predict(probe.head, tokens) for probe in probes], len(tokens)


def _crop(operation: Operation, _shapes: Mapping[str, Shape], device: str, folder: Path) -> Sample:
    side, long, short, pixels, sets = operation.sizes
    recipe = CropRecipe(side, (long, short), _STORED)
    store = drawn_store(folder, pixels, sets, classes=20, count=_STORED, device=device)
    crops = Crops(store, recipe, seed=0, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return partial(crops, 0), _STORED


def _learn(operation: Operation, _shapes: Mapping[str, Shape], device: str, _folder: Path) -> Sample:
    channels, grid, side, classes = operation.sizes
    count = min(8, max(1, int(2e7 // (classes * side**2)))) if device == "cpu" else 16
    spec, half = HeadSpec(_NAME, _NAME, classes), operation.subject != "float32"
    learner = HeadLearner(spec, channels, Poly(10**6, 1), torch.device(device), half=half)
    features = torch.randn(count, grid, grid, channels, device=device).permute(0, 3, 1, 2)
    labels = block_labels(count, side, classes).to(device)
    return lambda: learner.learn(features, labels), count


def block_labels(count: int, side: int, classes: int) -> Tensor:
    """Draw (count, side, side) uint8, equal in blocks of 24 pixels: like masks, unlike noise, slow in a GPU's loss."""
    blocks = torch.randint(classes, (count, side // 24 + 1, side // 24 + 1), dtype=torch.uint8)
    return blocks.repeat_interleave(24, 1).repeat_interleave(24, 2)[:, :side, :side].contiguous()


def _score(operation: Operation, _shapes: Mapping[str, Shape], device: str, folder: Path) -> Sample:
    channels, grid, classes, side, stride, long, short, pixels = operation.sizes
    store = drawn_store(folder, pixels, 1, classes=classes, count=1, device=device)
    recipe = SlideRecipe(side, stride, (long, short))
    head = SegmentationHead(channels, classes).to(device).eval()
    spec = HeadSpec(_NAME, f"{_NAME}0", classes)

    def encode(windows: Tensor) -> Tensor:
        return torch.zeros(len(windows), grid, grid, channels, device=device).permute(0, 3, 1, 2)

    return lambda: evaluate(encode, {_NAME: head}, [spec], store, recipe, mean=IMAGENET_MEAN, std=IMAGENET_STD), 1


def drawn_store(folder: Path, pixels: int, sets: int, *, classes: int, count: int, device: str) -> ImageStore:
    """Draw images of as many pixels, with masks of small blocks, and store them on a device.

    Args:
        folder: that the files go to.
        pixels: of an image.
        sets: of labels for the same images.
        classes: of each.
        count: of images.
        device: where they are kept.
    """
    images = [_picture(folder / f"{n}.jpg", pixels) for n in range(count)]
    label_sets = []
    for number in range(sets):
        masks = [folder / f"{number}-{n}.png" for n in range(count)]
        for n, path in enumerate(masks):
            width, height = _sides(pixels)
            blocks = np.random.default_rng([number, n]).integers(0, classes, (height // 16 + 1, width // 16 + 1))
            mask = np.kron(blocks, np.ones((16, 16), int))[:height, :width] + 1
            Image.fromarray(mask.astype(np.uint8)).save(path)
        records = tuple(zip(images, masks, strict=True))
        label_sets.append(SegmentationSet(f"{_NAME}{number}", records, tuple(map(str, range(classes)))))
    return ImageStore(label_sets, device)


def _picture(path: Path, pixels: int) -> Path:
    """Draw a JPEG of so many pixels, smooth with some grain, as photographs are."""
    width, height = _sides(pixels)
    smooth = Image.fromarray(_noise(max(1, height // 8), max(1, width // 8))).resize((width, height))
    grain = _noise(height, width).astype(int) // 16
    Image.fromarray(np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8)).save(path, quality=90)
    return path


def _sides(pixels: int) -> tuple[int, int]:
    """Return width and height at 4 to 3."""
    height = max(16, round(math.sqrt(pixels * 3 / 4)))
    return round(height * 4 / 3), height


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


_SAMPLES: Mapping[str, Callable[[Operation, Mapping[str, Shape], str, Path], Sample]] = {
    "encode": _encode,
    "decode": _decode,
    "stream": _stream,
    "draw": _draw,
    "rank": _rank,
    "match": _match,
    "fit": _fit,
    "predict": _predict,
    "crop": _crop,
    "learn": _learn,
    "score": _score,
}
