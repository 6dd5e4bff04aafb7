"""What Pillow may be given, and the one error of everything else: nothing wrong is read, started or printed."""

import ast
import io
import os
import re
import struct
import subprocess
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.core.paths import SUITE
from suite.datasets.files import RESTORE
from suite.datasets.openers import image_size
from suite.datasets.pixels import read_rgb
from suite.datasets.segmentation import read_mask
from suite.errors import DatasetError
from tests.support.lookalikes import broken_exif, noise, save

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")
LABELS = (np.arange(48, dtype=np.uint8) % 20).reshape(6, 8)


def written(file_format: str, mode: str) -> bytes | None:
    """A picture in a format and a mode; None where Pillow writes none."""
    image = Image.new("I;16", (8, 6), 200) if mode == "I;16" else Image.fromarray(noise(6, 8)).convert("L")
    buffer = io.BytesIO()
    try:
        (image if mode in {"L", "I;16"} else image.convert("RGB").convert(mode)).save(buffer, file_format)
    except Exception:
        return None
    return buffer.getvalue()


def png(depth: int, colour: int, rows: bytes, size: tuple[int, int], *before: tuple[bytes, bytes]) -> bytes:
    """A PNG (W, H) of any bit depth and colour type, its rows each after a 0 for no filter."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"".join([b"\x89PNG\r\n\x1a\n", *body])


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """The reason in the one error that names the file, and that is a single line."""
    with pytest.raises(DatasetError) as caught:
        read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: cannot be read (")
    assert text.endswith(f"): {RESTORE}")
    return text.removeprefix(f"{path}: cannot be read (").removesuffix(f"): {RESTORE}")


def labels(path: Path) -> np.ndarray:
    return read_mask(path, 19)


@pytest.fixture(autouse=True)
def _no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reader starts a program, as Pillow's of EPS does."""
    monkeypatch.setattr(subprocess, "Popen", None)
    monkeypatch.setattr(os, "fork", None)


def test_every_format_that_pillow_writes_is_read_as_it_is_or_named(tmp_path: Path) -> None:
    Image.init()
    taken = set()
    for file_format in sorted(Image.SAVE):
        for mode in MODES:
            content = written(file_format, mode)
            if content is None:
                continue
            for suffix in (".jpg", ".png"):
                path = tmp_path / f"x{suffix}"
                path.write_bytes(content)
                if file_format in {"JPEG", "MPO", "PNG"}:
                    taken.add((file_format, mode))
                    opened = Image.open(io.BytesIO(content))
                    deep = opened.mode == "I;16"
                    expected = np.dstack([np.asarray(opened) >> 8] * 3) if deep else opened.convert("RGB")
                    np.testing.assert_array_equal(read_rgb(path), expected, err_msg=f"{file_format} {mode}")
                    assert image_size(path) == (8, 6)
                    continue
                reason = f"expected a whole JPEG or PNG image, got a file that begins with {content[:16]!r}"
                assert refusal(read_rgb, path) == refusal(image_size, path) == reason, (file_format, mode)
                assert refusal(labels, path).startswith("expected a whole PNG image, got a file that begins"), (
                    file_format
                )
    assert {("JPEG", "CMYK"), ("JPEG", "L"), ("MPO", "RGB"), ("PNG", "1"), ("PNG", "LA"), ("PNG", "I;16")} <= taken


@pytest.mark.parametrize("file_format", ["JPEG", "MPO", "GIF", "BMP", "WEBP", "TIFF", "AVIF"])
def test_a_mask_of_another_format_under_png_is_refused(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / "mask.png"
    Image.fromarray(LABELS).save(path, file_format)
    start = path.read_bytes()[:16]
    assert refusal(labels, path) == f"expected a whole PNG image, got a file that begins with {start!r}"


@pytest.mark.parametrize(
    ("depth", "colour", "rows", "reason"),
    [
        (1, 0, b"\x00\xaa", "one 8-bit channel (L or P), got mode 1"),
        (
            2,
            0,
            b"\x00\x1b\x1b",
            "8 bits a channel, got the layout L;2",
        ),  # 0 1 2 3, which Pillow spreads to 0 85 170 255
        (4, 0, b"\x00\x01\x23\x45\x67", "8 bits a channel, got the layout L;4"),
        (16, 0, b"\x00" + bytes(16), "one 8-bit channel (L or P), got mode I;16"),
        (8, 2, b"\x00" + bytes(24), "one 8-bit channel (L or P), got mode RGB"),
        (16, 2, b"\x00" + bytes(48), "one 8-bit channel (L or P), got mode RGB"),
        (8, 4, b"\x00" + bytes(16), "one 8-bit channel (L or P), got mode LA"),
        (8, 6, b"\x00" + bytes(32), "one 8-bit channel (L or P), got mode RGBA"),
    ],
)
def test_a_mask_is_of_8_bits_and_one_channel(tmp_path: Path, depth: int, colour: int, rows: bytes, reason: str) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(png(depth, colour, rows, (8, 1)))
    assert refusal(labels, path) == f"expected a mask of {reason}"


@pytest.mark.parametrize(("depth", "row"), [(1, b"\x00\x1a"), (2, b"\x00\x01\x44"), (4, b"\x00\x00\x01\x10\x10")])
def test_indices_into_a_small_palette_are_labels_whatever_their_bits_and_transparency(
    tmp_path: Path, depth: int, row: bytes
) -> None:
    path = tmp_path / "mask.png"
    palette = (b"PLTE", bytes(range(3 * 2**depth))), (b"tRNS", b"\x00\x80")
    path.write_bytes(png(depth, 3, row, (8, 1), *palette))
    assert labels(path).tolist() == [[255, 255, 255, 0, 0, 255, 0, 255]]


def test_a_mask_of_several_pictures_is_refused_and_one_of_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    image = Image.fromarray(LABELS)
    image.save(path, save_all=True, append_images=[Image.fromarray(LABELS[::-1].copy())])
    assert refusal(labels, path) == "expected a mask of one picture, got 2"
    image.save(path, transparency=3)
    assert labels(path)[0].tolist() == [255, 0, 1, 2, 3, 4, 5, 6]


def test_of_a_camera_s_several_pictures_the_first_counts(tmp_path: Path) -> None:
    first = Image.fromarray(noise(16, 24))
    first.save(tmp_path / "one.jpg")
    first.save(tmp_path / "many.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (4, 4))])
    np.testing.assert_array_equal(read_rgb(tmp_path / "many.jpg"), read_rgb(tmp_path / "one.jpg"))


def test_of_16_bits_the_upper_8_are_kept_in_gray_as_in_colour(tmp_path: Path) -> None:
    values = struct.pack(">4H", 0, 255, 256, 65535)
    (tmp_path / "gray.png").write_bytes(png(16, 0, b"\x00" + values, (4, 1)))
    assert np.asarray(read_rgb(tmp_path / "gray.png"))[0, :, 0].tolist() == [0, 0, 1, 255]
    colours = b"".join(values[i : i + 2] * 3 for i in range(0, 8, 2))
    (tmp_path / "colour.png").write_bytes(png(16, 2, b"\x00" + colours, (4, 1)))
    np.testing.assert_array_equal(read_rgb(tmp_path / "gray.png"), read_rgb(tmp_path / "colour.png"))


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (2**31 - 1, 2**31 - 1), (1, 900_000_000)])
@pytest.mark.parametrize("read", [read_rgb, image_size, labels])
def test_a_header_that_claims_millions_of_pixels_is_refused(tmp_path: Path, width: int, height: int, read) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(8, 0, bytes(9), (width, height)))
    claim = f"Image size ({width * height} pixels) exceeds limit of 178956970 pixels"
    assert refusal(read, path) == f"{claim}, could be decompression bomb DOS attack."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n{ } loop", "a file that begins with b'%!PS-Adobe-3.0 E'"),
        (b"DDS |\0\0\0" + bytes(120), "a file that begins with b'DDS |\\x00\\x00\\x00" + "\\x00" * 8 + "'"),
        (b"<html>log in</html>", "a file that begins with b'<html>log in</ht'"),
    ],
)
def test_what_is_no_image_is_named_by_its_beginning(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    assert refusal(read_rgb, tmp_path / "x.jpg") == f"expected a whole JPEG or PNG image, got {reason}"
    assert refusal(labels, tmp_path / "x.jpg") == f"expected a whole PNG image, got {reason}"


def test_whatever_pillow_raises_becomes_the_error_and_a_shortage_of_memory_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "x.png", noise(4, 4))
    for error in (
        RuntimeError("decoder"),
        NotImplementedError("fourcc"),
        KeyError("x"),
        struct.error("short"),
        EOFError(),
    ):

        def fail(*_: object, raised: Exception = error) -> None:
            raise raised

        monkeypatch.setattr(Image.Image, "convert", fail)
        assert refusal(read_rgb, path) == (str(error) or type(error).__name__)
    monkeypatch.setattr(Image.Image, "convert", lambda *_: bytes(2**62))
    with pytest.raises(MemoryError):
        read_rgb(path)


@pytest.mark.parametrize("read", [read_rgb, image_size, labels])
def test_a_pipe_a_folder_and_a_device_are_no_image(tmp_path: Path, read) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "device.png").symlink_to("/dev/zero")
    for name in ("pipe", "device"):
        assert refusal(read, tmp_path / f"{name}.png") == "expected a file, got a pipe or a device"
    assert refusal(read, tmp_path / "folder.png") == "Is a directory"
    assert refusal(read, tmp_path / "absent.png") == "No such file or directory"


def test_pillow_s_warnings_are_not_printed(tmp_path: Path) -> None:
    path = broken_exif(save(tmp_path / "x.jpg", noise(20, 30)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            read_rgb(path)
            image_size(path)
            warnings.simplefilter("always")  # someone else's filter comes first again
    assert [str(warning.message) for warning in caught] == []


def test_every_damage_of_a_jpeg_and_a_png_is_pixels_or_the_error(tmp_path: Path) -> None:
    """A value changed, a piece cut out or doubled, 300 times each, from a seed."""
    draws = np.random.default_rng(0)
    whole = {"a.jpg": save(tmp_path / "a.jpg", noise(24, 32)).read_bytes(), "a.png": b""}
    Image.fromarray(LABELS).convert("P").save(tmp_path / "a.png")
    whole["a.png"] = (tmp_path / "a.png").read_bytes()
    outcomes = set()
    for name, content in whole.items():
        path = tmp_path / name
        for _ in range(300):
            start, length = int(draws.integers(len(content))), int(draws.integers(1, 40))
            piece = [bytes(draws.integers(0, 256, length, np.uint8)), b"", content[start : start + length] * 2]
            end = start + length
            path.write_bytes(content[:start] + piece[int(draws.integers(3))] + content[end:])
            for read in (read_rgb, labels):
                try:
                    outcome = np.asarray(read(path)).dtype.name
                except DatasetError as error:
                    outcome = "refused" if str(error).startswith(f"{path}: cannot be read (") else str(error)
                outcomes.add((name, read.__name__, outcome))
    assert outcomes == {
        *(("a.jpg", "read_rgb", outcome) for outcome in ("uint8", "refused")),
        ("a.jpg", "labels", "refused"),
        *(("a.png", name, outcome) for name in ("read_rgb", "labels") for outcome in ("uint8", "refused")),
    }


def test_pillow_opens_files_in_one_place_alone() -> None:
    """`Image.open` by whatever name, and other libraries that would do it."""
    places = []
    for path in SUITE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and re.search(
                r"\bImage\.open$|\bimread$|\bread_image$", ast.unparse(node.func)
            ):
                places.append(path.relative_to(SUITE).as_posix())
    assert places == ["datasets/openers.py"]
