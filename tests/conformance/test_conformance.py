"""The conformance checks: a sound encoder passes, and each fault stops at its own with its own words."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from suite.conformance.checks import run_checks
from suite.conformance.pictures import pictures
from suite.conformance.record import QUESTIONS, require
from suite.core.paths import MINI_WEIGHTS as WEIGHTS
from suite.encoders import Encoder, Tokens, load_encoder, wrap
from suite.errors import CheckpointError, RequestError
from tests.support.vits import FACTS, TinyViT


def checks(encoder: Encoder, **options: bool) -> dict[str, tuple[str, str]]:
    return {check.name: (check.status, check.detail) for check in run_checks("mine", lambda: encoder, **options).checks}


def stops_at(encoder: Encoder, name: str) -> str:
    """The words of the check that failed; all before it are passed, all after it not reached."""
    answers = checks(encoder)
    order = list(QUESTIONS)
    assert [check for check, (status, _) in answers.items() if status == "failed"] == [name]
    assert all(answers[check][0] == "not reached" for check in order[order.index(name) + 1 :])
    return answers[name][1]


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["deit", "beit", "mae", "random_init", "raw_pixels"])
def test_the_suite_s_own_encoders_pass_every_check(spec: str) -> None:
    conformance = run_checks(spec, lambda: load_encoder(spec, weights=WEIGHTS))
    assert {check.status for check in conformance.checks} == {"passed"}
    assert list(QUESTIONS) == [check.name for check in conformance.checks]
    assert conformance.fingerprint["pictures"] == 9


def test_a_user_s_encoder_with_registers_passes_every_check() -> None:
    assert {status for status, _ in checks(TinyViT(registers=4).wrapped()).values()} == {"passed"}


def test_what_cannot_be_loaded_stops_at_once() -> None:
    def load() -> Encoder:
        raise CheckpointError("x.pth: no such file of weights")

    conformance = run_checks("mine", load)
    assert conformance.failure is not None
    assert conformance.failure.name == "loads"
    assert [check.status for check in conformance.checks[1:]] == ["not reached"] * (len(QUESTIONS) - 1)
    with pytest.raises(RequestError, match=r"encoder 'mine': loads: x\.pth: no such file of weights; nothing was mea"):
        require(conformance)


@pytest.mark.parametrize(
    ("mean", "std", "words"),
    [
        ((123.7, 116.3, 103.5), (58.4, 57.1, 57.4), "divide by 255"),
        ((0.5, 0.5, 0.5), (0.0, 0.5, 0.5), "expected a mean in [0, 1] and a std in (0, 1]"),
        ((0.5, float("nan"), 0.5), (0.5, 0.5, 0.5), "three finite numbers"),
    ],
)
def test_an_impossible_normalisation_fails(mean: tuple, std: tuple, words: str) -> None:
    encoder = TinyViT().wrapped()
    encoder.mean, encoder.std = mean, std
    assert words in stops_at(encoder, "normalisation")


def test_another_normalisation_than_imagenet_s_is_a_warning() -> None:
    encoder = TinyViT().wrapped(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert checks(encoder)["normalisation"][0] == "warning"


class Grid(nn.Module):
    """A trunk whose tokens are made worse by a function of the sequence, (B, 1 + n, D), class token first."""

    def __init__(self, spoil: object, where: str = "all") -> None:
        super().__init__()
        self.inner, self.spoil, self.where = TinyViT().wrapped().trunk, spoil, where

    def forward(self, images, layers):
        tokens, raw = self.inner(images, layers)
        spoilt = self.spoil if self.where == "all" else lambda t: t
        return self.spoil(tokens), {index: spoilt(layer) for index, layer in raw.items()}


def spoilt(spoil: object, where: str = "all") -> Encoder:
    return Encoder("mine", Grid(spoil, where), patch_size=8, embed_dim=24, depth=2, image_size=32)


def column_by_column(tokens: torch.Tensor) -> torch.Tensor:
    """Patches column by column, for grids that TinyViT tests see."""
    count = tokens.shape[1] - 1
    rows = int(count**0.5)
    patches = tokens[:, 1:].unflatten(1, (rows, count // rows)).transpose(1, 2).flatten(1, 2)
    return torch.cat([tokens[:, :1], patches], dim=1)


@pytest.mark.parametrize("where", ["all", "end"])
def test_patches_column_by_column_are_called_so(where: str) -> None:
    assert "patches come column by column" in stops_at(spoilt(column_by_column, where), "patch order")


def test_patches_shifted_by_a_token_are_called_so() -> None:
    def shift(tokens: torch.Tensor) -> torch.Tensor:
        return torch.cat([tokens[:, :1], tokens[:, 1:].roll(1, 1)], dim=1)

    assert "shifted by 1" in stops_at(spoilt(shift), "patch order")


def test_patches_in_no_order_fail() -> None:
    def shuffle(tokens: torch.Tensor) -> torch.Tensor:
        order = torch.randperm(tokens.shape[1] - 1, generator=torch.Generator().manual_seed(3))
        return torch.cat([tokens[:, :1], tokens[:, 1:][:, order]], dim=1)

    assert "expected patches row by row" in stops_at(spoilt(shuffle), "patch order")


def test_tokens_that_are_not_finite_fail() -> None:
    assert "not finite" in stops_at(spoilt(lambda t: t * float("nan")), "shapes")


def test_a_wrong_width_fails() -> None:
    assert "cls: expected (2, 24), got (2, 12)" in stops_at(spoilt(lambda t: t[..., :12]), "shapes")


def test_running_statistics_that_move_are_not_frozen() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

        def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
            self.seen += 1
            return tokens

    assert "a pass changed" in stops_at(spoilt(Counts()), "frozen")


def test_dropout_left_on_is_not_frozen() -> None:
    class Awake(Encoder):
        def train(self, mode: bool = True) -> Encoder:
            return nn.Module.train(self, mode)  # type: ignore[return-value]

    model = TinyViT().wrapped().trunk
    encoder = Awake("mine", model, patch_size=8, embed_dim=24, depth=2, image_size=32)
    assert "training mode" in stops_at(encoder, "frozen")


def test_random_masking_is_not_deterministic() -> None:
    encoder = spoilt(lambda t: t * (torch.rand(t.shape[1], 1) > 0.05), "end")
    assert "is something random?" in stops_at(encoder, "deterministic")


def test_batch_statistics_are_not_batch_invariant() -> None:
    encoder = spoilt(lambda t: t - 0.1 * t.mean(dim=0, keepdim=True), "end")
    assert "with its batch" in stops_at(encoder, "batch-invariant")


def test_a_fixed_size_is_a_warning_unless_segmentation_was_asked_for() -> None:
    encoder = TinyViT(fixed=True).wrapped()
    status, detail = checks(encoder)["other sizes"]
    assert status == "warning"
    assert "segmentation does" in detail
    assert checks(encoder, needs_other_sizes=True)["other sizes"][0] == "failed"


def test_positions_that_are_not_interpolated_rightly_are_suspected() -> None:
    def turned(tokens: torch.Tensor) -> torch.Tensor:  # right at its own size, upside down at every other
        return tokens if tokens.shape[1] <= 1 + 4 * 5 else torch.cat([tokens[:, :1], tokens[:, 1:].flip(1)], dim=1)

    status, detail = checks(spoilt(turned))["other sizes"]
    assert status == "warning"
    assert "hardly alike" in detail


def test_tokens_of_a_module_that_names_no_blocks_warn_about_segmentation() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = TinyViT()

        def forward(self, images: torch.Tensor) -> Tokens:
            tokens = self.inner(images)
            patches = tokens[:, 1:].transpose(1, 2).unflatten(2, [side // 8 for side in images.shape[-2:]])
            return Tokens(cls=tokens[:, 0], patches=patches)

    encoder = wrap(Plain(), **FACTS)
    status, detail = checks(encoder)["shapes"]
    assert status == "warning"
    assert "no blocks are named" in detail
    assert checks(encoder, needs_other_sizes=True)["shapes"] == (
        "failed",
        "no blocks are named, whose outputs segmentation reads: name them (blocks= of wrap, or an attribute blocks), "
        "or leave segmentation out (EXPERIMENT=)",
    )


@pytest.mark.slow
def test_the_fingerprint_tells_encoders_apart_and_repeats() -> None:
    first_print, repeated_print, other_print = (
        run_checks("x", lambda s=s: TinyViT(seed=s).wrapped()).fingerprint for s in (0, 0, 1)
    )
    assert first_print["hash"] == repeated_print["hash"] != other_print["hash"]
    assert first_print["probe"] == repeated_print["probe"] != other_print["probe"]


def test_a_picture_at_twice_the_size_is_the_same_picture() -> None:
    small_pictures, large_pictures = pictures(4, 24, 24), pictures(4, 48, 48)
    assert float((nn.functional.avg_pool2d(large_pictures, 2) - small_pictures).abs().mean()) < 0.02
    torch.testing.assert_close(pictures(2, 24, 24, first_number=1), small_pictures[1:3])
