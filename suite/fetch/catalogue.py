"""Catalogue of what can be fetched: the datasets of `datasets.toml`, and the weights of `suite.encoders.catalogue`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.datasets import DATASETS
from suite.encoders.method import Method, Source
from suite.errors import unknown
from suite.fetch.folders import Folder
from suite.fetch.remote import Remote
from suite.registry import title_of

FILE = Path(__file__).with_name("datasets.toml")


@dataclass(frozen=True)
class Piece:
    """A folder, and the archive that it comes in.

    Attributes:
        folder: what it should be.
        archive: None where no program can download it.
        inside: the folder in the archive.
        unpacked: its size in bytes, roughly.
        brought: the archive that a person has to bring, where `suite.fetch.imagenet` can unpack it; or "".
    """

    folder: Folder
    archive: Remote | None = None
    inside: str = ""
    unpacked: int = 0
    brought: str = ""


@dataclass(frozen=True)
class Entry:
    """One dataset.

    Attributes:
        name: as in `suite.datasets.DATASETS`, or "pascal", from which two of them are prepared.
        own_title: of a source that is no dataset of the paper.
        page: its home.
        licence: of images and annotations.
        pieces: what it consists of as its owners publish it.
        by_hand: files that no program can download.
        steps: how a person gets them; `{data}` stands for the data folder.
        needs: other entries that it is prepared from.
        ready: what it holds when prepared; None where its readers read what its owners publish.
    """

    name: str
    page: str
    licence: str
    pieces: tuple[Piece, ...] = ()
    by_hand: tuple[Remote, ...] = ()
    steps: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    ready: Folder | None = None
    own_title: str = ""

    @property
    def title(self) -> str:
        """Name as people write it."""
        return self.own_title or title_of(self.name)

    @property
    def files(self) -> tuple[Remote, ...]:
        """Every file of its own, whoever downloads it."""
        return (*(piece.archive for piece in self.pieces if piece.archive), *self.by_hand)


def entries() -> dict[str, Entry]:
    """Return every dataset by name."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: _entry(name, dict(table)) for name, table in tables.items()}


def chosen(names: Sequence[str]) -> list[Entry]:
    """Return the datasets of these names; without names those of the paper, each with what it is prepared from.

    Raises:
        RequestError: there is no such dataset.
    """
    datasets = entries()
    for name in names:
        if name not in datasets:
            raise unknown("dataset", name, list(datasets))
    return [datasets[name] for name in dict.fromkeys(names or DATASETS)]


def sources(name: str) -> tuple[Remote, ...]:
    """Return the files that a dataset or a method needs, those of what it is prepared from included.

    Raises:
        RequestError: there is neither dataset nor method of this name.
    """
    methods, datasets = _methods(), entries()
    if name in methods:
        return (remote_of(methods[name].sources[0]),)
    if name not in datasets:
        raise unknown("dataset or method", name, [*datasets, *methods])
    entry = datasets[name]
    return (*(file for need in entry.needs for file in datasets[need].files), *entry.files)


def download_size(name: str) -> int | None:
    """Return the bytes to download for a dataset or a method, some to two digits only; None where nobody states them.

    Raises:
        RequestError: there is neither dataset nor method of this name.
    """
    sizes = [file.size for file in sources(name)]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def how_to_get(name: str) -> str:
    """Return the command that brings a dataset or the weights of a method, in one line.

    Raises:
        RequestError: there is neither dataset nor method of this name.
    """
    methods = _methods()
    if name in methods:
        command = f"python -m suite fetch weights {name}"
        return f"by hand: {command} prints the steps" if methods[name].sources[0].manual else command
    (entry,) = chosen([name])
    dataset_names = " ".join(entry.needs) or name
    command = f"python -m suite fetch data {dataset_names}"
    text = f"by hand: {command} prints the steps" if entry.steps else command
    return f"{text}, then python -m suite prepare {name}" if entry.ready else text


def remote_of(source: Source) -> Remote:
    """Return a file of weights as `download` takes it."""
    return Remote(source.file_name, source.url, (source.digest,) if source.digest else (), source.size)


def _methods() -> dict[str, Method]:
    from suite.encoders.catalogue import releases  # imports torch

    return releases()


def _entry(name: str, table: dict[str, Any]) -> Entry:
    pieces = tuple(_piece(dict(piece)) for piece in table.pop("pieces", []))
    by_hand = tuple(_remote(table["page"], dict(file)) for file in table.pop("by_hand", []))
    ready = _folder(table.pop("ready")) if "ready" in table else None
    steps, needs = tuple(table.pop("steps", [])), tuple(table.pop("needs", []))
    return Entry(name=name, pieces=pieces, by_hand=by_hand, steps=steps, needs=needs, ready=ready, **table)


def _piece(table: dict[str, Any]) -> Piece:
    folder = _folder({key: table.pop(key) for key in ("places", "holds", "sums") if key in table})
    if "file" not in table:
        return Piece(folder, **table)
    inside, unpacked = table.pop("inside"), table.pop("unpacked")
    return Piece(folder, _remote(table.pop("url"), table), inside, unpacked)


def _folder(table: dict[str, Any]) -> Folder:
    return Folder(tuple(table.pop("places")), **table)


def _remote(url: str, table: dict[str, Any]) -> Remote:
    exact = "bytes" in table
    size = table.pop("bytes", None) or table.pop("about", None)
    return Remote(table.pop("file"), url, tuple(table.pop("digests", [])), size, exact, **table)
