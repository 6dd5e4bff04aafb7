"""Stored results: what a file says, and whether that is what was stored.

A file holds a digest of everything in it, so that an edit by hand is seen wherever it is read first. Files of schema 1,
from before there were digests, are still read, and say that they carry no evidence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.cells import CellId, Measurement
from suite.core.forms import Each, Entries, Form, FormError, OrNull, check_form, escaped, read_form, shown
from suite.errors import EvidenceError
from suite.results.item_names import Names

SCHEMA = 2
WITHOUT_EVIDENCE = 1
"""The schema of files without digest."""
_PARTS = ("values", "summaries", "inputs", "protocol")
_WORDS = ("experiment", "dataset", "method")
_ROUNDING = 1e-9
"""Rounding by which a mean of fractions may exceed 1."""
_NAMES = {"schema", "unit", "digest", *_WORDS}
_POINTS = Each(Each("a number", 2))
_CURVE: Mapping[str, Form] = {
    "steps": "a list of numbers",
    "losses": Each("a number or null"),
    "auxiliary_losses?": Each("a number or null"),
    "evaluations": _POINTS,
}
_NUMBERS = ("fall", "fall_se", "slope", "slope_se", "whole")
TRAINING_FORM: Form = {
    **_CURVE,
    "setting": "a text",
    "metric": "a text",
    "seed": "a whole number >= 0",
    "rate": "a number >= 0",
    "stated": "true or false",
    "evaluation_losses": _POINTS,
    "accuracies": Each("a number or null"),
    "end": OrNull(dict.fromkeys(_NUMBERS, "a number or null")),
}
"""Form of what a result says of the training of one head (`suite.training.curve`)."""
CEILING_FORM: Form = {
    "patch_px": "a whole number >= 0",
    "decided": Entries("a number"),
    "shared": Entries("a number"),
}
"""Form of what perfect heads reach on the masks of a set (`suite.segmentation.ceiling`)."""
GPU_FORM: Form = {
    "model?": "any text",
    "driver?": "a text or null",
    "start_allocated_mib?": "a number >= 0 or null",
    "peak_allocated_mib?": "a number >= 0 or null",
    "peak_reserved_mib?": "a number >= 0 or null",
    "energy_j?": "a number >= 0 or null",
    "mean_power_w?": "a number >= 0 or null",
    "peak_power_w?": "a number >= 0 or null",
}
"""Form of what a result says of its GPU (`suite.core.usage`)."""
FORM: Form = {
    "values": "a table",
    "summaries": {
        "split?": "a text",
        "samples?": "a list of texts",
        "rates?": Entries(_POINTS),
        "test_items?": "a whole number >= 0",
        "training?": _CURVE,  # of results from before every head's was kept: the first segmentation head's
        "trainings?": Each(TRAINING_FORM),
        "ceiling?": CEILING_FORM,
    },
    "inputs": {
        "weights?": "a text",
        "data?": "a text",
        "code?": "a text",
        "environment?": {"packages": Entries("a text"), "device": {"model?": "any text"}},
    },
    "protocol": "a table",
    # the circumstances, some of which older versions did not note
    "seeds": "a list of integers",
    "seconds?": "a number >= 0 or null",
    "peak_memory_mib?": "a number >= 0 or null",
    "start_memory_mib?": "a number >= 0 or null",
    "images?": "a whole number >= 0 or null",
    "images_per_second?": "a number >= 0 or null",
    "gpu?": OrNull(GPU_FORM),
    "finished?": "a text or null",
    "packages?": Entries("a text"),
    "device?": "a text or null",
    "items?": {"sha256": "a text", "identity": "a text", "count": "a whole number >= 0", "names?": "a text"},
}
"""Form of a file, as far as anything reads it."""


@dataclass(frozen=True)
class Key:
    """Key of what one test measures: an experiment on one dataset with one encoder."""

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
        summaries: per-item summaries, e.g. quantiles of AP over queries.
        inputs: digests of weights, data, protocol and code; a result is reused only if all agree.
        facts: seeds, device, seconds, memory, packages: the circumstances that go with the values.
        schema: of its file; one of `WITHOUT_EVIDENCE` cannot be checked.
    """

    key: Key
    values: Mapping[str, list[float]]
    summaries: Mapping[str, Any]
    inputs: Mapping[str, Any]
    protocol: Mapping[str, Any]
    facts: Mapping[str, Any]
    schema: int = SCHEMA

    def measurements(self) -> Iterator[Measurement]:
        """Yield the values as cells."""
        seeds = tuple(self.facts["seeds"])
        for name, values in self.values.items():
            setting, metric = name.split("/")
            cell = CellId(self.key.experiment, self.key.dataset, self.key.method, setting, metric)
            yield Measurement(cell, tuple(values), seeds)


@dataclass(frozen=True)
class PerItemScores:
    """Scores of the single items behind a result: its evidence; and two encoders can be compared on the same items.

    Attributes:
        scores: name, e.g. `encoded/ap` or `linear/accuracy` -> (R, N) flags or fractions, a row per seed, a single row
            where nothing is random. AP is float64, a flag says whether an item was named correctly.
        identity: digest of the N items in their order; scores may be paired only where it is the same.
        groups: (N,) int32, the same number for items of the same image: those are no independent evidence.
        evidence: what else the values follow from: `labels`, (N,) class of each item, for mean AP over classes;
            `SETTING.predicted`, (R, N) class that a probe took it for; `SETTING.sizes`, `.classes`, `.pixels` of
            segmentation (`suite.results.image_counts.pack`).
        names: of the items (`suite.results.item_names`); empty for results from before they were kept.
    """

    scores: Mapping[str, NDArray[Any]]
    identity: str
    groups: NDArray[np.int32]
    evidence: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    names: Names = field(default_factory=dict)

    def check_shapes(self) -> None:
        """Refuse what cannot be scores of N items.

        Raises:
            ValueError: an array is of another shape, or holds no numbers.
        """
        if self.groups.ndim != 1 or self.groups.dtype.kind not in "iu":
            raise ValueError(f"groups: expected (N,) integers, got {self.groups.shape} {self.groups.dtype}")
        for name, array in self.scores.items():
            if array.ndim != 2 or array.shape[1] != len(self.groups) or array.dtype.kind not in "biuf":
                raise ValueError(f"{name}: expected (R, {len(self.groups)}) numbers, got {array.shape} {array.dtype}")
        for name, column in self.names.items():
            if len(column) != len(self.groups):
                raise ValueError(f"names: {name}: expected {len(self.groups)}, got {len(column)}")


def record_of(result: Result, items: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the content of a result's file.

    Args:
        result: to be stored.
        items: SHA-256, identity and count of its items, and the SHA-256 of their names; None where it has none.
    """
    words = {word: getattr(result.key, word) for word in _WORDS}
    parts = {part: getattr(result, part) for part in _PARTS}
    items_entry = {} if items is None else {"items": items}
    record = {"schema": SCHEMA, **words, "unit": "percent", **parts, **result.facts, **items_entry}
    return record | {"digest": digest_of_record(record)}


def digest_of_record(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of everything in a file but its digest, as JSON with sorted keys and without spaces."""
    content = {name: value for name, value in record.items() if name != "digest"}
    content = json.loads(json.dumps(content))  # as it will be read: keys are texts, tuples lists
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_record(path: Path, key: Key) -> Result:
    """Read the result in a file.

    Raises:
        FileNotFoundError: there is none.
        EvidenceError: it is not what was stored there: edited, damaged, of another result or schema.
    """
    try:
        record = read_form(path, "a table", "a result")
    except FormError as error:
        raise EvidenceError(str(error)) from error
    schema = record.get("schema")
    if schema not in (SCHEMA, WITHOUT_EVIDENCE):
        is_newer = isinstance(schema, int) and schema > SCHEMA
        hint = ", which a newer version of the suite writes: use that one" if is_newer else ""
        raise EvidenceError(f"{path}: expected a result of schema {SCHEMA}, got {shown(schema)}{hint}")
    if schema == SCHEMA:
        stated_digest, actual_digest = record.get("digest"), digest_of_record(record)
        if stated_digest != actual_digest:
            raise EvidenceError(
                f"{path}: altered: expected content of SHA-256 {str(stated_digest)[:12]}, as it says itself, got "
                f"{actual_digest[:12]}"
            )
    _check_form(path, record, key)
    facts = {name: record[name] for name in record.keys() - _NAMES - {*_PARTS}}
    return Result(key=key, **{part: record[part] for part in _PARTS}, facts=facts, schema=schema)


def _check_form(path: Path, record: Mapping[str, Any], key: Key) -> None:
    """Refuse what cannot be a result of this key."""
    try:
        check_form(record, FORM, str(path))
    except FormError as error:
        raise EvidenceError(str(error)) from error
    result_name = "/".join(str(record.get(word)) for word in _WORDS)
    if result_name != str(key):
        raise EvidenceError(f"{path}: expected the result of {key}, got that of {escaped(result_name)}")
    seeds = record["seeds"]
    for name, values in record["values"].items():
        if len([word for word in name.split("/") if word]) != 2:
            raise EvidenceError(f"{path}: values: expected setting/metric, got {name!r}")
        if not isinstance(values, list) or not all(map(_is_percent, values)):
            raise EvidenceError(f"{path}: {name}: expected numbers from 0 to 100, got {values!r}")
        if len(values) != max(1, len(seeds)):
            requirement = (
                f"a value for each of the seeds {seeds}" if seeds else "a single value, since nothing is random"
            )
            raise EvidenceError(f"{path}: {name}: expected {requirement}, got {len(values)}: {values}")


def _is_percent(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and -_ROUNDING <= value <= 100 + _ROUNDING  # type: ignore[arg-type, operator]
