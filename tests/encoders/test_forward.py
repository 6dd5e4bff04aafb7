"""The one way from pixels to an encoder's output."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from suite.core.paths import MINI_WEIGHTS
from suite.encoders import Encoder, load_encoder
from suite.encoders.forward import Forward, permute_patches


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("dino", weights=MINI_WEIGHTS)


@pytest.fixture
def pixels(encoder: Encoder) -> Tensor:
    size, generator = encoder.image_size, torch.Generator().manual_seed(0)
    return torch.randint(256, (3, 3, size, size), generator=generator, dtype=torch.uint8)


def normalised(encoder: Encoder, pixels: Tensor) -> Tensor:
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (encoder.mean, encoder.std))
    return (pixels.float() / 255 - mean) / std


@pytest.fixture
def seen(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What the encoder was given."""
    inputs, forward = [], encoder.forward
    monkeypatch.setattr(
        encoder, "forward", lambda images, **how: inputs.append(images.clone()) or forward(images, **how)
    )
    return inputs


def test_pixels_are_scaled_and_normalised_and_left_as_they_were(
    encoder: Encoder, pixels: Tensor, seen: list[Tensor]
) -> None:
    before = pixels.clone()
    output = Forward(encoder)(pixels)
    assert torch.equal(seen[0], normalised(encoder, pixels))
    assert torch.equal(pixels, before)
    assert torch.equal(output.cls, encoder(normalised(encoder, pixels)).cls)


def test_normalised_images_are_taken_as_they_are(encoder: Encoder, pixels: Tensor, seen: list[Tensor]) -> None:
    images = normalised(encoder, pixels)
    before = images.clone()
    Forward(encoder, batch_size=3)(images)
    assert torch.equal(seen[0], before)
    assert torch.equal(images, before)


def test_a_short_pass_is_filled_up_with_zeros(encoder: Encoder, pixels: Tensor, seen: list[Tensor]) -> None:
    """Pixels before they are normalised, images that are normalised as such."""
    for images, filling in (
        (pixels, normalised(encoder, pixels[:1] * 0)),
        (normalised(encoder, pixels), pixels[:1] * 0),
    ):
        output = Forward(encoder, batch_size=5)(images)
        assert len(output.cls) == 5
        assert torch.equal(seen[-1][3:], filling.float().repeat(2, 1, 1, 1))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_memory_layout_is_kept(
    encoder: Encoder, pixels: Tensor, seen: list[Tensor], layout: torch.memory_format
) -> None:
    for size in (3, 4):
        Forward(encoder, batch_size=size)(pixels.contiguous(memory_format=layout))
        assert seen[-1].is_contiguous(memory_format=layout)


def test_layers_projection_and_precision_are_the_encoder_s(encoder: Encoder, pixels: Tensor) -> None:
    output = Forward(encoder, layers=(0, 2), autocast=torch.bfloat16)(pixels, project=True)
    with torch.autocast("cpu", torch.bfloat16):
        expected = encoder(normalised(encoder, pixels), layers=(0, 2), project=True)
    assert list(output.layers) == [0, 2]
    assert torch.equal(output.layers[2], expected.layers[2])
    assert output.projected is not None
    assert torch.equal(output.projected, expected.projected)
    assert not torch.equal(output.cls, Forward(encoder)(pixels).cls)


def test_patches_are_permuted_by_the_images_numbers(encoder: Encoder, pixels: Tensor, seen: list[Tensor]) -> None:
    Forward(encoder, batch_size=4, permute=True)(pixels, np.array([7, 0, 3]))
    moved = permute_patches(pixels.float(), encoder.patch_size, seeds=np.array([7, 0, 3]))
    assert torch.equal(seen[0][:3], normalised(encoder, moved))


def test_permuted_patches_are_the_same_patches_elsewhere() -> None:
    pixels = torch.rand(2, 3, 8, 12)
    shuffled = permute_patches(pixels, 4, seeds=np.arange(len(pixels)))
    alone = permute_patches(pixels[1:], 4, seeds=np.arange(1, len(pixels)))
    assert torch.equal(shuffled[1:], alone), "an image's order depends on its index, not on its batch"
    patches, moved = (
        sorted(
            p.flatten().tolist() for p in image.unfold(1, 4, 4).unfold(2, 4, 4).permute(1, 2, 0, 3, 4).reshape(6, -1)
        )
        for image in (pixels[0], shuffled[0])
    )
    assert patches == moved
    assert not torch.equal(pixels[0], shuffled[0])


def test_a_sequence_is_the_class_token_and_then_the_patches_row_by_row(encoder: Encoder, pixels: Tensor) -> None:
    output = Forward(encoder)(pixels)
    height, width = output.patches.shape[2:]
    rows = [output.cls, *(output.patches[:, :, y, x] for y in range(height) for x in range(width))]
    assert torch.equal(output.sequence, torch.stack(rows, 1))


def test_the_device_is_that_of_the_parameters() -> None:
    encoder = load_encoder("random_init")
    assert encoder.device == torch.device("cpu")
    assert encoder.to("meta").device == torch.device("meta")
    raw = load_encoder("raw_pixels")
    assert list(raw.parameters()) == []
    assert raw.device == torch.device("cpu")
