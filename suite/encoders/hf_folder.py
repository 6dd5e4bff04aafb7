"""Folder of transformers: configuration, preparation of images and tensors, read as data and never as code."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from torch import Tensor

from suite.core.forms import Entries, Form, FormError, read_form
from suite.encoders.checkpoint import shown, tensors_of
from suite.encoders.files import owned, read_file
from suite.errors import CheckpointError, RequestError
from suite.specs import HF, Spec

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files of weights, the first that is there; each may be cut into several, which `<file>.index.json` lists."""
_NAME = r"[\w.-]+(/[\w.-]+)?"
_PROCESSOR: Form = {
    "image_mean?": "a list of numbers or null",
    "image_std?": "a list of numbers or null",
    "do_normalize?": "true or false or null",
    "do_rescale?": "true or false or null",
    "rescale_factor?": "a number or null",
    "do_center_crop?": "true or false or null",
}


@dataclass(frozen=True)
class Images:
    """How the images of a model are prepared, as far as its folder states it.

    Attributes:
        mean: per channel, of images in [0, 1]; None where it is not stated.
        std: the same.
        size: side of the square that the model sees, pixels; None where it is not stated.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: int | None = None


def find_folder(spec: Spec) -> Path:
    """Return the folder of `hf:FOLDER`, or of `hf:NAME` in the local cache of the hub; nothing is downloaded.

    Raises:
        RequestError: it is in neither place.
    """
    place = spec.name.removeprefix(HF)
    if place and Path(place).is_dir():
        return Path(place)
    if not re.fullmatch(_NAME, place) or Path(place).exists():
        found = "a file" if place and Path(place).exists() else "no such folder"
        raise RequestError(f"encoder {spec.text!r}: expected a folder of transformers, with {CONFIG}, got {found}")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(place, local_files_only=True))
    except (OSError, ValueError) as error:
        raise RequestError(
            f"encoder {spec.text!r}: no such folder, and not in the local cache of the hub: a run downloads nothing, "
            f"so run hf download {place} beforehand, or name a folder"
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """Return the configuration, which names the architecture by `model_type`.

    Raises:
        CheckpointError: there is none, or it is no transformers model's.
    """
    return _read(folder / CONFIG, {"model_type": "a text"}, "the configuration of a transformers model")


def read_images(folder: Path) -> Images:
    """Return how images are prepared: `preprocessor_config.json`, or the image processor of `processor_config.json`.

    Pixels of 0 to 255 are multiplied by `rescale_factor`, then normalised: the mean and standard deviation returned
    are those of images in [0, 1].

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / "preprocessor_config.json"
    if path.is_file():
        words = _read(path, _PROCESSOR, "how images are prepared")
    else:
        path = folder / "processor_config.json"
        form: Form = {"image_processor?": _PROCESSOR}
        words = _read(path, form, "how images are prepared").get("image_processor", {}) if path.is_file() else {}
    factor = 1.0 if words.get("do_rescale") is False else words.get("rescale_factor") or 1 / 255
    unit = 255 * factor
    unit = 1.0 if math.isclose(unit, 1) else unit
    mean, std = words.get("image_mean"), words.get("image_std")
    if words.get("do_normalize") is False:
        mean, std = (0.0,) * 3, (1.0,) * 3
    crop = words.get("crop_size") if words.get("do_center_crop") else None
    return Images(
        None if mean is None else tuple(value / unit for value in mean),
        None if std is None else tuple(value / unit for value in std),
        square_side(crop) or square_side(words.get("size")),
    )


def square_side(value: Any) -> int | None:
    """Return the side of what a configuration states as a square: 224, [14, 14], `height` and `width`; else None."""
    if isinstance(value, Mapping):
        value = [value.get("height"), value.get("width")] if "height" in value else value.get("shortest_edge")
    sides = value if isinstance(value, list | tuple) else [value]
    side = sides[0] if sides and all(side == sides[0] for side in sides) else None
    return side if isinstance(side, int) and not isinstance(side, bool) and side > 0 else None


def read_tensors(folder: Path, beside: Iterable[str]) -> tuple[dict[str, Tensor], list[str]]:
    """Read the tensors of a folder, in memory of their own; pickles by the suite's own reader.

    Args:
        folder: of the model.
        beside: patterns of names that are no part of what is measured: these tensors are left out.

    Returns:
        The tensors, and the names of those left out.

    Raises:
        CheckpointError: there are none, a file is missing, damaged or unsafe, or a name is in two files.
    """
    patterns = tuple(beside)
    tensors: dict[str, Tensor] = {}
    left_out: list[str] = []
    for path in _files(folder):

        def kept(path: Path = path) -> dict[str, Tensor]:
            return tensors_of(read_file(path), str(path), ignore=patterns)

        content = read_file(path)
        left_out += [name for name in content if any(fnmatchcase(name, pattern) for pattern in patterns)]
        part = owned(path, kept(), kept)
        if twice := sorted(part.keys() & tensors.keys()):
            raise CheckpointError(f"{path}: {shown(twice)}: expected in one file of the folder, got in two")
        tensors |= part
    return tensors, left_out


def _files(folder: Path) -> list[Path]:
    for name in WEIGHTS:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            listed = _read(index, {"weight_map": Entries("a text")}, "which file holds which tensor")["weight_map"]
            names = sorted({*listed.values()})
            if outside := [part for part in names if Path(part).name != part]:
                raise CheckpointError(f"{index}: expected files of its own folder, got {shown(outside)}")
            return [folder / part for part in names]
    others = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != CONFIG)
    raise CheckpointError(
        f"{folder}: expected {' or '.join(WEIGHTS)}, got {shown(others) or 'no other file'}: weights of another "
        "program have to be saved by save_pretrained first"
    )


def _read(path: Path, form: Form, what: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = read_form(path, form, what)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"{path}: no such file: expected {what}") from error
    except FormError as error:
        raise CheckpointError(str(error)) from error
    return content
