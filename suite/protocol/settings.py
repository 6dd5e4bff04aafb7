"""Settings of the experiments: what a profile's `parameters` say, typed, and checked when the profile is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from suite.registry import Kind

Precision = Literal["none", "float16", "bfloat16"]
"""Precision of an encoder's matrix products on a GPU; `none` keeps float32."""
Sides = tuple[int, int]
"""Long and short side of an image, pixels."""


@dataclass(frozen=True)
class ProfileSettings:
    """Settings of every experiment at one size.

    Attributes:
        image_size: side of what the profile's own encoders see, pixels.
        batch_size: views that an encoder sees at once.
    """

    image_size: int
    batch_size: int


@dataclass(frozen=True)
class Settings:
    """Settings of an experiment; retrieval has none."""


@dataclass(frozen=True)
class ProbingSettings(Settings):
    """Settings of linear and attentive probes.

    Attributes:
        epochs: of the training.
        batch_size: items of a step.
        lr_linear: of the linear probe.
        lr_attentive: of the attentive probe.
        rate_factors: of these rates, for the variant `probe-rates=swept`.
        num_heads: of the attentive probe.
        eval_batch_size: items whose batch statistics are taken together at evaluation.
        eval_stride: an evaluation batch takes every so-many-th item.
    """

    epochs: int
    batch_size: int
    lr_linear: float
    lr_attentive: float
    rate_factors: tuple[float, ...]
    num_heads: int
    eval_batch_size: int
    eval_stride: int


@dataclass(frozen=True)
class StreamSettings(ProbingSettings):
    """Settings of probes on augmented images; those named `cae_*` are for the variant `imagenet-protocol=cae`.

    Attributes:
        augmented_views: augmentations of an image, which epochs take turns at; 0: another one in every epoch.
        autocast: precision of the encoder.
    """

    augmented_views: int
    autocast: Precision
    cae_batch_linear: int
    cae_batch_attentive: int
    cae_lr_linear: float
    cae_lr_attentive: float
    cae_final_lr_attentive: float
    cae_warmup_epochs: int


@dataclass(frozen=True)
class SearchSettings(Settings):
    """Settings of patch search.

    Attributes:
        numbers_below: validation images whose number is smaller are searched,
        numbers_also: and these.
        view_px: side of an image's centre,
        enlarged_px: and what it is enlarged to.
        stride_px: between two crops of that.
        neighbours: shown of a query.
        queries: `image:crop`.
    """

    numbers_below: int
    numbers_also: tuple[int, ...]
    view_px: int
    enlarged_px: int
    stride_px: int
    neighbours: int
    queries: tuple[str, ...]


@dataclass(frozen=True)
class SegmentationSettings(Settings):
    """Settings of linear segmentation heads; sizes are by dataset, in pixels.

    Attributes:
        blocks: of twelve, counted from 1, whose tokens a head sees.
        crop_px: side of training crops and sliding windows.
        train_scale: what training images are scaled to.
        test_scale: what evaluation images are scaled to.
        stride_px: between two windows.
        lr: of heads, where the experiment's cells name no other.
        iterations: steps of the training.
        warmup_iterations: of these with a growing rate.
        evaluations: in the course of the training, the last one included.
        samples: pictures in the report.
        weight_decay: of AdamW.
        batch_size: crops of a step.
        ratio_range: of random scaling.
        cat_max_ratio: most of a crop that one class may take.
        autocast: precision of the encoder.
        photometric: whether colours are distorted.
        flip: probability of a mirror image.
    """

    blocks: tuple[int, ...]
    crop_px: Mapping[str, int]
    train_scale: Mapping[str, Sides]
    test_scale: Mapping[str, Sides]
    stride_px: Mapping[str, int]
    lr: float
    iterations: int
    warmup_iterations: int
    evaluations: int
    samples: int
    weight_decay: float
    batch_size: int
    ratio_range: tuple[float, float]
    cat_max_ratio: float
    autocast: Precision
    photometric: bool
    flip: float


SETTINGS: Mapping[Kind, type[Settings]] = {
    "retrieval": Settings,
    "probing": ProbingSettings,
    "streamed probing": StreamSettings,
    "patch search": SearchSettings,
    "segmentation": SegmentationSettings,
}
