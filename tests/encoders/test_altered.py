"""What a diagnostic factor does to an encoder, held against the same done by hand."""

import pytest
import torch
from torch import Tensor

from suite.core.paths import MINI_WEIGHTS
from suite.encoders import Encoder, load_encoder, positions
from suite.encoders.altered import alter, why_not
from suite.encoders.encoder import Tokens
from suite.encoders.identity import identity

WIDE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
"""A size whose grid is not that of the checkpoints."""


def plain(name: str = "dino") -> Encoder:
    return load_encoder(name, weights=MINI_WEIGHTS)


def altered(name: str = "dino", **factors: str) -> Encoder:
    return alter(plain(name), {factor.replace("_", "-"): choice for factor, choice in factors.items()})


def normed(encoder: Encoder, pixels: Tensor) -> Tensor:
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (encoder.mean, encoder.std))
    return (pixels - mean) / std


def tokens(encoder: Encoder, pixels: Tensor = WIDE, **options: object) -> Tokens:
    output: Tokens = encoder(normed(encoder, pixels), **options)
    return output


def test_channels_are_those_of_the_image_before_it_is_normalised() -> None:
    torch.testing.assert_close(tokens(altered(channels="bgr")).patches, tokens(plain(), WIDE.flip(1)).patches)


def test_another_recipe_s_mean_is_subtracted_by_whoever_prepares_the_images() -> None:
    assert (altered(normalisation="inception").mean, altered(normalisation="none").std) == ((0.5,) * 3, (1.0,) * 3)


def test_both_together_reverse_what_that_recipe_sees() -> None:
    both, half = altered(channels="bgr", normalisation="inception"), altered(normalisation="inception")
    torch.testing.assert_close(tokens(both).patches, tokens(half, WIDE.flip(1)).patches)


def test_the_last_block_s_raw_output_is_that_before_the_norm() -> None:
    raw = tokens(plain(), layers=(3,)).layers[3]
    output = tokens(altered(final_norm="left-out"))
    torch.testing.assert_close(output.patches, raw)
    assert not output.layers


def test_blocks_are_normed_as_the_last_one_is() -> None:
    output = tokens(altered(block_norm="applied"), layers=(1, 3))
    torch.testing.assert_close(output.layers[3], tokens(plain()).patches)
    norm = plain().trunk.vit.norm  # type: ignore[union-attr]
    raw = tokens(plain(), layers=(1,)).layers[1]
    torch.testing.assert_close(output.layers[1], norm(raw.movedim(1, -1)).movedim(-1, 1))


def test_the_mean_patch_stands_for_the_class_token_and_patches_stay() -> None:
    output, own = tokens(altered(class_token="patch-mean"), project=True), tokens(plain())
    torch.testing.assert_close(output.cls, own.patches.mean((2, 3)))
    assert torch.equal(output.patches, own.patches)
    assert output.projected is not None


@pytest.mark.parametrize("choice", ["bicubic", "bilinear", "antialiased"])
def test_positions_are_resized_in_another_way(choice: str) -> None:
    encoder = plain()
    encoder.trunk._placed[8, 8, WIDE.device, WIDE.dtype] = (  # type: ignore[union-attr, index]
        positions.ABSOLUTE[choice](encoder.trunk.vit.pos_embed, (8, 8)),  # type: ignore[union-attr]
        None,
    )
    assert torch.equal(tokens(altered(positions=choice)).patches, tokens(encoder).patches)
    assert not torch.equal(tokens(encoder).patches, tokens(plain()).patches)


@pytest.mark.parametrize(
    ("choice", "least", "most"), [("bfloat16", 1e-3, 0.3), ("float16", 1e-4, 0.03), ("float64", 0, 1e-4)]
)
def test_precision_moves_tokens_by_its_digits(choice: str, least: float, most: float) -> None:
    moved = (tokens(altered(precision=choice)).patches - tokens(plain()).patches).abs().max()
    assert least < moved < most


def test_an_altered_encoder_is_another_one_by_its_identity_and_the_plain_one_is_not_touched() -> None:
    own = identity(plain())
    assert "altered" not in own
    assert identity(altered(channels="bgr")) == own | {"altered": ["channels=bgr"]}
    assert identity(alter(plain(), {"label-map": "plus-one"})) == own


@pytest.mark.parametrize(
    ("name", "factor", "choice", "reason"),
    [
        ("dino", "normalisation", "imagenet", "its own"),
        ("dino", "normalisation", "clip", ""),
        ("dino", "positions", "shifted_bicubic", "its own"),
        ("mae", "positions", "shifted_bicubic", ""),
        ("beit", "positions", "bicubic", "its positions are not absolute ones that the suite resizes"),
        ("raw_pixels", "block-norm", "applied", "its final norm is not known"),
        ("dino", "block-norm", "applied", ""),
    ],
)
def test_what_can_change_nothing_is_said(name: str, factor: str, choice: str, reason: str) -> None:
    assert why_not(plain(name), factor, choice) == reason
