"""Pickles, which can hold code: read by a short list of names, in memory that the file can account for."""

from __future__ import annotations

import mmap
import pickle
import re
import sys
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError

_ZIP_START = b"PK\x03\x04"
_PICKLE_START = 0x80
_PROTOCOL = 2
"""Pickle's protocol in which `torch.save` writes unless told otherwise."""
_MOST_NAMES = 64
"""Names that a file may ask for besides tensors' own: a training dump has some ten."""
_MADE = {"_reconstruct": "ndarray", "scalar": "NumPy scalar"}
"""Classes of what functions make that pickles call."""
_BYSTANDERS = re.compile(
    # settings, schedules, moments and random states of training dumps; a stand-in takes the place of any of these
    r"(numpy|argparse|types|pathlib|collections|datetime|enum|uuid|easydict|addict|yacs|omegaconf|ml_collections|mmcv|"
    r"mmengine|fvcore|lightning|lightning_fabric|lightning_utilities|pytorch_lightning|torchmetrics|timm|apex|deepspeed|"
    r"torch\.(nn|optim|amp|cuda\.amp|torch_version|distributed|utils\.data)|__main__)\..+"
    r"|(builtins\.)?(object|int|float|str|bool|bytes|list|tuple|dict|frozenset|slice|range)"
    r"|copyreg\._reconstructor"
)
_COMPLAINTS = {
    "Invalid magic number": "it is a pickle that torch.save did not write",
    "legacy .tar format": "it is of PyTorch 0.1.9 or before; load it and save it anew",
    "persistent_load of storage": "it holds a model with its code; save the model's state_dict() instead",
    "to load DTensors": "its tensors are shared out among processes (DTensor); gather them and save them anew",
}
"""Parts of torch's messages, and what they mean."""


class _RefusedError(Exception):
    """A file that could do harm by being read, or is known to be no checkpoint; says what it is."""


class _Bystander:
    """Stand-in for an object beside the weights: whatever its class is called, nothing of it is imported or called."""

    def __init__(self, *_: object) -> None:
        """Take no heed of what the file would make it of."""

    def __new__(cls, *_: object) -> Any:
        """Make one, whatever the file would make it of."""
        return object.__new__(cls)

    def __setstate__(self, _: object) -> None:
        """Take no heed of what the file would fill it with."""


class _BystandingDict(_Bystander):
    """Stand-in for a kind of dictionary, which unpickling fills item by item."""

    def __new__(cls, *_: object) -> Any:
        """Make a plain one."""
        return OrderedDict()


class _BystandingList(_Bystander):
    """Stand-in for a kind of list."""

    def __new__(cls, *_: object) -> Any:
        """Make a plain one."""
        return []


def unpickle(path: Path) -> object:
    """Read what `torch.save` put into a file: tensors, numbers, texts, and stand-ins for what else lies beside them.

    Raises:
        Exception: of many kinds, whatever a damaged or hostile file makes of the reader: see `reason`.
    """
    zipped = is_zip(path)
    _refuse_at_a_glance(path, zipped)
    if zipped and (record := _damaged_record(path, _state(path))):
        raise _RefusedError(f"its {record} is not what its own checksum says: the file is damaged; fetch it again")
    stand_ins: dict[str, type[_Bystander]] = {}
    while True:
        with (
            torch.serialization.safe_globals([(stand_in, name) for name, stand_in in stand_ins.items()]),
            warnings.catch_warnings(action="ignore"),
            path.open("rb") as file,
        ):
            # torch goes by the end of a name: what is no safetensors is handed over without it
            unnamed = f"/dev/fd/{file.fileno()}" if path.suffix == ".safetensors" else path
            try:
                # mapped, an optimizer beside the weights is never read; no tensor can claim more bytes than there are
                return torch.load(unnamed if zipped else file, map_location="cpu", weights_only=True, mmap=zipped)
            except Exception as error:  # a stand-in may fail in any way where it is filled with what it is not
                is_named = isinstance(error, pickle.UnpicklingError) and len(stand_ins) < _MOST_NAMES
                if is_named and _stood_in(str(error), stand_ins):
                    continue
                if _is_lightning(path, zipped):
                    _refuse_lightning(str(error))
                raise


def _state(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is written to."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=64)
def _damaged_record(path: Path, _: tuple[int, ...]) -> str | None:
    """Name the first record of a zip file that has another checksum than it says, which torch does not look at.

    A second or two for a large file, once a process and state of the file: it is read in several portions.
    """
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            try:
                with _opened(archive, entry) as record:
                    while record.read(2**20):
                        pass
            except zipfile.BadZipFile as error:
                if "CRC" not in str(error):
                    raise
                return entry.filename
    return None


def _opened(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> IO[bytes]:
    """Open a record, which is held against its checksum; 0 is none (`torch.serialization.set_crc32_options`)."""
    if not entry.CRC:
        del entry.CRC  # what zipfile does not find, it does not check
    return archive.open(entry)


def _is_lightning(path: Path, zipped: bool) -> bool:
    content = _pickles(path)[0] if zipped else path.read_bytes()
    return b"pytorch-lightning_version" in content


def _refuse_lightning(message: str) -> None:
    """Refuse a Lightning file for what lies beside its weights, unless that could do harm."""
    name = re.search(r"GLOBAL ([\w.]+)", message)
    if name and ("." not in name[1] or name[1].partition(".")[0] in {"builtins", *sys.stdlib_module_names}):
        return
    what = f"objects of a class, {name[1]}" if name else "objects that only their own code can read"
    raise _RefusedError(
        f"it is a Lightning file whose callbacks or hyper-parameters hold {what}: export the weights alone where you "
        "trust it: torch.save(torch.load(FILE, weights_only=False)['state_dict'], 'weights.pth')"
    )


def _stood_in(message: str, stand_ins: dict[str, type[_Bystander]]) -> bool:
    """Add the stand-in for want of which a file could not be read; returns whether there is one."""
    name = re.search(r"GLOBAL ([\w.]+)", message)
    if name and _BYSTANDERS.fullmatch(name[1]) and name[1] not in stand_ins:
        # torch names what is built in without its module, and looks it up with it
        full_name = name[1] if "." in name[1] else f"builtins.{name[1]}"
        stand_ins[full_name] = _kind_of(_Bystander, full_name)
        return True
    filled = re.search(r"Can only (SETITEM|append).* but got <class '([\w.]+)'>", message)
    if filled and filled[2] in stand_ins:
        kind = _BystandingList if filled[1] == "append" else _BystandingDict
        stand_ins[filled[2]] = _kind_of(kind, filled[2])
        return True
    return False


def _kind_of(base: type[_Bystander], full_name: str) -> type[_Bystander]:
    """Make a stand-in that errors call by the name of the class in whose place it is."""
    module, _, name = full_name.rpartition(".")
    stand_in = type(name, (base,), {"__module__": module})
    stand_in.__name__ = _MADE.get(name, name)
    return stand_in


def is_zip(path: Path) -> bool:
    """Return whether a file has the format since PyTorch 1.6, told by the first bytes, as torch does."""
    with path.open("rb") as file:
        return file.read(4) == _ZIP_START


def is_safetensors(path: Path) -> bool:
    """Return whether a file is safetensors: eight bytes of length, then JSON; its name decides where they do not."""
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(_ZIP_START):
        return False
    return start[8:] == b"{" or (path.suffix == ".safetensors" and start[:1] != bytes([_PICKLE_START]))


def _refuse_at_a_glance(path: Path, zipped: bool) -> None:
    """Refuse what is no checkpoint at a glance, or takes memory out of proportion to the file's size.

    Of the names that `weights_only` allows, `bytearray` alone fills as much memory as a number in the file says.
    """
    if zipped:
        pickles = _pickles(path)
        start = pickles[0][:2]
        requests_bytearray = any(b"bytearray\n" in content for content in pickles)
    else:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            start = mapped[:2]
            requests_bytearray = (
                mapped.find(b"builtin__\nbytearray\n") >= 0 or mapped.find(b"builtins\nbytearray\n") >= 0
            )
    if requests_bytearray:
        raise _RefusedError("it asks for bytearray, which weights have no need of; it may be malicious")
    if start[:1] == bytes([_PICKLE_START]) and _PROTOCOL + 1 < start[1] <= pickle.HIGHEST_PROTOCOL:
        raise _RefusedError(
            f"it is pickled by protocol {start[1]}, and only {_PROTOCOL}, torch.save's own, is read: "
            "load it and save it anew"
        )


def _pickles(path: Path) -> list[bytes]:
    """Return the pickles in a zip file that `torch.save` wrote, the one with the tensors' names first."""
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        _refuse_other_zips([entry.filename for entry in entries])
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise _RefusedError("it is compressed, as weights never are; it may be a decompression bomb")
        declared_size = sum(entry.file_size for entry in entries)
        if declared_size > size:
            raise _RefusedError(f"it declares {declared_size} bytes and has {size}; it may be a decompression bomb")
        pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
        return [
            _opened(archive, entry).read()
            for entry in sorted(pickles, key=lambda entry: not entry.filename.endswith("data.pkl"))
        ]


def _refuse_other_zips(paths: Sequence[str]) -> None:
    """Refuse the zip files that `torch.save` did not write."""
    names = [path.rpartition("/")[2] for path in paths]
    if "constants.pkl" in names or "model.json" in names:
        raise _RefusedError("it is TorchScript, a program with its weights; save its state_dict() with torch.save")
    if "archive_format" in names:
        raise _RefusedError("it is a program of torch.export; save the model's state_dict() with torch.save")
    if "data.pkl" in names:
        return
    if names and all(name.endswith(".npy") for name in names):
        raise _RefusedError("it is an archive of NumPy arrays; save them as tensors, with torch.save")
    shown = ", ".join(ascii(name)[1:-1][:60] for name in paths[:3]) or "nothing"
    raise _RefusedError(f"it is a zip archive that torch.save did not write, of {shown}; unpack it")


def reason(error: Exception) -> str:
    """Return one line for a person: torch's own messages run to a page."""
    text = " ".join(str(error).split())
    if isinstance(error, _RefusedError):
        return text
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, SafetensorError):
        return f"it is no safetensors file, or a damaged or cut off one ({text[:200]})"
    refused = re.search(r"GLOBAL ([\w.]+)", text)
    if refused:
        return f"it asks for {refused[1]}, which weights have no need of; it may be malicious"
    complaint = next((part for part in _COMPLAINTS if part in text), "")
    return _COMPLAINTS.get(complaint, f"it is damaged or no checkpoint ({type(error).__name__})")
