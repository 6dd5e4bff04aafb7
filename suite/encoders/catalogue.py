"""The seven releases the paper compares, and two that its code or its numbers are of instead.

Everything that sets one method apart is a value here; the code that reads and runs them has no method's name.
Epochs are of pretraining on ImageNet-1k; sources and licences are those of each release's own repository.
"""

from __future__ import annotations

from dataclasses import replace

from suite.encoders.method import Layout, Method, Source

_META = "https://dl.fbaipublicfiles.com"
_IBOT_FILES = "https://lf3-nlp-opensource.bytetos.com/obj/nlp-opensource/archive/2022/ibot"

_PATCHES = "patch_embed.proj.weight"
_TEACHER = Layout("teacher", f"backbone.{_PATCHES}", "backbone.", "head.", branch="teacher")
_STUDENT = Layout("student", f"module.backbone.{_PATCHES}", "module.backbone.", "module.head.", branch="student")
# DINO's full files as first released: no prefixes, other names in the head (issues 30 and 65 of its repository)
_OLD_HEAD = (("projection_head.", "mlp."), ("prototypes.", "last_layer."))
_OLD_TEACHER = Layout("teacher", _PATCHES, head="head.", branch="teacher", renamed=_OLD_HEAD)
_OLD_STUDENT = Layout("student", _PATCHES, head="head.", branch="student", renamed=_OLD_HEAD)

_DEIT = Method(
    name="deit",
    sources=(
        Source(
            "deit_base_patch16_224-b5f2ef4d.pth",
            f"{_META}/deit/deit_base_patch16_224-b5f2ef4d.pth",
            "sha256:b5f2ef4d",
            size=346_000_000,
        ),
    ),
    epochs=300,
    licence="Apache-2.0",
    layouts=(Layout("model", "head.weight", ignore=("head.weight", "head.bias")),),
    reported=(("own classifier", 81.8),),
    notes="the published retrieval code loads timm's supervised ViT (deit-weights=vit-in21k); the paper's text and "
    "links say DeiT-B",
)
_MOCOV3 = Method(
    name="mocov3",
    sources=(Source("vit-b-300ep.pth.tar", f"{_META}/moco-v3/vit-b-300ep/vit-b-300ep.pth.tar", size=863_000_000),),
    epochs=300,
    licence="CC-BY-NC-4.0",
    layouts=(
        Layout(
            "state_dict",
            f"module.base_encoder.{_PATCHES}",
            "module.base_encoder.",
            "module.base_encoder.head.",
            ignore=("module.momentum_encoder.*", "module.predictor.*"),
        ),
        # the release's linear classifier: the same encoder, no projector
        Layout("state_dict", f"module.{_PATCHES}", "module.", ignore=("module.head.*",)),
    ),
    projector="batch_norm_mlp",
    reported=(("linear", 76.7), ("fine-tune", 83.2)),
    notes="the query encoder; projected is the projector's output, before the predictor",
)
_DINO = Method(
    name="dino",
    sources=(
        Source(
            "dino_vitbase16_pretrain_full_checkpoint.pth",
            f"{_META}/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain_full_checkpoint.pth",
            size=1_700_000_000,  # computed: student, teacher and the optimizer's two moments
            what="student and teacher with their heads: projected features need it",
        ),
        Source(
            "dino_vitbase16_pretrain.pth",
            f"{_META}/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
            "sha256:bf34ad0f424b9029b593e8dc3ed553bf26e88bcba0d32bf3e62a6209cb64c85e",
            size=343_000_000,
            what="the teacher without its head: no projected features",
            branches=("teacher",),
        ),
    ),
    epochs=400,
    licence="Apache-2.0",
    layouts=(_TEACHER, Layout("", _PATCHES, branch="teacher"), _OLD_TEACHER, _STUDENT, _OLD_STUDENT),
    positions="shifted_bicubic",
    projector="prototypes",
    reported=(("linear", 78.2), ("k-NN", 76.1)),
    notes="the published code's default is the student, its README's command the teacher",
)
_BEIT = Method(
    name="beit",
    sources=(
        Source(
            "beit_base_standard_epoch800_checkpoint-799.pth",
            "https://drive.google.com/drive/folders/1JSNzbxc9MBpNIhMRP8Vd0FFk7K5hC65q",
            manual=True,
            size=368_000_000,  # computed, of the model; about three times as much if the optimizer is in it
            steps=(
                "open https://drive.google.com/drive/folders/1JSNzbxc9MBpNIhMRP8Vd0FFk7K5hC65q (the paper's authors)",
                "download beit_base_standard_epoch800_checkpoint-799.pth; do not take a beit_base file from elsewhere: "
                "those are fine-tuned, of ImageNet-22k or retrained",
            ),
        ),
    ),
    epochs=800,
    licence="unstated (code: MIT)",
    layouts=(
        Layout(
            "model",
            "rel_pos_bias.relative_position_bias_table",
            ignore=("rel_pos_bias.relative_position_index", "mask_token", "lm_head.*", "cls_pt_layers.*"),
        ),
        # beit_base_patch16_224_pt1k_800ep.pth, official too, but not the encoder of the paper
        Layout(
            "model",
            "blocks.0.attn.q_bias",
            ignore=("mask_token", "lm_head.*"),
            positions="bicubic",
            layer_scale=False,
        ),
    ),
    trunk="beit",
    positions="relative",
    notes="pretrained on ImageNet-1k only; BEiT files elsewhere are fine-tuned, of ImageNet-22k or retrained",
)
_MAE = Method(
    name="mae",
    sources=(
        Source(
            "mae_pretrain_vit_base.pth",
            f"{_META}/mae/pretrain/mae_pretrain_vit_base.pth",
            "md5:8cad7c",
            size=343_000_000,
        ),
    ),
    epochs=1600,
    licence="CC-BY-NC-4.0",
    layouts=(Layout("model", _PATCHES, ignore=("mask_token", "decoder_*")),),
    reported=(("linear", 67.8), ("fine-tune", 83.6)),
    notes="patches keep their order; the published retrieval code permutes them before adding positions",
)
_CAE = Method(
    name="cae",
    sources=(
        Source(
            "cae_base_1600ep.pth",
            "https://drive.google.com/drive/folders/1wwhg7nj2GQuU9uthVuQLkEEXEjx90G7g",
            manual=True,
            size=343_000_000,  # computed
            steps=(
                "open https://drive.google.com/drive/folders/1wwhg7nj2GQuU9uthVuQLkEEXEjx90G7g (CAE's authors), "
                "or Baidu Pan 15eZGoI72iLupLrOHqmOM9w, code 4kil",
                "download cae_base_1600ep.pth (https://drive.google.com/file/d/1CJAjBN0F7-Eijmv2ZmtwpZ6PS_SRcb7I/view)",
            ),
        ),
    ),
    epochs=1600,
    licence="unstated",
    layouts=(
        Layout(
            "model",
            f"encoder.{_PATCHES}",
            "encoder.",
            ignore=("mask_token", "pretext_neck.*", "alignment_encoder.*", "regresser.*", "decoder.*"),
        ),
    ),
    trunk="beit",
    reported=(("linear", 70.3), ("attentive", 77.2), ("fine-tune", 83.9)),
    notes="LayerNorm epsilon 1e-6, as it was trained (its repository, models/modeling_finetune.py) and as the "
    "segmentation backbones of the paper's code have it; its retrieval and classification code (vits.py) has 1e-5: "
    "cae-epsilon=1e-5, which moves tokens by 4.7e-5, and cells of the mini study's retrieval by at most 0.022 points",
)
_IBOT = Method(
    name="ibot",
    sources=(
        Source(
            "checkpoint.pth",
            f"{_IBOT_FILES}/vitb_16_rand_mask/checkpoint.pth",
            size=1_500_000_000,  # computed: student, teacher and the optimizer's two moments
            what="student and teacher with their heads: projected features need it",
        ),
        Source(
            "checkpoint_teacher.pth",
            f"{_IBOT_FILES}/vitb_16_rand_mask/checkpoint_teacher.pth",
            size=343_000_000,
            what="the teacher without its head: no projected features",
            branches=("teacher",),
        ),
    ),
    epochs=400,
    licence="Apache-2.0",
    layouts=(
        # last_layer2, the patches' branch, is what DINO's files lack
        Layout("teacher", "head.last_layer2.*", "backbone.", "head.", ("head.last_layer2.*",), "teacher"),
        Layout("state_dict", _PATCHES, branch="teacher"),
        Layout(
            "student",
            "module.head.last_layer2.*",
            "module.backbone.",
            "module.head.",
            ("module.head.last_layer2.*", "module.backbone.masked_embed"),
            "student",
        ),
    ),
    positions="shifted_bicubic",
    projector="prototypes",
    reported=(("linear", 79.8), ("k-NN", 77.3), ("fine-tune", 84.1)),
    notes="random masks (block masks: ibot-weights=block-mask); projected is the class token's branch of the shared "
    "head",
)
# what the paper's code loads for its supervised ViT: timm's vit_base_patch16_224, until timm 0.4.9 this file
_DEIT_VIT_IN21K = Method(
    name="deit_vit_in21k",
    sources=(
        Source(
            "jx_vit_base_p16_224-80ecf9dd.pth",
            "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-vitjx/"
            "jx_vit_base_p16_224-80ecf9dd.pth",
            "sha256:80ecf9dd",
            size=346_000_000,
            what="trained on ImageNet-21k, then on ImageNet-1k",
        ),
    ),
    epochs=90,
    licence="Apache-2.0",
    layouts=(Layout("", "head.weight", ignore=("head.weight", "head.bias")),),
    reported=(("own classifier", 81.8),),
    notes="90 epochs of ImageNet-21k, then fine-tuned; made for mean and std of 0.5, but fed ImageNet's, as in the "
    "paper's code",
)
_IBOT_BLOCK_MASK = replace(
    _IBOT,
    name="ibot_block_mask",
    sources=(
        Source(
            "checkpoint_block_mask.pth",
            f"{_IBOT_FILES}/vitb_16/checkpoint.pth",
            size=1_500_000_000,  # computed, as that of random masks
            what="student and teacher with their heads: projected features need it",
        ),
        Source(
            "checkpoint_teacher_block_mask.pth",
            f"{_IBOT_FILES}/vitb_16/checkpoint_teacher.pth",
            "sha256:734b9c49f46cd330d740f6c35d6a83517aab770a3efd86d7f1175ced582c9b7f",
            size=343_000_000,
            what="the teacher without its head: no projected features",
            branches=("teacher",),
        ),
    ),
    reported=(("linear", 79.5), ("k-NN", 77.1), ("fine-tune", 84.0)),
    notes="block masks, whose linear probe Table 1 has; projected is the class token's branch of the shared head",
)

CATALOGUE: dict[str, Method] = {method.name: method for method in (_DEIT, _MOCOV3, _DINO, _BEIT, _MAE, _CAE, _IBOT)}
"""Every method of the paper by name, in its order."""
ALTERNATIVES: dict[str, Method] = {method.name: method for method in (_DEIT_VIT_IN21K, _IBOT_BLOCK_MASK)}
"""Releases that a variant puts in the place of one of them, by name."""


def releases() -> dict[str, Method]:
    """Return the seven, then the alternatives, by name."""
    return CATALOGUE | ALTERNATIVES
