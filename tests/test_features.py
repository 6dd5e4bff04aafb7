"""Features: one pass, remembered by content, independent of batches."""

from pathlib import Path

import numpy as np
import pytest
import torch

from suite import features
from suite.datasets.views import View, ViewSet
from suite.encoders import load_encoder
from suite.errors import StorageError
from suite.features import extract


@pytest.fixture(scope="module")
def views() -> ViewSet:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (60, 50, 3), dtype=np.uint8) for _ in range(7)]
    return ViewSet([View(image) for image in images], np.arange(7), tuple("abcdefg"))


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("random_init")


def test_encoded_is_the_mean_patch_token(encoder, views: ViewSet) -> None:
    found = extract(encoder, views, transform="square", tokens=True)
    assert found.tokens.shape == (7, 1 + 36, 96)
    torch.testing.assert_close(found.encoded, found.tokens[:, 1:].mean(1))
    torch.testing.assert_close(found.cls, found.tokens[:, 0])
    assert found.projected is None


def test_the_batch_size_does_not_matter(encoder, views: ViewSet) -> None:
    one = extract(encoder, views, transform="square", batch_size=1)
    all_ = extract(encoder, views, transform="square", batch_size=7)
    torch.testing.assert_close(one.encoded, all_.encoded, atol=1e-5, rtol=0)


def test_images_are_normalised_with_the_encoders_own_statistics(encoder, views: ViewSet) -> None:
    expected = extract(encoder, views, transform="square").encoded
    encoder.mean, kept = (0.5, 0.5, 0.5), encoder.mean
    other = extract(encoder, views, transform="square").encoded
    encoder.mean = kept
    assert (expected - other).abs().max() > 1e-3


def test_what_is_remembered_is_what_was_computed(encoder, views: ViewSet, tmp_path: Path, monkeypatch) -> None:
    first = extract(encoder, views, transform="square", tokens=True, cache=tmp_path)
    monkeypatch.setattr(features, "_encode", None)
    again = extract(encoder, views, transform="square", tokens=True, cache=tmp_path)
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(first.encoded, again.encoded)


@pytest.mark.parametrize("change", ["transform", "tokens", "permute", "views", "encoder"])
def test_whatever_changes_the_values_changes_the_key(encoder, views: ViewSet, tmp_path: Path, change: str) -> None:
    options = {"transform": "square", "tokens": False, "permute": False}
    extract(encoder, views, cache=tmp_path, **options)
    if change == "views":
        views = views.take(6)
    elif change == "encoder":
        encoder = load_encoder("raw_pixels")
    else:
        options[change] = "square_train" if change == "transform" else True
    extract(encoder, views, cache=tmp_path, **options)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_permuted_patches_are_the_same_patches_elsewhere() -> None:
    pixels = torch.rand(2, 3, 8, 12)
    shuffled = features.permute_patches(pixels, 4, seeds=np.arange(len(pixels)))
    alone = features.permute_patches(pixels[1:], 4, seeds=np.arange(1, len(pixels)))
    assert torch.equal(shuffled[1:], alone), "an image's order depends on its index, not on its batch"
    patches, moved = (
        sorted(
            p.flatten().tolist() for p in image.unfold(1, 4, 4).unfold(2, 4, 4).permute(1, 2, 0, 3, 4).reshape(6, -1)
        )
        for image in (pixels[0], shuffled[0])
    )
    assert patches == moved
    assert not torch.equal(pixels[0], shuffled[0])


def test_the_oldest_entries_go_when_the_cache_is_full(encoder, views: ViewSet, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(features, "CACHE_BYTES", 1)
    extract(encoder, views, transform="square", cache=tmp_path)
    extract(encoder, views, transform="square_train", cache=tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


def test_a_full_disk_leaves_nothing_half_written(encoder, views: ViewSet, tmp_path: Path, monkeypatch) -> None:
    def refuse(_tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(features, "save_file", refuse)
    with pytest.raises(StorageError, match="No space left on device; free space or pass --cache"):
        extract(encoder, views, transform="square", cache=tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
