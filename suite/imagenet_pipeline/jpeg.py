"""Header of a JPEG, read without decoding the image; a file's name says nothing."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from suite.datasets.openers import fits

_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_NOT_FRAMES = {0xC4, 0xC8, 0xCC}
_BASELINE = 0xC0
_ADOBE = 0xEE
_CLOSING = bytes((0xFF, 0xD9))


class Frame(NamedTuple):
    """The frame header of a JPEG (ITU T.81, B.2.2), and what else decides who may decode it.

    Attributes:
        baseline: sequential, 8 bits, Huffman: what a hardware decoder takes.
        bits: of a sample.
        sampling: (horizontal, vertical) sampling factors of each component.
        luma_first: its three components are Y, Cb and Cr; False where its markers say RGB.
        ended: the file closes with the end-of-image marker.
    """

    baseline: bool
    bits: int
    sampling: tuple[tuple[int, int], ...]
    luma_first: bool
    ended: bool

    @property
    def colour(self) -> bool:
        """Return whether it has three components of 8 bits."""
        return self.bits == 8 and len(self.sampling) == 3

    @property
    def same_everywhere(self) -> bool:
        """Return whether decoders agree on it to a level or two, and none fills up what is missing.

        Not so with reduced colour (4:2:0): libjpeg interpolates it, and nvJPEG with torchvision's flags is reported to
        repeat it (docs/explanation/imagenet.md; code of torchvision, csrc/io/image/cuda/decode_jpegs_cuda.cpp).
        """
        return self.baseline and self.colour and len(set(self.sampling)) == 1 and self.luma_first and self.ended


def read_frame(data: NDArray[np.uint8]) -> Frame | None:
    """Read the frame header of a file's bytes; None where they are no JPEG, or of no size that `fits`."""
    view = data.data  # whose items are Python's integers: NumPy's are several times slower
    luma_first = True
    for marker, start, body in _segments(view):
        if marker == _ADOBE and len(body) >= 12 and bytes(body[:5]) == b"Adobe":
            luma_first &= body[11] != 0
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES and len(body) >= 6:
            bits, height, width, count = struct.unpack_from(">BHHB", body)
            if not fits(width, height):
                return None
            components = bytes(body[6 : 6 + 3 * count]) if len(body) >= 6 + 3 * count else b""
            return Frame(
                baseline=marker == _BASELINE,
                bits=bits,
                sampling=tuple([(factors >> 4, factors & 15) for factors in components[1::3]]),
                luma_first=luma_first and components[::3] != b"RGB",
                ended=start < len(view) - 2 and bytes(view[-2:]) == _CLOSING,
            )
    return None


def _segments(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield marker, place and contents of each segment up to the first that is none (ITU T.81, B.1.1)."""
    if len(data) < 4 or data[0] != 0xFF or data[1] != 0xD8:
        return
    position, last = 2, len(data) - 3
    while position < last and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # padding
            position += 1
        elif marker in _STANDALONE:
            position += 2
        else:
            length = data[position + 2] << 8 | data[position + 3]
            yield marker, position, data[position + 4 : position + 2 + length]
            position += 2 + length
