"""Files and words that are refused, each in one line that says where, what, expected and got."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from suite.encoders import load_encoder
from suite.errors import CheckpointError, RequestError
from tests.checkpoints import write


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
        ("deit", "mae", "not in DeiT's layout: expected model/head.weight, got model"),
        ("mae", "deit", "unexpected head.bias, head.weight"),
        (
            "mae",
            "dino",
            "not in MAE's layout: expected model/patch_embed.proj.weight, got args, epoch, optimizer, student "
            "and 1 more",
        ),
        (
            "dino",
            "mae",
            "not in DINO's layout: expected teacher/backbone.patch_embed.proj.weight or "
            "patch_embed.proj.weight, got model",
        ),
        ("dino", "ibot", "unexpected head.last_layer2.weight_g, head.last_layer2.weight_v"),
    ],
)
def test_another_method_s_file_is_refused(tmp_path, asked, written, expected):
    write(written, tmp_path / "x.pth")
    text = message(CheckpointError, f"{asked}@{tmp_path / 'x.pth'}")
    assert text == f"{tmp_path / 'x.pth'}: {expected}"


class Malicious:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_code_in_a_file_is_refused_and_does_not_run(tmp_path):
    content = write("deit", tmp_path / "deit.pth")
    torch.save(content | {"args": Malicious(tmp_path / "trace")}, tmp_path / "deit.pth")
    text = message(CheckpointError, "deit", weights=tmp_path)
    asks = re.fullmatch(
        rf"{re.escape(str(tmp_path))}/deit.pth: cannot be read as weights: "
        r"it asks for (\S+), which weights have no need of; it may be malicious",
        text,
    )
    assert asks
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"<html>404 Not Found</html>",
    ],
    ids=["truncated", "empty", "a web page"],
)
def test_damaged_files_are_refused(tmp_path, damage):
    path = tmp_path / "dino.pth"
    write("dino", path)
    path.write_bytes(damage(path.read_bytes()))
    text = message(CheckpointError, "dino", weights=tmp_path)
    assert re.fullmatch(
        rf"{re.escape(str(path))}: cannot be read as weights: it is damaged or no checkpoint \(\w+\)", text
    )


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save([torch.ones(3)], tmp_path / "mae.pth")
    text = message(CheckpointError, "mae", weights=tmp_path)
    assert text == f"{tmp_path / 'mae.pth'}: expected a dictionary of tensors, got list"


def test_missing_weights_say_what_to_fetch(tmp_path):
    assert message(CheckpointError, "mae", weights=tmp_path) == (
        f"{tmp_path}: no weights of mae: expected mae.pth or mae_pretrain_vit_base.pth; fetch "
        "https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth or name a file with mae@FILE"
    )
    absent = tmp_path / "no.pth"
    assert message(CheckpointError, f"mae@{absent}") == f"{absent}: no such file of weights"


def test_unknown_words_list_the_valid_ones(tmp_path, monkeypatch):
    assert message(RequestError, "dinov2") == (
        "unknown encoder 'dinov2': expected one of deit, mocov3, dino, beit, mae, cae, ibot, random_init, "
        "raw_pixels, METHOD@FILE, timm:NAME, package.module:factory"
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
