"""Checkpoints and archives, damaged: what a file holds, or one line, and nothing left behind."""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save_file

from suite.encoders.files import read_file
from suite.fetch.archives import unpack
from tests.support.archives import write_tar, write_zip
from tests.support.fuzzing import CASES, hold
from tests.support.mutations import cases, in_bytes, in_head

FILES = {f"set/img/{i}.jpg": bytes([i]) * 900 for i in range(4)} | {"set/list.txt": b"1\n2\n"}


STATE = {"patch_embed.proj.weight": torch.arange(60.0).reshape(5, 12), "norm.bias": torch.ones(5)}


def torch_file(path: Path) -> None:
    torch.save({"model": STATE, "epoch": 300}, path)


def old_torch_file(path: Path) -> None:
    torch.save({"model": STATE, "epoch": 300}, path, _use_new_zipfile_serialization=False)


def safetensors_file(path: Path) -> None:
    save_file(STATE, path)


def tensors(content: object) -> list[torch.Tensor]:
    """All tensors of nested dictionaries and lists, those of a dictionary by name: a library may have any order."""
    if isinstance(content, torch.Tensor):
        return [content]
    inner = (
        [content[name] for name in sorted(content, key=str)]
        if isinstance(content, dict)
        else content
        if isinstance(content, list | tuple)
        else ()
    )
    return [tensor for entry in inner for tensor in tensors(entry)]


def same_tensors(value: dict[str, object], content: bytes) -> str | None:
    """Compare with the library's own reading of the same bytes, which maps nothing."""
    library_reading = load_safetensors(content) if not content.startswith((b"PK", b"\x80")) else None
    try:
        expected = tensors(library_reading or torch.load(io.BytesIO(content), weights_only=True))
    except pickle.UnpicklingError as error:
        if "Unsupported global" in str(error):  # a class beside the weights, for which the suite has a stand-in
            return None
        raise
    obtained = tensors(value)
    same = [
        a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num())
        for a, b in zip(expected, obtained, strict=True)
    ]
    return None if all(same) else "the numbers are others"


@pytest.mark.parametrize("write", [torch_file, old_torch_file, safetensors_file])
def test_damaged_checkpoints(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "weights/dino.pth"
    path.parent.mkdir()
    write(path)
    damaged = cases(path.read_bytes(), write.__name__, CASES, in_head, in_bytes)
    hold(path, damaged, lambda: read_file(path), same_tensors)


def members(content: bytes) -> dict[str, bytes]:
    """What an archive holds in `set`, by the standard library."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            return {name: opened.read(name) for name in opened.namelist() if name.startswith("set/")}
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        files = [member for member in opened.getmembers() if member.isfile() and member.name.startswith("set/")]
        return {member.name: opened.extractfile(member).read() for member in files}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tar.gz"])
def test_damaged_archives(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path, target = folder / name, folder / "unpacked"
    (write_zip if name.endswith(".zip") else write_tar)(path, FILES)

    def read() -> dict[str, bytes]:
        unpack(path, "set", target, lambda _: None)
        files = {f"set/{file.relative_to(target)}": file.read_bytes() for file in target.rglob("*") if file.is_file()}
        for file in sorted(target.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
        target.rmdir()
        return files

    def confirm(value: dict[str, bytes], content: bytes) -> str | None:
        return None if value == members(content) else "its files are others"

    def unlike() -> str | None:
        left = [file.name for file in folder.iterdir() if file != path]
        return f"left behind: {left}" if left else None

    hold(path, cases(path.read_bytes(), name, CASES, in_head, in_bytes), read, confirm, unlike=unlike)
