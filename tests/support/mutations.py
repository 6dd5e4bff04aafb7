"""Seeded damage to a file, as bytes, as lines of words, as JSON: what people, disks and servers make of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 3, 1.5, 7.0, -0.0, 65_536, 10**12, 10**30, 1e308, float("inf"), float("nan")),
    *("", "x", "7", "../outside.jpg", "../../outside.jpg", "/etc/passwd", "a\0b", "\ud800", "x" * 300, "a\nb"),
    *([], {}, [1], [None], {"id": 1}),
)
"""What may stand in the place of a value."""
WORDS = (
    *("nan", "inf", "-1", "0", "2", "1e9", "1e-3", "0x10", "1_0", "", "1.0", "1.5", "01", "+1", "-0.0", "x"),
    *(
        "../../outside.jpg",
        "../outside.jpg",
        "/etc/passwd",
        "\N{ARABIC-INDIC DIGIT THREE}",
        "\ufeff",
        "\x1c",
        "é",
        "\0",
    ),
)
"""What may stand in the place of a word."""
Mutation = Callable[[bytes, Random], bytes]


def cases(content: bytes, kind: str, count: int, *mutations: Mutation) -> Iterator[bytes]:
    """Yield a file damaged in so many ways, each by its own seed: a case can be made again by its number."""
    for number in range(count):
        random = Random(f"{kind}/{number}")
        damaged = content
        for _ in range(random.choice((1, 1, 1, 2, 5))):
            damaged = random.choice(mutations)(damaged, random)
        yield damaged


def in_bytes(content: bytes, random: Random) -> bytes:
    """Flip, overwrite, cut, drop, double, insert or move some bytes."""
    data = bytearray(content)
    if not data:
        return random.randbytes(random.randrange(20))
    at, length = random.randrange(len(data)), random.choice((1, 2, 4, 16, 200, len(data) // 3 + 1))
    block = data[at : at + length]
    match random.randrange(8):
        case 0:
            data[at] ^= 1 << random.randrange(8)
        case 1:
            data[at : at + length] = random.choice((b"\x00", b"\xff", b"\x7f", b"\x80")) * len(block)
        case 2:
            del data[at:]
        case 3:
            del data[at : at + length]
        case 4:
            data[at:at] = block
        case 5:
            data[at:at] = random.randbytes(length % 300)
        case 6:
            data[at : at + length] = random.randbytes(len(block))
        case _:
            data += content[: random.randrange(len(content)) + 1]
    return bytes(data)


def in_head(content: bytes, random: Random) -> bytes:
    """Damage the first bytes only, where a format has its sizes."""
    split = min(len(content), random.choice((32, 128, 700)))
    return in_bytes(content[:split], random) + content[split:]


def in_words(content: bytes, random: Random) -> bytes:
    """Replace a word of a text table, or drop, double, move or cut rows."""
    rows = content.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    if not rows:
        return content
    at = random.randrange(len(rows))
    match random.randrange(7):
        case 0:
            rows = rows[:at]
        case 1:
            del rows[at]
        case 2:
            rows.insert(random.randrange(len(rows)), rows[at])
        case 3:
            rows = rows * 2
        case 4:
            random.shuffle(rows)
        case _:
            words = rows[at].split(" ")
            words[random.randrange(len(words))] = random.choice(WORDS)
            rows[at] = " ".join(words).rstrip("\n") + "\n"
    return "".join(rows).encode("utf-8", "surrogateescape")


def in_json(content: bytes, random: Random) -> bytes:
    """Replace a value of a document, or drop or double it; what is no document any more stays."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return content
    document = in_value(document, random)
    return json.dumps(document).encode()


def in_value(value: Any, random: Random) -> Any:
    """Return a nested value with one place of it changed."""
    inner = [*value] if isinstance(value, dict) else [*range(len(value))] if isinstance(value, list) else []
    if not inner or random.random() < 0.05:
        return random.choice(VALUES)
    key, copy = random.choice(inner), value.copy()
    action = random.random()
    if action < 0.7:
        copy[key] = in_value(value[key], random)
    elif action < 0.8:
        del copy[key]
    elif action < 0.9 and isinstance(copy, list):
        copy.insert(random.randrange(len(copy)), copy[key])
    else:
        copy[key] = value[random.choice(inner)]
    return copy
