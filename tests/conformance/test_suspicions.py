"""Faults that give numbers all the same: each is found in an encoder that has it, and in none of the seven."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from suite.cells import METHODS
from suite.conformance.checks import run_checks
from suite.core.paths import MINI_WEIGHTS as WEIGHTS
from suite.encoders import Encoder, load_encoder, wrap
from tests.support.vits import FACTS, TinyViT

NAMES = ("normalised once", "final norm", "block order", "trained")


def answers(encoder: Encoder, spec: str = "mine") -> dict[str, tuple[str, str]]:
    checks = run_checks(spec, lambda: encoder).checks
    return {check.name: (check.status, check.detail) for check in checks if check.name in NAMES}


@pytest.mark.slow
@pytest.mark.parametrize("spec", METHODS)
def test_the_seven_are_under_no_suspicion(spec: str) -> None:
    assert {status for status, _ in answers(load_encoder(spec, weights=WEIGHTS)).values()} == {"passed"}


def untrained() -> Encoder:
    vit = TinyViT()
    for module in vit.modules():
        if isinstance(module, nn.LayerNorm):
            module.reset_parameters()
    return vit.wrapped()


def test_an_encoder_whose_norms_never_moved_looks_untrained_unless_that_was_asked_for() -> None:
    assert answers(untrained())["trained"] == (
        "warning",
        "looks untrained: all 5 norm layers have their initial values; was a checkpoint loaded?",
    )
    for spec in ("timm:x@random", "timm:x@random?img_size=32", "random_init"):
        assert answers(untrained(), spec)["trained"] == ("passed", "untrained, as was asked for")


class Normalising(TinyViT):
    """Normalises what it is given, by `scale` in place of a standard deviation."""

    def __init__(self, mean: float = 0.45, scale: float = 0.225) -> None:
        super().__init__()
        self.shift, self.scale = mean, scale

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward((images - self.shift) / self.scale)


TWICE = {"mean": (0.45, 0.45, 0.45), "std": (0.225, 0.225, 0.225)}


def test_images_normalised_twice_fail() -> None:
    status, detail = answers(Normalising().wrapped(**TWICE))["normalised once"]
    assert status == "failed"
    assert detail.startswith("its first layer sees images normalised twice (standard deviation ")
    assert detail.endswith("state mean 0, 0, 0 and std 1, 1, 1 if it normalises them itself, or take that out of it")
    raw = Normalising().wrapped(mean=(0, 0, 0), std=(1, 1, 1))
    assert answers(raw)["normalised once"] == (
        "passed",
        "images are given in [0, 1]: it normalises them itself, if at all",
    )


def test_images_changed_otherwise_are_a_hint() -> None:
    status, detail = answers(Normalising(0, 0.1).wrapped(**TWICE))["normalised once"]
    assert status == "warning"
    assert detail.startswith("its first layer sees other values than it was given: mean ")


def test_tokens_without_a_final_norm_are_a_hint() -> None:
    vit = TinyViT()
    vit.norm = nn.Identity()
    status, detail = answers(vit.wrapped())["final norm"]
    assert status == "warning"
    assert detail.startswith("no final norm: tokens are what the last block left, after Linear; token norms ")


def test_blocks_that_are_named_in_another_order_than_they_run_fail() -> None:
    vit = TinyViT()
    encoder = wrap(vit, **FACTS, blocks=[*vit.blocks][::-1])
    assert answers(encoder)["block order"] == (
        "failed",
        "blocks run in another order than they are named in: 2, 1",
    )


def test_tokens_that_change_their_order_after_the_last_block_fail() -> None:
    class Turned(TinyViT):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            tokens = super().forward(images)
            return torch.cat([tokens[:, :1], tokens[:, 1:].flip(1)], dim=1)

    checks = run_checks("mine", lambda: Turned().wrapped()).checks
    [failure] = [check for check in checks if check.status == "failed"]
    assert (failure.name, failure.detail) == (
        "block order",
        "tokens of the last block stand in another order than those at the end: 88% fit another place better",
    )
