"""The run folder: finished cells, each stored whole or not at all, and reused while its inputs stay the same."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from suite.cells import CellId, Measurement
from suite.errors import StorageError

SCHEMA = 1
_NAMES = {"schema", "experiment", "dataset", "method", "unit"}
_GROUPS = "groups"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a temporary file beside it, flushed to disk, renamed over it.

    Raises:
        StorageError: the folder cannot be written or the disk is full; nothing half-written stays.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise StorageError(
            f"{path}: cannot be written: {error.strerror or error}; free space or choose another folder"
        ) from error


def write_json(path: Path, value: object) -> None:
    """`write_atomically` for JSON; NaN is refused, since JSON has none."""
    write_atomically(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


@dataclass(frozen=True)
class Key:
    """What one test measures: an experiment on one dataset with one encoder."""

    experiment: str
    dataset: str
    method: str

    def __str__(self) -> str:
        return f"{self.experiment}/{self.dataset}/{self.method}"


@dataclass(frozen=True)
class Result:
    """One cell file.

    Attributes:
        values: `setting/metric` -> per cent, one value per seed (one in all where nothing is random).
        deterministic: `setting/metric` names in which no seed plays a part.
        summaries: per-item summaries, e.g. quantiles of AP over queries.
        inputs: digests of weights, data, protocol and code; a result is reused only if all agree.
        facts: seeds, device, seconds, memory, packages: the evidence that goes with the values.
    """

    key: Key
    values: Mapping[str, list[float]]
    summaries: Mapping[str, Any]
    inputs: Mapping[str, Any]
    protocol: Mapping[str, Any]
    facts: Mapping[str, Any]

    def measurements(self) -> Iterator[Measurement]:
        """The values as cells."""
        seeds = tuple(self.facts["seeds"])
        for name, values in self.values.items():
            setting, metric = name.split("/")
            cell = CellId(self.key.experiment, self.key.dataset, self.key.method, setting, metric)
            yield Measurement(cell, tuple(values), seeds)


@dataclass(frozen=True)
class Items:
    """What the single items behind a result score: two encoders can be compared pairwise on the same items.

    Attributes:
        scores: name, e.g. `encoded/ap` or `linear/accuracy` -> (R, N) float32 fractions, a row per seed, a single row
            where nothing is random.
        identity: digest of the N items in their order; scores may be paired only where it is the same.
        groups: (N,) int32, the same number for items of the same image: those are no independent evidence.
    """

    scores: Mapping[str, NDArray[np.float32]]
    identity: str
    groups: NDArray[np.int32]


def strip_path(key: Key, query: str, setting: str) -> Path:
    """Where in a run folder the strip of a patch-search query, `image:crop`, lies."""
    return Path("figures", key.experiment, key.dataset, key.method, f"{query.replace(':', '-')}_to_{setting}.png")


def sample_path(key: Key, role: str) -> Path:
    """Where in a run folder the strip of segmentation samples lies; role is `image`, `truth` or `prediction`."""
    return Path("figures", key.experiment, key.dataset, key.method, f"{role}.png")


class Store:
    """The cell files of one run, `cells/<experiment>/<dataset>/<method>.json`, and their items' scores beside them.

    The scores, `items/<experiment>/<dataset>/<method>.safetensors`, are written first and named in the cell file by
    their SHA-256, so that a cell file never stands beside the scores of another.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: Key) -> Path:
        """Where the result of `key` lives."""
        return self.folder / "cells" / key.experiment / key.dataset / f"{key.method}.json"

    def items_path(self, key: Key) -> Path:
        """Where the scores of single items of `key` live."""
        return self.folder / "items" / key.experiment / key.dataset / f"{key.method}.safetensors"

    def save(self, result: Result, items: Items | None = None) -> None:
        """Store a finished result; it replaces an older one and any note that it did not run."""
        record = {
            "schema": SCHEMA,
            "experiment": result.key.experiment,
            "dataset": result.key.dataset,
            "method": result.key.method,
            "unit": "percent",
            "values": result.values,
            "summaries": result.summaries,
            "inputs": result.inputs,
            "protocol": result.protocol,
            **result.facts,
        }
        if items is not None:
            content = save_arrays({**items.scores, _GROUPS: items.groups})
            write_atomically(self.items_path(result.key), content)
            record["items"] = {
                "sha256": sha256(content).hexdigest(),
                "identity": items.identity,
                "count": len(items.groups),
            }
        write_json(self.path(result.key), record)
        self._reason_path(result.key).unlink(missing_ok=True)

    def load(self, key: Key) -> Result | None:
        """The stored result, or None where there is none that can be read."""
        try:
            record = json.loads(self.path(key).read_text())
            if record["schema"] != SCHEMA:
                return None
            parts = {name: record.pop(name) for name in ("values", "summaries", "inputs", "protocol")}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        facts = {name: record[name] for name in record.keys() - _NAMES}
        return Result(key=key, facts=facts, **parts)

    def fresh(self, key: Key, inputs: Mapping[str, Any]) -> Result | None:
        """The stored result if it was made from exactly these inputs, and its items' scores are all there."""
        result = self.load(key)
        if result is None or result.inputs != inputs:
            return None
        return None if "items" in result.facts and self.items(result) is None else result

    def items(self, result: Result) -> Items | None:
        """Scores of the single items of a stored result; None where it has none or they are damaged."""
        noted = result.facts.get("items")
        if noted is None:
            return None
        try:
            content = self.items_path(result.key).read_bytes()
            if sha256(content).hexdigest() != noted["sha256"]:
                return None
            scores = load_arrays(content)
            return Items(groups=scores.pop(_GROUPS), scores=scores, identity=noted["identity"])
        except (OSError, SafetensorError, KeyError):
            return None

    def results(self) -> Iterator[Result]:
        """Every stored result, in order of name, but those that the last attempt could not make again."""
        outranked = self.reasons()
        for path in sorted(self.folder.glob("cells/*/*/*.json")):
            key = Key(path.parent.parent.name, path.parent.name, path.stem)
            result = None if key in outranked else self.load(key)
            if result is not None:
                yield result

    def save_reason(self, key: Key, reason: str) -> None:
        """Note why `key` did not run; the note outranks an older result, which stays for the day it fits again."""
        write_json(self._reason_path(key), {"key": str(key), "reason": reason})

    def reasons(self) -> dict[Key, str]:
        """Why things that were asked for did not run."""
        notes = (json.loads(path.read_text()) for path in sorted(self.folder.glob("not_run/*.json")))
        return {Key(*note["key"].split("/")): note["reason"] for note in notes}

    def _reason_path(self, key: Key) -> Path:
        return self.folder / "not_run" / (str(key).replace("/", "__") + ".json")
