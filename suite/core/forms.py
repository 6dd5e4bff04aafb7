"""Forms of JSON files that are read back: what has to be in them, and errors that name the key.

What a file holds besides its form is let through: a newer version may have written it.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.core.schema import KINDS

OR_NULL = " or null"
DEPTH = 32
"""Levels of tables and lists that a file may hold; a run's own go down to eight."""
LARGEST = 2**64
"""Bound on integers: none that is written is larger, and a float cannot hold one of hundreds of digits."""
_SHOWN = 60
"""Characters of an unexpected value that a message shows."""
Tell = Callable[[str], object]
"""Receives a sentence on a file that was left out because it is damaged."""


@dataclass(frozen=True)
class Each:
    """A list whose entries are all of one form; `length` entries, where that is fixed."""

    form: Form
    length: int | None = None


@dataclass(frozen=True)
class Entries:
    """A table of any keys whose values are all of one form."""

    form: Form


@dataclass(frozen=True)
class OneOf:
    """One of these words."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class OrNull:
    """A table or a list of one form, or null."""

    form: Form


Form = str | Mapping[str, "Form"] | Each | Entries | OneOf | OrNull
"""A kind of `suite.core.schema.KINDS`, with ` or null` where there may be nothing; a table by its keys, of which those
that end in `?` may be missing; a list or a table of entries of one form."""


class FormError(ValueError):
    """A file that is not of its form, in one line: where, what was expected, what was found."""


def read_form(path: Path, form: Form, what: str, *, place: str | None = None) -> Any:
    """Read a JSON file of a known form.

    Args:
        path: the file.
        form: of its content.
        what: it is, for messages: `what was asked of a run`.
        place: name of the file in messages; default: its path.

    Raises:
        FileNotFoundError, NotADirectoryError: there is none.
        FormError: it cannot be read, is not JSON in UTF-8, or not of its form; a link to nothing is one too.
    """
    place = str(path) if place is None else place
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():
            raise FormError(f"{place}: expected {what}, got a link to nothing") from error
        raise
    except OSError as error:
        raise FormError(f"{place}: expected {what}, got none: {error.strerror or error}") from error
    return parse_form(content, form, what, place)


def in_place_of(folder: Path) -> str:
    """Say what is there in place of a folder with some file, for an error: nothing, a file, or a folder without it."""
    return "one without" if folder.is_dir() else "a file" if folder.exists() else "nothing"


def parse_form(content: bytes, form: Form, what: str, place: str) -> Any:
    """Parse JSON of a known form; see `read_form`.

    Raises:
        FormError: it is not JSON in UTF-8, or not of its form.
    """
    try:
        value = json.loads(content.decode("utf-8"), parse_constant=_refuse)
        _check_sizes(value)
    except RecursionError as error:
        raise FormError(f"{place}: expected {what} as JSON, got none: {_TOO_DEEP}") from error
    except ValueError as error:
        raise FormError(f"{place}: expected {what} as JSON, got none: {error}") from error
    check_form(value, form, place)
    return value


def read_if_whole(path: Path, form: Form, what: str, tell: Tell, *, place: str | None = None) -> Any | None:
    """Read a file that a run can do without; None where there is none, or it is damaged, which is told."""
    try:
        return read_form(path, form, what, place=place)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except FormError as error:
        tell(str(error))
        return None


def warn(sentence: str) -> None:
    """Print a warning on standard error."""
    print(f"warning: {sentence}", file=sys.stderr)


def check_form(value: Any, form: Form, place: str) -> None:
    """Hold a value against a form; `place` is `file` or `file: path.to.key`.

    Raises:
        FormError: a key is missing, or something in it is of another kind.
    """
    if isinstance(form, str | OneOf):
        if not _is_of(value, form):
            raise FormError(f"{place}: expected {_word(form)}, got {shown(value)}")
    elif isinstance(form, OrNull):
        if value is not None:
            check_form(value, form.form, place)
    elif isinstance(form, Each):
        if not isinstance(value, list) or form.length not in {None, len(value)}:
            count = "" if form.length is None else f" of {form.length}"
            raise FormError(f"{place}: expected a list{count}, got {shown(value)}")
        for index, entry in enumerate(value):
            check_form(entry, form.form, _join(place, str(index)))
    elif not isinstance(value, dict):
        raise FormError(f"{place}: expected a table, got {shown(value)}")
    else:
        for key, entry_form in _entry_forms(value, form, place):
            check_form(value[key], entry_form, _join(place, key))


def _is_of(value: Any, form: str | OneOf) -> bool:
    if isinstance(form, OneOf):
        return value in form.words
    kind = form.removesuffix(OR_NULL)
    return KINDS[kind](value) or (value is None and form != kind)


def _entry_forms(
    value: Mapping[str, Any], form: Entries | Mapping[str, Form], place: str
) -> Iterator[tuple[str, Form]]:
    """Yield every key of a table that has a form, and the form."""
    if isinstance(form, Entries):
        yield from ((key, form.form) for key in value)
        return
    for name, entry_form in form.items():
        key = name.removesuffix("?")
        if key in value:
            yield key, entry_form
        elif key == name:
            raise FormError(f"{_join(place, key)}: missing: expected {_word(entry_form)}")


def shown(value: Any) -> str:
    """Write a value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def escaped(text: str) -> str:
    """Spell out what no terminal can show: halves of characters, which JSON may hold."""
    return text.encode("utf-8", "backslashreplace").decode()


def _join(place: str, key: str) -> str:
    """Name a key below a place: `file: asked.seeds`."""
    return f"{place}{'.' if ': ' in place else ': '}{escaped(key)}"


def _word(form: Form) -> str:
    if isinstance(form, str):
        return form
    if isinstance(form, OneOf):
        return f"one of {', '.join(form.words)}"
    if isinstance(form, OrNull):
        return f"{_word(form.form)}{OR_NULL}"
    return "a list" if isinstance(form, Each) else "a table"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant}, which JSON has not")


_TOO_DEEP = f"tables and lists in each other, more than {DEPTH} deep"


def _check_sizes(value: Any) -> None:
    """Refuse what would break whoever works with it: lists nested without end, numbers that no float holds."""
    level = [value]
    for _ in range(DEPTH):
        level = [
            entry
            for container in level
            if isinstance(container, dict | list)
            for entry in (container.values() if isinstance(container, dict) else container)
        ]
        for entry in level:
            if isinstance(entry, float) and not math.isfinite(entry):
                raise ValueError("a number too large for a float")
            if isinstance(entry, int) and abs(entry) > LARGEST:
                raise ValueError("an integer of more than 64 bits")
        if not level:
            return
    raise ValueError(_TOO_DEEP)
