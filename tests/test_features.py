"""Features: one pass, remembered by content, independent of batches."""

from pathlib import Path

import numpy as np
import pytest
import torch

from suite import features
from suite.core.paths import MINI_WEIGHTS as WEIGHTS
from suite.datasets.views import View, ViewSet
from suite.encoders import load_encoder
from suite.encoders.encoder import Encoder
from suite.errors import RequestError, StorageError
from suite.features import Features, Passes


@pytest.fixture(scope="module")
def views() -> ViewSet:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (60, 50, 3), dtype=np.uint8) for _ in range(7)]
    return ViewSet([View(image) for image in images], np.arange(7), tuple("abcdefg"))


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("random_init")


def extract(encoder: Encoder, views: ViewSet, *keep: str, cache: Path | None = None, **how: object) -> Features:
    return features.extract(Passes(encoder, views, **{"transform": "square"} | how), keep or {"encoded"}, cache=cache)


def test_encoded_is_the_mean_patch_token(encoder, views: ViewSet) -> None:
    found = extract(encoder, views, "encoded", "cls", "tokens")
    assert found.tokens.shape == (7, 1 + 36, 96)
    torch.testing.assert_close(found.encoded, found.tokens[:, 1:].mean(1))
    torch.testing.assert_close(found.cls, found.tokens[:, 0])
    assert found.projected is None


def test_the_batch_size_does_not_matter(encoder, views: ViewSet) -> None:
    one = extract(encoder, views, batch_size=1)
    all_ = extract(encoder, views, batch_size=7)
    torch.testing.assert_close(one.encoded, all_.encoded, atol=1e-5, rtol=0)


def test_images_are_normalised_with_the_encoders_own_statistics(encoder, views: ViewSet) -> None:
    expected = extract(encoder, views).encoded
    encoder.mean, kept = (0.5, 0.5, 0.5), encoder.mean
    other = extract(encoder, views).encoded
    encoder.mean = kept
    assert (expected - other).abs().max() > 1e-3


def test_what_is_remembered_is_what_was_computed(encoder, views: ViewSet, tmp_path: Path, monkeypatch) -> None:
    first = extract(encoder, views, "encoded", "tokens", cache=tmp_path)
    monkeypatch.setattr(features, "_encode", None)
    again = extract(encoder, views, "encoded", "tokens", cache=tmp_path)
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(first.encoded, again.encoded)


@pytest.mark.parametrize("change", ["transform", "keep", "permute", "views", "encoder"])
def test_whatever_changes_the_values_changes_the_key(encoder, views: ViewSet, tmp_path: Path, change: str) -> None:
    extract(encoder, views, cache=tmp_path)
    other = {"transform": {"transform": "square_train"}, "permute": {"permute": True}}.get(change, {})
    views = views.take(6) if change == "views" else views
    encoder = load_encoder("raw_pixels") if change == "encoder" else encoder
    extract(encoder, views, *(["cls"] if change == "keep" else []), cache=tmp_path, **other)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_the_oldest_entries_go_when_the_cache_is_full(encoder, views: ViewSet, tmp_path: Path, monkeypatch) -> None:
    extract(encoder, views, cache=tmp_path)
    [entry] = tmp_path.rglob("*.safetensors")
    monkeypatch.setattr(features, "CACHE_BYTES", entry.stat().st_size + 1)
    extract(encoder, views, transform="square_train", cache=tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    assert not entry.exists()


def test_an_entry_that_would_fill_the_cache_is_not_remembered(
    encoder, views: ViewSet, tmp_path: Path, monkeypatch
) -> None:
    extract(encoder, views, cache=tmp_path)
    monkeypatch.setattr(features, "CACHE_BYTES", 7 * 96 * 4 * 10)
    extract(encoder, views, "tokens", cache=tmp_path)  # of 37 tokens
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1, "it would push out all others, and stay alone"


def test_only_what_was_asked_for_is_computed_and_held(views: ViewSet, monkeypatch) -> None:
    encoder = load_encoder("dino", weights=WEIGHTS)
    projected = extract(encoder, views, "cls", "projected").projected
    assert projected.shape == (7, 512)
    monkeypatch.setattr(encoder.projector, "forward", lambda _: pytest.fail("projected"))
    found = extract(encoder, views, "cls")
    assert (found.encoded, found.projected, found.tokens) == (None, None, None)
    with pytest.raises(RequestError, match="no projector"):
        extract(load_encoder("random_init"), views, "projected")


@pytest.mark.parametrize("name", ["mae", "dino", "mocov3"])
@pytest.mark.parametrize("permute", [False, True])
def test_the_bits_of_a_view_depend_neither_on_its_place_nor_on_its_company(
    views: ViewSet, name: str, permute: bool
) -> None:
    encoder = load_encoder(name, weights=WEIGHTS)
    passes = Passes(encoder, views, "square", permute, batch_size=4)

    def encode(order: list[int] | None) -> dict[int, list[torch.Tensor]]:
        found: dict[int, list[torch.Tensor]] = {}
        wanted = None if order is None else np.array(order)
        for indices, output in passes.run(wanted, project=encoder.has_projector):
            for row, index in enumerate(indices.tolist()):
                projected = [] if output.projected is None else [output.projected[row]]
                found[index] = [output.sequence[row], *projected]
        return found

    together = encode(None)
    assert sorted(together) == list(range(7))
    for order in ([6, 2, 0, 5], [3], [1, 4, 1, 1, 1, 3, 2, 2, 0]):
        found = encode(order)
        assert sorted(found) == sorted(set(order))
        assert all(
            torch.equal(one, other)
            for index, parts in found.items()
            for one, other in zip(parts, together[index], strict=True)
        )


def test_a_full_disk_leaves_nothing_half_written(encoder, views: ViewSet, tmp_path: Path, monkeypatch) -> None:
    def refuse(_tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(features, "save_file", refuse)
    with pytest.raises(StorageError, match="No space left on device; free space or pass --cache"):
        extract(encoder, views, cache=tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
