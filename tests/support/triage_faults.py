"""Faults that triage is to name, each put into a run by other means than triage's own.

A fault is made where the mistake is made: in the reading of a file, in the resizing of an image, in a checkpoint, in a
table of splits. The run with it takes the place of the reference, and the run that is triaged is as it should be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

from suite.core.paths import MINI_WEIGHTS
from suite.datasets import pixels, segmentation, views
from suite.datasets.pixels import read_rgb
from suite.datasets.segmentation import IGNORE, SegmentationSet
from suite.encoders import Encoder, positions
from suite.experiments import probing
from suite.experiments.base import page_of
from suite.imagenet_pipeline import decode
from suite.imagenet_pipeline import images as stream
from suite.imagenet_pipeline.augment import Region
from suite.segmentation import crops, evaluate, resize, store
from suite.segmentation.resize import Windows
from suite.segmentation.store import Ragged
from tests.support.detection import encoder_changed

R, P, S, C = "object_retrieval", "part_classification", "part_segmentation", "image_classification"
DATASETS = {R: "coco", P: "cub200", S: "ade20k_part", C: "imagenet1k"}
"""The trial of each experiment that faults are put into, with DINO."""
EVERYWHERE = (R, P, S)
"""Of image classification, whose probes are those of P, only the stream of images is looked at."""


@dataclass(frozen=True)
class Injected:
    """A fault and the label of the try that undoes it.

    Attributes:
        kind: of the 14.
        label: which triage is to name; `{weights}` stands for the folder that `weights` has made.
        experiments: in which it can be made.
        put_in: the fault in the running code.
        variants: or as a choice of the run.
        weights: or in the file: the folder of the checkpoints of the run with the fault.
    """

    kind: str
    label: str
    experiments: tuple[str, ...]
    put_in: Callable[[], AbstractContextManager[Any]] = nullcontext
    variants: tuple[str, ...] = ()
    weights: Callable[[Path], Path] | None = None


def _half(encoder: Encoder) -> None:
    encoder.mean, encoder.std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


@contextlib.contextmanager
def _read_as_bgr() -> Iterator[None]:
    drawn = views._draw

    def draw(*arguments: Any, **options: Any) -> list[np.ndarray]:
        return [picture[..., ::-1] for picture in drawn(*arguments, **options)]

    def read(path: Path) -> Image.Image:
        return Image.fromarray(np.asarray(read_rgb(path))[..., ::-1])

    with mock.patch.object(views, "_draw", draw), mock.patch("suite.segmentation.store.read_rgb", read):
        yield


def _resized(mode: str, *, antialias: bool) -> Callable[[], AbstractContextManager[Any]]:
    """Resize by PyTorch in place of PIL, of OpenCV's arithmetic, and of what decodes streams.

    Its filters round otherwise than PIL's, and its cubic without antialias is another (-0.75 for -0.5).
    """

    resize_by_pil = Image.Image.resize

    def image(self: Image.Image, size: Sequence[int], *arguments: Any, **options: Any) -> Image.Image:
        if self.mode != "RGB":  # the colours of labels, in a picture
            return resize_by_pil(self, (size[0], size[1]), *arguments, **options)
        values = torch.from_numpy(np.array(self)).permute(2, 0, 1)[None].float()
        return Image.fromarray(_bytes(values, (size[1], size[0]))[0].permute(1, 2, 0).numpy())

    def _bytes(values: Tensor, size: Sequence[int], **_options: Any) -> Tensor:
        resized = F.interpolate(values.float(), size=tuple(size), align_corners=False, mode=mode, antialias=antialias)
        return resized.round().clamp(0, 255).byte()

    def windows(images: Ragged, windows: Windows, height: int, width: int) -> Tensor:
        rows, columns = (resize._places(windows, axis, length) for axis, length in ((0, height), (1, width)))
        cut = []
        for number, position in enumerate(windows.image):
            values = images.image(int(position)).permute(2, 0, 1)[None]
            whole = _bytes(values, windows.size[number].tolist())[0].permute(1, 2, 0)
            cut.append(whole[torch.from_numpy(rows[number])][:, torch.from_numpy(columns[number])])
        return torch.stack(cut)

    def put_in() -> contextlib.ExitStack:
        stack = contextlib.ExitStack()
        stack.enter_context(mock.patch.object(Image.Image, "resize", image))
        stack.enter_context(mock.patch.object(decode, "F", SimpleNamespace(interpolate=_bytes)))
        for module in (crops, evaluate):
            stack.enter_context(mock.patch.object(module, "sample_pixels", windows))
        return stack

    return put_in


def _cropped(image: Image.Image, size: int) -> Image.Image:
    """The central 7/8 by cutting first and resizing then."""
    width, height = image.size
    cut = image.crop((round(width / 16), round(height / 16), round(width * 15 / 16), round(height * 15 / 16)))
    return cut.resize((size, size), Image.Resampling.BICUBIC)


def _cut_files() -> contextlib.ExitStack:
    """The central 7/8 of every validation image and mask, as if the files held no more."""

    def cut(path: Path, image: Image.Image) -> Image.Image:
        width, height = image.size
        left, top = round(width / 16), round(height / 16)
        return image.crop((left, top, width - left, height - top)) if "val" in path.parts else image

    read, mask, size = store.read_rgb, segmentation.read_png, store.image_size

    def sides(path: Path) -> tuple[int, int]:
        return cut(path, Image.new("1", size(path))).size

    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.object(store, "read_rgb", lambda path: cut(path, read(path))))
    stack.enter_context(
        mock.patch.object(segmentation, "read_png", lambda path: np.asarray(cut(path, Image.fromarray(mask(path)))))
    )
    stack.enter_context(mock.patch.object(store, "image_size", sides))
    return stack


def _whole_squares() -> AbstractContextManager[Any]:
    """Evaluation of a stream on the largest square, by its box."""

    def region(width: int, height: int, size: int, **_options: Any) -> Region:
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return Region(size, (left, top, left + side, top + side), (size, size))

    return mock.patch.object(stream, "evaluation_region", region)


def _transform(name: str, way: Callable[..., Image.Image]) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: mock.patch.dict(pixels.TRANSFORMS, {name: way})


def _mean_for_class_token(encoder: Encoder) -> None:
    original = encoder.trunk.forward

    def forward(images: Tensor, layers: tuple[int, ...]) -> tuple[Tensor, dict[int, Tensor]]:
        tokens, raw = original(images, layers)
        tokens = tokens.clone()
        tokens[:, 0] = tokens[:, 1:].sum(1) / (tokens.shape[1] - 1)
        return tokens, raw

    encoder.trunk.forward = forward  # type: ignore[method-assign]


def _without_final_norm(encoder: Encoder) -> None:
    encoder.trunk.vit.norm = nn.Identity()  # type: ignore[union-attr]


def _normed_blocks(encoder: Encoder) -> None:
    norm = encoder.trunk.vit.norm  # type: ignore[union-attr]
    original = encoder.trunk.forward

    def forward(images: Tensor, layers: tuple[int, ...]) -> tuple[Tensor, dict[int, Tensor]]:
        tokens, raw = original(images, layers)
        return tokens, {
            index: F.layer_norm(value, value.shape[-1:], norm.weight, norm.bias, norm.eps)
            for index, value in raw.items()
        }

    encoder.trunk.forward = forward  # type: ignore[method-assign]


def _timms_positions() -> AbstractContextManager[Any]:
    def resize(table: Tensor, grid: tuple[int, int]) -> Tensor:
        return resample_abs_pos_embed(table, list(grid))

    return mock.patch.dict(positions.ABSOLUTE, {"shifted_bicubic": resize})


def _bfloat16(encoder: Encoder) -> None:
    """Weights and tokens in 16 bits, not only products."""
    encoder.bfloat16()


def _labels_off_by_one() -> contextlib.ExitStack:
    judged, mask = probing._judge, SegmentationSet.mask

    def judge(test: probing.Split, *arguments: Any, **options: Any) -> Any:
        labels = np.roll(np.arange(len(test.views.class_names)), -1)[test.views.labels]
        return judged(replace(test, views=replace(test.views, labels=labels)), *arguments, **options)

    def moved(self: SegmentationSet, index: int) -> np.ndarray:
        labels = mask(self, index)
        if "val" not in self.records[index][1].parts:
            return labels
        return np.where(labels == IGNORE, IGNORE, np.roll(np.arange(256), -1)[labels] % self.num_classes).astype(
            np.uint8
        )

    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.object(probing, "_judge", judge))
    stack.enter_context(mock.patch.object(SegmentationSet, "mask", moved))
    return stack


def _splits_swapped() -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    for name in (P, S):
        splits = page_of(name).splits
        swapped = {dataset: {"train": s["val"], "val": s["train"]} for dataset, s in splits.items()}
        stack.enter_context(mock.patch.dict(splits, swapped))  # type: ignore[arg-type]
    return stack


def _students(folder: Path) -> Path:
    """A release in which the student's weights stand in the teacher's place."""
    content = torch.load(MINI_WEIGHTS / "dino.pth", weights_only=True)
    content["teacher"] = {name.removeprefix("module."): value for name, value in content["student"].items()}
    return _saved(content, folder)


def earlier_epoch(folder: Path) -> Path:
    """A release of the same layout whose weights have not come so far: a tenth of each tensor's spread away."""
    content = torch.load(MINI_WEIGHTS / "dino.pth", weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for name, value in content["teacher"].items():
        noise = torch.randn(value.shape, generator=generator)
        content["teacher"][name] = value + 0.1 * value.std(unbiased=False) * noise
    return _saved(content, folder)


def _saved(content: dict[str, Any], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(content, folder / "dino.pth")
    return folder


EPOCH = "another epoch's checkpoint"
FAULTS = (
    Injected("named variant", "encoder-token=cls", (R,), variants=("encoder-token=cls",)),
    Injected("named variant", "keypoint-box=full", (P,), variants=("keypoint-box=full",)),
    Injected("named variant", "segmentation-upsampling=x4-first", (S,), variants=("segmentation-upsampling=x4-first",)),
    Injected("mean and deviation", "normalisation=inception", EVERYWHERE, encoder_changed(_half)),
    Injected("RGB or BGR", "channels=bgr", EVERYWHERE, _read_as_bgr),
    Injected("resize filter", "resize-filter=bilinear", (R, P, C), _resized("bilinear", antialias=True)),
    Injected("resize filter", "resize-filter=bicubic", (S,), _resized("bicubic", antialias=False)),
    Injected("antialias", "antialias=off", (R, P, C), _resized("bicubic", antialias=False)),
    Injected("antialias", "antialias=on", (S,), _resized("bilinear", antialias=True)),
    Injected("crop ratio", "crop-ratio=0.875", (R, P), _transform("square", _cropped)),
    Injected("crop ratio", "crop-ratio=0.875", (S,), _cut_files),
    Injected("crop ratio", "crop-ratio=1", (C,), _whole_squares),
    Injected("training crop", "training-crop=whole", (P,), _transform("square_train", pixels.TRANSFORMS["square"])),
    Injected("class token or patch mean", "class-token=patch-mean", (R, P), encoder_changed(_mean_for_class_token)),
    Injected("final norm", "final-norm=left-out", (R, P), encoder_changed(_without_final_norm)),
    Injected("final norm", "block-norm=applied", (S,), encoder_changed(_normed_blocks)),
    Injected("position interpolation", "positions=antialiased", (S,), _timms_positions),
    Injected("teacher or student", "dino-weights=student", EVERYWHERE, weights=_students),
    Injected(EPOCH, "network=dino@{weights}/dino.pth", EVERYWHERE, weights=earlier_epoch),
    Injected("labels off by one", "label-map=plus-one", (P, S), _labels_off_by_one),
    Injected("splits swapped", "splits=swapped", (P, S), _splits_swapped),
    Injected("precision", "precision=bfloat16", EVERYWHERE, encoder_changed(_bfloat16)),
)
"""Every fault; a moving average of weights, which DINO's files have not, is a test of its own."""
