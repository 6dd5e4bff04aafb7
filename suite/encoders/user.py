"""Encoders that the user brings: any ViT of timm, or a factory in a module of theirs."""

from __future__ import annotations

import importlib
from pathlib import Path

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from suite.encoders.checkpoint import load_exactly, tensors_of
from suite.encoders.encoder import Encoder
from suite.encoders.files import read_file
from suite.errors import CheckpointError, RequestError


class TimmTrunk(nn.Module):
    """A timm `VisionTransformer` with timm's own handling of positions and of extra tokens."""

    def __init__(self, vit: VisionTransformer) -> None:
        super().__init__()
        self.vit = vit

    def forward(self, images: Tensor, layers: tuple[int, ...]) -> tuple[Tensor, dict[int, Tensor]]:
        """See `Encoder.__init__`, trunk; register tokens are dropped, no class token: the mean patch."""
        vit = self.vit
        tokens = vit.norm_pre(vit._pos_embed(vit.patch_embed(images.to(next(vit.parameters()).dtype))))
        raw = {}
        for index, block in enumerate(vit.blocks):
            tokens = block(tokens)
            if index in layers:
                raw[index] = self._cls_first(tokens)
        return self._cls_first(vit.norm(tokens)), raw

    def _cls_first(self, tokens: Tensor) -> Tensor:
        patches = tokens[:, self.vit.num_prefix_tokens :]
        first = patches.mean(dim=1, keepdim=True) if self.vit.cls_token is None else tokens[:, :1]
        return torch.cat([first, patches], dim=1)


def timm_encoder(spec: str) -> Encoder:
    """`timm:<name>` with timm's pretrained weights, or `timm:<name>@<file>` in timm's own tensor names.

    Raises:
        RequestError: timm has no such model, or it is no plain vision transformer.
        CheckpointError: the weights cannot be had, or are another model's.
    """
    name, _, file = spec.removeprefix("timm:").partition("@")
    if not timm.is_model(name):
        raise RequestError(f"encoder {spec!r}: timm has no model {name!r}; see timm.list_models('vit_*')")
    vit = _create(spec, name, pretrained=not file)
    if file:
        content = read_file(Path(file))
        tensors = content.get("model", content.get("state_dict", content))
        load_exactly(vit, tensors_of(tensors, file, ignore=("head.*",)), file)
    side, patch = vit.patch_embed.img_size[0], vit.patch_embed.patch_size[0]
    config = vit.pretrained_cfg
    return Encoder(
        spec,
        TimmTrunk(vit),
        patch_size=patch,
        embed_dim=vit.embed_dim,
        depth=len(vit.blocks),
        image_size=side,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def factory_encoder(spec: str) -> Encoder:
    """`package.module:factory`: whatever that function returns, if it is an `Encoder`.

    Raises:
        RequestError: no such module or function, or it returns something else.
    """
    module_name, _, function_name = spec.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise RequestError(f"encoder {spec!r}: {error}") from error
    if not callable(factory):
        raise RequestError(f"encoder {spec!r}: expected a function, got {type(factory).__name__}")
    encoder = factory()
    if not isinstance(encoder, Encoder):
        raise RequestError(f"encoder {spec!r}: expected the factory to return an Encoder, got {type(encoder).__name__}")
    return encoder


def _create(spec: str, name: str, *, pretrained: bool) -> VisionTransformer:
    # global_pool "" keeps the final norm on all tokens, num_classes 0 drops the classifier
    settings = {"num_classes": 0, "global_pool": "", "dynamic_img_size": True}
    try:
        vit = timm.create_model(name, pretrained=pretrained, **settings)
    except TypeError:
        vit = None
    except Exception as error:  # network, hub and file errors of many kinds: the weights cannot be had
        raise CheckpointError(
            f"encoder {spec!r}: no pretrained weights ({type(error).__name__}); give a file: timm:{name}@FILE"
        ) from error
    if not isinstance(vit, VisionTransformer):
        raise RequestError(f"encoder {spec!r}: not a plain vision transformer; wrap it in a factory")
    return vit
