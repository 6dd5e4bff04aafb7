"""Files of weights as people have them: what is harmless is read, what is none is named, what fits two fits none."""

from __future__ import annotations

import argparse
import collections
import datetime
import gzip
import io
import pathlib
import pickle
import random
import tarfile
import types
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from suite.encoders import CATALOGUE, load_encoder
from suite.encoders.files import read_file
from suite.encoders.load import fault_of
from suite.errors import CheckpointError
from tests.support.checkpoints import Draw, Sizes, prefixed, write

BIAS = {"model": {"norm.bias": torch.arange(3.0)}}


class Settings(dict):
    """Settings as OmegaConf, EasyDict and Lightning have them: a dictionary of a class of their own."""


class Callbacks(list):
    """A list of a class of its own."""


class Network(torch.nn.Module):
    """A module, as `torch.save(model)` saves it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)


for class_ in (Settings, Callbacks, Network):  # as scripts define theirs
    class_.__module__ = "__main__"
    setattr(__import__("__main__"), class_.__name__, class_)


def refusal(path: pathlib.Path) -> str:
    """The error's text, less the file's name at its start."""
    with pytest.raises(CheckpointError) as caught:
        read_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
@pytest.mark.parametrize(
    "value",
    [
        np.float32(1), np.float16(1), np.float64(1), np.int64(1), np.uint8(1), np.bool_(True), np.complex64(1),
        np.str_("x"), np.datetime64("2020-01-01"), np.dtype("f2"), np.arange(3), np.array(["a"]),
        np.array([None], dtype=object), np.random.RandomState(0).get_state(), random.Random(0).getstate(),
        argparse.Namespace(output=pathlib.Path("out")), types.SimpleNamespace(lr=1.0), collections.OrderedDict(a=1),
        collections.defaultdict(list, {"a": [1]}), collections.deque([1]), collections.Counter("ab"),
        datetime.datetime(2020, 1, 1), torch.__version__, torch.optim.SGD, Settings(lr=1), Callbacks([1]), {1}, 2**70,
        frozenset([1]), slice(1, 2), range(3), int, b"12", torch.device("cpu"), torch.float16, torch.eye(3).to_sparse(),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)  # fmt: skip
def test_a_training_dump_is_read_whatever_lies_beside_the_weights(tmp_path, zipped, value):
    torch.save(BIAS | {"beside": value}, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    content = read_file(tmp_path / "x.pth")
    assert torch.equal(content["model"]["norm.bias"], torch.arange(3.0))
    assert "beside" in content


def test_what_lies_beside_the_weights_is_neither_imported_nor_called(tmp_path, monkeypatch):
    """A stand-in takes its place, so that a class may do what it likes when it is made."""
    calls = []
    monkeypatch.setattr(argparse.Namespace, "__setstate__", calls.append, raising=False)
    monkeypatch.setattr(Settings, "__setitem__", lambda *_: calls.append("item"))
    torch.save(BIAS | {"args": argparse.Namespace(lr=1), "settings": Settings(lr=1)}, tmp_path / "x.pth")
    read_file(tmp_path / "x.pth")
    assert calls == []


def test_an_array_that_claims_a_terabyte_takes_no_memory(tmp_path):
    array = np.arange(3)
    _, (kind, _, code), state = array.__reduce__()

    class Huge:
        def __reduce__(self):
            return array.__reduce__()[0], (kind, (2**40,), code), state

    torch.save(BIAS | {"huge": Huge()}, tmp_path / "x.pth")
    assert type(read_file(tmp_path / "x.pth")["huge"]).__name__ == "ndarray"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(np.ones(96, np.float32), "ndarray"), (np.float32(1), "NumPy scalar"), (Settings(), "Settings")],
)
def test_a_stand_in_for_a_weight_is_called_by_its_class(tmp_path, value, expected):
    content = write("mae", tmp_path / "x.pth")
    content["model"]["norm.bias"] = value
    torch.save(content, tmp_path / "x.pth")
    assert fault_of(tmp_path / "x.pth", CATALOGUE["mae"]) == f"expected tensors, got norm.bias ({expected})"


def test_the_end_of_a_file_s_name_does_not_matter(tmp_path):
    """Safetensors under .pth, and torch's file under .safetensors, are what they are."""
    content = write("mae", tmp_path / "torch.safetensors")
    save_file({name: value.clone() for name, value in content["model"].items()}, tmp_path / "safe.pth")
    torch.save(content, tmp_path / "old.safetensors", _use_new_zipfile_serialization=False)
    torch.save(content, tmp_path / "x.pth")
    digests = {load_encoder(f"mae@{path}").digest for path in tmp_path.iterdir()}
    assert len(digests) == 1


def saved(value: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return buffer.getvalue()


def tarred(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("x.pth")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


OTHER_ZIP = "it is a zip archive that torch.save did not write"
SCRIPT = "it is TorchScript, a program with its weights; save its state_dict() with torch.save"
MODULE = "it holds a model with its code; save the model's state_dict() instead"
PROTOCOL = "it is pickled by protocol 4, and only 2, torch.save's own, is read: load it and save it anew"
STORE = b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code><Message>The key does not exist</Message></Error>'


@pytest.mark.parametrize("end", ["pth", "safetensors"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (STORE, "it is a store's error (NoSuchKey); fetch the file itself"),
        (b"\xef\xbb\xbf<!DOCTYPE html><p>Sign in", "it is a web page; fetch the file itself"),
        (b"\r\n" * 900 + b"<html>", "it is a web page; fetch the file itself"),
        (b'{"message": "Not Found"}', """it is JSON ('{"message": "Not Found"}'); fetch the file itself"""),
        (b"Not Found\n", "it is text ('Not Found'); fetch the file itself"),
        (b"\x1b[2J\r\nPASSED", "it is text ('[2J PASSED'); fetch the file itself"),
        (gzip.compress(saved(BIAS)), "it is gzip-compressed; unpack it"),
        (tarred(saved(BIAS)), "it is a tar archive; unpack it"),
        (zipped(x_pth=saved(BIAS), read_me=b""), f"{OTHER_ZIP}, of x.pth, read.me; unpack it"),
        (zipped(), "it is damaged or no checkpoint"),
        (zipped(a_npy=b"", b_npy=b""), "it is an archive of NumPy arrays; save them as tensors, with torch.save"),
        (zipped(x__constants_pkl=b"", x__data_pkl=b""), SCRIPT),
        (pickle.dumps({"a": np.arange(3)}, protocol=2), "it is a pickle that torch.save did not write"),
        (saved(BIAS, pickle_protocol=4), PROTOCOL),
        (saved(Network(), _use_new_zipfile_serialization=False), MODULE),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "it is an HDF5 file; fetch the file itself"),
        (b"GGUF\x03\0\0\0", "it is a GGUF file; fetch the file itself"),
    ],
    ids=["store", "bom", "blank lines", "json", "text", "terminal", "gzip", "tar", "zip", "empty zip", "npz", "script",
         "pickle", "protocol", "module", "hdf5", "gguf"],
)  # fmt: skip
def test_what_is_no_file_of_tensors_is_named(tmp_path, end, data, expected):
    path = tmp_path / f"x.{end}"
    path.write_bytes(data)
    text = refusal(path)
    if expected == "it is damaged or no checkpoint":  # an empty zip does not start as one: the name decides
        assert text.startswith("cannot be read as weights: it is ")
    else:
        assert text == f"cannot be read as weights: {expected}"


def test_a_scripted_module_is_named_although_its_code_is_compressed(tmp_path):
    torch.jit.save(torch.jit.trace(Network().layer, torch.zeros(1, 2)), tmp_path / "x.pth")
    assert refusal(tmp_path / "x.pth").startswith("cannot be read as weights: it is TorchScript, a program with its")


def test_a_whole_module_is_named(tmp_path):
    (tmp_path / "x.pth").write_bytes(saved(Network()))
    assert refusal(tmp_path / "x.pth") == (
        "expected a dictionary of tensors, got Network; of a whole model save the weights alone, "
        "torch.save(model.state_dict(), FILE)"
    )


@pytest.mark.parametrize("kept", [8, 0.3, 0.9])
def test_a_cut_file_of_safetensors_is_named(tmp_path, kept):
    path = tmp_path / "x.pth"
    save_file({"a": torch.ones(1000), "b": torch.ones(9)}, path)
    data = path.read_bytes()
    path.write_bytes(data[: kept if kept == 8 else int(kept * len(data))])
    start = "it is damaged or no checkpoint" if kept == 8 else "it is no safetensors file, or a damaged or cut off one"
    assert refusal(path).startswith(f"cannot be read as weights: {start}")


def fine_tuned(method: str, path: pathlib.Path) -> None:
    """Write the release's encoder with a classifier on it, as its fine-tuning saves it."""
    content = write(method, path)
    classifier = Draw(1, torch.float32).linear("head", 10, 96)
    if method == "beit":  # a table of positions in each block, and the mean of the patches is normed
        table = content["model"].pop("rel_pos_bias.relative_position_bias_table")
        index = content["model"].pop("rel_pos_bias.relative_position_index")
        for name in ("norm.weight", "norm.bias"):
            content["model"][f"fc_{name}"] = content["model"].pop(name)
        for block in range(Sizes().depth):
            content["model"][f"blocks.{block}.attn.relative_position_bias_table"] = table.clone()
            content["model"][f"blocks.{block}.attn.relative_position_index"] = index.clone()
        content["model"] = {name: value for name, value in content["model"].items() if "lm_head" not in name}
    torch.save({"model": content["model"] | classifier}, path)


UNTOLD = "; it has a classifier, as DeiT's and all fine-tuned files have: nothing in it tells whose it is"


def message(spec: str, path: pathlib.Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_encoder(f"{spec}@{path}")
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_fine_tuned_mae_is_advised_to_nobody(tmp_path):
    path = tmp_path / "x.pth"
    fine_tuned("mae", path)
    assert message("mae", path) == f"unexpected head.bias, head.weight{UNTOLD}"
    assert "try" not in message("dino", path)


def test_a_fine_tuned_beit_is_told_by_its_tables(tmp_path):
    path = tmp_path / "x.pth"
    fine_tuned("beit", path)
    assert message("beit", path) == (
        "expected one table of relative positions, rel_pos_bias.relative_position_bias_table, got one in each block "
        f"(blocks.0.attn.relative_position_bias_table), as files of fine-tuned BEiT have{UNTOLD}"
    )


def test_a_bare_trunk_of_safetensors_is_advised_to_nobody(tmp_path):
    content = write("mae", tmp_path / "x.pth")
    save_file({name: value.clone() for name, value in content["model"].items()}, tmp_path / "x.safetensors")
    text = message("mocov3", tmp_path / "x.safetensors")
    assert text.endswith("; it looks like DINO's or MAE's or iBOT's")


def test_a_lightning_file_says_where_its_network_lies(tmp_path):
    content = write("mae", tmp_path / "x.pth")
    lightning = {
        "state_dict": prefixed("model.backbone.", content["model"]),
        "pytorch-lightning_version": "2.0.0",
        "hyper_parameters": Settings(lr=1e-3),
        "callbacks": {"ModelCheckpoint": {"best": torch.tensor(1.0)}},
    }
    torch.save(lightning, tmp_path / "x.ckpt")
    assert message("mae", tmp_path / "x.ckpt") == (
        "not in MAE's layout: expected model/patch_embed.proj.weight, got callbacks, hyper_parameters, "
        "pytorch-lightning_version, state_dict; its patch_embed.proj.weight lies in state_dict/model.backbone."
    )


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool])
def test_whole_numbers_in_place_of_weights_are_refused(tmp_path, dtype):
    content = write("mae", tmp_path / "x.pth")
    content["model"]["norm.bias"] = torch.ones(96).to(dtype)
    torch.save(content, tmp_path / "x.pth")
    kind = str(dtype).removeprefix("torch.")
    assert fault_of(tmp_path / "x.pth", CATALOGUE["mae"]) == f"not floating norm.bias ({kind})"


@pytest.mark.parametrize("kind", ["quantised", "sparse"])
def test_a_compressed_weight_is_named(tmp_path, kind):
    content = write("mae", tmp_path / "x.pth")
    plain = torch.ones(96)
    value = plain.to_sparse() if kind == "sparse" else torch.quantize_per_tensor(plain, 0.1, 0, torch.qint8)
    content["model"]["norm.bias"] = value
    torch.save(content, tmp_path / "x.pth")
    shown = "sparse_coo torch.float32" if kind == "sparse" else "strided torch.qint8"
    assert fault_of(tmp_path / "x.pth", CATALOGUE["mae"]) == f"expected tensors, got norm.bias ({shown} on cpu)"


def test_a_fault_in_either_network_of_a_release_is_told(tmp_path):
    content = write("dino", tmp_path / "x.pth")
    assert fault_of(tmp_path / "x.pth", CATALOGUE["dino"]) == ""
    content["student"]["module.backbone.norm.bias"][0] = float("nan")
    torch.save(content, tmp_path / "x.pth")
    assert fault_of(tmp_path / "x.pth", CATALOGUE["dino"]) == "not finite module.backbone.norm.bias"
    assert fault_of(tmp_path / "x.pth", CATALOGUE["dino"], ("teacher",)) == ""


def test_a_pin_that_does_not_hold_is_named_when_the_file_is_loaded(tmp_path):
    name = CATALOGUE["cae"].sources[0].file_name
    write("cae", tmp_path / name)
    (tmp_path / "pins.toml").write_text(f'["{name}"]\nsha256 = "{"0" * 64}"\n')
    with pytest.raises(CheckpointError) as caught:
        load_encoder("cae", weights=tmp_path)
    assert f"(where its pin is wrong, remove its entry in {tmp_path / 'pins.toml'} first)" in str(caught.value)
