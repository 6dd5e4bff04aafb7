"""Extraction: one pass, remembered by content, independent of batches and of what is made along with it."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from suite import features
from suite.core.paths import MINI_WEIGHTS as WEIGHTS
from suite.datasets import digests
from suite.datasets.views import View, ViewSet
from suite.encoders import load_encoder
from suite.encoders.encoder import Encoder
from suite.errors import RequestError
from suite.features import Cache, Features, Passes, kept_beside

OUTPUTS = ("encoded", "cls", "projected", "tokens")


@pytest.fixture(scope="module")
def views() -> ViewSet:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (60, 50, 3), dtype=np.uint8) for _ in range(7)]
    return ViewSet([View(image) for image in images], np.arange(7), tuple("abcdefg"))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("random_init")


@pytest.fixture(scope="module")
def dino() -> Encoder:
    return load_encoder("dino", weights=WEIGHTS)


GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Indices of the views that are encoded from here on."""
    seen: list[int] = []
    run = Passes.run

    def count(self: Passes, *how: object, **more: object) -> Iterator[object]:
        for indices, output in run(self, *how, **more):
            seen.extend(indices.tolist())
            yield indices, output

    monkeypatch.setattr(Passes, "run", count)
    return seen


def extract(encoder: Encoder, views: ViewSet, *keep: str, cache: Path | None = None, **how: object) -> Features:
    kept = None if cache is None else Cache(cache, 4)
    return features.extract(Passes(encoder, views, **{"transform": "square"} | how), keep or {"encoded"}, cache=kept)


def entries(cache: Path) -> set[str]:
    return {path.name for path in cache.rglob("*.safetensors")}


def test_encoded_is_the_mean_patch_token(encoder: Encoder, views: ViewSet) -> None:
    result = extract(encoder, views, "encoded", "cls", "tokens")
    assert result.tokens.shape == (7, 1 + 36, 96)
    torch.testing.assert_close(result.encoded, result.tokens[:, 1:].mean(1))
    torch.testing.assert_close(result.cls, result.tokens[:, 0])
    assert result.projected is None


def test_the_batch_size_does_not_matter(encoder: Encoder, views: ViewSet) -> None:
    one = extract(encoder, views, batch_size=1)
    all_ = extract(encoder, views, batch_size=7)
    torch.testing.assert_close(one.encoded, all_.encoded, atol=1e-5, rtol=0)


def test_images_are_normalised_with_the_encoders_own_statistics(encoder: Encoder, views: ViewSet) -> None:
    expected = extract(encoder, views).encoded
    encoder.mean, kept = (0.5, 0.5, 0.5), encoder.mean
    other = extract(encoder, views).encoded
    encoder.mean = kept
    assert (expected - other).abs().max() > 1e-3


def test_what_is_remembered_is_what_was_computed(
    encoder: Encoder, views: ViewSet, tmp_path: Path, encoded: list[int]
) -> None:
    first = extract(encoder, views, "encoded", "tokens", cache=tmp_path)
    assert sorted(encoded) == list(range(7))
    again = extract(encoder, views, "encoded", "tokens", cache=tmp_path)
    assert len(encoded) == 7
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(first.encoded, again.encoded)
    assert (again.cls, again.projected) == (None, None)


@pytest.mark.parametrize("change", ["transform", "permute", "views", "encoder", "batch_size"])
def test_whatever_changes_the_values_changes_the_key(
    encoder: Encoder, views: ViewSet, tmp_path: Path, change: str, encoded: list[int]
) -> None:
    extract(encoder, views.take(6), cache=tmp_path)
    others = {"transform": {"transform": "square_train"}, "permute": {"permute": True}, "batch_size": {"batch_size": 6}}
    selection = views.subset([6]) if change == "views" else views.take(6)
    encoder = load_encoder("raw_pixels") if change == "encoder" else encoder
    extract(encoder, selection, cache=tmp_path, **others.get(change, {}))
    assert len(encoded) == 6 + len(selection)
    assert len(entries(tmp_path)) == 2


def test_an_output_is_an_entry_of_its_own_whatever_it_was_made_with(
    dino: Encoder, views: ViewSet, tmp_path: Path, encoded: list[int]
) -> None:
    extract(dino, views, "encoded", "cls", "projected", cache=tmp_path)
    result = entries(tmp_path)
    assert len(result) == 3
    for keep in ({"encoded"}, {"cls", "projected"}, {"encoded", "cls"}):
        extract(dino, views, *keep, cache=tmp_path)
    assert len(encoded) == 7, "one pass feeds them all"
    assert entries(tmp_path) == result


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("permute", [False, True])
def test_what_is_made_together_has_the_bits_of_what_is_made_alone(
    views: ViewSet, tmp_path: Path, permute: bool, device: str
) -> None:
    dino = load_encoder("dino", weights=WEIGHTS, device=device)
    alone = {name: extract(dino, views, name, permute=permute, batch_size=4).setting(name) for name in OUTPUTS}
    for number in range(2, len(OUTPUTS) + 1):
        for names in combinations(OUTPUTS, number):
            for cache in (None, tmp_path / "-".join(names)):
                result = extract(dino, views, *names, permute=permute, batch_size=4, cache=cache)
                assert all(torch.equal(result.setting(name), alone[name]) for name in names), (names, cache)


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("permute", [False, True])
def test_sets_that_overlap_share_their_views_with_the_same_bits(
    views: ViewSet, tmp_path: Path, permute: bool, encoded: list[int], device: str
) -> None:
    dino = load_encoder("dino", weights=WEIGHTS, device=device)
    how = {"permute": permute, "batch_size": 4}
    whole = extract(dino, views, *OUTPUTS, **how)
    encoded.clear()
    for part in ([5, 2, 3], [6, 3]):
        extract(dino, views.subset(part), *OUTPUTS, cache=tmp_path, **how)
    done = len(encoded)
    other_labels = ViewSet(views.views, np.zeros(7, np.int64), ("one",))
    shared = extract(dino, other_labels, *OUTPUTS, cache=tmp_path, **how)
    assert len(encoded) - done == (7 if permute else 3), "a permutation follows from the place in the set"
    assert all(torch.equal(shared.setting(name), whole.setting(name)) for name in OUTPUTS)
    extract(dino, views.subset([0, 0, 5]), *OUTPUTS, cache=tmp_path, batch_size=4)
    assert len(encoded) - done == (10 if permute else 3), "nor does one view twice make another entry"


def test_only_the_outputs_that_lack_are_stored(encoder: Encoder, views: ViewSet, tmp_path: Path) -> None:
    extract(encoder, views, "cls", cache=tmp_path)
    first = {path: path.stat().st_ino for path in tmp_path.rglob("*.safetensors")}
    extract(encoder, views, "cls", "encoded", cache=tmp_path)
    assert len(entries(tmp_path)) == 2
    assert {path: path.stat().st_ino for path in first} == first


def test_vectors_come_along_with_tokens_for_other_experiments(
    dino: Encoder, views: ViewSet, tmp_path: Path, encoded: list[int]
) -> None:
    alone = extract(dino, views, "encoded", "cls", "projected")
    encoded.clear()
    part_classification = extract(dino, views.subset([2, 4, 6]), "tokens", cache=tmp_path)
    assert part_classification.encoded is None
    part_retrieval = extract(dino, views, "encoded", "cls", "projected", cache=tmp_path)
    assert len(encoded) == 3 + 4
    assert all(torch.equal(part_retrieval.setting(n), alone.setting(n)) for n in ("encoded", "cls", "projected"))


def test_what_takes_more_than_a_fourth_does_not_come_along() -> None:
    others = {"encoded": 768, "cls": 768, "projected": 65_536}
    assert kept_beside({"tokens": 197 * 768}, others) == ["encoded", "cls"], "DINO's projections"
    assert kept_beside({"tokens": 197 * 768}, others | {"projected": 8_192}) == ["encoded", "cls", "projected"]
    assert kept_beside({"encoded": 768}, others) == []
    assert kept_beside({"tokens": 37 * 96}, {"projected": 0}) == [], "there is no projector"


def test_hits_are_counted_by_view(dino: Encoder, views: ViewSet, tmp_path: Path) -> None:
    for part, counts in (([0, 1, 2], (0, 3)), ([0, 1, 2, 3, 4], (3, 2)), ([4, 0], (2, 0))):
        cache = Cache(tmp_path, 4)
        features.extract(Passes(dino, views.subset(part), "square"), ["cls"], cache=cache)
        assert (cache.tally.cached, cache.tally.computed) == counts
    cache = Cache(tmp_path, 0)
    features.extract(Passes(dino, views, "square"), ["cls"], cache=cache)
    assert (cache.tally.cached, cache.tally.computed) == (0, 7), "0 GB: neither read nor kept"


def test_names_and_sizes_stand_for_content_only_in_the_same_set(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: list[int]
) -> None:
    from PIL import Image

    for number in range(3):
        Image.fromarray(np.full((50, 50, 3), 60 * number, np.uint8)).save(tmp_path / f"{number}.png")
    files = [View(tmp_path / f"{number}.png") for number in range(3)]
    views = ViewSet(files, np.zeros(3, np.int64), ("one",))
    monkeypatch.setattr(digests, "CONTENT_LIMIT", 0)
    cache = tmp_path / "cache"
    extract(encoder, views, cache=cache)
    extract(encoder, ViewSet(files, np.ones(3, np.int64), ("one", "two")), cache=cache)
    assert len(encoded) == 3, "the same files, with other labels"
    extract(encoder, views.subset([0, 1]), cache=cache)
    assert len(encoded) == 5


def test_only_what_was_asked_for_is_computed_and_held(
    dino: Encoder, views: ViewSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projected = extract(dino, views, "cls", "projected").projected
    assert projected.shape == (7, 512)
    monkeypatch.setattr(dino.projector, "forward", lambda _: pytest.fail("projected"))
    for result in (extract(dino, views, "cls"), extract(dino, views, "cls", cache=tmp_path)):
        assert (result.encoded, result.projected, result.tokens) == (None, None, None)
    with pytest.raises(RequestError, match="no projector"):
        extract(load_encoder("random_init"), views, "projected")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mae", "dino", "mocov3"])
@pytest.mark.parametrize("permute", [False, True])
def test_the_bits_of_a_view_depend_neither_on_its_place_nor_on_its_company(
    views: ViewSet, name: str, permute: bool
) -> None:
    encoder = load_encoder(name, weights=WEIGHTS)
    passes = Passes(encoder, views, "square", permute, batch_size=4)

    def encode(order: list[int] | None) -> dict[int, list[torch.Tensor]]:
        rows: dict[int, list[torch.Tensor]] = {}
        wanted = None if order is None else np.array(order)
        for indices, output in passes.run(wanted, project=encoder.has_projector):
            for row, index in enumerate(indices.tolist()):
                projected = [] if output.projected is None else [output.projected[row]]
                rows[index] = [output.sequence[row], output.patches.mean((2, 3))[row], *projected]
        return rows

    together = encode(None)
    assert sorted(together) == list(range(7))
    for order in ([6, 2, 0, 5], [3], [1, 4, 1, 1, 1, 3, 2, 2, 0]):
        rows = encode(order)
        assert sorted(rows) == sorted(set(order))
        assert all(
            torch.equal(one, other)
            for index, parts in rows.items()
            for one, other in zip(parts, together[index], strict=True)
        )
