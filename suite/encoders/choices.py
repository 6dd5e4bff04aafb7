"""Choices of an experiment's variants about an encoder: which file, which network in it, which epsilon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from suite.specs import parse

_OTHER_FILES = {
    ("deit", "deit-weights", "vit-in21k"): "deit_vit_in21k",
    ("ibot", "ibot-weights", "block-mask"): "ibot_block_mask",
}
"""Method, variant and choice -> the release that is looked up in the method's place (`catalogue.ALTERNATIVES`)."""


@dataclass(frozen=True)
class Chosen:
    """An encoder as `load_encoder` takes it.

    Attributes:
        spec: as the user wrote it, or the release that stands in its place.
        branch: the network, where the release holds two.
        norm_eps: of every LayerNorm; None for the release's.
    """

    spec: str
    branch: str | None = None
    norm_eps: float | None = None


def chosen(spec: str, choices: Mapping[str, str]) -> Chosen:
    """Return the encoder that a spec and the choices of variants mean; a file that is named is the one that is read.

    Args:
        spec: as the user wrote it.
        choices: of every variant.
    """
    release = parse(spec).name
    places = (
        name for (method, variant, choice), name in _OTHER_FILES.items() if (spec, choices[variant]) == (method, choice)
    )
    return Chosen(
        next(places, spec),
        choices["dino-weights"] if release == "dino" else None,
        float(choices["cae-epsilon"]) if release == "cae" else None,
    )
