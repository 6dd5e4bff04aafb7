"""Values as users write them: what each reader takes, and what it refuses in which words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from suite.core import values
from suite.errors import RequestError
from tests.support.values import COUNT, DURATION, EMPTY, IMAGE, LICENCE, PATH, SEED, SIZE


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (values.count, "1", 1),
        (values.count, " 64 ", 64),
        (values.seed, "0", 0),
        (values.seed, "4294967295", 2**32 - 1),
        (values.seeds, "3, 1,2", [3, 1, 2]),
        (values.seconds, "8h", 28_800),
        (values.seconds, "90m", 5_400),
        (values.seconds, "90min", 5_400),
        (values.seconds, "1H30m", 5_400),
        (values.seconds, "2 d", 172_800),
        (values.seconds, "1.5h 1s", 5_401),
        (values.gigabytes, "0", 0),
        (values.gigabytes, "1e2", 100),
        (values.path, "a/b/", Path("a/b")),
        (values.path, "$HOME/x", Path("$HOME/x")),
        (values.path, "~/x", Path("/home/of/x")),
        (values.path, "a/~", Path("a/~")),
        (values.spec, "mae@~/x.pth", "mae@/home/of/x.pth"),
        (values.spec, "timm:vit@x  y.pth", None),
        (values.spec, "hf:~/vit?mean=0.5", "hf:/home/of/vit?mean=0.5"),
        (values.spec, "hf:a@~/vit", None),
        (values.line, " a\n b ", "a b"),
        (values.digest, "sha256:" + "aB" * 6, "sha256:" + "aB" * 6),
        (values.licence, "mit", "https://spdx.org/licenses/MIT"),
        (values.licence, "CC-BY-4.0", "https://spdx.org/licenses/CC-BY-4.0"),
        (values.licence, "https://example.org/mine", "https://example.org/mine"),
        (values.image, "part-aware-repro:latest", "part-aware-repro:latest"),
        (values.image, "Registry.example:5000/a/b_c@sha256:00112233445566778899aabbccddeeff", None),
        (values.network, "host", "host"),
    ],
)
def test_what_is_a_value_is_read(
    read: Callable[[str, str], Any], text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/of")
    assert read("--x", text) == (text if value is None else value)


@pytest.mark.parametrize(
    ("read", "expected", "texts"),
    [
        (
            values.count,
            COUNT,
            ["0", "-3", "1e3", "1.0", "", " ", "٣", "1_000", "0x10", "9" * 5000, "1000000001", "nan"],
        ),
        (values.seed, SEED, ["-1", "4294967296", str(2**70), "", "1.5", "+1", "0,1", "²"]),
        (values.seeds, SEED, []),
        (
            values.seconds,
            DURATION,
            ["", "8", "soon", "8x", "8h!", "0s", "0.5s", "nanh", "infh", "-8h", "1e3h", "h8", "8h,"],
        ),
        (values.seconds, DURATION, ["9" * 12 + "d", "9" * 400 + "d"]),
        (values.gigabytes, SIZE, ["nan", "inf", "-inf", "-1", "", "4GB", "1e99"]),
        (values.path, PATH, ["", " ", "a\0b"]),
        (values.path, "a path; there is no home folder of this name (write ./~ for a file)", ["~nobody-here/x"]),
        (values.line, "a text, got nothing", ["", " \n"]),
        (values.digest, "12 to 64 hexadecimal digits, as the report prints them", ["", "abc", "g" * 12, "a" * 65]),
        (
            values.licence,
            LICENCE,
            ["", "free", "CC BY", "MIT OR Apache-2.0", "LicenseRef-mine", "ftp://x/y", "https://", "https://["],
        ),
        (values.image, IMAGE, ["", "A", "a b", "a:b:c", "a//b", "-a", "a@sha256:0", "a:"]),
        (values.network, "the name of a network, e.g. host", ["", "a b", "--x"]),
    ],
)
def test_what_is_none_is_refused_in_one_line(read: Callable[[str, str], Any], expected: str, texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(RequestError) as caught:
            read("--x", text)
        assert str(caught.value) == f"--x {text!r}: expected {expected}"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["mae,,dino"], f"--x 'mae,,dino': expected {EMPTY}"),
        ([","], f"--x ',': expected {EMPTY}"),
        ([""], f"--x '': expected {EMPTY}"),
        (["mae", "dino, "], f"--x 'dino, ': expected {EMPTY}"),
        (["mae,dino", "mae"], "--x 'mae': expected each once, got it twice"),
    ],
)
def test_a_list_with_a_word_too_few_or_too_many_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        values.names("--x", texts)
    assert str(caught.value) == message
    assert values.names("--x", ["mae, dino", "cae"]) == ["mae", "dino", "cae"]
    assert values.names("--x", []) == []


def test_seeds_given_twice_are_refused() -> None:
    with pytest.raises(RequestError, match=r"^--seed 1: expected each once, got it twice$"):
        values.seeds("--seed", "1,2,01")
