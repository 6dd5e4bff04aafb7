"""Official checkpoints: downloaded, checked against what is published, pinned where nothing is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from suite.encoders.catalogue import CATALOGUE, releases
from suite.encoders.load import fault_of
from suite.encoders.method import Method, Source
from suite.errors import FetchError, unknown
from suite.fetch.catalogue import remote_of
from suite.fetch.download import download
from suite.fetch.pins import pin, pinned
from suite.fetch.remote import check, hexadecimal, human
from suite.fetch.tables import weights_table


def table(names: Sequence[str]) -> str:
    """Return the catalogue of weights, for the terminal."""
    return weights_table(_methods(names or list(releases())), "simple")


def fetch(names: Sequence[str], folder: Path, *, all_files: bool = False, files: Sequence[str] = ()) -> int:
    """Bring checkpoints into `folder`, and say what was done and what is left to do.

    A file that cannot be had does not keep the others from coming.

    Args:
        names: of releases; none for the seven of the paper.
        folder: where to.
        all_files: every file of a release, not only the one that the experiments use.
        files: names of files instead.

    Returns:
        0 if all of them are in place; 2 otherwise.

    Raises:
        RequestError: there is no such method or file.
        StorageError: the disk is or would be full, or cannot be written.
    """
    results = []
    for method, source in _sources(_methods(names), all_files, files):
        user_file = folder / f"{method.name}.pth"
        if user_file.is_file():
            print(f"{method.name}: {user_file} is there and will be used: your own file, not compared with a release")
            if not (all_files or files):
                continue
        try:
            results.append(_fetch(method, source, folder))
        except FetchError as error:
            print(f"{method.name}: error: {error}", file=sys.stderr)
            results.append(False)
    return 0 if all(results) else FetchError.exit_code


def _methods(names: Sequence[str]) -> list[Method]:
    for name in names:
        if name not in releases():
            raise unknown("method", name, list(releases()))
    return [releases()[name] for name in dict.fromkeys(names or CATALOGUE)]


def _sources(methods: Sequence[Method], all_files: bool, files: Sequence[str]) -> list[tuple[Method, Source]]:
    """Return what to bring: by default each release's first file, which the experiments use."""
    all_sources = [(method, source) for method in methods for source in method.sources]
    names = [source.file_name for _, source in all_sources]
    for name in files:
        if name not in names:
            raise unknown("file", name, names)
    if files:
        return [(method, source) for method, source in all_sources if source.file_name in files]
    return all_sources if all_files else [(method, method.sources[0]) for method in methods]


def _fetch(method: Method, source: Source, folder: Path) -> bool:
    """Bring one file; returns whether it is there."""
    remote, path = remote_of(source), folder / source.file_name
    if source.manual and not path.is_file():
        _explain(method, source, folder)
        return False
    is_there, digest = path.is_file(), pinned(folder, source.file_name)
    # whatever came or was brought: nothing is pinned that is not the weights of this method
    opening = partial(fault_of, method=method, branches=source.branches)
    sha256 = check(path, remote, digest, opening) if is_there else download(remote, folder, digest, opening)
    if not digest and not remote.recognisable:
        pin(folder, source.file_name, sha256, source.url)
    state = "already there" if is_there else f"downloaded, {human(path.stat().st_size)}"
    print(f"{method.name}: {path}: {state}; {_grounds(source, digest)}; sha256 {sha256}")
    return True


def _grounds(source: Source, digest: str) -> str:
    """Return what its identity rests on."""
    remote = remote_of(source)
    if remote.recognisable:
        return "verified by its published digest"
    start = "the published start of its digest" if remote.is_vouched_for else ""
    if digest:
        return f"verified by {start}{' and ' if start else ''}its pin"
    if start:
        return f"verified by {start}, and pinned now"
    published = f"only {len(hexadecimal(source.digest))} digits of its digest are" if source.digest else "no digest is"
    return f"pinned now, since {published} published"


def _explain(method: Method, source: Source, folder: Path) -> None:
    print(f"{method.name}: {source.file_name} cannot be downloaded by a program. By hand:")
    last_step = f"put it, under this name, into {folder}/"
    again = f"run python -m suite fetch weights {method.name}: it pins the file's digest and says so"
    for number, step in enumerate((*source.steps, last_step, again), 1):
        print(f"  {number}. {step}")
