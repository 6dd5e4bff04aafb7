"""Folders as `save_pretrained` of transformers writes them, of tiny models with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from torch import nn

SIDE, PATCH, WIDTH, DEPTH = 32, 8, 24, 2
_SIZES: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": SIDE,
    "patch_size": PATCH,
}
_TEXT: dict[str, Any] = {
    **{"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
    **{"vocab_size": 9, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
}
_FLEXIBLE = {name: value for name, value in _SIZES.items() if name != "image_size"} | {"num_patches": 16}
_DECODER = {
    **{"decoder_hidden_size": 16, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2},
    **{"decoder_intermediate_size": 16},
}

MODELS: dict[str, Callable[[], Any]] = {
    "vit": lambda: hf.ViTModel(hf.ViTConfig(**_SIZES)),
    "vit classifier": lambda: hf.ViTForImageClassification(hf.ViTConfig(**_SIZES)),
    "deit": lambda: hf.DeiTModel(hf.DeiTConfig(**_SIZES)),
    "msn": lambda: hf.ViTMSNModel(hf.ViTMSNConfig(**_SIZES)),
    "dinov2": lambda: hf.Dinov2Model(hf.Dinov2Config(**_SIZES, layerscale_value=0.5)),
    "dinov2 classifier": lambda: hf.Dinov2ForImageClassification(hf.Dinov2Config(**_SIZES)),
    "dinov2 registers": lambda: hf.Dinov2WithRegistersModel(
        hf.Dinov2WithRegistersConfig(**_SIZES, num_register_tokens=3)
    ),
    "dinov3": lambda: hf.DINOv3ViTModel(hf.DINOv3ViTConfig(**_SIZES, num_register_tokens=4)),
    "mae": lambda: hf.ViTMAEForPreTraining(hf.ViTMAEConfig(**_SIZES, **_DECODER)),
    "beit classifier": lambda: hf.BeitForImageClassification(hf.BeitConfig(**_SIZES, use_relative_position_bias=True)),
    "beit pretraining": lambda: hf.BeitForMaskedImageModeling(
        hf.BeitConfig(**_SIZES, use_shared_relative_position_bias=True, use_mask_token=True, vocab_size=9)
    ),
    "data2vec": lambda: hf.Data2VecVisionModel(hf.Data2VecVisionConfig(**_SIZES, use_relative_position_bias=True)),
    "data2vec classifier": lambda: hf.Data2VecVisionForImageClassification(hf.Data2VecVisionConfig(**_SIZES)),
    "clip": lambda: hf.CLIPModel(hf.CLIPConfig(text_config=_TEXT, vision_config=_SIZES)),
    "clip tower": lambda: hf.CLIPVisionModelWithProjection(hf.CLIPVisionConfig(**_SIZES)),
    "metaclip 2 tower": lambda: hf.MetaClip2VisionModel(hf.MetaClip2VisionConfig(**_SIZES)),
    "siglip": lambda: hf.SiglipModel(hf.SiglipConfig(text_config=_TEXT, vision_config=_SIZES)),
    "siglip tower": lambda: hf.SiglipVisionModel(hf.SiglipVisionConfig(**_SIZES)),
    "siglip 2": lambda: hf.Siglip2Model(hf.Siglip2Config(text_config=_TEXT, vision_config=_FLEXIBLE)),
    "ijepa": lambda: hf.IJepaModel(hf.IJepaConfig(**_SIZES)),
    "aimv2": lambda: hf.Aimv2VisionModel(hf.Aimv2VisionConfig(**_SIZES)),
    "aimv2 native": lambda: hf.Aimv2VisionModel(hf.Aimv2VisionConfig(**_SIZES, is_native=True)),
}
"""What a folder holds -> a model to save there."""

PREPARED: dict[str, Any] = {
    "do_normalize": True,
    "do_rescale": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.25],
    "rescale_factor": 0.00392156862745098,
    "size": {"height": SIDE, "width": SIDE},
}


def write_folder(folder: Path, kind: str, prepared: dict[str, Any] | None = PREPARED) -> Any:
    """Save a model of a kind, its parameters all far from their initial values; returns it, as saved."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = MODELS[kind]()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
    hf.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    if prepared is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(prepared))
    return model.eval()


def vision_of(model: Any) -> nn.Module:
    """The part of a model that sees images."""
    for name in ("vision_model", "vit", "deit", "dinov2", "beit", "data2vec_vision"):
        if isinstance(part := getattr(model, name, None), nn.Module):
            return part
    return model
