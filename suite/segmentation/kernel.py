"""The Triton kernel of `fused.py`; a module of its own, since Triton is there on GPU machines only."""

from typing import Any

import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from triton.backends.compiler import GPUTarget  # type: ignore[import-untyped]
from triton.compiler import ASTSource  # type: ignore[import-untyped]

ARCHITECTURES = (80, 90, 100, 120)
"""Compute capabilities, times ten, that tests compile for: of A100, of H100 and H200, of B200, of RTX 50."""
_BLOCK = 1024
"""Pixels times classes that one warp takes at a time, so that sums over classes need no other warp.

In the machine code for compute capability 9.0 that makes 12 instructions for each pixel and class (of 256); four warps
with 4096 need 30.
"""

_LOG_2 = tl.constexpr(0.6931471805599453)
_NOWHERE = tl.constexpr(-1e30)  # the logit of a class that only fills up the block: finite, so that differences are 0
_NO_LABEL = tl.constexpr(1 << 30)
_SAFE = tl.constexpr(100.0)  # powers of two, of the 126 below 1 that float32 holds in full


def launch(classes: int) -> dict[str, int]:
    """Choose the kernel's block sizes for a number of classes."""
    filled_up = max(16, 1 << (classes - 1).bit_length())
    return {"CLASSES": filled_up, "PIXELS": min(16, max(1, _BLOCK // filled_up)), "AREA": 256, "num_warps": 1}


def compile_ahead(classes: int, architecture: int) -> Any:
    """Compile the kernel for a card that need not be there; takes seconds.

    Args:
        classes: C.
        architecture: compute capability, times ten.

    Returns:
        Triton's compiled kernel; `asm["ptx"]` and `asm["cubin"]` are its code.

    Raises:
        Exception: whatever Triton or its assembler says.
    """
    sizes = launch(classes)
    warps = sizes.pop("num_warps")
    kinds = {"target": "*u8", "row_starts": "*i32", "column_starts": "*i32"} | dict.fromkeys(sizes, "constexpr")
    kinds |= dict.fromkeys(("logits", "losses", "parts", "row_shares", "column_shares"), "*fp32")
    signature = {name: kinds.get(name, "i32") for name in loss_and_gradient.arg_names}
    source = ASTSource(fn=loss_and_gradient, signature=signature, constexprs=sizes)
    return triton.compile(source, target=GPUTarget("cuda", architecture, 32), options={"num_warps": warps})


@triton.jit
def loss_and_gradient(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    logits, target, losses, parts, row_starts, row_shares, column_starts, column_shares,
    h, w, height, width, classes, ignore_index, part_size,
    CLASSES: tl.constexpr, PIXELS: tl.constexpr, AREA: tl.constexpr,
):  # fmt: skip
    """Run one program: summed loss of the pixels around one place, and its gradient in the four places they blend.

    Each of these places' logits is lowered by its own greatest, so a pixel's are lowered by the blend of four greatest:
    at least its own, so no power overflows, and more than its own by no more than a place's logits spread, so none that
    counts is lost. Only where they spread very far is each pixel's own greatest looked for.

    Args:
        logits: (B, h, w, C) float32.
        target: (B, H, W) integers.
        losses: (B, h, w) float32, written.
        parts: (4, B, h, w, C) float32, written: gradients at top left, top right, bottom left, bottom right.
        row_starts: see `fused.neighbours`, as for the next three.
        row_shares: of the rows.
        column_starts: of the columns.
        column_shares: of the columns.
        h: rows of the logits.
        w: columns of the logits.
        height: H.
        width: W.
        classes: C.
        ignore_index: label of pixels that do not count.
        part_size: B h w C.
        CLASSES: C, filled up to a power of two.
        PIXELS: of a row, taken at a time.
        AREA: pixels whose labels are looked at together.
    """
    place = tl.program_id(0).to(tl.int64)
    x, y, image = place % w, (place // w) % h, place // (w * h)
    c = tl.arange(0, CLASSES)
    real = c < classes
    right = tl.where(x + 1 < w, classes, 0)
    below = tl.where(y + 1 < h, w * classes, 0)
    here = logits + place * classes + c
    a, spread_a = _lowered(here, real)
    b, spread_b = _lowered(here + right, real)
    d, spread_d = _lowered(here + below, real)
    e, spread_e = _lowered(here + below + right, real)
    corners = (a, b, d, e)
    pixels = target + image * height * width
    rows = (row_shares, tl.load(row_starts + y), tl.load(row_starts + y + 1))
    columns = (column_shares, tl.load(column_starts + x), tl.load(column_starts + x + 1))
    if tl.maximum(tl.maximum(spread_a, spread_b), tl.maximum(spread_d, spread_e)) < _SAFE:
        loss, pa, pb, pd, pe = _normaliser(pixels, corners, rows, columns, width, ignore_index, CLASSES, PIXELS, False)
    else:
        loss, pa, pb, pd, pe = _normaliser(pixels, corners, rows, columns, width, ignore_index, CLASSES, PIXELS, True)
    gain, ya, yb, yd, ye = _labels(pixels, corners, rows, columns, width, ignore_index, CLASSES, AREA)
    tl.store(losses + place, (loss - gain) * _LOG_2)
    out = parts + place * classes + c
    tl.store(out, pa - ya, mask=real)
    tl.store(out + part_size, pb - yb, mask=real)
    tl.store(out + 2 * part_size, pd - yd, mask=real)
    tl.store(out + 3 * part_size, pe - ye, mask=real)


@triton.jit
def _lowered(here, real):  # type: ignore[no-untyped-def]
    """Lower a place's logits, times log2(e), by their greatest; and tell how far they spread."""
    z = tl.load(here, mask=real, other=0.0) * 1.4426950408889634
    top = tl.max(tl.where(real, z, _NOWHERE), 0)
    return tl.where(real, z - top, _NOWHERE), top - tl.min(tl.where(real, z, top), 0)


@triton.jit
def _normaliser(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    pixels, corners, rows, columns, width, ignore_index,
    CLASSES: tl.constexpr, PIXELS: tl.constexpr, OWN: tl.constexpr,
):  # fmt: skip
    """Sum log2 of the sum of powers over pixels; and its gradient in the four places: blended probabilities.

    OWN: lower each pixel's logits by its own greatest.
    """
    a, b, d, e = corners
    row_shares, first_row, last_row = rows
    column_shares, first_column, last_column = columns
    ga = tl.zeros((CLASSES,), tl.float32)
    gb = tl.zeros((CLASSES,), tl.float32)
    gd = tl.zeros((CLASSES,), tl.float32)
    ge = tl.zeros((CLASSES,), tl.float32)
    loss = tl.zeros((PIXELS,), tl.float32)
    for row in range(first_row, last_row):
        v = tl.load(row_shares + row)
        # along a row a class is a straight line: one multiplication and addition for each pixel
        left = a + (d - a) * v
        slant = b + (e - b) * v - left
        on_both = tl.zeros((CLASSES,), tl.float32)
        on_right = tl.zeros((CLASSES,), tl.float32)
        for start in range(first_column, last_column, PIXELS):
            column = start + tl.arange(0, PIXELS)
            inside = column < last_column
            u = tl.load(column_shares + column, mask=inside, other=0.0)
            label = tl.load(pixels + row * width + column, mask=inside, other=0).to(tl.int32)
            counts = inside & (label != ignore_index)
            value = left[None, :] + slant[None, :] * u[:, None]
            if OWN:
                top = tl.max(value, 1)
                value -= top[:, None]
                loss += tl.where(counts, top, 0.0)
            power = tl.exp2(value)
            total = tl.sum(power, 1)
            loss += tl.where(counts, tl.log2(total), 0.0)
            share = tl.where(counts, 1 / total, 0.0)
            on_both += tl.sum(power * share[:, None], 0)
            on_right += tl.sum(power * (share * u)[:, None], 0)
        on_left = on_both - on_right
        ga += on_left * (1 - v)
        gb += on_right * (1 - v)
        gd += on_left * v
        ge += on_right * v
    return tl.sum(loss, 0), ga, gb, gd, ge


@triton.jit
def _labels(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    pixels, corners, rows, columns, width, ignore_index,
    CLASSES: tl.constexpr, AREA: tl.constexpr,
):  # fmt: skip
    """Sum the labels' logits over pixels; and the gradient of that in the four places: blended labels.

    Few labels occur around a place, so one is taken after the other.
    """
    a, b, d, e = corners
    row_shares, first_row, last_row = rows
    column_shares, first_column, last_column = columns
    c = tl.arange(0, CLASSES)
    ga = tl.zeros((CLASSES,), tl.float32)
    gb = tl.zeros((CLASSES,), tl.float32)
    gd = tl.zeros((CLASSES,), tl.float32)
    ge = tl.zeros((CLASSES,), tl.float32)
    across = last_column - first_column
    number = across * (last_row - first_row)
    for start in range(0, number, AREA):
        i = start + tl.arange(0, AREA)
        inside = i < number
        row = first_row + i // across
        column = first_column + i % across
        v = tl.load(row_shares + row, mask=inside, other=0.0)
        u = tl.load(column_shares + column, mask=inside, other=0.0)
        left_over = tl.load(pixels + row * width + column, mask=inside, other=0).to(tl.int32)
        left_over = tl.where(inside & (left_over != ignore_index), left_over, _NO_LABEL)
        label = tl.min(left_over, 0)
        while label < _NO_LABEL:
            mine = left_over == label
            up = tl.where(mine, 1 - v, 0.0)
            down = tl.where(mine, v, 0.0)
            chosen = c == label
            ga += tl.where(chosen, tl.sum(up * (1 - u), 0), 0.0)
            gb += tl.where(chosen, tl.sum(up * u, 0), 0.0)
            gd += tl.where(chosen, tl.sum(down * (1 - u), 0), 0.0)
            ge += tl.where(chosen, tl.sum(down * u, 0), 0.0)
            left_over = tl.where(mine, _NO_LABEL, left_over)
            label = tl.min(left_over, 0)
    return tl.sum(ga * a + gb * b + gd * d + ge * e, 0), ga, gb, gd, ge
