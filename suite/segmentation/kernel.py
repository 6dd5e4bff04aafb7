"""The Triton kernel of `fused.py`; a module of its own, since Triton is there on GPU machines only."""

import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]


@triton.jit
def loss_and_gradient(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    logits, target, losses, parts, row_starts, row_shares, column_starts, column_shares,
    h, w, height, width, classes, ignore_index, part_size,
    CLASSES: tl.constexpr, PIXELS: tl.constexpr,
):  # fmt: skip
    """One program: the summed loss of the pixels around one place, and its gradient in the four places they blend.

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
    """
    place = tl.program_id(0).to(tl.int64)
    x, y, image = place % w, (place // w) % h, place // (w * h)
    c = tl.arange(0, CLASSES)
    real = c < classes
    right = tl.where(x + 1 < w, classes, 0)
    below = tl.where(y + 1 < h, w * classes, 0)
    here = logits + place * classes + c
    a = tl.load(here, mask=real, other=0.0)
    b = tl.load(here + right, mask=real, other=0.0)
    d = tl.load(here + below, mask=real, other=0.0)
    e = tl.load(here + below + right, mask=real, other=0.0)
    ga = tl.zeros((CLASSES,), tl.float32)
    gb = tl.zeros((CLASSES,), tl.float32)
    gd = tl.zeros((CLASSES,), tl.float32)
    ge = tl.zeros((CLASSES,), tl.float32)
    loss = tl.zeros((PIXELS,), tl.float32)
    first, last = tl.load(column_starts + x), tl.load(column_starts + x + 1)
    for row in range(tl.load(row_starts + y), tl.load(row_starts + y + 1)):
        v = tl.load(row_shares + row)
        # along a row a class is a straight line: one multiplication and addition for each pixel
        left = tl.where(real, a * (1 - v) + d * v, float("-inf"))
        slant = tl.where(real, (b - a) * (1 - v) + (e - d) * v, 0.0)
        for start in range(first, last, PIXELS):
            column = start + tl.arange(0, PIXELS)
            inside = column < last
            u = tl.load(column_shares + column, mask=inside, other=0.0)
            label = tl.load(target + (image * height + row) * width + column, mask=inside, other=0).to(tl.int32)
            counts = (inside & (label != ignore_index)).to(tl.float32)
            value = left[None, :] + slant[None, :] * u[:, None]
            value -= tl.max(value, 1)[:, None]
            power = tl.exp(value)
            total = tl.sum(power, 1)
            chosen = c[None, :] == label[:, None]
            # a choice, not a product: the label 255 may fall on a class that only fills up the block, of value -inf
            loss += tl.where(counts > 0, tl.log(total) - tl.sum(tl.where(chosen, value, 0.0), 1), 0.0)
            slope = power * (counts / total)[:, None] - tl.where(chosen, counts[:, None], 0.0)
            on_right = tl.sum(slope * u[:, None], 0)
            on_left = tl.sum(slope, 0) - on_right
            ga += on_left * (1 - v)
            gb += on_right * (1 - v)
            gd += on_left * v
            ge += on_right * v
    tl.store(losses + place, tl.sum(loss, 0))
    out = parts + place * classes + c
    tl.store(out, ga, mask=real)
    tl.store(out + part_size, gb, mask=real)
    tl.store(out + 2 * part_size, gd, mask=real)
    tl.store(out + 3 * part_size, ge, mask=real)
