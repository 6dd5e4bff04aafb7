"""Diagnostic factors: usual mistakes that `triage` tries when a number differs (`suite/protocol/factors.toml`).

Unlike a variant, which names a decision that paper and code disagree on, a factor is a mistake: no run that is judged
has one, and a trial without any is what it always was.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from suite.errors import RequestError, unknown
from suite.protocol.tables import PROTOCOLS, check_keys

_REQUIRED = {"choices", "acts", "about", "experiments"}
_KEYS = _REQUIRED | {"own"}


@dataclass(frozen=True)
class Factor:
    """A mistake by name.

    Attributes:
        choices: forms of it.
        acts: where in the pipeline: `pixels`, `encoder`, `labels` or `splits`.
        experiments: whose numbers it can move.
        own: choice -> experiments of which it is the protocol's own; none where no choice is.
    """

    name: str
    choices: tuple[str, ...]
    acts: str
    about: str
    experiments: tuple[str, ...]
    own: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def mistakes(self, experiment: str) -> list[str]:
        """Return the choices that can move an experiment's numbers; those that are its own cannot."""
        choices = self.choices if experiment in self.experiments else ()
        return [choice for choice in choices if experiment not in self.own.get(choice, ())]


@functools.cache
def load_factors() -> dict[str, Factor]:
    """Load every factor by name, in the order of `factors.toml`."""
    path = PROTOCOLS / "factors.toml"
    factors = {}
    for name, table in tomllib.loads(path.read_text()).items():
        check_keys(f"{path.name}: {name}", table, _KEYS, required=_REQUIRED)
        facts: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        factors[name] = Factor(name=name, **facts)
    return factors


def choose_factors(texts: Sequence[str]) -> dict[str, str]:
    """Turn `["channels=bgr"]` into name -> choice.

    Raises:
        RequestError: an unknown factor or choice, or two choices of one factor.
    """
    factors = load_factors()
    chosen: dict[str, str] = {}
    for text in texts:
        name, _, choice = text.partition("=")
        if name not in factors:
            raise unknown("factor", text, [f"{f.name}={'|'.join(f.choices)}" for f in factors.values()])
        if choice not in factors[name].choices:
            raise unknown(f"choice of factor {name}", choice, factors[name].choices)
        if name in chosen:
            raise RequestError(f"factor {text}: expected one choice of {name}, got {name}={chosen[name]} too")
        chosen[name] = choice
    return chosen
