"""Headers of JPEGs that lie: read in whole numbers, and left to Pillow wherever they claim what nobody decodes."""

import struct
from pathlib import Path

import numpy as np
import pytest

from suite.datasets.files import RESTORE
from suite.errors import DatasetError
from suite.imagenet_pipeline.augment import evaluation_region
from suite.imagenet_pipeline.decode import Pixels, exact, fast
from suite.imagenet_pipeline.images import ImageStream
from suite.imagenet_pipeline.jpeg import read_frame
from tests.support.lookalikes import noise, save

SIZE = 32


def frame_header(components: int, rows: bytes, *, height: int = 8, width: int = 8, marker: int = 0xC0) -> bytes:
    """A segment with the frame header of so many components, whatever rows follow."""
    body = struct.pack(">BHHB", 8, height, width, components) + rows
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def jpeg(*segments: bytes, length: int = 4096) -> Pixels:
    """Bytes of a file of at least some length."""
    content = b"\xff\xd8" + b"".join(segments)
    return np.frombuffer(content.ljust(length, b"\0"), np.uint8)


def one_line(path: Path, way) -> str:
    with pytest.raises(DatasetError) as caught:
        way(path, lambda w, h: evaluation_region(w, h, SIZE))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("components", [0, 1, 2, 3, 4, 85, 86, 100, 171, 255])
def test_a_header_of_any_number_of_components_has_as_many_or_none(components: int) -> None:
    """3 * 86 is 258, which is 2 to a byte."""
    rows = b"".join(bytes((number % 256, 0x21, 0)) for number in range(components))
    whole, cut = read_frame(jpeg(frame_header(components, rows))), read_frame(jpeg(frame_header(components, rows[:-1])))
    assert whole is not None
    assert whole.sampling == ((2, 1),) * components
    assert whole.colour == (components == 3)
    assert cut is not None
    assert cut.sampling == ()


@pytest.mark.parametrize("way", [exact, fast])
@pytest.mark.parametrize("components", [4, 86, 171, 255])
def test_a_file_whose_header_claims_many_components_is_named(tmp_path: Path, components: int, way) -> None:
    content = save(tmp_path / "x.JPEG", noise(40, 60)).read_bytes()
    start = content.index(b"\xff\xc0")
    path = tmp_path / "x.JPEG"
    path.write_bytes(content[: start + 9] + bytes((components,)) + content[start + 10 :])
    assert one_line(path, way).startswith(f"{path}: cannot be read (")


@pytest.mark.parametrize("decoder", ["exact", "fast", "device"])
def test_a_header_that_claims_millions_of_pixels_is_refused_by_every_way(tmp_path: Path, decoder) -> None:
    content = save(tmp_path / "x.JPEG", noise(40, 60)).read_bytes()
    start = content.index(b"\xff\xc0")
    path = tmp_path / "x.JPEG"
    path.write_bytes(content[: start + 5] + struct.pack(">HH", 60_000, 50_000) + content[start + 9 :])
    assert read_frame(np.fromfile(path, np.uint8)) is None
    with pytest.raises(DatasetError) as caught:
        list(ImageStream([path], SIZE, augment=False, decoder=decoder).batches(0, [np.arange(1)]))
    claim = "Image size (3000000000 pixels) exceeds limit of 178956970 pixels"
    assert str(caught.value) == f"{path}: cannot be read ({claim}, could be decompression bomb DOS attack.): {RESTORE}"


@pytest.mark.parametrize("lengths", [(0, 0), (1, 1), (2, 2), (65535, 2), (255, 256)])
def test_segments_of_any_length_are_walked_to_the_frame(lengths: tuple[int, int]) -> None:
    """A length counts its own two bytes; 0 and 1 are none, and the walk goes on behind them."""
    padding = [b"\xff\xe1" + struct.pack(">H", length) + bytes(max(length - 2, 0)) for length in lengths]
    frame = read_frame(jpeg(*padding, frame_header(3, bytes((1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1))), length=200_000))
    if min(lengths) >= 2:
        assert frame is not None
        assert frame.sampling == ((2, 2), (1, 1), (1, 1))
    else:
        assert frame is None


def test_an_adobe_marker_and_components_called_rgb_tell_the_colour_space() -> None:
    rows = bytes((1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1))
    adobe = [b"\xff\xee" + struct.pack(">H", 14) + b"Adobe" + bytes(6) + bytes((kind,)) for kind in (0, 1)]
    assert [read_frame(jpeg(marker, frame_header(3, rows))).luma_first for marker in adobe] == [False, True]  # type: ignore[union-attr]
    named = b"".join(bytes((letter, 0x11, 0)) for letter in b"RGB")
    assert not read_frame(jpeg(frame_header(3, named))).luma_first  # type: ignore[union-attr]


def test_every_damage_of_a_header_is_pixels_or_one_line(tmp_path: Path) -> None:
    """400 changes of a value or a run of them within the first 700 bytes, from a seed."""
    draws = np.random.default_rng(0)
    content = np.frombuffer(save(tmp_path / "x.JPEG", noise(24, 32)).read_bytes(), np.uint8)
    path, outcomes = tmp_path / "x.JPEG", set()
    for _ in range(400):
        damaged = content.copy()
        start, length = int(draws.integers(2, 700)), int(draws.integers(1, 4))
        damaged[start : start + length] = draws.integers(0, 256, length, np.uint8)
        path.write_bytes(damaged.tobytes())
        try:
            outcomes.add(fast(path, lambda w, h: evaluation_region(w, h, SIZE)).shape)
        except DatasetError as error:
            outcomes.add(str(error).startswith(f"{path}: cannot be read ("))
    assert outcomes == {(SIZE, SIZE, 3), True}
