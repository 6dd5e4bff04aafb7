"""Nested facts (environment, protocol) as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as lines: `experiments.part_retrieval.crop`, its text, and its source where it has one."""
    if isinstance(value, Mapping) and value.keys() == {"value", "source"}:
        yield prefix, f"{_text(value['value'])}  ({value['source']})"
    elif isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flatten(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, _text(value)


def _text(value: Any) -> str:
    if value is None or value in ({}, []):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)
