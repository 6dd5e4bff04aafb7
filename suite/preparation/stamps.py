"""Identity of a prepared set: digests of its sources and of itself, and the record beside it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.core.listing import files_under, is_empty, is_folder
from suite.datasets.digests import combine
from suite.datasets.files import open_file
from suite.preparation.images import unusable
from suite.preparation.recipe import SPLITS, Entry, Listing, Plan, Recipe

SCHEMA = 1
MANIFEST = "prepared.json"
STAMP = ".prepared_from.json"
"""Sizes and times of sources and result, by which a second run knows in a second that nothing is to be done."""

_MAKER = "suite.preparation"


def content_key(path: Path) -> str:
    """Return the SHA-256 (hex) of a file.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unusable(path, error) from error


def fingerprint(paths: Iterable[tuple[Path, Path]]) -> str:
    """Return SHA-256 (hex) of relative paths, sizes and times of files (path, root); a missing one counts as such."""
    return combine(sorted(_line(path, root) for path, root in paths))


def result_listing(root: Path) -> str:
    """Take the `fingerprint` of all files below a folder, by the rule of `suite.core.listing`; "" if it is missing.

    Raises:
        DatasetError: it cannot be listed.
    """
    files = files_under(root) if is_folder(root) else []
    return fingerprint((path, root) for path in files) if files else ""


def _line(path: Path, root: Path) -> str:
    name = path.relative_to(root)
    try:
        stat = path.stat()
    except OSError:
        return f"{name} missing"
    return f"{name} {stat.st_size} {stat.st_mtime_ns}"


def read_stamp(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file; empty where there is none."""
    try:
        stamp = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def is_prepared_here(target: Path) -> bool:
    """Tell whether a folder is empty or was made by this package."""
    if not target.is_dir():
        return False
    return read_stamp(target / MANIFEST).get("made_by") == _MAKER or is_empty(target)


def manifest(recipe: Recipe, listing: Listing, plan: Plan, entries: Sequence[Entry], root: Path) -> Mapping[str, Any]:
    """Return the content of prepared.json; equal sources give an equal record.

    Args:
        recipe: how the set was made.
        listing: what the originals hold.
        plan: what was made of it.
        entries: what became of each item.
        root: the folder with the result.
    """
    counts = Counter(entry.item.split for entry in entries)
    mismatches = [split for split in SPLITS if recipe.published and counts[split] != recipe.published[split]]
    warnings = [*listing.warnings, *plan.warnings]
    warnings += [f"{split}: expected {recipe.published[split]:,} images, got {counts[split]:,}" for split in mismatches]
    index = [f"{path.name} {content_key(path)}" for path in listing.index]
    extra = [f"{name} {content_key(root / name)}" for name in sorted(plan.extra)]
    named_entries = sorted(((f"{e.item.split}/{e.item.stem}", e) for e in entries), key=lambda pair: pair[0])
    return {
        "schema": SCHEMA,
        "made_by": _MAKER,
        "set": recipe.name,
        "rule": recipe.rule,
        "release": listing.release,
        "ours": recipe.ours,
        "classes": recipe.classes,
        "counts": {split: counts[split] for split in SPLITS},
        "published_counts": dict(recipe.published) or None,
        "left_out": len(listing.items) - len(plan.items),
        "sources_digest": combine([*index, *(" ".join([name, e.image, *e.sources]) for name, e in named_entries)]),
        "digest": combine([*extra, *(f"{name} {e.image} {e.mask}" for name, e in named_entries)]),
        "warnings": warnings,
    }
