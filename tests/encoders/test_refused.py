"""Files and words that are refused, each in one line that says where, what, expected and got."""

from __future__ import annotations

import pytest
import torch

from suite.cells import METHODS
from suite.encoders import CATALOGUE, load_encoder
from suite.encoders.files import read_file
from suite.encoders.layouts import recognise
from suite.errors import CheckpointError, RequestError
from tests.support.checkpoints import VARIANTS, write

UNTOLD = "; it has a classifier, as DeiT's and all fine-tuned files have: nothing in it tells whose it is"


def message(error_type, spec, **keywords) -> str:
    with pytest.raises(error_type) as caught:
        load_encoder(spec, **keywords)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("method", "change", "expected"),
    [
        ("deit", lambda t: t["model"].pop("blocks.2.attn.qkv.bias"), "missing blocks.2.attn.qkv.bias"),
        ("deit", lambda t: t["model"].pop("pos_embed"), "missing pos_embed: not an encoder's weights"),
        ("mae", lambda t: t["model"].update({"fc_norm.weight": torch.ones(96)}), "unexpected fc_norm.weight"),
        (
            "cae",
            lambda t: t["model"].update({"encoder.blocks.0.attn.k_bias": torch.ones(96)}),
            "unexpected encoder.blocks.0.attn.k_bias",
        ),
        ("cae", lambda t: t["model"].update({"lm_head.bias": torch.ones(9)}), "unexpected lm_head.bias"),
        ("beit", lambda t: t["model"].pop("blocks.3.gamma_2"), "missing blocks.3.gamma_2"),
        ("dino", lambda t: t["teacher"].pop("head.mlp.2.bias"), "missing head.mlp.2.bias"),
        (
            "dino",
            lambda t: t["teacher"].pop("head.last_layer.weight"),
            "missing last_layer.weight: not a whole projector",
        ),
        (
            "mocov3",
            lambda t: t["state_dict"].pop("module.base_encoder.head.4.running_var"),
            "missing module.base_encoder.head.4.running_var",
        ),
        (
            "ibot",
            lambda t: t["teacher"].update({"backbone.norm.bias": torch.ones(95)}),
            "misshapen backbone.norm.bias (expected (96,), got (95,))",
        ),
        (
            "dino",
            lambda t: t["teacher"].update({"head.last_layer.weight": torch.ones(50)}),
            "missing last_layer.weight: not a whole projector",
        ),
        (
            "deit",
            lambda t: t["model"].update({"blocks.123456789.norm1.weight": torch.ones(96)}),
            "missing blocks.4.attn.proj.bias, blocks.4.attn.proj.weight, blocks.4.attn.qkv.bias, "
            "blocks.4.attn.qkv.weight and 8 more; unexpected blocks.123456789.norm1.weight",
        ),
        (
            "mae",
            lambda t: t["model"].update({"patch_embed.proj.weight": torch.ones(0, 3, 8, 8)}),
            "expected a width that 32 divides and square grids of positions, "
            "got patch_embed.proj.weight (0, 3, 8, 8) and pos_embed (1, 37, 96)",
        ),
        (
            "mae",
            lambda t: t["model"]["norm.bias"].fill_(float("nan")),
            "not finite norm.bias",
        ),
        (
            "mae",
            lambda t: t["model"].update({"norm.bias": "zeros"}),
            "expected tensors, got norm.bias (str)",
        ),
        (
            "deit",
            lambda t: t["model"].update({"pos_embed": torch.ones(1, 12, 96)}),
            "expected a width that 32 divides and square grids of positions, "
            "got patch_embed.proj.weight (96, 3, 8, 8) and pos_embed (1, 12, 96)",
        ),
        (
            "deit",
            lambda t: (
                [t["model"].pop(f"blocks.0.norm{i}.{n}") for i in (1, 2) for n in ("weight", "bias")]
                + [t["model"].pop("norm.bias"), t["model"].update({"extra": torch.ones(1)})]
            ),
            "missing blocks.0.norm1.bias, blocks.0.norm1.weight, blocks.0.norm2.bias, blocks.0.norm2.weight "
            "and 1 more; unexpected extra",
        ),
    ],
)
def test_a_tensor_too_few_or_too_many_is_named(tmp_path, method, change, expected):
    path = tmp_path / f"{method}.pth"
    content = write(method, path)
    change(content)
    torch.save(content, path)
    assert message(CheckpointError, method, weights=tmp_path) == f"{path}: {expected}"


@pytest.mark.parametrize(
    ("asked", "written", "expected"),
    [
        (
            "deit",
            "mae",
            "not in DeiT's layout: expected model/head.weight, got in model: blocks.0.attn.proj.bias, "
            "blocks.0.attn.proj.weight, blocks.0.attn.qkv.bias, blocks.0.attn.qkv.weight and 50 more; "
            "it looks like MAE's: try mae@",
        ),
        (
            "mae",
            "dino",
            "not in MAE's layout: expected model/patch_embed.proj.weight, got args, epoch, optimizer, scaler "
            "and 2 more; it looks like DINO's: try dino@",
        ),
        (
            "dino",
            "mae",
            "not in DINO's layout: expected teacher/backbone.patch_embed.proj.weight or patch_embed.proj.weight or "
            "teacher/patch_embed.proj.weight, got model; it looks like MAE's: try mae@",
        ),
        (
            "dino",
            "ibot",
            "unexpected head.last_layer2.weight_g, head.last_layer2.weight_v; it looks like iBOT's: try ibot@",
        ),
    ],
)
def test_another_method_s_file_is_refused(tmp_path, asked, written, expected):
    write(written, tmp_path / "x.pth")
    text = message(CheckpointError, f"{asked}@{tmp_path / 'x.pth'}")
    assert text == f"{tmp_path / 'x.pth'}: {expected}{tmp_path / 'x.pth'}"


@pytest.mark.parametrize("written", METHODS)
def test_a_file_is_recognised_by_its_names_and_is_no_other_method_s(tmp_path, written):
    """Two methods could both claim head-less trunks under one name, and all with a classifier; no other files."""
    for variant in ("", *VARIANTS[written]):
        path = tmp_path / f"file_{variant}.pth"
        write(written, path, variant=variant)
        names = [method.name for method in recognise(read_file(path), CATALOGUE.values())]
        assert names == [written], variant
        for other in set(METHODS) - {written}:
            text = message(CheckpointError, f"{other}@{path}")
            assert text.endswith(UNTOLD if written == "deit" else f"'s: try {written}@{path}")


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save([torch.ones(3)], tmp_path / "mae.pth")
    text = message(CheckpointError, "mae", weights=tmp_path)
    assert text == (
        f"{tmp_path / 'mae.pth'}: expected a dictionary of tensors, got list; of a whole model save the weights alone, "
        "torch.save(model.state_dict(), FILE)"
    )


def test_missing_weights_say_what_to_fetch(tmp_path):
    assert message(CheckpointError, "mae", weights=tmp_path) == (
        f"{tmp_path}: no weights of mae: expected mae.pth or mae.safetensors or mae_pretrain_vit_base.pth; run "
        "python -m suite fetch weights mae, or name a file with mae@FILE"
    )
    absent = tmp_path / "no.pth"
    assert message(CheckpointError, f"mae@{absent}") == f"{absent}: no such file of weights"


def test_unknown_words_list_the_valid_ones(tmp_path, monkeypatch):
    assert message(RequestError, "dinov2") == (
        "unknown encoder 'dinov2': expected one of deit, mocov3, dino, beit, mae, cae, ibot, random_init, "
        "raw_pixels, METHOD@FILE, timm:NAME, hf:NAME_OR_FOLDER, package.module:function; which spec for which encoder: "
        "docs/reference/encoders_2026.md"
    )
    write("dino", tmp_path / "dino.pth")
    assert message(RequestError, "dino", weights=tmp_path, branch="query") == (
        "unknown branch of dino 'query': expected one of teacher, student"
    )
    write("mae", tmp_path / "mae.pth")
    assert message(RequestError, "mae", weights=tmp_path, branch="student") == (
        "unknown branch of mae 'student': expected one of none"
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert message(RequestError, "random_init", device="cuda") == "device 'cuda': no CUDA device here; use cpu"
