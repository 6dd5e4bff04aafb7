"""Constants of the protocol: what the paper and its official code fix at every size, each with its source.

They stand in `suite/protocol/constants.toml`, in groups of what is read together. The code has them from here, and so
has the report: none is written down twice.
"""

from __future__ import annotations

import functools
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from suite.errors import ProtocolError
from suite.protocol.tables import PROTOCOLS, Parameter, check_keys, parameters, sourced

FILE = PROTOCOLS / "constants.toml"


@dataclass(frozen=True)
class Group:
    """Constants that are read together.

    Attributes:
        experiments: those whose numbers depend on them.
        constants: by name.
    """

    experiments: tuple[str, ...]
    constants: Mapping[str, Parameter]


@functools.cache
def load_constants() -> dict[str, Group]:
    """Load every group by name, in the order of the file.

    Raises:
        ProtocolError: a group without experiments, an unknown key, or a constant without value or source.
    """
    groups = {}
    for name, table in tomllib.loads(FILE.read_text(encoding="utf-8")).items():
        place = f"{FILE.name}: {name}"
        check_keys(place, table, table, required={"experiments"})
        constants = {key: entry for key, entry in table.items() if key != "experiments"}
        groups[name] = Group(tuple(table["experiments"]), parameters(place, constants))
    return groups


def constant(group: str, name: str) -> Any:
    """Return the value of a constant; a list comes as a tuple.

    Raises:
        ProtocolError: the file has no such group or constant.
    """
    groups = load_constants()
    if group not in groups or name not in groups[group].constants:
        raise ProtocolError(f"{FILE.name}: {group}.{name}: missing: add it, with its source")
    value = groups[group].constants[name].value
    return tuple(value) if isinstance(value, list) else value


def constants_of(experiment: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Map group -> constant -> value and source, of the groups that concern an experiment."""
    return {
        name: sourced(group.constants) for name, group in load_constants().items() if experiment in group.experiments
    }


def constants_digest() -> str:
    """Return the SHA-256 of the file: a part of what decides whether kept features and checkpoints still hold."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()
