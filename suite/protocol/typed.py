"""Values of a TOML table as a dataclass: each is held against the type of its field."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from suite.errors import ProtocolError
from suite.protocol.tables import check_keys
from suite.registry import DATASETS

T = TypeVar("T")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


_SIMPLE: Mapping[object, tuple[str, str, Callable[[object], bool]]] = {
    int: ("a whole number >= 0", "whole numbers >= 0", lambda v: isinstance(v, int) and _is_number(v)),
    float: ("a number >= 0", "numbers >= 0", _is_number),
    bool: ("true or false", "true or false", lambda v: isinstance(v, bool)),
    str: ("a text", "texts", lambda v: isinstance(v, str) and bool(v.strip())),
}
"""Type -> what one value of it is called, what several are, and whether a value is one."""


def typed(place: str, kind: type[T], values: Mapping[str, Any], datasets: Collection[str] = ()) -> T:
    """Make a dataclass of these values: numbers as they stand, lists as tuples.

    Args:
        place: the table, in errors.
        kind: the dataclass; a field that is a mapping holds a value for each dataset.
        values: by name of the field.
        datasets: those that such a field needs.

    Raises:
        ProtocolError: a value is missing, unknown or of another type.
    """
    hints = get_type_hints(kind)
    check_keys(place, values, hints, required=set())
    for name, hint in hints.items():
        if name not in values:
            raise ProtocolError(f"{place}.{name}: expected {_words(hint)}, got none: add it, with its source")
    return kind(**{name: _converted(f"{place}.{name}", hint, values[name], datasets) for name, hint in hints.items()})


def _converted(place: str, hint: Any, value: Any, datasets: Collection[str]) -> Any:
    if get_origin(hint) is Mapping and isinstance(value, dict):
        _, inner = get_args(hint)
        check_keys(place, value, DATASETS, required=set())
        for dataset in datasets:
            if dataset not in value:
                raise ProtocolError(f"{place}.{dataset}: expected {_words(inner)}, got none: add it")
        return {dataset: _converted(f"{place}.{dataset}", inner, entry, ()) for dataset, entry in value.items()}
    if not _fits(hint, value):
        raise ProtocolError(f"{place}: expected {_words(hint)}, got {value!r}")
    return tuple(value) if isinstance(value, list) else value


def _fits(hint: Any, value: object) -> bool:
    """Tell whether a value is of a type that a field may have."""
    args = get_args(hint)
    if hint in _SIMPLE:
        return _SIMPLE[hint][2](value)
    if get_origin(hint) is Literal:
        return value in args
    if get_origin(hint) is not tuple or not isinstance(value, list):
        return False
    return (Ellipsis in args or len(value) == len(args)) and all(_fits(args[0], entry) for entry in value)


def _words(hint: Any) -> str:
    """Word a type for a message."""
    args = get_args(hint)
    if hint in _SIMPLE:
        return _SIMPLE[hint][0]
    if get_origin(hint) is Literal:
        return f"one of {', '.join(args)}"
    if get_origin(hint) is Mapping:
        return f"for each dataset {_words(args[1])}"
    plural = _SIMPLE[args[0]][1]
    return f"a list of {plural}" if Ellipsis in args else f"a list of {len(args)} {plural}"
