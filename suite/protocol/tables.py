"""The TOML tables of a protocol: which keys they have, and values with their sources."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.errors import ProtocolError

PROTOCOLS = Path(__file__).parent
PROFILES = ("mini", "paper")


@dataclass(frozen=True)
class Parameter:
    """A hyper-parameter and the place in the paper or its code that states it."""

    value: Any
    source: str


def parameters(place: str, table: Mapping[str, dict[str, Any]]) -> dict[str, Parameter]:
    """Return values with their sources, as they stand in a table.

    Args:
        place: the table, in errors.
        table: name -> `{ value, source }`.

    Raises:
        ProtocolError: one of them has another key, or lacks one.
    """
    for key, entry in table.items():
        check_keys(f"{place}.{key}", entry, {"value", "source"}, required={"value", "source"})
    return {key: Parameter(**entry) for key, entry in table.items()}


def sourced(table: Mapping[str, Parameter]) -> dict[str, dict[str, Any]]:
    """Return parameters as records keep them: name -> `{ value, source }`."""
    return {name: {"value": parameter.value, "source": parameter.source} for name, parameter in table.items()}


def values(table: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return parameters without their sources."""
    return {name: parameter.value for name, parameter in table.items()}


def check_keys(place: str, table: object, known_keys: Collection[str], *, required: set[str]) -> None:
    """Refuse a table with an unknown key, or without a required one.

    Raises:
        ProtocolError: there is one, or this is no table.
    """
    if not isinstance(table, Mapping):
        raise ProtocolError(f"{place}: expected a table with {', '.join(sorted(required))}, got {table!r}")
    for key in sorted(table.keys() - set(known_keys)):
        expected = f"one of {', '.join(sorted(known_keys))}" if known_keys else "none"
        raise ProtocolError(f"{place}: unknown key {key!r}: expected {expected}")
    for key in sorted(required - table.keys()):
        raise ProtocolError(f"{place}: key {key!r} is missing")
