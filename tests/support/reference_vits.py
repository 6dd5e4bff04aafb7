"""The seven encoders in plain float64 arithmetic, written from their official code; no timm, nothing of the suite.

`Wrong` holds the mistakes that a loader of these files can make, each off unless asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.interpolate import RectBivariateSpline, RegularGridInterpolator
from torch import Tensor

from tests.support.checkpoints import Sizes, Tensors

NETWORKS = {  # method: (key of the file's dictionary, prefix of the encoder's tensors, of the projector's)
    "deit": ("model", "", None),
    "mocov3": ("state_dict", "module.base_encoder.", "module.base_encoder.head."),
    "dino": ("teacher", "backbone.", "head."),
    "beit": ("model", "", None),
    "mae": ("model", "", None),
    "cae": ("model", "encoder.", None),
    "ibot": ("teacher", "backbone.", "head."),
}


@dataclass(frozen=True)
class Wrong:
    """What an implementation may get wrong; the defaults are right."""

    epsilon: float = 1e-6
    final_norm: bool = True
    layer_scale: bool = True
    bias_order: str = "q0v"
    gelu: str = "none"
    shift: float | None = None
    resize: Callable[[Tensor, int, int], Tensor] | None = None
    positions: Callable[[Tensor], Tensor] | None = None
    stretch: Callable[[Tensor, tuple[int, int]], Tensor] | None = None
    order: Tensor | None = None
    cls_rows: tuple[int, int, int] = (-3, -2, -1)
    batch_statistics: bool = False
    normalised: bool = True


@dataclass(frozen=True)
class Expected:
    """Normed tokens (B, 1 + n, D), the raw tokens of every block, the projection (B, P) if there is one."""

    tokens: Tensor
    raw: list[Tensor]
    projected: Tensor | None


def expected(method: str, content: dict[str, object], images: Tensor, sizes: Sizes, wrong: Wrong = Wrong()) -> Expected:
    """What `method`'s official code makes of images (B, 3, H, W) with the checkpoint's `content`."""
    top, prefix, head_prefix = NETWORKS[method]
    group = content[top]
    assert isinstance(group, dict)
    tensors = starting_with(prefix, group)
    rows, columns = (side // sizes.patch for side in images.shape[2:])
    positions, bias = torch.zeros(1, 1, 1, dtype=torch.float64), torch.zeros(1, 1, 1, dtype=torch.float64)
    if method == "beit":
        bias = relative_bias(tensors["rel_pos_bias.relative_position_bias_table"], rows, columns, sizes.grid, wrong)
    else:
        shift = (0.1 if method in ("dino", "ibot") else 0.0) if wrong.shift is None else wrong.shift
        positions = resized(tensors["pos_embed"], rows, columns, shift, wrong)
    tokens, raw = encode(tensors, images.double(), positions, bias, sizes, wrong)
    if head_prefix is None:
        return Expected(tokens, raw, None)
    head = starting_with(head_prefix, group)
    project = moco_projection if method == "mocov3" else prototype_scores
    return Expected(tokens, raw, project(head, tokens[:, 0], wrong))


def starting_with(prefix: str, group: Tensors) -> Tensors:
    return {name.removeprefix(prefix): value.double() for name, value in group.items() if name.startswith(prefix)}


def encode(
    tensors: Tensors, images: Tensor, positions: Tensor, bias: Tensor, sizes: Sizes, wrong: Wrong
) -> tuple[Tensor, list[Tensor]]:
    """Patches, class token, positions, blocks, norm."""
    x = patchify(images, sizes.patch) @ tensors["patch_embed.proj.weight"].flatten(1).T
    x = x + tensors["patch_embed.proj.bias"]
    x = x if wrong.order is None else x[:, wrong.order]
    x = torch.cat([tensors["cls_token"].expand(len(x), -1, -1), x], dim=1) + positions
    raw = []
    for index in range(sizes.depth):
        block = {n.split(".", 2)[2]: v for n, v in tensors.items() if n.startswith(f"blocks.{index}.")}
        scales = [block.get(n, torch.ones(())) if wrong.layer_scale else 1.0 for n in ("gamma_1", "gamma_2")]
        inner = layer_norm(x, block["norm1.weight"], block["norm1.bias"], wrong.epsilon)
        x = x + scales[0] * attention(inner, block, sizes.heads, bias, wrong)
        inner = layer_norm(x, block["norm2.weight"], block["norm2.bias"], wrong.epsilon)
        inner = F.gelu(inner @ block["mlp.fc1.weight"].T + block["mlp.fc1.bias"], approximate=wrong.gelu)
        x = x + scales[1] * (inner @ block["mlp.fc2.weight"].T + block["mlp.fc2.bias"])
        raw.append(x)
    if not wrong.final_norm:
        return x, raw
    return layer_norm(x, tensors["norm.weight"], tensors["norm.bias"], wrong.epsilon), raw


def patchify(images: Tensor, patch: int) -> Tensor:
    """(B, 3, H, W) -> (B, n, 3 * patch * patch), rows first."""
    b, _, height, width = images.shape
    blocks = images.reshape(b, 3, height // patch, patch, width // patch, patch)
    return blocks.permute(0, 2, 4, 1, 3, 5).reshape(b, -1, 3 * patch * patch)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + epsilon) * weight + bias


def attention(x: Tensor, block: Tensors, heads: int, bias: Tensor, wrong: Wrong) -> Tensor:
    b, n, width = x.shape
    fused = block.get("attn.qkv.bias")
    if fused is None:
        parts = {"q": block["attn.q_bias"], "0": torch.zeros(width, dtype=x.dtype), "v": block["attn.v_bias"]}
        fused = torch.cat([parts[letter] for letter in wrong.bias_order])
    qkv = x @ block["attn.qkv.weight"].T + fused
    q, k, v = (part.reshape(b, n, heads, -1).transpose(1, 2) for part in qkv.split(width, dim=-1))
    mixed = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(width / heads) + bias, dim=-1) @ v
    return mixed.transpose(1, 2).reshape(b, n, width) @ block["attn.proj.weight"].T + block["attn.proj.bias"]


def resized(table: Tensor, rows: int, columns: int, shift: float, wrong: Wrong) -> Tensor:
    """Absolute positions (1, 1 + g * g, D) on another grid, the class token's kept."""
    table = wrong.positions(table) if wrong.positions else table
    side = math.isqrt(table.shape[1] - 1)
    if (rows, columns) == (side, side):
        return table
    grid = table[0, 1:].reshape(side, side, -1)
    if wrong.resize:
        grid = wrong.resize(grid, rows, columns)
    else:
        down, across = (cubic_weights(side, n, (n + shift) / side) for n in (rows, columns))
        grid = torch.einsum("ri,cj,ijd->rcd", down, across, grid)
    return torch.cat([table[:, :1], grid.reshape(1, rows * columns, -1)], dim=1)


def cubic_weights(known: int, wanted: int, factor: float) -> Tensor:
    """(wanted, known) cubic convolution (a = -3/4) at (i + 1/2) / factor - 1/2, edges repeated."""
    a, matrix = -0.75, torch.zeros(wanted, known, dtype=torch.float64)
    for row in range(wanted):
        centre = (row + 0.5) / factor - 0.5
        for tap in range(math.floor(centre) - 1, math.floor(centre) + 3):
            d = abs(centre - tap)
            near = (a + 2) * d**3 - (a + 3) * d**2 + 1
            weight = near if d <= 1 else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
            matrix[row, min(max(tap, 0), known - 1)] += weight
    return matrix


def relative_bias(table: Tensor, rows: int, columns: int, grid: int, wrong: Wrong) -> Tensor:
    """(heads, 1 + n, 1 + n) from BEiT's shared table ((2 * grid - 1) ** 2 + 3, heads)."""
    side, wanted = 2 * grid - 1, (2 * rows - 1, 2 * columns - 1)
    offsets = table[:-3].reshape(side, side, -1)
    if wanted != (side, side):
        offsets = (wrong.stretch or stretched)(offsets, wanted)
    row, column = (axis.flatten() for axis in torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"))
    down, across = row[:, None] - row[None] + rows - 1, column[:, None] - column[None] + columns - 1
    bias = torch.empty(1 + len(row), 1 + len(row), table.shape[1], dtype=torch.float64)
    bias[1:, 1:] = offsets[down, across]
    cls_to_token, token_to_cls, cls_to_cls = wrong.cls_rows
    bias[0, :], bias[:, 0], bias[0, 0] = table[cls_to_token], table[token_to_cls], table[cls_to_cls]
    return bias.permute(2, 0, 1)


def stretched(offsets: Tensor, wanted: tuple[int, int]) -> Tensor:
    """(known, known, heads) -> (*wanted, heads) by a cubic spline on knots that spread geometrically."""
    axes = [spread(offsets.shape[0], size) for size in wanted]
    places = [np.arange(size) - size // 2 for size in wanted]
    heads = [RectBivariateSpline(*axes, offsets[..., head].numpy(), s=0) for head in range(offsets.shape[-1])]
    return torch.from_numpy(np.stack([spline(*places) for spline in heads], axis=-1))


def stretched_linearly(offsets: Tensor, wanted: tuple[int, int]) -> Tensor:
    """The same knots, joined by straight lines."""
    axes = [spread(offsets.shape[0], size) for size in wanted]
    places = np.meshgrid(*(np.arange(size) - size // 2 for size in wanted), indexing="ij")
    interpolate = RegularGridInterpolator(axes, offsets.numpy(), bounds_error=False, fill_value=None)
    return torch.from_numpy(interpolate(np.stack(places, axis=-1)))


def spread(size: int, wanted: int) -> np.ndarray:
    """Knots 0, ±1, ±(1 + q), ... whose last is wanted // 2; q between 1.01 and 1.5."""
    if wanted == size:
        return np.arange(size) - size // 2
    half, low, high = size // 2, 1.01, 1.5
    while high - low > 1e-6:  # BEiT's own precision
        q = (low + high) / 2
        low, high = (low, q) if (1 - q**half) / (1 - q) > wanted // 2 else (q, high)
    positive = np.array([(1 - q**k) / (1 - q) for k in range(1, half + 1)])
    return np.concatenate([-positive[::-1], [0], positive])


def moco_projection(head: Tensors, cls: Tensor, wrong: Wrong) -> Tensor:
    for index in (0, 3, 6):
        cls = cls @ head[f"{index}.weight"].T
        mean, variance = (head[f"{index + 1}.running_{name}"] for name in ("mean", "var"))
        if wrong.batch_statistics:
            mean, variance = cls.mean(0), cls.var(0, unbiased=False)
        cls = (cls - mean) / torch.sqrt(variance + 1e-5)
        if index < 6:
            cls = torch.relu(cls * head[f"{index + 1}.weight"] + head[f"{index + 1}.bias"])
    return cls


def prototype_scores(head: Tensors, cls: Tensor, wrong: Wrong) -> Tensor:
    for index in (0, 2, 4):
        cls = cls @ head[f"mlp.{index}.weight"].T + head[f"mlp.{index}.bias"]
        cls = F.gelu(cls) if index < 4 else cls
    prototypes = head.get("last_layer.weight")
    if prototypes is None:
        direction = head["last_layer.weight_v"]
        prototypes = head["last_layer.weight_g"] * direction / direction.norm(dim=1, keepdim=True)
    return (cls / cls.norm(dim=1, keepdim=True) if wrong.normalised else cls) @ prototypes.T
