"""Scores of single items that were accepted, `expected/encoders/NAME.PROFILE.items.xz`, beside the values.

`accept --at-least` keeps them, so that a later run can be compared with the accepted one item by item. The file of
values names this one by its SHA-256. It is safetensors in xz: of each `experiment/dataset` the `groups` and `identity`
of its items (`suite.results.records.PerItemScores`), and `setting/metric`, (R, N), of all values that are a mean of
them. AP is kept in float32: 1e-5 points is less than any tolerance.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from suite.errors import ExpectedError
from suite.results.evidence import AVERAGES, FLAGS
from suite.results.records import PerItemScores

MEANS = (*FLAGS, *AVERAGES)
"""Metrics whose value is the mean of its items' scores; mIoU is a ratio of sums, for one, and no mean of images."""
_GROUPS, _IDENTITY = "groups", "identity"
_ERRORS = (lzma.LZMAError, SafetensorError, EOFError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class AcceptedItems:
    """A file of accepted scores.

    Attributes:
        path: where it is to be.
        sha256: of its bytes, as the file of values has it.
    """

    path: Path
    sha256: str


def items_path(values: Path, profile: str) -> Path:
    """Return the path of the scores that go with a file of accepted values."""
    return values.with_name(f"{values.stem}.{profile}.items.xz")


def pack(items: Iterable[tuple[str, PerItemScores]]) -> bytes:
    """Write scores, by `experiment/dataset`: the same bytes for the same scores."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for place, scores in items:
        means = {name: _lean(rows) for name, rows in scores.scores.items() if name.split("/")[1] in MEANS}
        if means:
            arrays |= {f"{place}/{name}": np.ascontiguousarray(rows) for name, rows in means.items()}
            arrays[f"{place}/{_GROUPS}"] = np.ascontiguousarray(scores.groups)
            arrays[f"{place}/{_IDENTITY}"] = np.frombuffer(scores.identity.encode(), np.uint8)
    return lzma.compress(save_arrays(arrays))


def unpack(file: AcceptedItems) -> Mapping[str, PerItemScores] | None:
    """Read scores, by `experiment/dataset`; None where the file is not there.

    Raises:
        ExpectedError: it is not what was accepted.
    """
    try:
        content = file.path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ExpectedError(f"{file.path}: cannot be read: {error.strerror or error}") from error
    digest = sha256(content).hexdigest()
    if digest != file.sha256:
        raise ExpectedError(
            f"{file.path}: altered: expected SHA-256 {file.sha256[:12]}, as accepted, got {digest[:12]}: restore "
            "it, or accept the run again"
        )
    try:
        arrays = load_arrays(lzma.decompress(content))
        places = {name.removesuffix(f"/{_GROUPS}") for name in arrays if name.endswith(f"/{_GROUPS}")}
        return {place: _scores(place, arrays) for place in sorted(places)}
    except _ERRORS as error:
        raise ExpectedError(f"{file.path}: expected scores of single items, got none: {error}") from error


def _scores(place: str, arrays: Mapping[str, NDArray[np.generic]]) -> PerItemScores:
    own = {name.removeprefix(f"{place}/"): array for name, array in arrays.items() if name.startswith(f"{place}/")}
    groups, identity = own.pop(_GROUPS).astype(np.int32), own.pop(_IDENTITY).tobytes().decode()
    scores = PerItemScores(own, identity, groups)
    scores.check_shapes()
    return scores


def _lean(rows: NDArray[np.generic]) -> NDArray[np.generic]:
    return rows.astype(np.float32) if rows.dtype == np.float64 else rows
