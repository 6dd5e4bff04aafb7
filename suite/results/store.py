"""The run folder: finished cells, each stored whole or not at all, and reused while its inputs stay the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from suite.core.files import remove, write_atomically, write_json
from suite.core.forms import Form, FormError, read_form, shown
from suite.errors import EvidenceError, RequestError, StorageError
from suite.results.evidence import check_values
from suite.results.item_names import Names, from_csv, to_csv
from suite.results.records import WITHOUT_EVIDENCE, Key, PerItemScores, Result, read_record, record_of

__all__ = ["Key", "PerItemScores", "Result", "Store"]

ALTERED = ".altered"
"""Suffix of the name of a file that was edited by hand."""
NOTE_FORM: Form = {"key": "a text", "reason": "a text"}
_NOTE_NAME = re.compile(r"(?P<experiment>.+?)__(?P<dataset>.+?)__(?P<method>.+)")
_GROUPS = "groups"
_EVIDENCE = "evidence."


def strip_path(key: Key, query: str, setting: str) -> Path:
    """Return the path in a run folder of a patch-search query's strip, `image:crop`."""
    return Path("figures", key.experiment, key.dataset, key.method, f"{query.replace(':', '-')}_to_{setting}.png")


def sample_path(key: Key, role: str) -> Path:
    """Return the path in a run folder of segmentation samples; role is `image`, `truth` or `prediction`."""
    return Path("figures", key.experiment, key.dataset, key.method, f"{role}.png")


class Store:
    """The cell files of one run, `cells/<experiment>/<dataset>/<method>.json`, and their items' scores beside them.

    The scores, `items/<experiment>/<dataset>/<method>.safetensors`, and the names of their items in a table are written
    first and named in the cell file by their SHA-256, so that a cell file never stands beside the scores of another.
    The cell file holds a digest of itself, and every value in it follows from the scores: what was edited by hand is
    never taken for a result.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: Key) -> Path:
        """Return the path of the result of `key`."""
        return self.folder / "cells" / key.experiment / key.dataset / f"{key.method}.json"

    def items_path(self, key: Key) -> Path:
        """Return the path of the scores of single items of `key`."""
        return self.folder / "items" / key.experiment / key.dataset / f"{key.method}.safetensors"

    def names_path(self, key: Key, digest: str) -> Path:
        """Return the path of the names of the items of `key`, which are known by their SHA-256."""
        return self.items_path(key).with_name(f"names-{digest[:12]}.csv")

    def item_files(self, key: Key) -> list[Path]:
        """Return the files behind the result of `key`: the names of its items, if they are kept, and their scores."""
        result = self.load(key)
        digest = result.facts.get("items", {}).get("names") if result else None
        return [*([self.names_path(key, digest)] if digest else []), self.items_path(key)]

    def save(self, result: Result, items: PerItemScores | None = None) -> None:
        """Store a finished result; it replaces an older one and any note that it did not run."""
        items_entry: dict[str, Any] | None = None
        if items is not None:
            evidence = {"seeds": np.array(result.facts["seeds"], np.int64), **items.evidence}
            arrays = {**items.scores, _GROUPS: items.groups}
            arrays |= {f"{_EVIDENCE}{name}": array for name, array in evidence.items()}
            # safetensors writes memory as it lies, whatever order an array reads it in
            content = save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()})
            write_atomically(self.items_path(result.key), content)
            items_entry = {
                "sha256": sha256(content).hexdigest(),
                "identity": items.identity,
                "count": len(items.groups),
            }
            if items.names:
                table = to_csv(items.names)
                items_entry["names"] = sha256(table).hexdigest()
                write_atomically(self.names_path(result.key, items_entry["names"]), table)
        write_json(self.path(result.key), record_of(result, items_entry))
        self.forget_reason(result.key)

    def load(self, key: Key) -> Result | None:
        """Load the stored result, or None where there is none that can be believed."""
        try:
            return read_record(self.path(key), key)
        except (FileNotFoundError, EvidenceError):
            return None

    def checked(self, key: Key) -> Result:
        """Load the stored result, held against its own evidence; one of an older schema has none.

        Raises:
            FileNotFoundError: there is none.
            EvidenceError: it, or what its items scored, was altered; the message names the file.
        """
        result = read_record(self.path(key), key)
        if result.schema != WITHOUT_EVIDENCE:
            items = self._load_items(result) if "items" in result.facts else None
            check_values(result, items, str(self.path(key)), str(self.items_path(key)))
        return result

    def load_if_valid(self, key: Key, inputs: Mapping[str, Any]) -> Result | None:
        """Load the stored result if it was made from exactly these inputs, and its values follow from its evidence."""
        try:
            result = self.checked(key)
        except (FileNotFoundError, EvidenceError):
            return None
        return result if result.inputs == inputs and result.schema != WITHOUT_EVIDENCE else None

    def items(self, result: Result) -> PerItemScores | None:
        """Load scores of the single items of a stored result; None where it has none or they are damaged."""
        try:
            return self._load_items(result) if "items" in result.facts else None
        except EvidenceError:
            return None

    def _load_items(self, result: Result) -> PerItemScores:
        """Load the items that a result names."""
        path, items_entry = self.items_path(result.key), result.facts["items"]
        try:
            content = path.read_bytes()
            digest = sha256(content).hexdigest()
            if digest != items_entry["sha256"]:
                raise EvidenceError(
                    f"{path}: altered: expected SHA-256 {items_entry['sha256'][:12]}, as {self.path(result.key)} "
                    "names it, "
                    f"got {digest[:12]}"
                )
            arrays = load_arrays(content)
            evidence = {name: arrays.pop(name) for name in sorted(arrays) if name.startswith(_EVIDENCE)}
            items = PerItemScores(
                groups=arrays.pop(_GROUPS),
                scores=arrays,
                identity=items_entry["identity"],
                evidence={name.removeprefix(_EVIDENCE): array for name, array in evidence.items()},
                names=self._load_names(result.key, items_entry["names"]) if "names" in items_entry else {},
            )
            items.check_shapes()
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            cause = getattr(error, "strerror", None) or error
            raise EvidenceError(f"{path}: expected the scores of {self.path(result.key)}, got none: {cause}") from error
        return items

    def _load_names(self, key: Key, digest: str) -> Names:
        """Load the names of the items of a result, which names them by their digest."""
        path = self.names_path(key, digest)
        try:
            content = path.read_bytes()
            actual_digest = sha256(content).hexdigest()
            if actual_digest == digest:
                return from_csv(content)
        except (OSError, ValueError) as error:
            cause = getattr(error, "strerror", None) or error
            raise EvidenceError(f"{path}: expected the names of the items of {self.path(key)}: {cause}") from error
        raise EvidenceError(
            f"{path}: altered: expected SHA-256 {digest[:12]}, as {self.path(key)} names it, got {actual_digest[:12]}"
        )

    def keys(self) -> Iterator[Key]:
        """List the key of every cell file, in order of name.

        Raises:
            EvidenceError: something else is in the place of their folder.
        """
        self._refuse_file("cells")
        for path in sorted(self.folder.glob("cells/*/*/*.json")):
            yield Key(path.parent.parent.name, path.parent.name, path.stem)

    def results(self) -> Iterator[Result]:
        """List every stored result, in order of name, but those that the last attempt could not make again.

        Raises:
            EvidenceError: one of them is not what was stored, or not what its items score.
        """
        not_run = self.reasons()
        return (self._listed(key) for key in self.keys() if key not in not_run)

    def _listed(self, key: Key) -> Result:
        """Load a result whose file is in its folder, so that nothing there is a damage too."""
        try:
            return self.checked(key)
        except FileNotFoundError as error:
            raise EvidenceError(f"{self.path(key)}: expected a result, got a link to nothing") from error

    def altered(self) -> Iterator[tuple[Key, EvidenceError]]:
        """List results that are not what was stored, or not what their items score."""
        for key in self.keys():
            try:
                self._listed(key)
            except EvidenceError as error:
                yield key, error

    def set_aside(self, key: Key) -> Path:
        """Keep an altered result, and its items, under another name, so that it can be measured again.

        Returns:
            Where the cell file is now.

        Raises:
            StorageError: it cannot be renamed.
        """
        for path in (self.items_path(key), self.path(key)):
            try:
                path.replace(path.with_name(path.name + ALTERED))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StorageError(f"{path}: cannot be renamed: {error.strerror or error}") from error
        return self.path(key).with_name(self.path(key).name + ALTERED)

    def mark_not_run(self, key: Key, reason: str) -> None:
        """Note why `key` did not run; the note outranks an older result, which stays for the day it fits again."""
        write_json(self.reason_path(key), {"key": str(key), "reason": reason})

    def reasons(self) -> dict[Key, str]:
        """Tell why things that were asked for did not run.

        A note that is damaged still says by its name what did not run.

        Raises:
            RequestError: a note is of nothing, by its name.
            EvidenceError: something else is in the place of their folder.
        """
        self._refuse_file("not_run")
        reasons = {}
        for path in sorted(self.folder.glob("not_run/*.json")):
            words = _NOTE_NAME.fullmatch(path.stem)
            if words is None:
                raise RequestError(
                    f"{path}: expected a note named experiment__dataset__method.json of what did not run; remove it"
                )
            key = Key(**words.groupdict())
            reasons[key] = self._reason(path, key)
        return reasons

    def _refuse_file(self, name: str) -> None:
        """Refuse what would read as an empty folder, and so as another verdict."""
        path = self.folder / name
        if not path.is_dir() and (path.exists() or path.is_symlink()):
            raise EvidenceError(
                f"{path}: expected a folder, got {'a link to nothing' if path.is_symlink() else 'a file'}"
            )

    def _reason(self, path: Path, key: Key) -> str:
        place = path.relative_to(self.folder).as_posix()
        try:
            note = read_form(path, NOTE_FORM, "why it did not run", place=place)
        except FileNotFoundError:
            return f"{place}: removed while it was read"
        except FormError as error:
            return f"its reason is lost: {error}"
        if note["key"] != str(key):
            return f"its reason is lost: {place}: key: expected {key}, got {shown(note['key'])}"
        return str(note["reason"])

    def forget_reason(self, key: Key) -> None:
        """Remove the note that `key` did not run: its result holds.

        Raises:
            StorageError: it cannot be removed.
        """
        remove(self.reason_path(key))

    def reason_path(self, key: Key) -> Path:
        """Return the path of the note that `key` did not run."""
        return self.folder / "not_run" / (str(key).replace("/", "__") + ".json")
