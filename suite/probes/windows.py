"""Windows of slide inference."""

from __future__ import annotations

from suite.errors import RequestError


def sliding_windows(height: int, width: int, *, crop: int, stride: int) -> list[tuple[int, int, int, int]]:
    """Cover an image with windows, row by row: starts at multiples of the stride, the last shifted back to the border.

    Source: official code, mmseg/models/segmentors/encoder_decoder.py, `slide_inference`.

    Args:
        height: of the image, pixels.
        width: of the image, pixels.
        crop: side of a window; a window is smaller only where the image is.
        stride: distance of neighbouring starts, at most the crop.

    Returns:
        (top, left, bottom, right) of each window, pixels; bottom and right are exclusive.

    Raises:
        RequestError: a size that is not positive, or a stride that would leave gaps.
    """
    if min(height, width, crop, stride) < 1 or stride > crop:
        raise RequestError(
            "sliding windows: expected positive sizes and a stride of at most the crop, "
            f"got image {height} x {width}, crop {crop}, stride {stride}"
        )
    return [
        (top, left, min(top + crop, height), min(left + crop, width))
        for top in _starts(height, crop, stride)
        for left in _starts(width, crop, stride)
    ]


def _starts(length: int, crop: int, stride: int) -> list[int]:
    last = max(length - crop, 0)
    return [min(start, last) for start in range(0, last + stride, stride)]
