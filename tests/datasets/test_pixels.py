from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.datasets.files import RESTORE
from suite.datasets.pixels import changed, crop, imagenet_eval, read_rgb, square_train, to_square, transform_named
from suite.errors import DatasetError, RequestError
from tests.support.lookalikes import noise, save, truncate


@pytest.mark.parametrize(
    ("name", "mode", "file_format"),
    [
        ("gray.jpg", "L", "JPEG"),
        ("cmyk.jpg", "CMYK", "JPEG"),
        ("palette.png", "P", "PNG"),
        ("alpha.png", "RGBA", "PNG"),
        ("a_png_named.JPEG", "RGB", "PNG"),
    ],
)
def test_any_mode_and_any_suffix_becomes_rgb(tmp_path: Path, name: str, mode: str, file_format: str) -> None:
    flat = np.full((8, 12, 3), (120, 120, 120), dtype=np.uint8)
    image = read_rgb(save(tmp_path / name, flat, mode, file_format))
    assert image.mode == "RGB"
    assert image.size == (12, 8)
    np.testing.assert_allclose(np.asarray(image), flat, atol=3)


def test_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(noise(8, 12)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_rgb(tmp_path / "turned.jpg").size == (12, 8)


def test_an_unreadable_image_is_named_with_its_remedy(tmp_path: Path) -> None:
    cut = truncate(save(tmp_path / "cut.jpg", noise(64, 64)))
    with pytest.raises(DatasetError, match=r"cut\.jpg: cannot be read \(.*truncated.*\): restore it"):
        read_rgb(cut)
    with pytest.raises(DatasetError) as caught:
        read_rgb(tmp_path / "absent.jpg")
    assert str(caught.value) == f"{tmp_path}/absent.jpg: cannot be read (No such file or directory): {RESTORE}"
    (tmp_path / "text.jpg").write_text("not an image")
    with pytest.raises(
        DatasetError, match=r"text\.jpg: cannot be read \(expected a whole JPEG or PNG image, got a file"
    ):
        read_rgb(tmp_path / "text.jpg")


def test_a_crop_over_the_border_is_black_outside() -> None:
    pixels = noise(4, 6) | 1
    cut = np.asarray(crop(Image.fromarray(pixels), (-2, 1, 4, 7)))
    assert cut.shape == (6, 6, 3)
    np.testing.assert_array_equal(cut[:3, 2:], pixels[1:, :4])
    assert not cut[3:].any()
    assert not cut[:, :2].any()


@pytest.mark.parametrize(("size", "enlarged", "offset"), [(224, 256, 16), (48, 55, 4)])
def test_square_train_keeps_the_centre_of_an_enlarged_square(size: int, enlarged: int, offset: int) -> None:
    image = Image.fromarray(noise(60, 60))
    whole = np.asarray(image.resize((enlarged, enlarged), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(square_train(image, size), whole[offset : offset + size, offset : offset + size])


def test_square_does_not_keep_the_aspect_ratio() -> None:
    image = Image.fromarray(noise(30, 60))
    np.testing.assert_array_equal(to_square(image, 48), image.resize((48, 48), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("size", "source", "resized", "corner"),
    [
        (224, (401, 300), (342, 256), (59, 16)),  # 342.19 is truncated
        (224, (100, 333), (256, 852), (16, 314)),
        (48, (70, 50), (77, 55), (14, 4)),  # offsets 14.5 and 3.5 round to even
    ],
)
def test_imagenet_eval_resizes_the_shorter_side_and_keeps_the_centre(
    size: int, source: tuple[int, int], resized: tuple[int, int], corner: tuple[int, int]
) -> None:
    image = Image.fromarray(noise(source[1], source[0]))
    left, top = corner
    expected = image.resize(resized, Image.Resampling.BICUBIC).crop((left, top, left + size, top + size))
    np.testing.assert_array_equal(imagenet_eval(image, size), expected)


def test_an_unknown_transform_lists_the_valid_ones() -> None:
    with pytest.raises(RequestError) as caught:
        transform_named("round")
    assert str(caught.value) == ("unknown transform 'round': expected one of square, square_train, imagenet_eval")


def test_a_transform_without_a_factor_keeps_its_name_and_its_function() -> None:
    assert changed("square", {"channels": "bgr"}) == "square"
    assert transform_named("square") is to_square


@pytest.mark.parametrize(
    ("factors", "name", "way"),
    [
        (
            {"resize-filter": "nearest"},
            "square, resize-filter=nearest",
            lambda image: image.resize((48, 48), Image.Resampling.NEAREST),
        ),
        (
            {"antialias": "off", "resize-filter": "bilinear"},
            "square, resize-filter=bilinear, antialias=off",
            lambda image: image.transform((48, 48), Image.Transform.EXTENT, (0, 0, 90, 70), Image.Resampling.BILINEAR),
        ),
        (
            {"resize-filter": "box", "crop-ratio": "0.875"},
            "square_train, resize-filter=box",
            lambda image: image.resize((55, 55), Image.Resampling.BOX).crop((4, 4, 52, 52)),
        ),
    ],
)
def test_a_factor_makes_another_transform_with_another_name(
    factors: dict[str, str], name: str, way: Callable[[Image.Image], Image.Image]
) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8))
    assert changed("square", factors) == name
    np.testing.assert_array_equal(transform_named(name)(image, 48), way(image))


@pytest.mark.parametrize(
    ("transform", "factors", "name"),
    [
        ("square", {"crop-ratio": "0.875"}, "square_train"),
        ("square_train", {"crop-ratio": "0.875"}, "square_train"),
        ("square_train", {"training-crop": "whole"}, "square"),
        ("square", {"training-crop": "whole"}, "square"),
    ],
)
def test_a_transform_that_another_trial_has_anyway_has_its_name_so_that_features_are_shared(
    transform: str, factors: dict[str, str], name: str
) -> None:
    assert changed(transform, factors) == name


def test_without_antialias_a_pixel_between_the_four_nearest_is_not_seen() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[1::8] = 255  # far from the centres of eight-pixel cells
    image = Image.fromarray(pixels)
    sparse = np.asarray(transform_named("square, antialias=off")(image, 8))
    assert sparse.max() == 0
    assert np.asarray(to_square(image, 8)).max() > 0
