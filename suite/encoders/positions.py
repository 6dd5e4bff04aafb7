"""Positions on a grid other than the checkpoint's, as each method's own code makes them.

timm's own resizing (antialiased, linear for relative biases) differs by up to some per cent of the tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from scipy.interpolate import RectBivariateSpline
from torch import Tensor

from suite.protocol.constants import constant

Grid = tuple[int, int]
SHIFT: float = constant("encoders", "position_shift")


def bicubic(table: Tensor, grid: Grid) -> Tensor:
    """Resize a table of absolute positions, keeping the class token's entry.

    Args:
        table: (1, 1 + g * g, D).
        grid: rows and columns of patches wanted.

    Returns:
        (1, 1 + rows * columns, D).

    Source: mae `util/pos_embed.py` `interpolate_pos_embed`; the paper's segmentation code.
    """
    return _resized(table, grid, lambda patches: F.interpolate(patches, size=grid, mode="bicubic"))


def shifted_bicubic(table: Tensor, grid: Grid) -> Tensor:
    """Resize as `bicubic`, by DINO's scale factor (rows + 0.1) / g, whose 0.1 shifts the sampling points.

    Source: dino and ibot `vision_transformer.py` `interpolate_pos_encoding`.
    """
    side = math.isqrt(table.shape[1] - 1)
    factors = ((grid[0] + SHIFT) / side, (grid[1] + SHIFT) / side)
    return _resized(
        table,
        grid,
        lambda patches: F.interpolate(patches, scale_factor=factors, mode="bicubic", recompute_scale_factor=False),
    )


def bilinear(table: Tensor, grid: Grid) -> Tensor:
    """Resize as `bicubic`, but linearly; no method does, so it is a diagnostic factor only."""
    return _resized(table, grid, lambda patches: F.interpolate(patches, size=grid, mode="bilinear"))


def antialiased(table: Tensor, grid: Grid) -> Tensor:
    """Resize as `bicubic`, antialiased; a diagnostic factor only.

    Source: timm `layers/pos_embed.py` `resample_abs_pos_embed`.
    """
    return _resized(table, grid, lambda patches: F.interpolate(patches, size=grid, mode="bicubic", antialias=True))


def geometric_spline(table: Tensor, grid: Grid) -> Tensor:
    """Resample a table of relative biases by a cubic spline whose knots spread geometrically.

    Near offsets keep their biases and far ones are stretched.

    Args:
        table: ((2 * g - 1) ** 2 + 3, heads); the last three rows, for the class token, are copied.
        grid: rows and columns of patches wanted.

    Returns:
        ((2 * rows - 1) * (2 * columns - 1) + 3, heads).

    Source: beit `semantic_segmentation/mmcv_custom/checkpoint.py` (its interp2d equals this spline).
    """
    side = math.isqrt(table.shape[0] - 3)
    sizes = (2 * grid[0] - 1, 2 * grid[1] - 1)
    if sizes == (side, side):
        return table
    knots = [_knots(side, size) for size in sizes]
    offsets = [np.arange(size) - size // 2 for size in sizes]
    biases = table[:-3].double().cpu().numpy().reshape(side, side, -1)
    splines = [RectBivariateSpline(*knots, biases[..., head]) for head in range(biases.shape[-1])]
    resampled = np.stack([spline(*offsets).ravel() for spline in splines], axis=1)
    return torch.cat([torch.from_numpy(resampled).to(table), table[-3:]])


ABSOLUTE: dict[str, Callable[[Tensor, Grid], Tensor]] = {
    "bicubic": bicubic,
    "shifted_bicubic": shifted_bicubic,
    "bilinear": bilinear,
    "antialiased": antialiased,
}
"""The ways of resizing absolute positions, by the name that the catalogue, or a diagnostic factor, uses."""


def _resized(table: Tensor, grid: Grid, resize: Callable[[Tensor], Tensor]) -> Tensor:
    side = math.isqrt(table.shape[1] - 1)
    if grid == (side, side):
        return table
    patches = table[:, 1:].float() if table.dtype.itemsize < 4 else table[:, 1:]
    square = patches.transpose(1, 2).unflatten(2, (side, side))
    return torch.cat([table[:, :1], resize(square).flatten(2).transpose(1, 2).to(table.dtype)], dim=1)


def _knots(side: int, span: int) -> np.ndarray:
    """Place the `side` known offsets among -(wanted // 2) .. wanted // 2: 0, ±1, ±(1 + q), ..."""
    if span == side:
        return np.arange(side) - side // 2.0
    terms = np.arange(side // 2)
    low, high = 1.01, 1.5
    while high - low > 1e-6:
        ratio = (low + high) / 2
        low, high = (low, ratio) if np.sum(ratio**terms) > span // 2 else (ratio, high)
    outward = np.cumsum(ratio**terms)
    return np.concatenate([-outward[::-1], [0.0], outward])
