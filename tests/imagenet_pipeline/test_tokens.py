"""From a stream of images to tokens: the same pixels for all encoders, and tokens that depend on the image alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from suite.encoders import Encoder
from suite.encoders.forward import permute_patches
from suite.imagenet_pipeline.images import ImageStream, Indices
from suite.imagenet_pipeline.tokens import TokenStream, token_encoder
from tests.support.lookalikes import noise, save
from tests.support.vits import TinyViT

SIZE, N = 32, 7
ALL = [torch.arange(N)]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("images")
    return [save(root / f"{n}.JPEG", noise(40 + n, 50, n)) for n in range(N)]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return TinyViT().wrapped()


def images(paths: list[Path], **options: object) -> ImageStream:
    return ImageStream(paths, SIZE, **{"augment": True, "seed": 3, "decoder": "exact"} | options)


def whole(stream: TokenStream, epoch: int, chunks: list[Tensor] | None = None) -> Tensor:
    """(N, 1 + n, D) of the only encoder."""
    return torch.cat([by_encoder["a"] for by_encoder in stream.tokens(epoch, chunks or ALL)])


class Spy:
    """An encoder whose tokens are the pixels; remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[list[int], Tensor]] = []

    def __call__(self, pixels: Tensor, indices: Indices) -> Tensor:
        self.seen.append((indices.tolist(), pixels.clone()))
        return pixels.flatten(2).float()


def test_tokens_are_the_encoders(paths: list[Path], encoder: Encoder) -> None:
    """By hand: scaled, normalised, class token first, then the patches row by row."""
    [(_, pixels)] = images(paths).batches(2, [np.arange(N)])
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (encoder.mean, encoder.std))
    output = encoder((pixels / 255 - mean) / std)
    rows = [output.cls, *(output.patches[:, :, y, x] for y in range(4) for x in range(4))]
    encode = token_encoder(encoder, forward_batch_size=N)
    tokens = whole(TokenStream(images(paths), {"a": encode}, forward_batch_size=N), 2)
    torch.testing.assert_close(tokens, torch.stack(rows, 1), rtol=1e-5, atol=1e-6)


def test_several_encoders_see_the_same_pixels_decoded_once(paths: list[Path]) -> None:
    spies = {"a": Spy(), "b": Spy()}
    chunks = [torch.tensor([4, 1, 6]), torch.tensor([0, 2])]
    outputs = list(TokenStream(images(paths), spies, forward_batch_size=2).tokens(1, chunks))
    assert [order for order, _ in spies["a"].seen] == [[4, 1], [6], [0, 2]]
    for one, other in zip(spies["a"].seen, spies["b"].seen, strict=True):
        assert one[0] == other[0]
        assert torch.equal(one[1], other[1])
    assert [list(by_encoder) for by_encoder in outputs] == [["a", "b"]] * 2
    assert [by_encoder["a"].shape[0] for by_encoder in outputs] == [3, 2]
    [(_, expected)] = images(paths).batches(1, [np.array([4, 1, 6])])
    assert torch.equal(outputs[0]["b"], expected.flatten(2).float())


@pytest.mark.parametrize("sizes", [(1, 6), (3, 3, 1), (2, 5), (7,)])
def test_chunks_of_any_size_give_the_tokens_of_one_pass(
    paths: list[Path], encoder: Encoder, sizes: tuple[int, ...]
) -> None:
    """To the last bit: every pass has the same size, filled up if need be."""
    stream = TokenStream(images(paths), {"a": token_encoder(encoder, forward_batch_size=4)}, forward_batch_size=4)
    chunks = list(torch.arange(N).split(list(sizes)))
    assert [len(by_encoder["a"]) for by_encoder in stream.tokens(0, chunks)] == list(sizes)
    assert torch.equal(whole(stream, 0, chunks), whole(stream, 0))


def test_every_pass_has_the_same_size(paths: list[Path], encoder: Encoder) -> None:
    """Else rounding depends on how many images come along, which shows on other machines than this, or not at all."""
    sizes, forward = [], encoder.forward
    encode = token_encoder(encoder, forward_batch_size=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            encoder, "forward", lambda batch, **options: sizes.append(len(batch)) or forward(batch, **options)
        )
        tokens = whole(TokenStream(images(paths), {"a": encode}, forward_batch_size=4), 0)
    assert sizes == [4, 4]
    assert len(tokens) == N


def test_what_comes_along_changes_no_token(paths: list[Path], encoder: Encoder) -> None:
    stream = TokenStream(images(paths), {"a": token_encoder(encoder, forward_batch_size=4)}, forward_batch_size=4)
    alone = whole(stream, 0, [torch.tensor([5])])
    for company in ([5, 0, 1, 2], [3, 5], [6, 4, 2, 5]):
        assert torch.equal(whole(stream, 0, [torch.tensor(company)])[company.index(5)], alone[0])


def test_without_views_every_epoch_augments_anew(paths: list[Path]) -> None:
    stream = TokenStream(images(paths), {"a": Spy()}, forward_batch_size=4)
    epochs = [whole(stream, epoch) for epoch in (0, 1, 2, 0)]
    assert torch.equal(epochs[0], epochs[3])
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[1], epochs[2])


def test_views_are_encoded_once_and_taken_in_turns(paths: list[Path]) -> None:
    spy, anew = Spy(), TokenStream(images(paths), {"a": Spy()}, forward_batch_size=4)
    stream = TokenStream(images(paths), {"a": spy}, forward_batch_size=4, views=2)
    order = torch.tensor([3, 0, 6])
    for epoch in range(6):
        assert torch.equal(whole(stream, epoch, [order]), whole(anew, epoch % 2)[order])
    assert sum(len(seen) for seen, _ in spy.seen) == 2 * N


@pytest.mark.parametrize("first", [0, 1, 5])
def test_views_do_not_depend_on_which_epoch_asks_first(paths: list[Path], encoder: Encoder, first: int) -> None:
    """As after an interruption; nor on the order that the epoch asks for."""
    encode = {"a": token_encoder(encoder, forward_batch_size=4, permute=True)}
    fresh, resumed = (TokenStream(images(paths), encode, forward_batch_size=4, views=2) for _ in range(2))
    next(iter(resumed.tokens(first, [torch.tensor([6, 2])])))
    for epoch in (0, 1):
        assert torch.equal(whole(resumed, epoch), whole(fresh, epoch))


def test_permuting_goes_by_the_image_not_by_its_place(paths: list[Path], encoder: Encoder) -> None:
    """MAE's patches are shuffled by the image's index, whatever comes before it in a batch."""
    permuted = TokenStream(
        images(paths), {"a": token_encoder(encoder, forward_batch_size=4, permute=True)}, forward_batch_size=4
    )
    plain = TokenStream(images(paths), {"a": token_encoder(encoder, forward_batch_size=4)}, forward_batch_size=4)
    order = torch.tensor([6, 0, 5, 3, 1])
    assert torch.equal(whole(permuted, 0, [order]), whole(permuted, 0)[order])
    assert not torch.allclose(whole(permuted, 0)[:, 0], whole(plain, 0)[:, 0])
    [(_, pixels)] = images(paths).batches(0, [np.array([5])])
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (encoder.mean, encoder.std))
    by_hand = encoder((permute_patches(pixels / 255, 8, seeds=np.array([5])) - mean) / std)
    torch.testing.assert_close(whole(permuted, 0)[5, 0], by_hand.cls[0], rtol=1e-5, atol=1e-6)


def test_an_empty_share_has_no_tokens(paths: list[Path], encoder: Encoder) -> None:
    """A process may get nothing of the last, small chunk."""
    stream = TokenStream(images(paths), {"a": token_encoder(encoder, forward_batch_size=4)}, forward_batch_size=4)
    shapes = [by_encoder["a"].shape for by_encoder in stream.tokens(0, [torch.arange(2), torch.arange(0)])]
    assert shapes == [(2, 17, 24), (0, 17, 24)]


def test_the_device_decoder_gives_the_tokens_of_pil(paths: list[Path], encoder: Encoder) -> None:
    encode = {"a": token_encoder(encoder, forward_batch_size=4)}
    exactly = whole(TokenStream(images(paths), encode, forward_batch_size=4), 1)
    assert torch.equal(whole(TokenStream(images(paths, decoder="device"), encode, forward_batch_size=4), 1), exactly)
