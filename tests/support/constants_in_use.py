"""What the code makes of each constant: read off heads, optimizers, schedules, crops and readers, not off the file.

As a program it has the constants from the file that it is given, and prints what it found as JSON:

    python -m tests.support.constants_in_use FILE
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock


def in_use() -> dict[str, dict[str, Any]]:
    """Group -> constant -> value."""
    return _encoders() | _datasets() | _probes() | _segmentation()


def _encoders() -> dict[str, dict[str, Any]]:
    import torch
    import torch.nn.functional as F

    from suite.encoders.architecture import MINI
    from suite.encoders.baselines import random_init
    from suite.encoders.positions import shifted_bicubic
    from suite.encoders.projectors import PrototypeHead, batch_norm_mlp
    from suite.metrics.ranking import normalised

    encoder = random_init(MINI)
    with mock.patch.object(F, "interpolate", wraps=F.interpolate) as interpolate:
        shifted_bicubic(torch.zeros(1, 17, 2), (5, 5))
    with mock.patch.object(F, "normalize", wraps=F.normalize) as normalize:
        PrototypeHead(2, 2, 2, 2)(torch.ones(1, 2))
    tiny = torch.full((1, 1), 1e-30)
    return {
        "encoders": {
            "mean": encoder.mean,
            "std": encoder.std,
            "norm_eps": encoder.trunk.vit.norm.eps,
            "position_shift": _short(interpolate.call_args.kwargs["scale_factor"][0] * 4 - 5),
        },
        "projectors": {
            "batch_norm_eps": _only({batch_norm_mlp(2, 2, 2)[place].eps for place in (1, 4, 7)}),
            "unit_eps": normalize.call_args.kwargs["eps"],
        },
        "retrieval": {"smallest_norm": _short(float(tiny / normalised(tiny)))},
    }


def _datasets() -> dict[str, dict[str, Any]]:
    import numpy as np

    from suite.datasets import coco, cub200, parts, pixels
    from suite.imagenet_pipeline import augment

    distances = np.arange(5000.0)
    kept, _ = parts.part_boxes(np.zeros((5000, 2)), distances)
    far = parts.nearest_distances(np.zeros((1, 2)), np.zeros(1, np.int64))
    divisors = {}
    for name in parts.KEYPOINT_BOXES:
        _, [box] = parts.part_boxes(np.zeros((1, 2)), np.array([1200.0]), name)
        divisors[name] = 1200 / box[2]
    draws = augment.draw_crops(1, seed=0, epoch=0)
    whole = augment.evaluation_region(1000, 1000, pixels.KEPT_PX).resized[0]
    assert whole == pixels.enlarged(pixels.KEPT_PX)
    return {
        "part_patches": {
            "nearest_px": (int(kept[0]) - 1, int(kept[-1]) + 1),
            "far_px": float(far[0]),
            "half_side_divisor": divisors,
        },
        "cub_parts": {"parts": {part: number for number, part in cub200.PARTS.items()}, "visible": cub200.VISIBLE},
        "coco_parts": {
            "parts": {part: number for number, part in coco.PARTS.items()},
            "visible": coco.VISIBLE,
            "fewest": coco.FEWEST,
        },
        "coco_objects": {"longer_side_px": coco.LONGER_SIDE_PX, "side": coco.SIDE, "crowds": coco.CROWDS},
        "centre_crop": {"resized_px": whole, "kept_px": pixels.KEPT_PX},
        "image_crops": {
            "area": augment.SCALE,
            "ratio": augment.RATIO,
            "tries": (draws.shape[1] - 1) // 4,
            "flip": augment.FLIP,
        },
    }


def _probes() -> dict[str, dict[str, Any]]:
    from torch import nn

    from suite.probes.learner import ProbeLearner, ProbeSpec
    from suite.training.schedules import Cosine

    def learner(**changes: Any) -> ProbeLearner:
        settings = {"kind": "attentive", "embed_dim": 4, "num_classes": 2, "num_heads": 1, "lr": 0.1, "batch_size": 2}
        return ProbeLearner(ProbeSpec("probe", "encoder", schedule=Cosine(3), **settings | changes))

    with (
        mock.patch.object(nn.init, "normal_", wraps=nn.init.normal_) as normal,
        mock.patch.object(nn.init, "trunc_normal_", wraps=nn.init.trunc_normal_) as truncated,
    ):
        attentive = learner()
        drawn = [call.kwargs for call in truncated.call_args_list]
        truncated.reset_mock()
        learner(initial="cae")
        drawn_by_cae = [call.kwargs for call in truncated.call_args_list]
    std = _only({kwargs["std"] for kwargs in drawn})
    assert {kwargs["a"] for kwargs in drawn} == {-kwargs["b"] for kwargs in drawn}
    [sgd] = attentive.optimizer.param_groups
    by_cae = learner(kind="normed_linear", optimizer="lars")
    lars = by_cae.optimizer.param_groups[0]
    head, schedule = attentive.head, attentive.spec.schedule
    return {
        "classifier": {"initial_std": normal.call_args.kwargs["std"]},
        "probes": {
            "momentum": sgd["momentum"],
            "weight_decay": sgd["weight_decay"],
            "nesterov": sgd["nesterov"],
            "warmup_epochs": schedule.warmup_epochs,
            "final_lr": schedule.final_lr,
        },
        "attentive_probes": {
            "layer_norm_eps": _only({norm.eps for norm in (head.norm_q, head.norm_k, head.norm_v)}),
            "batch_norm_eps": head.bn.eps,
            "batch_norm_momentum": head.bn.momentum,
            "initial_std": std,
            "cut_at_std": _short(_only({kwargs["b"] for kwargs in drawn}) / std),
        },
        "cae_probes": {
            "lars_momentum": lars["momentum"],
            "lars_weight_decay": lars["weight_decay"],
            "lars_trust": lars["trust_coeff"],
            "lars_eps": lars["eps"],
            "batch_norm_eps": by_cae.head.bn.eps,
            "batch_norm_momentum": by_cae.head.bn.momentum,
            "attention_cut_at_std": _short(_only({kwargs["b"] for kwargs in drawn_by_cae}) / std),
        },
    }


def _segmentation() -> dict[str, dict[str, Any]]:
    import numpy as np
    import torch

    from suite.datasets.segmentation import IGNORE, SegmentationSet
    from suite.experiments import heads
    from suite.metrics import SegmentationCounts
    from suite.segmentation import augment, auxiliary, crops
    from suite.segmentation.bank import HeadLearner, HeadSpec
    from suite.training.schedules import Poly

    spec = HeadSpec("head", "set", 2)
    beside = heads._auxiliary(spec, 1)
    assert beside.auxiliary is not None
    learner = HeadLearner(spec, 5, Poly(10, 0), torch.device("cpu"))
    second = auxiliary.AuxiliaryHead((0, 1), 5, 2)
    scale = float(auxiliary.dropout(0, 0, 1).max())
    blocks = SimpleNamespace(settings=SimpleNamespace(blocks=(1,)), encoder=SimpleNamespace(depth=840))
    ranges = _Ranges()
    augment.draw_colours(ranges)  # type: ignore[arg-type]
    (low, brightness), contrast, saturation = ranges.uniforms
    assert low == -brightness
    return {
        "segmentation": {
            "betas": learner.optimizer.param_groups[0]["betas"],
            "eps": learner.optimizer.param_groups[0]["eps"],
            "bias_spared": heads.LAYER_DECAY,
            "warmup_ratio": _short(Poly(10, 5).factor(0)),
            "poly_power": _short(math.log(learner.schedule.factor(5), 0.5)),
            "blocks_of": 840 / (heads.layers(blocks)[0] + 1),  # type: ignore[arg-type]
            "ignored_label": _only({IGNORE, SegmentationCounts(2).ignore_index}),
            "reduce_zero_label": SegmentationSet("set", (), ()).reduce_zero_label,
            "crop_tries": len(augment.draw_corners(np.random.default_rng(0), (9, 9), 3)) - 1,
            "crop_classes": crops.CROP_CLASSES,
            "enlarged_first": heads.ENLARGED_FIRST,
        },
        "photometric": {
            "probability": augment.PROBABILITY,
            "brightness": brightness,
            "contrast": contrast,
            "saturation": saturation,
            "hue": ranges.hue,
        },
        "auxiliary_head": {
            "map": beside.auxiliary[0],
            "channels": second.conv.shape[0],
            "kernel": _only({*second.conv.shape[2:]}),
            "dropout": _short(1 - 1 / scale),
            "loss_weight": beside.loss_weight,
            "batch_norm_eps": second.norm.eps,
            "batch_norm_momentum": second.norm.momentum,
        },
    }


class _Ranges:
    """A generator that notes between which bounds it is asked to draw."""

    def __init__(self) -> None:
        self.uniforms: list[tuple[float, float]] = []
        self.hue: tuple[int, int] | None = None

    def random(self) -> float:
        return 0.0

    def uniform(self, low: float, high: float) -> float:
        self.uniforms.append((low, high))
        return low

    def integers(self, low: int, high: int) -> int:
        self.hue = (low, high - 1)
        return low


def _only(values: set[Any]) -> Any:
    [value] = values
    return value


def _short(value: float) -> float:
    """Without the rounding of the arithmetic that it comes from."""
    return float(f"{value:.5g}")


if __name__ == "__main__":
    import suite.protocol.constants

    suite.protocol.constants.FILE = Path(sys.argv[1])
    print(json.dumps(in_use()))
