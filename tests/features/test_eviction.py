"""Room in the cache of features: what goes first, and several processes that make room at once."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from suite.features import Cache, entry
from tests.support.feature_rows import GROUP, OTHER, kept, keys, recalled, refuse, rows


def used(path: Path, ago: float) -> Path:
    """Say that a file was last used some seconds ago."""
    os.utime(path, (time.time() - ago,) * 2)
    return path


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    size = kept(tmp_path, 0).stat().st_size
    for name in (1, 2):
        Cache(tmp_path, 1).keep(GROUP, keys(name), rows(name))
    for ago, path in enumerate(sorted(tmp_path.rglob("*.safetensors"))):
        used(path, 100 + ago)
    recalled(tmp_path, 0)
    recalled(tmp_path, 2)
    Cache(tmp_path, 3 * size / 1e9).keep(GROUP, keys(3), rows(3))
    assert recalled(tmp_path, 0, 1, 2, 3)[1] == [True, False, True, True]


def test_entries_of_older_versions_are_not_read_and_go_by_age(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    old = [folder / f"{'0' * 64}.safetensors", folder / f"{'1' * 64}.4711"]
    for path in old:
        path.write_bytes(b"x" * 300)
        used(path, 1000)
    (folder / "notes.txt").write_text("a user's")
    assert recalled(tmp_path, 1) == (None, [False], [])
    Cache(tmp_path, 1).keep(GROUP, keys(1), rows(1))
    assert all(path.exists() for path in old), "there is room"
    Cache(tmp_path, 800 / 1e9).keep(GROUP, keys(2), rows(2))
    assert not any(path.exists() for path in old)
    assert recalled(tmp_path, 1, 2) == ([1, 2], [True, True], [])
    assert (folder / "notes.txt").exists()


def test_an_entry_that_would_fill_the_cache_is_not_kept(tmp_path: Path) -> None:
    path = kept(tmp_path, 1)
    many = range(100)
    size = entry.entry_bytes(GROUP, rows(*many))
    Cache(tmp_path, (size - 1) / 1e9).keep(GROUP, keys(*many), rows(*many))
    assert [*tmp_path.rglob("*.safetensors")] == [path], "it would push out all others, and not stay itself"
    Cache(tmp_path, (size + 1) / 1e9).keep(GROUP, keys(*many), rows(*many))
    [path] = tmp_path.rglob("*.safetensors")
    assert path.stat().st_size == size


def test_what_cannot_be_evicted_is_passed_over_and_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [used(kept(tmp_path / f"{n}", n), 1000 - n) for n in range(3)]
    folder = tmp_path / "all" / "features"
    folder.mkdir(parents=True)
    paths = [path.rename(folder / path.name) for path in paths]
    refuse(monkeypatch, "unlink", *paths[:2])
    one = paths[0].stat().st_size
    for room, is_kept in ((2, False), (3, True)):
        small = Cache(tmp_path / "all", room * one / 1e9)
        small.keep(GROUP, keys(9), rows(9))
        warning = (
            f"{paths[0]}: cannot be removed: Operation not permitted; passed over, the cache {small.folder} may stay "
            f"larger than {small.gigabytes:g} GB"
        )
        assert small.tally.warnings == ([] if is_kept else [warning])
        assert [path.exists() for path in paths] == [True, True, False]
        assert recalled(tmp_path / "all", 9)[1] == [is_kept]


def test_what_a_killed_writer_left_goes_after_an_hour(tmp_path: Path) -> None:
    kept(tmp_path, 1)
    writing, left = (tmp_path / "features" / f"{digit * 32}.partial" for digit in "ab")
    writing.write_bytes(b"x" * 900)
    left.write_bytes(b"x")
    used(left, 4000)
    Cache(tmp_path, 500 / 1e9).keep(GROUP, keys(2), rows(2))
    assert (writing.exists(), left.exists()) == (True, False)


def test_an_entry_that_is_evicted_while_it_is_read_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kept(tmp_path, 1, 2)
    copy = entry.Reader.copy

    def evict(self: entry.Reader, *how: object) -> None:
        path.unlink()
        copy(self, *how)

    monkeypatch.setattr(entry.Reader, "copy", evict)
    assert recalled(tmp_path, 1, 2) == ([1, 2], [True, True], [])
    assert not path.exists()


def test_two_writers_with_one_process_id_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both_written, replace = threading.Barrier(2, timeout=20), Path.replace

    def wait_and_replace(self: Path, target: Path) -> Path:
        both_written.wait()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", wait_and_replace)
    caches = [Cache(tmp_path, 1) for _ in range(2)]  # as those of two containers that share a folder
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda writer: writer.keep(GROUP, keys(1), rows(1)), caches))
    assert [cache.tally.warnings for cache in caches] == [[], []]
    assert recalled(tmp_path, 1) == ([1], [True], [])


OPERATIONS = 400


def _work(folder: Path, seed: int, errors: multiprocessing.Queue[str]) -> None:
    """Keep and recall at random in a cache that has room for a few entries only."""
    random = np.random.default_rng(seed)
    try:
        for _ in range(OPERATIONS):
            shared = Cache(folder, 40_000 / 1e9)
            group, first = (GROUP, OTHER)[random.integers(2)], int(random.integers(30))
            names = range(first, first + int(random.integers(1, 8)))
            values, there = shared.recall(group, keys(*names))
            for row, name in enumerate(names):
                if there[row] and (values is None or not (values[row] == name).all()):
                    errors.put(f"row {name} is {values}")
            lacking = [name for row, name in enumerate(names) if not there[row]]
            if lacking:
                shared.keep(group, keys(*lacking), rows(*lacking, width=500))
            for warning in shared.tally.warnings:
                errors.put(warning)
    except BaseException as error:
        errors.put(repr(error))
        raise


def test_four_processes_share_a_cache_that_evicts_without_an_error(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    errors = context.SimpleQueue()
    workers = [context.Process(target=_work, args=(tmp_path, seed, errors)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    messages = []
    while not errors.empty():
        messages.append(errors.get())
    assert messages == []
    assert [worker.exitcode for worker in workers] == [0] * 4
    sizes = [path.stat().st_size for path in (tmp_path / "features").iterdir()]
    assert 0 < sum(sizes) <= 40_000 + 4 * 17_000
    assert not list(tmp_path.rglob("*.partial"))
