"""An encoder with diagnostic factors in it (`suite/protocol/factors.toml`); only `triage` asks for one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from suite.encoders import positions
from suite.encoders.encoder import Encoder
from suite.encoders.options import NORMALISATIONS
from suite.encoders.vit import VitTrunk

Layers = dict[int, Tensor]


class AlteredTrunk(nn.Module):
    """A trunk between what a mistake does to its images and what it does to its tokens."""

    def __init__(self, encoder: Encoder, factors: Mapping[str, str]) -> None:
        """Take over an encoder's trunk; its normalisation is already the one that is tried."""
        super().__init__()
        self.trunk, self.last, self.factors = encoder.trunk, encoder.depth - 1, dict(factors)
        self.norm = [norm_of(encoder)]  # in a list: it is a part of the trunk already
        self.mean, self.std = encoder.mean, encoder.std

    def forward(self, images: Tensor, layers: tuple[int, ...]) -> tuple[Tensor, Layers]:
        """See `Encoder.__init__`, trunk."""
        if "channels" in self.factors:
            images = self._reversed(images)
        is_raw = "final-norm" in self.factors
        tokens, raw = self._passed(images, (*layers, self.last) if is_raw and self.last not in layers else layers)
        if is_raw:
            tokens = raw[self.last]
        if "class-token" in self.factors:
            tokens = torch.cat([tokens[:, 1:].mean(1, keepdim=True), tokens[:, 1:]], dim=1)
        [norm] = self.norm
        if "block-norm" in self.factors and norm is not None:
            raw = {index: norm(raw[index]) for index in layers}
        return tokens, {index: raw[index] for index in layers}

    def _passed(self, images: Tensor, layers: tuple[int, ...]) -> tuple[Tensor, Layers]:
        choice = self.factors.get("precision", "float64")
        if choice == "float64":  # the weights are, where this is asked for
            output: tuple[Tensor, Layers] = self.trunk(images, layers)
        else:
            with torch.autocast(images.device.type, getattr(torch, choice)):
                output = self.trunk(images, layers)
        return output

    def _reversed(self, images: Tensor) -> Tensor:
        """Reverse the channels that images had before they were normalised."""
        mean, std = (images.new_tensor(value).view(3, 1, 1) for value in (self.mean, self.std))
        return ((images * std + mean).flip(1) - mean) / std


def alter(encoder: Encoder, factors: Mapping[str, str]) -> Encoder:
    """Put factors that act on an encoder into it, in place.

    Args:
        encoder: loaded for this; nobody else may use it.
        factors: name -> choice; those that act elsewhere change nothing here.
    """
    own = {name: choice for name, choice in factors.items() if name in _ACTS_HERE}
    if not own:
        return encoder
    if "normalisation" in own:
        encoder.mean, encoder.std = NORMALISATIONS[own["normalisation"]]
    if "positions" in own and isinstance(encoder.trunk, VitTrunk):
        encoder.trunk.handling = own["positions"]
    if own.get("precision") == "float64":
        encoder.double()
    encoder.trunk = AlteredTrunk(encoder, own)
    encoder.altered = tuple(f"{name}={choice}" for name, choice in sorted(own.items()))
    return encoder


def why_not(encoder: Encoder, name: str, choice: str) -> str:
    """Return why a factor cannot change what an encoder computes; "" where it can.

    Args:
        encoder: as it is.
        name: of the factor.
        choice: of it.
    """
    handling = getattr(encoder.trunk, "handling", None)
    if name == "normalisation" and NORMALISATIONS[choice] == (encoder.mean, encoder.std):
        return "its own"
    if name == "positions" and handling not in positions.ABSOLUTE:
        return "its positions are not absolute ones that the suite resizes"
    if name == "positions" and handling == choice:
        return "its own"
    if name == "final-norm" and not encoder.depth:
        return "it names no blocks"
    if name == "block-norm" and norm_of(encoder) is None:
        return "its final norm is not known"
    return ""


def norm_of(encoder: Encoder) -> nn.Module | None:
    """Return the final norm of an encoder, where it is known."""
    vit = getattr(encoder.trunk, "vit", None) or getattr(encoder.trunk, "module", None)
    norm = getattr(vit, "norm", None)
    return norm if isinstance(norm, nn.Module) and not isinstance(norm, nn.Identity) else None


_ACTS_HERE = ("normalisation", "channels", "class-token", "final-norm", "block-norm", "positions", "precision")
