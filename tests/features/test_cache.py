"""The cache of features: what is damaged, gone or another's costs time and never a trial."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from suite.features import Cache, cache, entry
from tests.support.feature_rows import GROUP, OTHER, kept, keys, recalled, refuse, rows

NOBODY = 65534
"""User and group without rights."""


def test_rows_come_from_whatever_entries_have_them(tmp_path: Path) -> None:
    kept(tmp_path, 4, 1, 3)
    Cache(tmp_path, 1).keep(GROUP, keys(7, 1), rows(7, 1))
    Cache(tmp_path, 1).keep(OTHER, keys(9), rows(9))
    assert recalled(tmp_path, 9, 1, 7, 8, 4) == ([1, 7, 4], [False, True, True, False, True], [])
    assert recalled(tmp_path, 9, 8) == (None, [False, False], [])
    assert Cache(tmp_path, 1).stored(GROUP, keys(9, 1, 7)).tolist() == [False, True, True]


def test_an_entry_is_a_file_of_safetensors(tmp_path: Path) -> None:
    tensors = load_file(kept(tmp_path, 4, 1))
    assert tensors["values"].tolist() == rows(4, 1).tolist()
    assert [bytes(row) for row in tensors["views"]] == keys(4, 1).tolist()


def test_an_entry_larger_than_a_piece_is_checked_and_copied_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "_PIECE_BYTES", 30)
    kept(tmp_path, *range(11))
    assert recalled(tmp_path, 10, 3, 99, 0) == ([10, 3, 0], [True, True, False, True], [])


def header(path: Path, **changes: object) -> bytes:
    """An entry's bytes with another header."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    text = json.dumps(json.loads(content[8:end]) | changes).encode()
    return len(text).to_bytes(8, "little") + text + content[end:]


def huge() -> dict[str, object]:
    size = 1 << 40
    return {
        "values": {"dtype": "F32", "shape": [size, 3], "data_offsets": [32 * size, 44 * size]},
        "views": {"dtype": "U8", "shape": [size, 32], "data_offsets": [0, 32 * size]},
    }


SIZE = entry.entry_bytes(GROUP, rows(1, 2))
DAMAGE = {
    "empty": (lambda _: b"", "expected 8 more bytes, got the end of the file"),
    "cut": (lambda p: p.read_bytes()[:-1], f"expected {SIZE} bytes, got {SIZE - 1}"),
    "longer": (lambda p: p.read_bytes() + b"x", f"expected {SIZE} bytes, got {SIZE + 1}"),
    "zeros": (lambda p: bytes(p.stat().st_size), "expected a header of less than 65,536 bytes, got 0"),
    "text": (lambda _: b"404: Not Found" * 99, "expected a header of less than 65,536 bytes, got "),
    "no header": (lambda p: p.read_bytes().replace(b'"values"', b'"vaxues"'), "expected a header of safetensors"),
    "no metadata": (lambda p: header(p, __metadata__=[1]), "expected a header of safetensors, got none"),
    "a list": (lambda _: (8).to_bytes(8, "little") + b"[1]     ", "expected a header of safetensors, got none"),
    "nested": (lambda _: (60_000).to_bytes(8, "little") + b"[" * 60_000, "expected a header of safetensors, got none"),
    "another shape": (lambda p: header(p, values={"shape": [3, 1]}), f"expected rows of group {GROUP[:12]}, got "),
    "huge": (lambda p: header(p, **huge()), "expected 48,378,511,"),
    "one bit": (lambda p: p.read_bytes()[:-1] + bytes([p.read_bytes()[-1] ^ 1]), "expected SHA-256 "),
    "a key": (lambda p: p.read_bytes().replace(keys(1)[0], keys(5)[0]), "expected SHA-256 "),
    "no digest": (lambda p: header(p, __metadata__={"group": GROUP}), "expected SHA-256 None"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_removed_and_made_again(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = kept(tmp_path, 1, 2)
    alter, problem = DAMAGE[damage]
    path.write_bytes(alter(path))
    values, there, warnings = recalled(tmp_path, 5, 2)
    assert (values, there) == (None, [False, False])
    [warning] = warnings
    assert warning.startswith(f"{path}: damaged: {problem}")
    assert warning.endswith(f"; in the cache {tmp_path} it is removed, and its features are computed anew")
    assert capsys.readouterr().err == f"warning: {warning}\n"
    assert not path.exists()
    assert kept(tmp_path, 1, 2) == path
    assert recalled(tmp_path, 1, 2) == ([1, 2], [True, True], [])


def test_an_entry_under_anothers_name_is_not_believed(tmp_path: Path) -> None:
    path = kept(tmp_path, 1, 2)
    path.rename(path.with_name(path.name.replace(GROUP[:32], OTHER[:32])))
    values, there = Cache(tmp_path, 1).recall(OTHER, keys(1))
    assert (values, there.tolist()) == (None, [False])
    assert not list(tmp_path.rglob("*.safetensors"))


def test_what_a_damaged_entry_gave_is_taken_from_another(tmp_path: Path) -> None:
    path = kept(tmp_path, 1, 2, 3)
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    Cache(tmp_path, 1).keep(GROUP, keys(2), rows(2))
    assert recalled(tmp_path, 1, 2, 3)[:2] == ([2], [False, True, False])


def test_a_damaged_entry_of_another_user_is_passed_over_and_one_is_kept_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kept(tmp_path, 1, 2)
    path.write_bytes(b"")
    refuse(monkeypatch, "unlink", path)
    mine = Cache(tmp_path, 1)
    for _ in range(2):
        assert mine.recall(GROUP, keys(1, 2))[0] is None
    assert mine.tally.warnings == [
        f"{path}: damaged: expected 8 more bytes, got the end of the file; in the cache {tmp_path} it cannot be "
        "removed (Operation not permitted): passed over, its features are computed anew"
    ]
    mine.keep(GROUP, keys(1, 2), rows(1, 2))
    assert recalled(tmp_path, 1, 2) == ([1, 2], [True, True], [])
    assert path.read_bytes() == b""


def test_an_entry_that_cannot_be_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept(tmp_path, 1)
    refuse(monkeypatch, "open", path)
    assert recalled(tmp_path, 1) == (
        None,
        [False],
        [f"{path}: cannot be read: Operation not permitted; passed over in the cache {tmp_path}"],
    )
    assert path.exists()


def test_an_entry_whose_time_cannot_be_set_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path, 1)

    def forbid(_path: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(cache, "utime", forbid)
    assert recalled(tmp_path, 1) == ([1], [True], [])


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_modes_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = kept(tmp_path / "shared", 1)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    assert path.parent.stat().st_mode & 0o777 == 0o777 & ~umask


@pytest.mark.parametrize("place", ["cache", "cache/features"])
def test_a_cache_that_is_no_folder_is_said_once_and_done_without(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("a file")
    for _ in range(2):
        none = Cache(tmp_path / "cache", 1)
        assert none.recall(GROUP, keys(1))[0] is None
        none.keep(GROUP, keys(1), rows(1))
    folder = tmp_path / "cache/features"
    assert capsys.readouterr().err == (
        f"warning: {folder}: cannot be read: Not a directory; the run goes on, and features are computed anew\n"
    )


def without_rights(folder: Path, act: Callable[[], None]) -> None:
    """Act in a folder as a user who owns nothing, in a process of its own: root may write everywhere."""

    def begin() -> None:
        os.chdir(folder)  # the folders above are closed to others
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        act()

    folder.chmod(0o755)
    process = multiprocessing.get_context("fork").Process(target=begin)
    process.start()
    process.join()
    assert process.exitcode == 0


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "features").mkdir(mode=0o555)

    def keep_twice() -> None:
        for name in range(2):
            Cache(Path(), 1).keep(GROUP, keys(name), rows(name))

    without_rights(tmp_path, keep_twice)
    assert capfd.readouterr().err == (
        "warning: features: cannot be written: Permission denied; the run goes on, and features are not kept\n"
    )


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(entry, "sha256", lambda *_: sha256())
    monkeypatch.setattr(entry, "_pieces", refuse)
    full = Cache(tmp_path, 1)
    full.keep(GROUP, keys(1), rows(1))
    assert full.tally.warnings == [
        f"{tmp_path / 'features'}: cannot be written: No space left on device; the run goes on, and features are not "
        "kept"
    ]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_disk_that_is_nearly_full_is_left_to_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    near = Cache(tmp_path, 1)
    near.keep(GROUP, keys(1), rows(1))
    assert near.tally.warnings == [
        f"{tmp_path / 'features'}: features are not kept: 1.0 GB are free, and 1 GB stays for results"
    ]
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("error", [FileNotFoundError(2, "gone"), OSError(116, "Stale file handle")])
def test_an_entry_that_vanishes_is_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    kept(tmp_path, 1)

    def vanish(*_: object) -> None:
        raise error

    monkeypatch.setattr(entry.Reader, "copy", vanish)
    assert recalled(tmp_path, 1) == (None, [False], [])


def test_numbers_are_a_copy_that_no_later_change_of_the_file_reaches(tmp_path: Path) -> None:
    path = kept(tmp_path, 1)
    values, _ = Cache(tmp_path, 1).recall(GROUP, keys(1))
    with path.open("r+b") as file:
        file.truncate(0)
    assert values is not None
    assert values.tolist() == [[1, 1, 1]]
