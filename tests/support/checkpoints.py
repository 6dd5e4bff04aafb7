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
    """Of the encoder and its projector; the mini encoders' unless told."""

    image: int = 48
    patch: int = 8
    width: int = 96
    depth: int = 4
    heads: int = 3
    hidden: int = 40
    out: int = 24
    prototypes: int = 50
    classes: int = 10

    @property
    def grid(self) -> int:
        return self.image // self.patch


VIT_B = Sizes(224, 16, 768, 12, heads=12, hidden=2048, out=256, prototypes=8192, classes=1000)


def write(
    method: str,
    path: Path,
    *,
    sizes: Sizes = Sizes(),
    seed: int = 0,
    half: bool = False,
    variant: str = "",
) -> dict[str, object]:
    """Write `method`'s checkpoint and return what is in it.

    half: tensors as float16. variant: another of the release's files, one of VARIANTS[method].
    """
    draw = Draw(seed, torch.float16 if half else torch.float32)
    content = VARIANTS[method][variant](draw, sizes) if variant else _CONTENTS[method](draw, sizes)
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


def sin_cos(width: int, grid: int) -> torch.Tensor:
    """(1, 1 + grid * grid, width): MoCo v3's and CAE's fixed table, zero for the class token."""
    frequencies = 10000 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    rows, columns = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    angles = [places.flatten()[:, None] * frequencies for places in (rows, columns)]
    table = torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)
    return torch.cat([torch.zeros(1, width, dtype=torch.float64), table])[None].float()


def halves_swapped(table: torch.Tensor) -> torch.Tensor:
    """MAE's table from MoCo v3's."""
    return torch.cat(table.chunk(2, dim=-1)[::-1], dim=-1)


def trunk(
    draw: Draw,
    s: Sizes,
    *,
    separate_biases: bool = False,
    layer_scale: bool | None = None,
    positions: torch.Tensor | bool = True,
) -> Tensors:
    """The encoder's own tensors; with separate biases there is LayerScale too, as in BEiT and CAE.

    positions: a table, True for a random one, False for none.
    """
    # small, as trained ones are: a wrong epsilon shows where a token's variance is
    tensors = {"cls_token": draw(1, 1, s.width, std=0.02)}
    if positions is True:
        tensors["pos_embed"] = draw(1, 1 + s.grid**2, s.width)
    elif positions is not False:
        tensors["pos_embed"] = positions.to(draw.dtype)
    tensors |= {
        "patch_embed.proj.weight": draw(s.width, 3, s.patch, s.patch, std=(3 * s.patch**2) ** -0.5),
        "patch_embed.proj.bias": draw(s.width),
    }
    scaled = separate_biases if layer_scale is None else layer_scale
    for index in range(s.depth):
        tensors |= prefixed(
            f"blocks.{index}.", block(draw, s.width, separate_biases=separate_biases, layer_scale=scaled)
        )
    return tensors | draw.norm("norm", s.width)


def block(draw: Draw, width: int, *, separate_biases: bool, layer_scale: bool) -> Tensors:
    tensors = draw.norm("norm1", width) | draw.linear("attn.qkv", 3 * width, width, bias=not separate_biases)
    if separate_biases:
        tensors |= {"attn.q_bias": draw(width), "attn.v_bias": draw(width)}
    if layer_scale:
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
    return {"model": trunk(draw, s) | draw.linear("head", s.classes, s.width)}


def _mocov3(draw: Draw, s: Sizes) -> dict[str, object]:
    state: Tensors = {}
    for network in ("base_encoder", "momentum_encoder"):
        encoder = trunk(draw, s, positions=sin_cos(s.width, s.grid))
        state |= prefixed(f"module.{network}.", encoder | prefixed("head.", moco_head(draw, s)))
    predictor = draw.linear("0", s.hidden, s.out, bias=False) | draw.batch_norm("1", s.hidden)
    predictor |= draw.linear("3", s.out, s.hidden, bias=False) | draw.batch_norm("4", s.out, affine=False)
    state |= prefixed("module.predictor.", predictor)
    return {"epoch": 300, "arch": "vit_base", "state_dict": state, "optimizer": {"state": {}}}


def _mocov3_linear(draw: Draw, s: Sizes) -> dict[str, object]:
    encoder = trunk(draw, s, positions=sin_cos(s.width, s.grid)) | draw.linear("head", s.classes, s.width)
    return {
        "epoch": 90,
        "arch": "vit_base",
        "state_dict": prefixed("module.", encoder),
        "best_acc1": torch.tensor(76.7),
    }


def _distilled(draw: Draw, s: Sizes, *, weight_norm: bool, extras: Callable[[Tensors], Tensors]) -> dict[str, object]:
    networks = {}
    for branch, prefix in (("student", "module."), ("teacher", "")):
        head = prefixed("head.", extras(prototype_head(draw, s, weight_norm=weight_norm)))
        networks[branch] = prefixed(prefix, prefixed("backbone.", trunk(draw, s)) | head)
    return networks | dump(draw, s)


def dump(draw: Draw, s: Sizes) -> dict[str, object]:
    """The rest of a training dump: moments, a schedule's NumPy numbers, the command line."""
    moments = {index: {"step": 9, "exp_avg": draw(s.width), "exp_avg_sq": draw(s.width)} for index in range(3)}
    groups = [{"lr": np.float64(1e-5), "weight_decay": np.float64(0.04), "params": [0, 1, 2]}]
    return {
        "optimizer": {"state": moments, "param_groups": groups},
        "epoch": 400,
        "scaler": {"scale": 65536.0, "growth_factor": 2.0},
        "args": argparse.Namespace(arch="vit_base", betas=(0.9, 0.95)),
    }


def _dino(draw: Draw, s: Sizes, *, weight_norm: bool = False) -> dict[str, object]:
    return _distilled(draw, s, weight_norm=weight_norm, extras=lambda head: head)


def _dino_old(draw: Draw, s: Sizes) -> dict[str, object]:
    networks: dict[str, object] = {}
    for branch in ("student", "teacher"):
        head = prototype_head(draw, s, weight_norm=False)
        names = {n: n.replace("mlp.", "projection_head.").replace("last_layer.", "prototypes.") for n in head}
        networks[branch] = trunk(draw, s) | prefixed("head.", {names[n]: value for n, value in head.items()})
    return networks | dump(draw, s)


def _ibot(draw: Draw, s: Sizes, *, weight_norm: bool = True) -> dict[str, object]:
    def with_duplicate(head: Tensors) -> Tensors:
        last = {name: value for name, value in head.items() if name.startswith("last_layer.")}
        return head | {name.replace("last_layer", "last_layer2"): value for name, value in last.items()}

    content = _distilled(draw, s, weight_norm=weight_norm, extras=with_duplicate)
    student = content["student"]
    assert isinstance(student, dict)
    student["module.backbone.masked_embed"] = draw(1, s.width)
    return content | {"ibot_loss": {"center": draw(1, s.prototypes)}, "fp16_scaler": {"scale": 65536.0}}


def _beit(draw: Draw, s: Sizes) -> dict[str, object]:
    rows = (2 * s.grid - 1) ** 2 + 3
    tensors = trunk(draw, s, separate_biases=True, positions=False)
    tensors["rel_pos_bias.relative_position_bias_table"] = draw(rows, s.heads, std=1.0)
    tensors["rel_pos_bias.relative_position_index"] = torch.zeros(s.grid**2 + 1, s.grid**2 + 1, dtype=torch.long)
    return {"model": tensors | {"mask_token": draw(1, 1, s.width)} | draw.linear("lm_head", 30, s.width)}


def _beit_dump(draw: Draw, s: Sizes) -> dict[str, object]:
    content = _beit(draw, s)
    model = content["model"]
    assert isinstance(model, dict)
    model |= prefixed("cls_pt_layers.0.", block(draw, s.width, separate_biases=True, layer_scale=True))
    return content | dump(draw, s)


def _beit_absolute(draw: Draw, s: Sizes) -> dict[str, object]:
    tensors = trunk(draw, s, separate_biases=True, layer_scale=False)
    return {"model": tensors | {"mask_token": draw(1, 1, s.width)} | draw.linear("lm_head", 30, s.width)}


def _mae(draw: Draw, s: Sizes) -> dict[str, object]:
    return {"model": trunk(draw, s, positions=halves_swapped(sin_cos(s.width, s.grid)))}


def _mae_decoder(draw: Draw, s: Sizes) -> dict[str, object]:
    content = _mae(draw, s)
    model = content["model"]
    assert isinstance(model, dict)
    decoder = block(draw, s.width, separate_biases=False, layer_scale=False)
    model |= {"mask_token": draw(1, 1, s.width), "decoder_pos_embed": sin_cos(s.width, s.grid)}
    model |= prefixed("decoder_blocks.0.", decoder) | draw.linear("decoder_embed", s.width, s.width)
    model |= draw.norm("decoder_norm", s.width) | draw.linear("decoder_pred", 3 * s.patch**2, s.width)
    return content


def _cae(draw: Draw, s: Sizes) -> dict[str, object]:
    return {"model": prefixed("encoder.", trunk(draw, s, separate_biases=True, positions=sin_cos(s.width, s.grid)))}


def _cae_dump(draw: Draw, s: Sizes) -> dict[str, object]:
    content = _cae(draw, s)
    model = content["model"]
    assert isinstance(model, dict)
    # a whole second encoder whose names end in the first one's
    aligned = trunk(draw, s, separate_biases=True, positions=sin_cos(s.width, s.grid))
    model |= {"mask_token": draw(1, 1, s.width)} | prefixed("alignment_encoder.", aligned)
    for part in ("pretext_neck.regressor_and_decoders.0.", "regresser.cross_attn.", "decoder.blocks.0."):
        model |= prefixed(part, block(draw, s.width, separate_biases=True, layer_scale=True))
    return content | dump(draw, s)


_CONTENTS = {
    "deit": _deit,
    "mocov3": _mocov3,
    "dino": _dino,
    "beit": _beit,
    "mae": _mae,
    "cae": _cae,
    "ibot": _ibot,
}
VARIANTS: dict[str, dict[str, Callable[[Draw, Sizes], dict[str, object]]]] = {
    "deit": {},
    "mocov3": {"linear": _mocov3_linear},
    "dino": {
        "backbone": lambda draw, sizes: dict(trunk(draw, sizes)),
        "old": _dino_old,
        "weight_norm": lambda draw, sizes: _dino(draw, sizes, weight_norm=True),
    },
    "beit": {"dump": _beit_dump, "absolute": _beit_absolute},
    "mae": {"decoder": _mae_decoder},
    "cae": {"dump": _cae_dump},
    "ibot": {
        "backbone": lambda draw, sizes: {"state_dict": trunk(draw, sizes)},
        "plain": lambda draw, sizes: _ibot(draw, sizes, weight_norm=False),
    },
}
