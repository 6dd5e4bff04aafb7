"""Shards that ran on machines without a common disk: their run folders as one, made whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.core.files import write_atomically, write_json
from suite.core.listing import is_empty, take_along
from suite.errors import RequestError, StorageError
from suite.report.digests import is_own
from suite.results.store import Key, Result, Store
from suite.run.folder import differing
from suite.run.networks import is_candidate, network_of
from suite.run.run_file import FILE, read_run
from suite.run.shards import FOLDER, Shard, shards_of

RECORDS = ("verification.json", "sbom.json")
"""Notes of the whole run, which every part has alike."""


def merge(out: Path, parts: Sequence[Path]) -> int:
    """Join run folders of one request, each of some of its shards, into a new one.

    A trial that two parts measured with the same outcome is taken from the first; one that lacks in a part and not in
    another is taken from that other. Nothing is judged.

    Args:
        out: the run folder to be made; new or empty.
        parts: run folders of `reproduce --shard`, or merged ones; they are only read.

    Returns:
        Number of results in it.

    Raises:
        RequestError: a part holds no shard or is of another request, a shard comes twice, two parts have other values,
            or other inputs, of one trial, or `out` is not empty.
        EvidenceError: a result was altered since it was stored.
        StorageError: `out` cannot be written; then nothing of it is there.
    """
    _check_empty(out)
    records = _records(parts)
    results = _results(parts)
    target = out.resolve()  # what a link leads to is made, and the link stays
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
            unfinished = Path(folder) / "run"
            for source, path in _files(parts, results):
                write_atomically(unfinished / path, source.read_bytes())
            first = records[parts[0]]
            times = {"started": min(record["started"] for record in records.values()), "finished": None}
            write_json(unfinished / FILE, {"asked": first["asked"], **times, "reused": [], "groups": first["groups"]})
            for _, error in Store(unfinished).altered():
                raise error
            take_along(target, unfinished)
            unfinished.rename(target)
    except OSError as error:
        raise StorageError(f"{out}: cannot be made: {error.strerror or error}; free space or name another") from error
    return len(results)


def _check_empty(out: Path) -> None:
    is_there = out.exists() or out.is_symlink()
    if is_there and not (out.is_dir() and is_empty(out)):
        what = "a folder that is not empty" if out.is_dir() else "a file or a link to nothing"
        raise RequestError(f"{out}: merge: expected a new or empty folder, got {what}: name another")


def _records(parts: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """Read what was asked of each part: the same of all, and no shard twice."""
    records: dict[Path, dict[str, Any]] = {}
    place_of: dict[Shard, Path] = {}
    for part in parts:
        record = read_run(part)
        shards = [*shards_of(part)]
        if not shards or "groups" not in record:
            raise RequestError(f"{part}: merge: expected a run of shards (reproduce --shard K/N), got one without")
        for shard in shards:
            if shard in place_of:
                raise RequestError(f"{part}: merge: shard {shard} is in {place_of[shard]} too: name each part once")
            place_of[shard] = part
        for first, other in list(records.items())[:1]:
            names = differing(record["asked"], other["asked"])
            if names:
                raise RequestError(
                    f"{part / FILE}: merge: expected a run of the same request as {first}, got another "
                    f"{', '.join(names)}: merge the parts of one request"
                )
        records[part] = record
    return records


def _results(parts: Sequence[Path]) -> dict[Key, Path]:
    """Map each result to the first part that has it; the others must have it alike."""
    place_of: dict[Key, Path] = {}
    networks: dict[str, tuple[Any, Path]] = {}
    for part in parts:
        for result in Store(part).results():
            first = place_of.setdefault(result.key, part)
            if first != part:
                _check_alike(result, part, Store(first).checked(result.key), first)
            _check_network(result, part, networks)
    return place_of


def _check_network(result: Result, part: Path, networks: dict[str, tuple[Any, Path]]) -> None:
    """Refuse a second network under a candidate's name; `networks` maps each to its weights and where they were met."""
    spec, weights = str(result.facts.get("encoder", "")), result.inputs.get("weights")
    if not is_candidate(spec):
        return
    other, first = networks.setdefault(network_of(spec, result.protocol.get("variants", {})), (weights, part))
    if weights != other:
        raise RequestError(
            f"{part}: merge: {result.key}: of other weights ({str(weights)[:12]}) than {spec!r} has in {first} "
            f"({str(other)[:12]}): measure both parts with the same"
        )


def _check_alike(result: Result, part: Path, other: Result, first: Path) -> None:
    place = f"{part}: merge: {result.key}"
    names = [name for name in {**other.inputs, **result.inputs} if result.inputs.get(name) != other.inputs.get(name)]
    if names:
        raise RequestError(f"{place}: made from other {', '.join(names)} than in {first}: leave one of them out")
    if result.values != other.values:
        settings = [name for name in result.values if result.values[name] != other.values.get(name)]
        raise RequestError(
            f"{place}: {', '.join(settings) or 'it'}: other values than in {first}, from the same inputs: "
            "find out why before either is believed"
        )


def _files(parts: Sequence[Path], results: Mapping[Key, Path]) -> Iterator[tuple[Path, Path]]:
    """Yield the files to be copied, and where each lies in a run folder."""
    for name in RECORDS:
        yield from ((part / name, Path(name)) for part in [p for p in parts if is_own(p / name)][:1])
    copied: set[Path] = set()
    for key, part in results.items():
        store = Store(part)
        for source in (*store.item_files(key), store.path(key)):
            if is_own(source) and source.relative_to(part) not in copied:
                copied.add(source.relative_to(part))  # encoders share the names of their items
                yield source, source.relative_to(part)
        pictures = part / "figures" / key.experiment / key.dataset / key.method
        yield from ((source, source.relative_to(part)) for source in sorted(pictures.rglob("*")) if is_own(source))
    for part in parts:
        store = Store(part)
        for key in store.reasons():
            note = store.reason_path(key)
            if key not in results and note.relative_to(part) not in copied:
                copied.add(note.relative_to(part))
                yield note, note.relative_to(part)
        sources = [source for source in sorted((part / FOLDER).rglob("*")) if is_own(source)]
        yield from ((source, source.relative_to(part)) for source in sources)
