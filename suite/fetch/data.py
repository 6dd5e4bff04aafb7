"""Datasets: downloaded, unpacked to where the readers look, and left alone once whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from suite.core.listing import is_empty
from suite.errors import FetchError
from suite.fetch.archives import unpack
from suite.fetch.catalogue import Entry, Piece, chosen
from suite.fetch.download import download
from suite.fetch.imagenet import NEEDED, UNPACK
from suite.fetch.lock import alone
from suite.fetch.remote import Remote, check, human
from suite.fetch.space import make_folder, require_space
from suite.fetch.tables import data_table

ARCHIVES = "archives"


def table(names: Sequence[str]) -> str:
    """Return the catalogue of datasets, for the terminal."""
    needed = {name for entry in chosen(names) for name in entry.needs} - {entry.name for entry in chosen(names)}
    return data_table([*chosen(names), *chosen(sorted(needed))] if needed else chosen(names), "simple")


def fetch(names: Sequence[str], data: Path, *, keep_archives: bool = False) -> int:
    """Bring datasets into `data`, and say what was done and what is left to do.

    A dataset that cannot be had does not keep the others from coming.

    Args:
        names: see `catalogue.entries`; none for all.
        data: the data folder.
        keep_archives: leave what was unpacked in `data/archives`.

    Returns:
        0 if all of them are in place, or need only be prepared; 2 otherwise.

    Raises:
        RequestError: there is no such dataset.
        StorageError: the disk is or would be full, or cannot be written.
    """
    outcomes: dict[str, bool] = {}

    def bring(name: str) -> bool:
        if name not in outcomes:
            try:
                outcomes[name] = _fetch(chosen([name])[0], data, bring, keep_archives=keep_archives)
            except FetchError as error:
                print(f"{name}: error: {error}", file=sys.stderr)
                outcomes[name] = False
        return outcomes[name]

    results = [bring(entry.name) for entry in chosen(names)]
    return 0 if all(results) else FetchError.exit_code


def _fetch(entry: Entry, data: Path, bring: Callable[[str], bool], *, keep_archives: bool) -> bool:
    """Bring one dataset; returns whether it is there, or need only be prepared."""
    if entry.ready and (place := entry.ready.locate(data)):
        print(f"{entry.name}: already there, {place}")
        return True
    needs_met = [bring(name) for name in entry.needs]
    complete = all(needs_met)
    for piece in entry.pieces:
        if piece.archive is not None:
            _bring(entry, piece, piece.archive, data, keep_archives=keep_archives)
    pieces_met = [_look(entry, piece, data) for piece in entry.pieces if piece.archive is None]
    complete = complete and all(pieces_met)
    if not complete and entry.steps:
        _explain(entry, data)
    if complete and entry.ready:
        print(f"{entry.name}: next: python -m suite prepare {entry.name}")
    return complete


def _look(entry: Entry, piece: Piece, data: Path) -> bool:
    """Return whether what a person has to bring is there; unpack it if that is left to do."""
    if place := piece.folder.locate(data):
        print(f"{entry.name}: already there, {place}")
        return True
    target, file = data / piece.folder.places[0], data / ARCHIVES / piece.brought
    if target.is_dir() and not is_empty(target):
        print(f"{entry.name}: {target} is not whole: {piece.folder.fault(target)}")
        return False
    if not piece.brought or not file.is_file():
        return False
    with alone(file.parent, f"{file.name}.unpacking"):
        if place := piece.folder.locate(data):  # unpacked by another process, meanwhile
            print(f"{entry.name}: already there, {place}")
            return True
        for remote in entry.by_hand:
            if remote.name in NEEDED[file.name] and (file.parent / remote.name).is_file():
                check(file.parent / remote.name, remote)
        UNPACK[file.name](file, target, partial(_check, piece, file))
    print(f"{entry.name}: {file} verified and unpacked to {target}")
    return True


def _explain(entry: Entry, data: Path) -> None:
    """Explain the steps of a person."""
    print(f"{entry.name}: cannot be downloaded by a program (licence: {entry.licence}). By hand:")
    for number, step in enumerate(entry.steps, 1):
        print(f"  {number}. {step.format(data=data)}")
    again = f"python -m suite fetch data {entry.name}"
    print(f"  then run: {again}" + (f" && python -m suite verify data {entry.name}" if not entry.ready else ""))


def _bring(entry: Entry, piece: Piece, archive: Remote, data: Path, *, keep_archives: bool) -> None:
    """Download and unpack one piece, unless it is there and whole."""
    folder = data / ARCHIVES
    make_folder(folder)
    with alone(folder, f"{archive.name}.unpacking"):
        if place := piece.folder.locate(data):
            print(f"{entry.name}: already there and whole, {place}")
            return
        target = _target(entry, piece, data)
        if target.is_file() or (target.is_dir() and not is_empty(target)):
            fault = piece.folder.fault(target)
            raise FetchError(f"{target}: {fault}; move it away and run again to have it fetched anew")
        file = folder / archive.name
        _require_space(piece, archive, file)
        sha256 = download(archive, folder)
        unpack(file, piece.inside, target, partial(_check, piece, file))
        size = human(file.stat().st_size)
        if not keep_archives:
            file.unlink()
        print(f"{entry.name}: {archive.name} ({size}, sha256 {sha256}) verified and unpacked to {target}")


def _require_space(piece: Piece, archive: Remote, file: Path) -> None:
    """Ask for the room that the rest of the archive and what it unpacks to will take."""
    present_bytes = sum(path.stat().st_size for path in (file, file.with_name(f"{file.name}.part")) if path.is_file())
    needed = max((archive.size or 0) - present_bytes, 0) + piece.unpacked
    require_space(file.parent, needed, f"{archive.name} with what it unpacks to")


def _check(piece: Piece, file: Path, unpacked: Path) -> None:
    fault = piece.folder.fault(unpacked)
    if fault:
        raise FetchError(f"{file}: when unpacked, {fault}; move it away and fetch it again")


def _target(entry: Entry, piece: Piece, data: Path) -> Path:
    """Return the place of a piece: its first, or the one that answers to where the dataset's other pieces are."""
    for sibling in entry.pieces:
        if len(sibling.folder.places) == len(piece.folder.places) and (location := sibling.folder.locate(data)):
            return data / piece.folder.places[[data / place for place in sibling.folder.places].index(location)]
    return data / piece.folder.places[0]
