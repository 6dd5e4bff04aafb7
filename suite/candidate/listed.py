"""Encoders of `check`: as a user lists them, by commas or one a line in a file, and those measured beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.cells import method_name
from suite.core.digests import digest_of
from suite.core.values import AN_ENCODER, path, refusal, spec
from suite.errors import RequestError
from suite.protocol.profiles import load_profile
from suite.specs import parse

_COMMENT = re.compile(r"(^|\s)#.*")
_RANDOM = "random"


@dataclass(frozen=True)
class Candidates:
    """What `check` is asked to put beside the seven.

    Attributes:
        specs: in the user's order, each once.
        run: its default folder; that of several begins with `check+`, which no single one's does.
    """

    specs: tuple[str, ...]
    run: Path


def candidates(name: str, text: str) -> Candidates:
    """Read `SPEC,SPEC`, `@FILE` or `FILE.txt`, a list with one spec a line; also mixed.

    Args:
        name: of the option, for messages.
        text: as the user wrote it.

    Raises:
        RequestError: an empty word, a file that cannot be read, a line or a word that is no spec, an encoder twice.
    """
    words = [word.strip() for word in text.split(",")]
    if not any(words):
        raise refusal(name, text, AN_ENCODER)
    if not all(words):
        raise refusal(name, text, "encoders separated by single commas, got an empty one")
    places: dict[str, str] = {}
    for index, word in enumerate(words):
        file = _list_in(word)
        entries = _lines(file) if file else [(name, _word(name, text, words, index))]
        for place, entry in entries:
            if entry in places:
                where = f" (also {places[entry]})" if places[entry] != place else ""
                raise RequestError(f"{place}: encoder {entry!r}: expected each once, got it twice{where}")
            places[entry] = place
    return Candidates(tuple(places), _folder(tuple(places), _list_in(words[0]) if len(words) == 1 else None))


def companions(specs: Sequence[str], *, profile: str, alone: bool) -> list[str]:
    """Return the encoders that are measured beside the one under test.

    In the mini profile all of its own, since they cost little; in the paper's none unless named, since the published
    values can stand in for them.

    Raises:
        RequestError: no such profile, or others were named although it should be alone.
    """
    if alone and specs:
        raise RequestError(f"--alone and --encoder {','.join(specs)}: expected one of them")
    own_profile = load_profile(profile)
    return list(specs) if specs or alone or profile != "mini" else list(own_profile.methods)


def _list_in(word: str) -> Path | None:
    """Return the file that a word names as a list; None for a spec."""
    if word.startswith("@"):
        return path("ENCODER", word[1:])
    return path("ENCODER", word) if word.endswith(".txt") and not re.search(r"[@:?]", word) else None


def _word(name: str, text: str, words: Sequence[str], index: int) -> str:
    """Read a spec between commas."""
    word = words[index]
    if index and "?" in words[index - 1] and not re.search(r"[@:]", word):
        raise refusal(
            name,
            text,
            f"encoders separated by commas, got {word!r}: there is no comma inside a spec (numbers of an option are "
            "separated by colons, 0.5:0.5:0.5)",
        )
    return spec(name, word)


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    """Yield `FILE:LINE` and the spec there."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise RequestError(f"{file}: expected a list of encoders, one a line: {problem}") from error
    is_empty = True
    for number, line in enumerate(text.splitlines(), start=1):
        entry = _COMMENT.sub("", line).strip()
        if entry:
            is_empty = False
            yield f"{file}:{number}", _entry(f"{file}:{number}", file, entry)
    if is_empty:
        raise RequestError(f"{file}: expected a list of encoders, one a line, got none")


def _entry(place: str, file: Path, entry: str) -> str:
    """Read a line of a list; its file lies where the command runs, as on the command line, or beside the list."""
    if "," in entry:
        raise RequestError(f"{place}: {entry!r}: expected one encoder a line, got a comma")
    if _list_in(entry):
        raise RequestError(f"{place}: {entry!r}: expected an encoder, got a list: lists hold no lists")
    try:
        text = spec(place, entry)
        words = parse(text)
    except RequestError as error:
        raise RequestError(str(error) if str(error).startswith(place) else f"{place}: {error}") from error
    if not re.search(r"[@:]", text):
        raise RequestError(f"{place}: {entry!r}: expected {AN_ENCODER}")
    if not words.file or words.file == _RANDOM or Path(words.file).exists():
        return text
    beside = file.parent / words.file
    if not beside.exists():
        raise RequestError(f"{place}: {entry!r}: no such file: {words.file}, neither here nor beside the list")
    return text.replace(f"@{words.file}", f"@{beside}", 1)


def _folder(specs: Sequence[str], file: Path | None) -> Path:
    """Return the run's folder: of one encoder its name; of a list the list's, so that it may grow; else a digest."""
    if len(specs) == 1:
        return Path("runs") / f"check-{method_name(specs[0])}"
    if file:
        return Path("runs") / f"check+{re.sub(r'[^A-Za-z0-9._-]+', '-', file.name.removesuffix('.txt'))}"
    return Path("runs") / f"check+{method_name(specs[0])}+{len(specs) - 1}-{digest_of(sorted(specs))[:8]}"
