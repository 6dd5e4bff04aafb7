"""Which network in a file is read: the one in which every tensor fits, else a question that the spec answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from suite.encoders import load_encoder
from suite.errors import CheckpointError


def network(seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return timm.create_model("test_vit").state_dict()


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in tensors.items()}


def spec_of(path: Path, content: Any, options: str = "") -> str:
    torch.save(content, path)
    return f"timm:test_vit@{path}{options}"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    return load_encoder(spec_of(tmp_path_factory.mktemp("plain") / "vit.pth", network())).digest


@pytest.mark.parametrize(
    ("wrapped", "notes"),
    [
        (lambda t: t, ()),
        (lambda t: {"model": t, "epoch": 3}, ("read from model",)),
        (lambda t: {"model": under("module.", t)}, ("read from model, names after 'module.'",)),
        (lambda t: {"model": under("module._orig_mod.", t)}, ("read from model, names after 'module._orig_mod.'",)),
        (lambda t: under("backbone.", t), ("read from the file's own dictionary, names after 'backbone.'",)),
        (lambda t: {"teacher": under("backbone.", t)}, ("read from teacher, names after 'backbone.'",)),
        (
            lambda t: {"teacher": under("backbone.", t) | {"head.mlp.0.weight": torch.ones(2, 2)}},
            ("read from teacher, names after 'backbone.'",),
        ),
        (lambda t: {"ema": {"module": t}, "args": {"lr": 1.0}}, ("read from ema.module",)),
        (
            lambda t: {"state_dict": under("model.encoder.", t), "pytorch-lightning_version": "2.0"},
            ("read from state_dict, names after 'model.encoder.'",),
        ),
    ],
)
def test_the_one_place_where_every_tensor_fits_is_read_and_named(
    tmp_path: Path, plain: str, wrapped: Any, notes: tuple[str, ...]
) -> None:
    encoder = load_encoder(spec_of(tmp_path / "vit.pth", wrapped(network())))
    assert encoder.digest == plain
    assert encoder.notes == notes


@pytest.mark.parametrize(("raw", "ema"), [("model", "model_ema"), ("state_dict", "state_dict_ema")])
def test_averaged_weights_beside_the_raw_ones_are_a_question(tmp_path: Path, plain: str, raw: str, ema: str) -> None:
    content = {raw: network(1), ema: under("module.", network()), "epoch": 7}
    spec = spec_of(tmp_path / "vit.pth", content)
    with pytest.raises(CheckpointError) as caught:
        load_encoder(spec)
    assert str(caught.value) == (
        f"{tmp_path / 'vit.pth'}: 2 networks in it fit: choose one in the spec: ?group={raw} ({raw}), "
        f"?group={ema}&prefix=module. ({ema}, names after 'module.')"
    )
    chosen = load_encoder(f"{spec}?group={ema}")
    assert (chosen.digest, chosen.notes) == (plain, (f"read from {ema}, names after 'module.'", f"not read: {raw}"))
    assert load_encoder(f"{spec}?group={raw}").digest != plain


def test_two_networks_in_one_dictionary_are_a_question_of_the_prefix(tmp_path: Path, plain: str) -> None:
    content = {"state_dict": under("model.", network(1)) | under("ema_model.", network())}
    spec = spec_of(tmp_path / "vit.pth", content)
    with pytest.raises(CheckpointError) as caught:
        load_encoder(spec)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'vit.pth'}: 2 networks in it fit: choose one in the spec: ")
    assert "?group=state_dict&prefix=model. (state_dict, names after 'model.'; leaves out " in text
    assert "?group=state_dict&prefix=ema_model. (state_dict, names after 'ema_model.'; leaves out " in text
    chosen = load_encoder(f"{spec}?prefix=ema_model.")
    assert chosen.digest == plain
    assert chosen.notes[1].startswith(f"left out {len(network())} tensors beside it: model.blocks.0")


def test_a_network_beside_others_is_read_only_where_the_spec_says_so(tmp_path: Path, plain: str) -> None:
    content = {"state_dict": under("student.", network()) | {"predictor.weight": torch.ones(3)}}
    spec = spec_of(tmp_path / "vit.pth", content)
    with pytest.raises(CheckpointError) as caught:
        load_encoder(spec)
    assert str(caught.value) == (
        f"{tmp_path / 'vit.pth'}: this network is one part of it: to read that part alone, add "
        "?group=state_dict&prefix=student. (state_dict, names after 'student.'; leaves out 1 tensors: "
        "predictor.weight) to the spec"
    )
    assert load_encoder(f"{spec}?prefix=student.").digest == plain


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("?group=ema", "group 'ema': no such dictionary of tensors: expected one of model"),
        ("?prefix=net.", "prefix 'net.': no name begins with it: got "),
        ("?group=model&group=ema", "option group: expected once, got it twice"),
        ("?branch=ema", "unknown option 'branch': expected one of img_size, mean, std, group, prefix"),
        ("?group", "expected options as ?name=value&name=value, got 'group'"),
    ],
)
def test_a_choice_that_is_none_is_one_line(tmp_path: Path, options: str, words: str) -> None:
    spec = spec_of(tmp_path / "vit.pth", {"model": network()}, options)
    with pytest.raises(Exception, match=words[:9]) as caught:
        load_encoder(spec)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda t: {"model": under("module.", {k: v for k, v in t.items() if k != "norm.bias"})}, "missing norm.bias"),
        (lambda t: {"model": t | {"extra": torch.ones(2)}}, "unexpected extra"),
    ],
)
def test_a_missing_or_extra_tensor_is_an_error_still(tmp_path: Path, content: Any, words: str) -> None:
    spec = spec_of(tmp_path / "vit.pth", content(network()))
    with pytest.raises(CheckpointError) as caught:
        load_encoder(spec)
    assert words in str(caught.value)


class Callback:
    """What a user's training script keeps beside the weights."""


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_a_lightning_file_names_what_is_refused_and_how_to_export_its_weights(tmp_path: Path, zipped: bool) -> None:
    content = {
        "state_dict": network(),
        "pytorch-lightning_version": "2.4.0",
        "hyper_parameters": {"callback": Callback()},
    }
    torch.save(content, tmp_path / "last.ckpt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError) as caught:
        load_encoder(f"timm:test_vit@{tmp_path / 'last.ckpt'}")
    assert str(caught.value) == (
        f"{tmp_path / 'last.ckpt'}: cannot be read as weights: it is a Lightning file whose callbacks or "
        f"hyper-parameters hold objects of a class, {__name__}.Callback: export the weights alone where you trust it: "
        "torch.save(torch.load(FILE, weights_only=False)['state_dict'], 'weights.pth')"
    )


def test_a_lightning_file_that_asks_for_a_program_may_be_malicious_still(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return exec, ("raise SystemExit",)

    content = {"state_dict": network(), "pytorch-lightning_version": "2.4.0", "callbacks": Harm()}
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="it may be malicious"):
        load_encoder(f"timm:test_vit@{tmp_path / 'last.ckpt'}")
