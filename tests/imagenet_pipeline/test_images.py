"""The stream of augmented images: which part of an image, which pixels, and that nothing but the seed decides."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.datasets.pixels import imagenet_eval, resizing
from suite.errors import DatasetError, RequestError
from suite.imagenet_pipeline.augment import Region, draw_crops, evaluation_region, training_region
from suite.imagenet_pipeline.decode import DECODERS, Decoder, exact, fast
from suite.imagenet_pipeline.images import ImageStream
from suite.imagenet_pipeline.jpeg import read_frame
from suite.imagenet_pipeline.parity import MAX_LEVELS, Parity, choose_decoder, parity
from tests.support.lookalikes import noise, save, truncate

SIZE = 32


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """An image with edges and texture at several scales."""
    draws = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for side in (4, 16, min(height, width)):
        layer = Image.fromarray(draws.integers(0, 256, (side, side, 3), dtype=np.uint8))
        total += np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC), float) / 3
    return total.astype(np.uint8)


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    sizes = [(60, 90), (90, 60), (48, 48), (40, 200), (33, 35), (120, 100)]
    return [save(tmp_path / f"{n}.JPEG", smooth(*size, seed=n)) for n, size in enumerate(sizes)]


def pixels_of(stream: ImageStream, epoch: int, order: list[int], batch: int) -> np.ndarray:
    """(N, 3, S, S), by image."""
    canvas = np.zeros((len(stream), 3, stream.size, stream.size), np.uint8)
    batches = [np.array(order[i : i + batch]) for i in range(0, len(order), batch)]
    for indices, pixels in stream.batches(epoch, batches):
        canvas[indices] = pixels
    return canvas


def test_pixels_do_not_depend_on_order_batches_or_workers(images: list[Path]) -> None:
    first = pixels_of(ImageStream(images, SIZE, augment=True, workers=1), 3, [0, 1, 2, 3, 4, 5], 6)
    for order, batch, workers in (([5, 3, 1, 0, 2, 4], 2, 3), ([2, 4, 0, 5, 3, 1], 5, 2)):
        again = pixels_of(ImageStream(images, SIZE, augment=True, workers=workers), 3, order, batch)
        np.testing.assert_array_equal(again, first)


def test_seed_epoch_and_index_each_change_the_augmentation() -> None:
    draws = draw_crops(5, seed=1, epoch=2)
    assert not np.isin(draws[3], draws[4]).any()
    for changed in ({"seed": 7}, {"epoch": 7}):
        assert not np.isin(draws[3], draw_crops(5, **{"seed": 1, "epoch": 2} | changed)[3]).any()
    # nothing else does: not even how many images there are
    np.testing.assert_array_equal(draw_crops(900, seed=1, epoch=2)[:5], draws)


def test_batches_come_in_the_order_asked_for(images: list[Path]) -> None:
    order = [np.array([4, 0]), np.array([2]), np.array([1, 3, 5])]
    stream = ImageStream(images, SIZE, augment=False, workers=2)
    assert [list(indices) for indices, _ in stream.batches(0, order)] == [[4, 0], [2], [1, 3, 5]]


def test_training_crops_follow_the_published_law() -> None:
    width, height, areas, ratios, mirrored = 500, 375, [], [], 0
    for draws in draw_crops(4000, seed=0, epoch=0):
        region = training_region(width, height, 224, draws)
        left, top, right, bottom = region.box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        areas.append((right - left) * (bottom - top) / (width * height))
        ratios.append((right - left) / (bottom - top))
        mirrored += region.mirrored
    assert 0.075 < min(areas) < 0.1
    assert 0.74 < min(ratios) < 0.76
    assert 1.31 < max(ratios) < 1.35
    assert abs(np.median(np.log(ratios))) < 0.05
    assert abs(mirrored / 4000 - 0.5) < 0.03


def test_the_law_is_torchvisions() -> None:
    """The same quantiles of area and place as `RandomResizedCrop`, from its own random numbers."""
    import torch
    from torchvision.transforms import RandomResizedCrop

    canvas = torch.zeros(3, 375, 500)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = np.array([RandomResizedCrop.get_params(canvas, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)])
    boxes = [training_region(500, 375, 224, draws).box for draws in draw_crops(4000, seed=5, epoch=0)]
    ours = np.array([(top, left, bottom - top, right - left) for left, top, right, bottom in boxes])
    for quantile in (0.1, 0.5, 0.9):
        np.testing.assert_allclose(np.quantile(ours, quantile, 0), np.quantile(theirs, quantile, 0), atol=14)


@pytest.mark.parametrize(("width", "height"), [(2000, 20), (20, 2000), (1, 1), (3, 500)])
def test_images_far_from_square_have_a_legal_crop(width: int, height: int) -> None:
    (draws,) = draw_crops(1, seed=0, epoch=0)
    left, top, right, bottom = training_region(width, height, 224, draws).box
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    if max(width, height) > 400:
        ratio = (right - left) / (bottom - top)
        assert math.isclose(ratio, 4 / 3 if width > height else 3 / 4, rel_tol=0.35)


def test_evaluation_is_the_transform_of_the_datasets(images: list[Path]) -> None:
    for path in images:
        expected = np.asarray(imagenet_eval(Image.open(path).convert("RGB"), SIZE))
        np.testing.assert_array_equal(exact(path, lambda w, h: evaluation_region(w, h, SIZE)), expected)


def test_a_whole_evaluation_resizes_the_shorter_side_to_the_input() -> None:
    assert evaluation_region(100, 60, 48, whole=True) == Region(48, (0, 0, 100, 60), (80, 48), (16, 0))


@pytest.mark.parametrize("decoder", ["exact", "fast"])
def test_a_stream_resizes_otherwise_whatever_its_decoder(images: list[Path], decoder: Decoder) -> None:
    resize = resizing({"resize-filter": "nearest"}, protocol="bicubic", antialias=True)
    stream = ImageStream(images[:1], SIZE, augment=False, decoder=decoder, resize=resize)
    [(_, pixels)] = stream.batches(0, [np.arange(1)])
    image = Image.open(images[0]).convert("RGB")
    region = evaluation_region(*image.size, SIZE)
    (left, top), size = region.window, region.size
    resized = np.asarray(image.resize(region.resized, Image.Resampling.NEAREST))[top : top + size, left : left + size]
    np.testing.assert_array_equal(pixels[0].permute(1, 2, 0), resized)


def test_a_mirrored_crop_is_pils(images: list[Path]) -> None:
    regions = (training_region(90, 60, SIZE, draws) for draws in draw_crops(99, seed=0, epoch=0))
    region = next(region for region in regions if region.mirrored)
    by_hand = Image.open(images[0]).convert("RGB").crop(region.box).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    expected = np.asarray(by_hand.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    np.testing.assert_array_equal(exact(images[0], lambda *_: region), expected)


def test_the_fast_way_keeps_the_bounds(images: list[Path]) -> None:
    agreement = parity(images, SIZE)
    assert agreement.images == len(images)
    assert agreement.passes, agreement
    assert choose_decoder(images, SIZE) == ("fast", agreement)


def test_a_fast_way_that_drifts_is_not_used(images: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def shifted(path: Path, region_of) -> np.ndarray:
        return np.roll(fast(path, region_of), 1, axis=1)

    monkeypatch.setitem(DECODERS, "fast", shifted)
    decoder, agreement = choose_decoder(images, SIZE)
    assert decoder == "exact"
    assert agreement.max_levels > MAX_LEVELS
    assert not Parity(1, MAX_LEVELS, 0.2).passes


@pytest.mark.parametrize(
    ("name", "mode", "file_format", "is_plain"),
    [
        ("colour.JPEG", "RGB", "JPEG", True),
        ("gray.JPEG", "L", "JPEG", False),
        ("cmyk.JPEG", "CMYK", "JPEG", False),
        ("a_png.JPEG", "RGB", "PNG", False),
        ("palette.JPEG", "P", "PNG", False),
    ],
)
def test_content_decides_who_decodes(tmp_path: Path, name: str, mode: str, file_format: str, is_plain: bool) -> None:
    path = save(tmp_path / name, smooth(50, 70), mode, file_format)
    frame = read_frame(np.fromfile(path, np.uint8))
    assert (frame is not None and frame.colour) == is_plain
    region_of = lambda w, h: evaluation_region(w, h, SIZE)  # noqa: E731
    difference = np.abs(fast(path, region_of).astype(int) - exact(path, region_of))
    assert difference.max() <= (MAX_LEVELS if is_plain else 0)


def test_progressive_and_bad_exif_are_decoded_alike(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = Image.fromarray(smooth(50, 70))
    whole.save(tmp_path / "turned.JPEG", exif=exif)
    whole.save(tmp_path / "progressive.JPEG", progressive=True)
    whole.save(tmp_path / "odd.JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff", comment=b"\xff\xd8\xff\xc0")
    assert parity(sorted(tmp_path.iterdir()), SIZE).passes


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00\x00" * 5, b"text, not an image"])
@pytest.mark.parametrize("way", [exact, fast])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes, way) -> None:
    path = tmp_path / "bad.JPEG"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"bad\.JPEG: cannot be read"):
        way(path, lambda w, h: evaluation_region(w, h, SIZE))


def test_a_truncated_or_missing_image_ends_the_stream_with_its_name(images: list[Path]) -> None:
    truncate(images[4])
    stream = ImageStream(images, SIZE, augment=True, workers=2)
    with pytest.raises(DatasetError, match=r"4\.JPEG: cannot be read"):
        list(stream.batches(0, [np.arange(6)]))
    images[4].unlink()
    with pytest.raises(DatasetError, match=r"4\.JPEG: cannot be read \(No such file"):
        list(stream.batches(0, [np.arange(6)]))


def test_wrong_requests_are_refused(images: list[Path]) -> None:
    with pytest.raises(RequestError, match="at least one image"):
        ImageStream([], SIZE, augment=True)
    with pytest.raises(RequestError, match="unknown decoder 'dct'"):
        ImageStream(images, SIZE, augment=True, decoder="dct")  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="at least 1 worker"):
        ImageStream(images, SIZE, augment=True, workers=0)
    with pytest.raises(DatasetError, match="expected images to compare on"):
        parity([], SIZE)


@pytest.mark.parametrize(("height", "width"), [(80, 120), (120, 60), (300, 50)])
def test_even_white_noise_goes_the_fast_way(tmp_path: Path, height: int, width: int) -> None:
    """Upright images too, which PIL resizes from top to bottom first: the other order is off by 10 levels."""
    decoder, agreement = choose_decoder([save(tmp_path / "noise.JPEG", noise(height, width))], SIZE)
    assert decoder == "fast"
    assert agreement.max_levels <= 1


def test_an_empty_share_of_a_batch_has_no_pixels(images: list[Path]) -> None:
    for decoder in ("exact", "fast", "device"):
        stream = ImageStream(images, SIZE, augment=True, decoder=decoder)
        [(_, pixels)] = stream.batches(0, [np.arange(0)])
        assert pixels.shape == (0, 3, SIZE, SIZE)


def test_a_header_that_promises_more_components_than_there_are_is_left_to_pil() -> None:
    body = bytes([8, 0, 16, 0, 16, 100]) + bytes(60)
    data = b"\xff\xd8\xff\xc0" + (len(body) + 2).to_bytes(2, "big") + body + b"\xff\xd9"
    frame = read_frame(np.frombuffer(data, np.uint8))
    assert frame is not None
    assert frame.sampling == ()
    assert not frame.colour
