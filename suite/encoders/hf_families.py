"""Architectures of transformers that keep one token per patch, and what of each is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

_BESIDE = (
    *("classifier.*", "cls_classifier.*", "distillation_classifier.*", "lm_head.*", "decoder.*"),
    *("text_model.*", "text_projection.*", "visual_projection.*", "logit_scale", "logit_bias"),
    *("head.*", "vision_model.head.*", "*.position_ids", "*.relative_position_index"),
)
"""Tensors of classifiers, decoders, text towers, projections and pooling heads, and tables of indices."""
_POOLER = ("pooler.*", "*.pooler.*")
_MASK = "*embeddings.mask_token"
Inputs = Callable[[Tensor, int], dict[str, Tensor]]
"""Images (B, 3, H, W) and the side of a patch -> arguments of a model's forward pass."""


def _pixels(images: Tensor, _patch: int) -> dict[str, Tensor]:
    return {"pixel_values": images}


def unmasked(images: Tensor, patch: int) -> dict[str, Tensor]:
    """Return arguments with which MAE, whose ratio of masked patches is 0, leaves the patches in their own order."""
    noise = torch.arange(math.prod(side // patch for side in images.shape[-2:]), device=images.device)
    return {"pixel_values": images, "noise": noise.expand(len(images), -1)}


def _patchified(images: Tensor, patch: int) -> dict[str, Tensor]:
    """Return arguments of SigLIP 2's variable resolution: patches (B, h * w, patch * patch * 3), all of them seen."""
    height, width = (side // patch for side in images.shape[-2:])
    patches = images.unflatten(3, (width, patch)).unflatten(2, (height, patch))  # (B, 3, h, patch, w, patch)
    shape = torch.tensor([height, width], device=images.device)
    return {
        "pixel_values": patches.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2),
        "pixel_attention_mask": torch.ones(len(images), height * width, dtype=torch.int32, device=images.device),
        "spatial_shapes": shape.expand(len(images), -1),
    }


@dataclass(frozen=True)
class Family:
    """An architecture of transformers.

    Attributes:
        model: class of its vision model.
        prefix_tokens: before the patches, registers aside.
        norm: module behind a pooling that is the final norm, where it is; it is then applied to all tokens.
        config: words of the configuration that are set.
        settings: of the class, besides its configuration.
        beside: patterns of tensors that are no part of what is measured.
        inputs: see `Inputs`.
    """

    model: str
    prefix_tokens: int = 1
    norm: str = ""
    config: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    beside: tuple[str, ...] = (*_BESIDE, *_POOLER)
    inputs: Inputs = _pixels


_UNPOOLED = {"add_pooling_layer": False}
FAMILIES = {
    "aimv2": Family("Aimv2VisionModel", 0, config={"use_head": False}),
    "beit": Family("BeitModel", norm="pooler.layernorm", beside=_BESIDE),
    "clip": Family("CLIPVisionModel", norm="post_layernorm"),
    "data2vec-vision": Family("Data2VecVisionModel", norm="pooler.layernorm", beside=_BESIDE),
    "deit": Family("DeiTModel", 2, settings=_UNPOOLED, beside=(*_BESIDE, *_POOLER, _MASK)),
    "dinov2": Family("Dinov2Model"),
    "dinov2_with_registers": Family("Dinov2WithRegistersModel"),
    "dinov3_vit": Family("DINOv3ViTModel"),
    "ijepa": Family("IJepaModel", 0, settings=_UNPOOLED, beside=(*_BESIDE, *_POOLER, _MASK)),
    "metaclip_2": Family("MetaClip2VisionModel", norm="post_layernorm"),
    "siglip": Family("SiglipVisionModel", 0, config={"vision_use_head": False}),
    "siglip2": Family("Siglip2VisionModel", 0, config={"vision_use_head": False}, inputs=_patchified),
    "vit": Family("ViTModel", settings=_UNPOOLED, beside=(*_BESIDE, *_POOLER, _MASK)),
    "vit_mae": Family("ViTMAEModel", config={"mask_ratio": 0.0}, inputs=unmasked),
    "vit_msn": Family("ViTMSNModel", beside=(*_BESIDE, *_POOLER, _MASK)),
}
"""`model_type` of a configuration, `_vision_model` aside -> how it is read."""
