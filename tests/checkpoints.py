"""Checkpoints in the layouts of the seven releases, random, nothing at its neutral value.

Written from the releases' key lists, not through timm or the suite: an error in the loader cannot hide here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Sizes:
    image: int = 48
    patch: int = 8
    width: int = 96
    depth: int = 4
    heads: int = 3
    hidden: int = 40
    out: int = 24
    prototypes: int = 50

    @property
    def grid(self) -> int:
        return self.image // self.patch


def write(
    method: str,
    path: Path,
    *,
    sizes: Sizes = Sizes(),
    seed: int = 0,
    half: bool = False,
    backbone: bool = False,
) -> dict[str, object]:
    """Write `method`'s checkpoint and return what is in it.

    half: tensors as float16. backbone: the release's smaller file without a projector (dino, ibot).
    """
    draw = Draw(seed, torch.float16 if half else torch.float32)
    content = _BACKBONES[method](draw, sizes) if backbone else _CONTENTS[method](draw, sizes)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return content


class Draw:
    """Draws tensors from one seeded stream."""

    def __init__(self, seed: int, dtype: torch.dtype) -> None:
        self.generator, self.dtype = torch.Generator().manual_seed(seed), dtype

    def __call__(self, *shape: int, mean: float = 0.0, std: float = 0.1) -> torch.Tensor:
        return (mean + std * torch.randn(shape, generator=self.generator)).to(self.dtype)

    def linear(self, name: str, outputs: int, inputs: int, *, bias: bool = True) -> Tensors:
        weight = {f"{name}.weight": self(outputs, inputs, std=inputs**-0.5)}
        return weight | ({f"{name}.bias": self(outputs)} if bias else {})

    def norm(self, name: str, width: int) -> Tensors:
        return {f"{name}.weight": self(width, mean=1.0), f"{name}.bias": self(width)}

    def batch_norm(self, name: str, width: int, *, affine: bool = True) -> Tensors:
        running = {
            f"{name}.running_mean": self(width),
            f"{name}.running_var": self(width, mean=1.0).abs() + 0.2,
            f"{name}.num_batches_tracked": torch.tensor(7),
        }
        return (self.norm(name, width) if affine else {}) | running


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + name: value for name, value in tensors.items()}


def trunk(draw: Draw, s: Sizes, *, separate_biases: bool = False, positions: bool = True) -> Tensors:
    """The encoder's own tensors; with separate biases there is LayerScale too, as in BEiT and CAE."""
    tensors = {"cls_token": draw(1, 1, s.width)}
    if positions:
        tensors["pos_embed"] = draw(1, 1 + s.grid**2, s.width, std=0.5)
    tensors |= {
        "patch_embed.proj.weight": draw(s.width, 3, s.patch, s.patch),
        "patch_embed.proj.bias": draw(s.width),
    }
    for index in range(s.depth):
        tensors |= prefixed(f"blocks.{index}.", block(draw, s.width, separate_biases=separate_biases))
    return tensors | draw.norm("norm", s.width)


def block(draw: Draw, width: int, *, separate_biases: bool) -> Tensors:
    tensors = draw.norm("norm1", width) | draw.linear("attn.qkv", 3 * width, width, bias=not separate_biases)
    if separate_biases:
        tensors |= {"attn.q_bias": draw(width), "attn.v_bias": draw(width)}
        tensors |= {"gamma_1": draw(width, mean=0.5), "gamma_2": draw(width, mean=0.5)}
    tensors |= draw.linear("attn.proj", width, width) | draw.norm("norm2", width)
    return tensors | draw.linear("mlp.fc1", 4 * width, width) | draw.linear("mlp.fc2", width, 4 * width)


def moco_head(draw: Draw, s: Sizes) -> Tensors:
    tensors: Tensors = {}
    for index, (outputs, inputs) in enumerate([(s.hidden, s.width), (s.hidden, s.hidden), (s.out, s.hidden)]):
        tensors |= draw.linear(str(3 * index), outputs, inputs, bias=False)
        tensors |= draw.batch_norm(str(3 * index + 1), outputs, affine=index < 2)
    return tensors


def prototype_head(draw: Draw, s: Sizes, *, weight_norm: bool) -> Tensors:
    tensors: Tensors = {}
    for index, (outputs, inputs) in enumerate([(s.hidden, s.width), (s.hidden, s.hidden), (s.out, s.hidden)]):
        tensors |= draw.linear(f"mlp.{2 * index}", outputs, inputs)
    if not weight_norm:
        return tensors | {"last_layer.weight": draw(s.prototypes, s.out)}
    last = {"weight_g": draw(s.prototypes, 1, mean=1.0), "weight_v": draw(s.prototypes, s.out)}
    return tensors | prefixed("last_layer.", last)


def _deit(draw: Draw, s: Sizes) -> dict[str, object]:
    return {"model": trunk(draw, s) | draw.linear("head", 10, s.width)}


def _mocov3(draw: Draw, s: Sizes) -> dict[str, object]:
    state: Tensors = {}
    for network in ("base_encoder", "momentum_encoder"):
        state |= prefixed(f"module.{network}.", trunk(draw, s) | prefixed("head.", moco_head(draw, s)))
    predictor = draw.linear("0", s.hidden, s.out, bias=False) | draw.batch_norm("1", s.hidden)
    predictor |= draw.linear("3", s.out, s.hidden, bias=False) | draw.batch_norm("4", s.out, affine=False)
    state |= prefixed("module.predictor.", predictor)
    return {"epoch": 300, "arch": "vit_base", "state_dict": state, "optimizer": {"state": {}}}


def _distilled(draw: Draw, s: Sizes, *, weight_norm: bool, extras: Callable[[Tensors], Tensors]) -> dict[str, object]:
    networks = {}
    for branch, prefix in (("student", "module."), ("teacher", "")):
        head = prefixed("head.", extras(prototype_head(draw, s, weight_norm=weight_norm)))
        networks[branch] = prefixed(prefix, prefixed("backbone.", trunk(draw, s)) | head)
    return networks | {
        # a training dump holds its command line and a schedule's NumPy numbers
        "optimizer": {"param_groups": [{"lr": np.float64(1e-5)}]},
        "epoch": 400,
        "args": argparse.Namespace(arch="vit_base"),
    }


def _dino(draw: Draw, s: Sizes) -> dict[str, object]:
    return _distilled(draw, s, weight_norm=False, extras=lambda head: head)


def _ibot(draw: Draw, s: Sizes) -> dict[str, object]:
    def with_duplicate(head: Tensors) -> Tensors:
        last = {name: value for name, value in head.items() if name.startswith("last_layer.")}
        return head | {name.replace("last_layer", "last_layer2"): value for name, value in last.items()}

    content = _distilled(draw, s, weight_norm=True, extras=with_duplicate)
    student = content["student"]
    assert isinstance(student, dict)
    student["module.backbone.masked_embed"] = draw(1, s.width)
    return content


def _beit(draw: Draw, s: Sizes) -> dict[str, object]:
    rows = (2 * s.grid - 1) ** 2 + 3
    tensors = trunk(draw, s, separate_biases=True, positions=False)
    tensors["rel_pos_bias.relative_position_bias_table"] = draw(rows, s.heads, std=1.0)
    tensors["rel_pos_bias.relative_position_index"] = torch.zeros(s.grid**2 + 1, s.grid**2 + 1, dtype=torch.long)
    return {"model": tensors | {"mask_token": draw(1, 1, s.width)} | draw.linear("lm_head", 30, s.width)}


def _mae(draw: Draw, s: Sizes) -> dict[str, object]:
    return {"model": trunk(draw, s)}


def _cae(draw: Draw, s: Sizes) -> dict[str, object]:
    encoder = prefixed("encoder.", trunk(draw, s, separate_biases=True))
    return {"model": encoder | {"mask_token": draw(1, 1, s.width), "alignment_encoder.norm.weight": draw(s.width)}}


_CONTENTS = {
    "deit": _deit,
    "mocov3": _mocov3,
    "dino": _dino,
    "beit": _beit,
    "mae": _mae,
    "cae": _cae,
    "ibot": _ibot,
}
_BACKBONES = {"dino": trunk, "ibot": lambda draw, sizes: {"state_dict": trunk(draw, sizes)}}
