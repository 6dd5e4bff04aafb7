"""Folders of transformers: every tensor fits, images are prepared as stated, and what is amiss is one line."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from suite.cells import method_name
from suite.encoders import load_encoder
from suite.encoders.hf_folder import Images, read_images
from suite.errors import CheckpointError, RequestError, SuiteError
from tests.support.hf_folders import PREPARED, write_folder

Tensors = dict[str, torch.Tensor]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ViT's."""
    write_folder(tmp_path / "vit", "vit")
    return tmp_path / "vit"


def message(kind: type[SuiteError], spec: str) -> str:
    with pytest.raises(kind) as caught:
        load_encoder(spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewrite(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not ...}))


LAYER = "encoder.layer.1.output.dense.weight"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.pop(LAYER), "missing layers.1.mlp.fc2.weight"),
        (lambda t: t.update({"encoder.layer.0.extra.weight": torch.ones(3)}), "unexpected layers.0.extra.weight"),
        (
            lambda t: t.update({"encoder.layer.2.layernorm_after.bias": torch.ones(24)}),
            "unexpected layers.2.layernorm_after.bias",
        ),
        (
            lambda t: t.update({"layernorm.bias": torch.ones(23)}),
            "misshapen layernorm.bias (expected (24,), got (23,))",
        ),
        (lambda t: t["layernorm.bias"].fill_(float("nan")), "not finite layernorm.bias"),
        (lambda t: t.update({"layernorm.bias": torch.ones(24, dtype=torch.int8)}), "not floating layernorm.bias"),
        (
            lambda t: t.update({"vit.layernorm.bias": torch.ones(24)}),
            "expected 38 tensors, each under one name, got 39",
        ),
    ],
    ids=["missing", "unexpected", "a block more", "misshapen", "not finite", "not floating", "twice"],
)
def test_every_tensor_has_to_fit(folder: Path, change: Callable[[Tensors], object], expected: str) -> None:
    tensors = {name: value.clone() for name, value in load_file(folder / "model.safetensors").items()}
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    assert message(CheckpointError, f"hf:{folder}") == f"{folder}: {expected}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"num_hidden_layers": 1}, "unexpected layers.1.attention.k_proj.bias, "),
        ({"num_hidden_layers": 10**9}, "config.json describes 1000000000 blocks, and its files hold 38 tensors"),
        ({"intermediate_size": 10**7}, "config.json describes 980,010,152 parameters, and its files hold "),
        ({"qkv_bias": False}, "unexpected layers.0.attention.k_proj.bias, "),
    ],
)
def test_a_configuration_of_another_model_is_refused_before_room_is_made_for_it(
    folder: Path, changes: dict[str, Any], expected: str
) -> None:
    rewrite(folder / "config.json", **changes)
    assert message(CheckpointError, f"hf:{folder}").startswith(f"{folder}: {expected}")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file: expected the configuration of a transformers model"),
        ("[]", "expected a table, got []"),
        ('{"architecture": "vit_base"}', "model_type: missing: expected a text"),
        ("<html>", "expected the configuration of a transformers model as JSON, got none: "),
        (
            {"quantization_config": {"quant_method": "bitsandbytes"}},
            "expected plain weights, got quantised ones (quantization_config)",
        ),
        ({"hidden_size": "wide"}, "transformers cannot build its model: "),
        ({"hidden_act": "no_such"}, "transformers cannot build its model: "),
    ],
)
def test_a_damaged_configuration_is_one_line(folder: Path, content: Any, expected: str) -> None:
    path = folder / "config.json"
    if content is None:
        path.unlink()
    elif isinstance(content, str):
        path.write_text(content)
    else:
        rewrite(path, **content)
    assert message(CheckpointError, f"hf:{folder}").startswith(f"{path}: {expected}")


def test_patches_have_to_be_square(tmp_path: Path) -> None:
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    hf.ViTModel(hf.ViTConfig(**sizes, image_size=32, patch_size=[8, 4])).save_pretrained(tmp_path)
    assert message(CheckpointError, f"hf:{tmp_path}") == (
        f"{tmp_path}/config.json: patch_size: expected a square, got [8, 4]"
    )


def test_other_architectures_are_for_a_factory(folder: Path) -> None:
    rewrite(folder / "config.json", model_type="swin", auto_map={"AutoModel": "own--code.Model"})
    assert message(RequestError, f"hf:{folder}") == (
        f"encoder 'hf:{folder}': model_type 'swin': expected one of aimv2, beit, clip, data2vec-vision, deit, dinov2, "
        "dinov2_with_registers, dinov3_vit, ijepa, metaclip_2, siglip, siglip2, vit, vit_mae, vit_msn: wrap another in "
        "a factory of yours, MODULE:FUNCTION, as docs/how-to/recipes.md shows"
    )


def test_code_beside_a_model_is_never_run(folder: Path) -> None:
    rewrite(folder / "config.json", auto_map={"AutoModel": "modeling.Own", "AutoConfig": "modeling.Config"})
    (folder / "modeling.py").write_text("raise SystemExit('run')")
    load_encoder(f"hf:{folder}")


def split(folder: Path) -> Tensors:
    """Cut the weights into two files with an index, as of a large model."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    files = {"model-1-of-2.safetensors": names[:9], "model-2-of-2.safetensors": names[9:]}
    for file, part in files.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    weight_map = {name: file for file, part in files.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return tensors


def test_weights_in_one_file_in_two_and_pickled_are_the_same(folder: Path) -> None:
    spec = f"hf:{folder}"
    digest = load_encoder(spec).digest
    tensors = split(folder)
    assert load_encoder(spec).digest == digest
    (folder / "model.safetensors.index.json").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    assert load_encoder(spec).digest == digest
    save_file({name: value.half().float() for name, value in tensors.items()}, folder / "model.safetensors")
    rounded = load_encoder(spec).digest
    assert rounded != digest, "safetensors come first"
    save_file({name: value.half() for name, value in tensors.items()}, folder / "model.safetensors")
    encoder = load_encoder(spec)
    assert encoder.digest == rounded
    assert {value.dtype for value in encoder.state_dict().values()} == {torch.float32}


def test_a_pickle_with_code_is_refused_by_the_suite_s_own_reader(folder: Path, tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "done"),)

    (folder / "model.safetensors").unlink()
    torch.save({"layernorm.bias": Code()}, folder / "pytorch_model.bin")
    assert message(CheckpointError, f"hf:{folder}").startswith(f"{folder}/pytorch_model.bin: cannot be read as weights")
    assert not (tmp_path / "done").exists()


def test_a_list_of_files_leads_nowhere_else(folder: Path) -> None:
    split(folder)
    index = folder / "model.safetensors.index.json"
    first = folder / "model-1-of-2.safetensors"
    save_file(load_file(first) | {"layernorm.weight": torch.ones(24)}, first)
    assert message(CheckpointError, f"hf:{folder}") == (
        f"{folder}/model-2-of-2.safetensors: layernorm.weight: expected in one file of the folder, got in two"
    )
    first.unlink()
    assert message(CheckpointError, f"hf:{folder}") == f"{first}: no such file of weights"
    index.write_text(json.dumps({"weight_map": {"layernorm.bias": "../x.safetensors"}}))
    assert message(CheckpointError, f"hf:{folder}") == (
        f"{index}: expected files of its own folder, got ../x.safetensors"
    )
    index.unlink()
    for path in folder.glob("model-*"):
        path.unlink()
    (folder / "tf_model.h5").touch()
    assert message(CheckpointError, f"hf:{folder}") == (
        f"{folder}: expected model.safetensors or pytorch_model.bin, got preprocessor_config.json, tf_model.h5: "
        "weights of another program have to be saved by save_pretrained first"
    )


OTHER_SCALE = {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3}


@pytest.mark.parametrize(
    ("prepared", "expected"),
    [
        (PREPARED, Images((0.5, 0.4, 0.3), (0.2, 0.3, 0.25), 32)),
        ({"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "size": 224}, Images((0.5,) * 3, (0.25,) * 3, 224)),
        (PREPARED | {"do_normalize": False}, Images((0.0,) * 3, (1.0,) * 3, 32)),
        (PREPARED | OTHER_SCALE, Images((0.5,) * 3, (0.5,) * 3, 32)),
        (
            PREPARED | {"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [51.0] * 3},
            Images((0.5,) * 3, (0.2,) * 3, 32),
        ),
        (
            {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}},
            Images(None, None, 224),
        ),
        ({"size": {"shortest_edge": 256}, "crop_size": 224}, Images(None, None, 256)),
        ({"size": {"height": 224, "width": 448}}, Images()),
        ({"max_num_patches": 256, "image_mean": None}, Images()),
    ],
)
def test_images_are_prepared_as_the_folder_states(tmp_path: Path, prepared: dict[str, Any], expected: Images) -> None:
    for name, content in (("preprocessor_config", prepared), ("processor_config", {"image_processor": prepared})):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        found = read_images(tmp_path)
        assert found.size == expected.size
        assert found.mean == pytest.approx(expected.mean)
        assert found.std == pytest.approx(expected.std)
        (tmp_path / f"{name}.json").unlink()
    assert read_images(tmp_path) == Images()


def test_what_no_file_states_has_to_be_an_option(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    spec = f"hf:{folder}"
    assert message(RequestError, spec) == (
        f"encoder {spec!r}: mean of its images is stated nowhere: add it as an option, e.g. ?mean=imagenet or "
        "?mean=0.5:0.5:0.5&std=0.5:0.5:0.5"
    )
    assert message(RequestError, f"{spec}?mean=0.5").startswith(f"encoder '{spec}?mean=0.5': std of its images is ")
    encoder = load_encoder(f"{spec}?mean=imagenet")
    assert (encoder.mean, encoder.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert encoder.image_size == 32, "of the table of positions"
    assert load_encoder(f"{spec}?mean=none&img_size=48").image_size == 48
    assert message(RequestError, f"{spec}?mean=none&img_size=50") == (
        f"encoder '{spec}?mean=none&img_size=50': image size: expected a multiple of its patches' 8 pixels, got 50: "
        "add it as an option, e.g. ?img_size=48"
    )
    assert message(RequestError, f"{spec}?group=ema") == (
        f"encoder '{spec}?group=ema': unknown option 'group': expected one of img_size, mean, std"
    )


def test_a_damaged_preparation_is_one_line(folder: Path) -> None:
    path = folder / "preprocessor_config.json"
    rewrite(path, image_mean="imagenet")
    assert message(CheckpointError, f"hf:{folder}") == (
        f"{path}: image_mean: expected a list of numbers or null, got 'imagenet'"
    )
    rewrite(path, image_mean=[0.5, 0.5])
    assert message(RequestError, f"hf:{folder}") == (
        f"hf:{folder}: mean: expected three numbers, of images in [0, 1], got (0.5, 0.5)"
    )


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The local cache of the hub; whoever reaches for the network fails."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "hub"


def test_a_name_is_looked_up_in_the_local_cache_and_never_downloaded(hub: Path, folder: Path) -> None:
    spec = "hf:someone/tiny-vit?mean=none"
    assert message(RequestError, spec) == (
        f"encoder {spec!r}: no such folder, and not in the local cache of the hub: a run downloads nothing, so run hf "
        "download someone/tiny-vit beforehand, or name a folder"
    )
    repository = hub / "models--someone--tiny-vit"
    revision = "0123456789abcdef0123456789abcdef01234567"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    shutil.copytree(folder, repository / "snapshots" / revision)
    assert load_encoder(spec).digest == load_encoder(f"hf:{folder}").digest


@pytest.mark.parametrize(
    ("place", "found"), [("/no/such/folder", "no such folder"), ("", "no such folder"), ("vit/config.json", "a file")]
)
def test_what_is_no_folder_is_one_line(hub: Path, folder: Path, place: str, found: str) -> None:
    assert message(RequestError, f"hf:{place}") == (
        f"encoder 'hf:{place}': expected a folder of transformers, with config.json, got {found}"
    )


def test_a_folder_s_name_may_have_an_at_sign(folder: Path) -> None:
    folder.rename(folder.with_name("a@b"))
    spec = f"hf:{folder.with_name('a@b')}?img_size=40"
    assert load_encoder(spec).image_size == 40
    assert method_name(spec) == "hf-a-b-img_size-40"


def test_without_transformers_one_line_says_how_to_have_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert message(RequestError, f"hf:{folder}") == (
        f"encoder 'hf:{folder}': transformers cannot be imported (ModuleNotFoundError: import of transformers halted; "
        "None in sys.modules): make setup installs it, with all of requirements.lock"
    )
