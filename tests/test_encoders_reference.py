"""Every release against a plain ViT written from its paper: no timm, no fused attention, no convolution."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import make_interp_spline

from suite.cells import METHODS
from suite.encoders import load_encoder
from tests.checkpoints import Sizes, Tensors, write

SIZES = Sizes()
TRUNK = {  # method: (key of the file's dictionary, prefix of the encoder's tensors)
    "deit": ("model", ""),
    "mocov3": ("state_dict", "module.base_encoder."),
    "dino": ("teacher", "backbone."),
    "beit": ("model", ""),
    "mae": ("model", ""),
    "cae": ("model", "encoder."),
    "ibot": ("teacher", "backbone."),
}


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-6) * weight + bias


def gelu(x):
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def patchify(images, patch):
    """(B, 3, H, W) -> (B, n, 3 * patch * patch), rows first."""
    b, _, height, width = images.shape
    blocks = images.reshape(b, 3, height // patch, patch, width // patch, patch)
    return blocks.permute(0, 2, 4, 1, 3, 5).reshape(b, -1, 3 * patch * patch)


def attention(x, get, heads, bias):
    b, n, width = x.shape
    fused = get("attn.qkv.bias")
    if fused is None:
        fused = torch.cat([get("attn.q_bias"), torch.zeros(width, dtype=x.dtype), get("attn.v_bias")])
    qkv = x @ get("attn.qkv.weight").T + fused
    q, k, v = (part.reshape(b, n, heads, -1).transpose(1, 2) for part in qkv.split(width, dim=-1))
    scores = torch.exp(q @ k.transpose(2, 3) / math.sqrt(width / heads) + bias)
    mixed = (scores / scores.sum(-1, keepdim=True)) @ v
    return mixed.transpose(1, 2).reshape(b, n, width) @ get("attn.proj.weight").T + get("attn.proj.bias")


def reference(tensors: Tensors, images, positions, bias):
    """Normed tokens (B, 1 + n, D) and every block's raw tokens."""
    x = patchify(images, SIZES.patch) @ tensors["patch_embed.proj.weight"].flatten(1).T
    x = x + tensors["patch_embed.proj.bias"]
    x = torch.cat([tensors["cls_token"].expand(len(x), -1, -1), x], dim=1) + positions
    raw = []
    for index in range(SIZES.depth):

        def get(name, at=f"blocks.{index}."):
            return tensors.get(at + name)

        scales = [1.0 if get(name) is None else get(name) for name in ("gamma_1", "gamma_2")]
        inner = layer_norm(x, get("norm1.weight"), get("norm1.bias"))
        x = x + scales[0] * attention(inner, get, SIZES.heads, bias)
        inner = layer_norm(x, get("norm2.weight"), get("norm2.bias"))
        inner = gelu(inner @ get("mlp.fc1.weight").T + get("mlp.fc1.bias"))
        x = x + scales[1] * (inner @ get("mlp.fc2.weight").T + get("mlp.fc2.bias"))
        raw.append(x)
    return layer_norm(x, tensors["norm.weight"], tensors["norm.bias"]), raw


def cubic_weights(known: int, wanted: int, factor: float) -> torch.Tensor:
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


def resized_positions(table, rows, columns, shift):
    side = SIZES.grid
    if (rows, columns) == (side, side):
        return table
    down, across = (cubic_weights(side, n, (n + shift) / side) for n in (rows, columns))
    grid = torch.einsum("ri,cj,ijd->rcd", down, across, table[0, 1:].reshape(side, side, -1))
    return torch.cat([table[:, :1], grid.reshape(1, rows * columns, -1)], dim=1)


def spread(known: int, wanted: int) -> np.ndarray:
    """Knots 0, ±1, ±(1 + q), ... whose last is wanted // 2; q between 1.01 and 1.5."""
    half, low, high = known // 2, 1.01, 1.5
    while high - low > 1e-6:  # BEiT's own precision
        q = (low + high) / 2
        low, high = (low, q) if (1 - q**half) / (1 - q) > wanted // 2 else (q, high)
    positive = np.array([(1 - q**k) / (1 - q) for k in range(1, half + 1)])
    return np.concatenate([-positive[::-1], [0], positive])


def relative_bias(table, rows, columns):
    """(heads, 1 + n, 1 + n) from the table, pair by pair."""
    known = 2 * SIZES.grid - 1
    grid = table[:-3].reshape(known, known, -1).numpy()
    for axis, wanted in enumerate((2 * rows - 1, 2 * columns - 1)):
        if (rows, columns) != (SIZES.grid, SIZES.grid) and wanted != known:
            spline = make_interp_spline(spread(known, wanted), grid, k=3, axis=axis)
            grid = spline(np.clip(np.arange(wanted) - wanted // 2, spline.t[0], spline.t[-1]))
    places = [(row, column) for row in range(rows) for column in range(columns)]
    bias = torch.empty(1 + len(places), 1 + len(places), table.shape[1], dtype=torch.float64)
    bias[0, :], bias[:, 0], bias[0, 0] = table[-3], table[-2], table[-1]
    for i, (row, column) in enumerate(places):
        for j, (other_row, other_column) in enumerate(places):
            offset = row - other_row + rows - 1, column - other_column + columns - 1
            bias[1 + i, 1 + j] = torch.from_numpy(grid[offset])
    return bias.permute(2, 0, 1)


def projection(method, content, cls):
    top, prefix = TRUNK[method]
    prefix = "module.base_encoder.head." if method == "mocov3" else "head."
    head = {k.removeprefix(prefix): v.double() for k, v in content[top].items() if k.startswith(prefix)}
    if method == "mocov3":
        for index in (0, 3, 6):
            mean, var = (head[f"{index + 1}.running_{name}"] for name in ("mean", "var"))
            cls = (cls @ head[f"{index}.weight"].T - mean) / torch.sqrt(var + 1e-5)
            if index < 6:
                cls = torch.relu(cls * head[f"{index + 1}.weight"] + head[f"{index + 1}.bias"])
        return cls
    for index in (0, 2, 4):
        cls = cls @ head[f"mlp.{index}.weight"].T + head[f"mlp.{index}.bias"]
        cls = gelu(cls) if index < 4 else cls
    prototypes = head.get("last_layer.weight")
    if prototypes is None:
        v = head["last_layer.weight_v"]
        prototypes = head["last_layer.weight_g"] * v / v.norm(dim=1, keepdim=True)
    return cls / cls.norm(dim=1, keepdim=True) @ prototypes.T


def expected_tokens(method, content, images):
    top, prefix = TRUNK[method]
    tensors = {k.removeprefix(prefix): v.double() for k, v in content[top].items() if k.startswith(prefix) and v.ndim}
    rows, columns = (side // SIZES.patch for side in images.shape[2:])
    if method == "beit":
        table = tensors["rel_pos_bias.relative_position_bias_table"]
        return reference(tensors, images, 0.0, relative_bias(table, rows, columns))
    shift = 0.1 if method in ("dino", "ibot") else 0.0
    return reference(tensors, images, resized_positions(tensors["pos_embed"], rows, columns, shift), 0.0)


@pytest.mark.parametrize("size", [(48, 48), (64, 64), (32, 80)], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_tokens_layers_and_projection_equal_the_reference(tmp_path, method, size):
    content = write(method, tmp_path / f"{method}.pth", seed=METHODS.index(method))
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    normed, raw = expected_tokens(method, content, images)
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        encoder = load_encoder(method, weights=tmp_path, dtype=dtype)
        out = encoder(images, layers=(0, 3), project=encoder.has_projector)
        rows, columns = (side // SIZES.patch for side in size)
        close = {"rtol": 0, "atol": tolerance * float(raw[3].std())}
        torch.testing.assert_close(out.cls.double(), normed[:, 0], **close)
        torch.testing.assert_close(out.patches.double(), normed[:, 1:].mT.reshape(2, -1, rows, columns), **close)
        for index in (0, 3):
            expected = raw[index][:, 1:].mT.reshape(2, -1, rows, columns)
            torch.testing.assert_close(out.layers[index].double(), expected, **close)
        if method in ("mocov3", "dino", "ibot"):
            torch.testing.assert_close(
                out.projected.double(), projection(method, content, normed[:, 0]), rtol=0, atol=1e-5
            )
        else:
            assert out.projected is None
