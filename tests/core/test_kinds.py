"""Kinds of files are told by their first bytes, and what may be the file itself is none of them."""

import gzip
import pickle
import struct
from pathlib import Path

import pytest

from suite.core.kinds import GLANCE, kind_of, kind_of_bytes

CHINESE = "<html><body>链接不存在，请稍后再试" * 3
SAFETENSORS = struct.pack("<Q", 90) + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


@pytest.mark.parametrize(
    "start",
    [
        b"PK\x03\x04" + bytes(40),
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
        pickle.dumps({"a": 1}, protocol=4),
        SAFETENSORS,
        bytes(range(256)) * 4,
        bytes(20),
        b"\xff\xd8",
        "größe".encode("latin-1"),
    ],
    ids=["zip", "torch", "pickle", "safetensors", "bytes", "few zeros", "half a magic", "few letters"],
)
def test_what_may_be_weights_or_an_archive_is_of_no_kind(start: bytes) -> None:
    assert kind_of_bytes(start) is None


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (CHINESE.encode("gbk"), "a web page"),
        (CHINESE.encode("utf-8")[: GLANCE - 1], "a web page"),
        (CHINESE.encode("utf-16"), "a web page"),
        (b"<HTML lang=en>", "a web page"),
        (b"<Error><Code>SlowDown</Code></Error>", "a store's error (SlowDown)"),
        (b"{}", "JSON ('{}')"),
        (b"[1, 2]", "text ('[1, 2]')"),
        (b"\x1b[31mPASSED\r\n", "text ('[31mPASSED')"),
        (b"a" * 99, f"text ('{'a' * 60}…')"),
        (gzip.compress(b"x", mtime=0), "gzip-compressed"),
        (b"\x28\xb5\x2f\xfd\x04", "zstd-compressed"),
        (b"name".ljust(257, b"\0") + b"ustar\x0000", "a tar archive"),
        (b"\x93NUMPY\x01\x00", "a NumPy array"),
        (bytes(64), "zeros from its first byte on, as an unfinished download leaves"),
    ],
)
def test_what_it_is_stands_in_a_few_words_on_one_line(tmp_path: Path, start: bytes, name: str) -> None:
    (tmp_path / "file").write_bytes(start)
    kind = kind_of(tmp_path / "file")
    assert kind is not None
    assert kind.name == name
    assert kind.name.isprintable()


def test_nothing_is_a_kind_and_blanks_are_looked_past(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "blank").write_bytes(b" \n" * 5000)
    (tmp_path / "page").write_bytes(b" \n" * 5000 + b"<html>")
    names = [kind.name for name in ("empty", "blank", "page") if (kind := kind_of(tmp_path / name))]
    assert names == ["empty", "text ('')", "a web page"]
