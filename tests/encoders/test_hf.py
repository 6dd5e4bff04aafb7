"""Folders of transformers: the tokens are that library's own, of every architecture that is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers as hf
from torch import Tensor, nn
from transformers.models.siglip2.image_processing_siglip2 import convert_image_to_patches

from suite.conformance.checks import run_checks
from suite.encoders import Encoder, load_encoder
from suite.plan.shapes import shape_of
from suite.run.request import make_request
from tests.support.hf_folders import DEPTH, MODELS, PATCH, SIDE, WIDTH, vision_of, write_folder

PREFIX = {"dinov2 registers": 4, "dinov3": 5, "deit": 2, "siglip": 0, "siglip tower": 0, "siglip 2": 0, "ijepa": 0}
PREFIX |= {"aimv2": 0, "aimv2 native": 0}
NORM = {
    "clip": "post_layernorm",
    "clip tower": "post_layernorm",
    "metaclip 2 tower": "post_layernorm",
    "beit classifier": "pooler.layernorm",
    "data2vec classifier": "pooler.layernorm",
}
"""Norms behind a pooling, which transformers does not apply to `last_hidden_state`."""
LEFT_OUT = {
    "vit": "left out 2 tensors beside it: pooler.dense.bias, pooler.dense.weight",
    "vit classifier": "left out 2 tensors beside it: classifier.bias, classifier.weight",
    "deit": "left out 2 tensors beside it: pooler.dense.bias, pooler.dense.weight",
    "dinov2 classifier": "left out 2 tensors beside it: classifier.bias, classifier.weight",
    "mae": "left out 24 tensors beside it: decoder.decoder_embed.bias, decoder.decoder_embed.weight and 22 more",
    "beit classifier": "left out 2 tensors beside it: classifier.bias, classifier.weight",
    "beit pretraining": "left out 2 tensors beside it: lm_head.bias, lm_head.weight",
    "data2vec classifier": "left out 2 tensors beside it: classifier.bias, classifier.weight",
    "clip": ("left out 23 tensors beside it: logit_scale, text_model.embeddings.position_embedding.weight and 21 more"),
    "clip tower": "left out 1 tensors beside it: visual_projection.weight",
    "siglip": "left out 35 tensors beside it: logit_bias, logit_scale and 33 more",
    "siglip tower": (
        "left out 11 tensors beside it: head.attention.in_proj_bias, head.attention.in_proj_weight and 9 more"
    ),
    "siglip 2": "left out 35 tensors beside it: logit_bias, logit_scale and 33 more",
    "aimv2": "left out 5 tensors beside it: head.cls_token, head.k_proj.weight and 3 more",
    "aimv2 native": "left out 5 tensors beside it: head.cls_token, head.k_proj.weight and 3 more",
}


def pictures(count: int, height: int = SIDE, width: int = SIDE) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(5))


@torch.no_grad()
def by_transformers(model: Any, kind: str, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Tokens after the final norm and every block's output, by the model that was saved, called as its pages say."""
    vision: Any = vision_of(model)
    if kind == "mae":
        vision.config.mask_ratio = 0.0
        out = vision(images, output_hidden_states=True)  # in an order drawn at random

        def ordered(tokens: Tensor) -> Tensor:
            index = out.ids_restore[:, :, None].expand(-1, -1, tokens.shape[-1])
            return torch.cat([tokens[:, :1], tokens[:, 1:].gather(1, index)], dim=1)

        return ordered(out.last_hidden_state), [ordered(state) for state in out.hidden_states[1:]]
    if kind == "siglip 2":
        height, width = (side // PATCH for side in images.shape[-2:])
        patches = torch.stack([convert_image_to_patches(image, PATCH) for image in images])
        mask = torch.ones(patches.shape[:2], dtype=torch.int32)
        shapes = torch.tensor([[height, width]] * len(images))
        out = vision(patches, mask, shapes, output_hidden_states=True)
    else:
        out = vision(images, output_hidden_states=True)
    tokens = out.last_hidden_state
    if kind == "beit pretraining":
        tokens = model.layernorm(tokens)
    elif kind in NORM:
        tokens = vision.get_submodule(NORM[kind])(tokens)
    return tokens, list(out.hidden_states[1:])


@pytest.mark.parametrize("kind", MODELS)
def test_tokens_are_those_of_transformers_itself(tmp_path: Path, kind: str) -> None:
    model = write_folder(tmp_path, kind)
    encoder = load_encoder(f"hf:{tmp_path}")
    assert (encoder.patch_size, encoder.embed_dim, encoder.depth, encoder.image_size) == (PATCH, WIDTH, DEPTH, SIDE)
    assert (encoder.mean, encoder.std) == ((0.5, 0.4, 0.3), (0.2, 0.3, 0.25))
    images = pictures(3)
    tokens, blocks = by_transformers(model, kind, images)
    out = encoder(images, layers=(0, 1))
    prefix = PREFIX.get(kind, 1)
    close = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(out.patches.flatten(2).mT, tokens[:, prefix:], **close)
    torch.testing.assert_close(out.cls, tokens[:, 0] if prefix else tokens.mean(dim=1), **close)
    for index, block in enumerate(blocks):
        torch.testing.assert_close(out.layers[index].flatten(2).mT, block[:, prefix:], **close)


@pytest.mark.parametrize("kind", MODELS)
def test_the_record_says_what_was_left_out_and_which_norm_is_the_final_one(tmp_path: Path, kind: str) -> None:
    write_folder(tmp_path, kind)
    encoder = load_encoder(f"hf:{tmp_path}")
    norm = "pooler.layernorm" if kind == "beit pretraining" else NORM.get(kind)
    behind = f"the norm behind the pooling ({norm}) is the final norm, on all tokens"
    class_name = type(vision_of(MODELS[kind]())).__name__.replace("ModelWithProjection", "Model")
    assert encoder.notes == (
        f"{class_name} of transformers {hf.__version__}",
        *([LEFT_OUT[kind]] if kind in LEFT_OUT else []),
        *([behind] if norm else []),
        *(["its files hold no final norm: tokens are as the last block leaves them"] if kind == "data2vec" else []),
        *(["no patch is masked"] if kind == "mae" else []),
    )


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "aimv2"])
def test_the_conformance_checks_pass_other_sizes_and_the_order_of_patches_too(tmp_path: Path, kind: str) -> None:
    write_folder(tmp_path, kind)
    spec = f"hf:{tmp_path}"
    outcome = run_checks(spec, lambda: load_encoder(spec), needs_other_sizes=True)
    assert outcome.failure is None
    hints = {check.name for check in outcome.checks if check.status == "warning"}
    assert hints <= {"normalisation", "final norm", "other sizes"}
    assert outcome.facts["tokens"], "transformers' own version changes what is computed"


def test_a_table_of_positions_that_transformers_does_not_resize_is_told_by_the_checks(tmp_path: Path) -> None:
    write_folder(tmp_path, "aimv2")
    outcome = run_checks("hf:x", lambda: load_encoder(f"hf:{tmp_path}"), needs_other_sizes=True)
    assert outcome.failure is not None
    assert outcome.failure.name == "other sizes"


def timm_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of DINOv2 as transformers has them, under timm's names."""
    names = {
        "embeddings.cls_token": "cls_token",
        "embeddings.position_embeddings": "pos_embed",
        "embeddings.patch_embeddings.projection": "patch_embed.proj",
        "encoder.layer.": "blocks.",
        "attention.o_proj": "attn.proj",
        "layer_scale1.lambda1": "ls1.gamma",
        "layer_scale2.lambda1": "ls2.gamma",
        "layernorm.": "norm.",
    }
    renamed = {}
    for name, value in tensors.items():
        for old, new in names.items():
            name = name.replace(old, new)  # noqa: PLW2901
        renamed[name] = value
    for block in range(DEPTH):
        for end in ("weight", "bias"):
            parts = [renamed.pop(f"blocks.{block}.attention.{word}_proj.{end}") for word in "qkv"]
            renamed[f"blocks.{block}.attn.qkv.{end}"] = torch.cat(parts)
    del renamed["embeddings.mask_token"]
    return renamed


def test_dinov2_s_tokens_are_timm_s(tmp_path: Path) -> None:
    model = write_folder(tmp_path, "dinov2")
    vit = timm.models.VisionTransformer(
        **{"img_size": SIDE, "patch_size": PATCH, "embed_dim": WIDTH, "depth": DEPTH, "num_heads": 2},
        **{"num_classes": 0, "init_values": 1.0, "mlp_ratio": model.config.mlp_ratio},
    )
    vit.load_state_dict(timm_names(model.state_dict()))
    images = pictures(2)
    with torch.no_grad():
        expected = vit.eval().forward_features(images)
    sequence = load_encoder(f"hf:{tmp_path}")(images).sequence
    torch.testing.assert_close(sequence, expected, rtol=1e-5, atol=1e-5)


def test_a_plan_knows_the_sizes(tmp_path: Path) -> None:
    write_folder(tmp_path, "dinov3")
    spec = f"hf:{tmp_path}"
    shape = shape_of(make_request(encoders=[spec], device="cpu"), spec)
    assert (shape.architecture.image_size, shape.architecture.depth) == (SIDE, DEPTH)


def identity_of(encoder: Encoder) -> tuple[str, str, str]:
    return encoder.digest, encoder.tokens, encoder.code


def test_what_transformers_computes_is_part_of_the_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, "vit")
    spec = f"hf:{tmp_path}"
    first = identity_of(load_encoder(spec))
    assert identity_of(load_encoder(spec)) == first
    forward = hf.ViTModel.forward

    def changed(self: nn.Module, *arguments: Any, **words: Any) -> Any:  # as another version might
        output = forward(self, *arguments, **words)
        output.last_hidden_state = output.last_hidden_state * 1.001
        return output

    monkeypatch.setattr(hf.ViTModel, "forward", changed)
    second = identity_of(load_encoder(spec))
    assert (second[0], second[2]) == (first[0], first[2])
    assert second[1] != first[1]


@pytest.mark.slow
def test_transformers_is_imported_for_its_folders_only() -> None:
    program = (
        "import sys, suite.encoders as e; e.load_encoder('timm:test_vit@random'); print('transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
