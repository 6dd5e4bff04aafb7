"""Files that lie about themselves or mean harm: one clear line each, and no memory that they cannot account for."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from suite.encoders import load_encoder
from suite.encoders.files import read_file
from suite.errors import CheckpointError
from tests.support.checkpoints import write


def refused(path: Path, method: str = "mae") -> str:
    """The error's text, less the file's name at its start."""
    with pytest.raises(CheckpointError) as caught:
        load_encoder(f"{method}@{path}")
    text = str(caught.value)
    assert text.isprintable(), "one line"
    assert len(text) < 500 + 3 * len(str(path))
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def rezipped(source: Path, target: Path, method: int = zipfile.ZIP_STORED, **replaced: bytes) -> None:
    """A copy with some entries (by the end of their names) replaced."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, replaced.get(Path(name).name.replace(".", "_"), old.read(name)))


class Call:
    def __init__(self, function, *arguments) -> None:
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
@pytest.mark.parametrize(
    ("value", "asks"),
    [
        (Call(exec, "import pathlib; pathlib.Path('trace').touch()"), "exec"),
        (Call(Path.touch, Path("trace")), ""),
        (Call(bytearray, 2**62), "bytearray"),
        (OrderedDict(a=[Call(bytearray, 2**62)]), "bytearray"),
    ],
    ids=["exec", "a method", "bytearray", "deep inside"],
)
def test_a_pickle_that_asks_for_more_than_tensors(tmp_path, monkeypatch, zipped, value, asks):
    monkeypatch.chdir(tmp_path)
    content = write("mae", tmp_path / "mae.pth")
    path = tmp_path / "bad.pth"
    torch.save(content | {"args": value}, path, _use_new_zipfile_serialization=zipped)
    text = refused(path)
    assert "which weights have no need of; it may be malicious" in text
    assert asks in text
    assert not Path("trace").exists()


def test_a_pickle_that_is_no_torch_file(tmp_path):
    (tmp_path / "x.pth").write_bytes(pickle.dumps({"model": Call(exec, "raise SystemExit")}, protocol=4))
    assert "cannot be read as weights" in refused(tmp_path / "x.pth")


def test_a_compressed_file(tmp_path):
    write("mae", tmp_path / "mae.pth")
    rezipped(tmp_path / "mae.pth", tmp_path / "bomb.pth", zipfile.ZIP_DEFLATED, **{"0": bytes(32 * 2**20)})
    assert (tmp_path / "bomb.pth").stat().st_size < 3 * 2**20
    assert refused(tmp_path / "bomb.pth") == (
        "cannot be read as weights: it is compressed, as weights never are; it may be a decompression bomb"
    )


def test_entries_that_declare_more_than_the_file_has(tmp_path):
    write("mae", tmp_path / "mae.pth")
    data = bytearray((tmp_path / "mae.pth").read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"/data/0"))
    struct.pack_into("<II", data, entry + 20, 2**31, 2**31)  # both sizes in the central directory
    (tmp_path / "lie.pth").write_bytes(data)
    assert "bytes and has" in refused(tmp_path / "lie.pth")


def test_a_tensor_that_claims_more_bytes_than_the_file_has(tmp_path):
    torch.save({"model": {"patch_embed.proj.weight": torch.zeros(2**20)}}, tmp_path / "whole.pth")
    rezipped(tmp_path / "whole.pth", tmp_path / "short.pth", **{"0": bytes(8)})
    assert "cannot be read as weights: it is damaged or no checkpoint" in refused(tmp_path / "short.pth")


def test_a_flipped_bit_in_any_record_is_named_though_torch_reads_over_it(tmp_path):
    path = tmp_path / "mae.pth"
    write("mae", path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        tensors = [entry for entry in archive.infolist() if "/data/" in entry.filename]
    for entry in tensors:
        data = bytearray(content)
        name_bytes, extra_bytes = struct.unpack_from("<HH", data, entry.header_offset + 26)
        data[entry.header_offset + 30 + name_bytes + extra_bytes] ^= 1
        path.write_bytes(data)
        torch.load(path, weights_only=True)
        assert refused(path) == (
            f"cannot be read as weights: its {entry.filename} is not what its own checksum says: the file is damaged; "
            "fetch it again"
        )
    path.write_bytes(content)
    assert read_file(path)


def test_a_file_without_checksums_is_read(tmp_path):
    content = write("mae", tmp_path / "mae.pth")
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(content, tmp_path / "without.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    with zipfile.ZipFile(tmp_path / "without.pth") as archive:
        assert {entry.CRC for entry in archive.infolist()} == {0}
    read = read_file(tmp_path / "without.pth")["model"]
    assert all(torch.equal(tensor, read[name]) for name, tensor in content["model"].items())


def test_one_number_shown_a_billion_times(tmp_path):
    content = write("mae", tmp_path / "mae.pth")
    content["model"]["patch_embed.proj.weight"] = torch.zeros(1).expand(2**24, 3, 8, 8)
    torch.save(content, tmp_path / "wide.pth")
    expected = "expected tensors, got patch_embed.proj.weight ((16777216, 3, 8, 8) out of 4 bytes)"
    assert refused(tmp_path / "wide.pth") == expected


def test_tensors_that_share_their_bytes_are_not_copied_out_of_proportion(tmp_path):
    content = write("mae", tmp_path / "mae.pth")
    shared = torch.zeros(2**20)
    content["model"] |= {f"blocks.{index}.shared": shared for index in range(64)}
    torch.save(content, tmp_path / "shared.pth")
    assert "bytes of tensors in a file of" in refused(tmp_path / "shared.pth")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.ones(96, device="meta"), "strided torch.float32 on meta"),
        (torch.ones(96).to_sparse(), "sparse_coo torch.float32 on cpu"),
        (torch.ones(96, dtype=torch.complex64), "strided torch.complex64 on cpu"),
        ([1.0] * 96, "list"),
    ],
)
def test_what_is_no_plain_tensor(tmp_path, value, expected):
    content = write("mae", tmp_path / "mae.pth")
    content["model"]["norm.bias"] = value
    torch.save(content, tmp_path / "x.pth")
    assert refused(tmp_path / "x.pth") == f"expected tensors, got norm.bias ({expected})"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite(tmp_path, bad):
    content = write("beit", tmp_path / "beit.pth")
    content["model"]["blocks.1.mlp.fc2.weight"][3, 5] = bad
    torch.save(content, tmp_path / "beit.pth")
    assert refused(tmp_path / "beit.pth", "beit") == "not finite blocks.1.mlp.fc2.weight"


def test_finite_weights_whose_sum_is_not_are_fine(tmp_path):
    content = write("mae", tmp_path / "mae.pth")
    content["model"]["norm.bias"][:] = 3e38
    torch.save(content, tmp_path / "mae.pth")
    assert load_encoder("mae", weights=tmp_path).name == "mae"


def test_a_dictionary_of_names_that_write_on_the_terminal(tmp_path):
    content = write("mae", tmp_path / "mae.pth")
    content["model"] |= {"\x1b[2J\nPASSED": torch.ones(1), "x" * 10_000: torch.ones(1)}
    torch.save(content, tmp_path / "x.pth")
    assert "unexpected" in refused(tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "it is empty; fetch the file itself"),
        (b"<!DOCTYPE html><title>Sign in</title>", "it is a web page; fetch the file itself"),
        (b"\n<html>404</html>", "it is a web page; fetch the file itself"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "it is a Git LFS pointer; fetch the file itself (git lfs pull)",
        ),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "it is a PNG image; fetch the file itself"),
        (b"PK\x03\x04" + bytes(99), "it is damaged or no checkpoint (BadZipFile)"),
        (bytes(1000), "it is zeros from its first byte on, as an unfinished download leaves; fetch the file itself"),
    ],
    ids=["empty", "web page", "error page", "git-lfs pointer", "png", "half a zip", "zeros"],
)
def test_what_is_no_checkpoint(tmp_path, data, expected):
    (tmp_path / "x.pth").write_bytes(data)
    assert refused(tmp_path / "x.pth") == f"cannot be read as weights: {expected}"


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_a_truncated_file(tmp_path, kept, zipped):
    content = write("mae", tmp_path / "x.pth")
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    data = (tmp_path / "x.pth").read_bytes()
    (tmp_path / "x.pth").write_bytes(data[: int(kept * len(data))])
    assert "cannot be read as weights: it is damaged or no checkpoint" in refused(tmp_path / "x.pth")


def tensor(begin: int, end: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": [(end - begin) // 4], "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (2**62, {}),
        (0, {}),
        (None, {"a": tensor(0, 400)}),
        (None, {"a": tensor(0, 64), "b": tensor(32, 96)}),
        (None, {"a": tensor(64, 0)}),
        (None, {"a": tensor(0, 96) | {"shape": [2**40, 2**40]}}),
        (None, {"a": tensor(0, 96) | {"dtype": "PICKLE"}}),
        (None, {"a": tensor(32, 96)}),
    ],
    ids=["huge header", "no header", "beyond", "overlapping", "backwards", "huge shape", "unknown type", "a hole"],
)
def test_safetensors_with_a_lying_header(tmp_path, length, header):
    text = json.dumps(header).encode()
    length = len(text) if length is None else length
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", length) + text + bytes(96))
    assert refused(tmp_path / "x.safetensors").startswith("cannot be read as weights: ")


@pytest.mark.parametrize("data", [b"", b"<html>", bytes(7)])
def test_safetensors_that_are_none(tmp_path, data):
    (tmp_path / "x.safetensors").write_bytes(data)
    assert refused(tmp_path / "x.safetensors").startswith("cannot be read as weights: ")


def vit(width: int, depth: int) -> dict[str, torch.Tensor]:
    """As much of a ViT as tells its size."""
    telling = {
        "patch_embed.proj.weight": torch.zeros(width, 3, 16, 16),
        "pos_embed": torch.zeros(1, 197, width),
        "blocks.0.mlp.fc1.weight": torch.zeros(4 * width, width),
    }
    return telling | {f"blocks.{index}.norm1.weight": torch.zeros(width) for index in range(depth)}


@pytest.mark.parametrize(
    ("width", "depth", "name"), [(192, 12, "ViT-Ti"), (384, 12, "ViT-S"), (1024, 24, "ViT-L"), (1280, 32, "ViT-H")]
)
def test_another_size_of_vit(tmp_path, width, depth, name):
    path = tmp_path / "x.pth"
    torch.save({"model": vit(width, depth)}, path)
    assert refused(path) == (
        f"expected the paper's ViT-B (768 wide, 12 blocks), got a {name} ({width} wide, {depth} blocks); "
        f"a file does not tell its number of heads: use timm:NAME@{path}"
    )


def test_blocks_beyond_number(tmp_path):
    torch.save({"model": vit(32, 300)}, tmp_path / "x.pth")
    assert refused(tmp_path / "x.pth") == "expected at most 100 blocks, got 300"


def test_a_resnet(tmp_path):
    weights = {"conv1.weight": torch.zeros(64, 3, 7, 7), "bn1.weight": torch.zeros(64), "fc.bias": torch.zeros(9)}
    torch.save({"model": weights}, tmp_path / "x.pth")
    assert refused(tmp_path / "x.pth") == (
        "not in MAE's layout: expected model/patch_embed.proj.weight, got in model: bn1.weight, conv1.weight, fc.bias"
    )


def test_reading_maps_a_file_instead_of_holding_it(tmp_path):
    """An optimizer twice as large as the network takes no memory: its pages are never touched."""
    content = write("mae", tmp_path / "mae.pth")
    torch.save(content | {"optimizer": {"moments": torch.zeros(2**24)}}, tmp_path / "mae.pth")
    before = resident()
    kept = read_file(tmp_path / "mae.pth")
    assert kept["optimizer"]["moments"].nbytes == 2**26
    assert resident() - before < 2**25


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
