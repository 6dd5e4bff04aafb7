"""Variants: named choices at points where the paper and its official code disagree (`suite/protocol/variants.toml`).

A variant changes a value, never the code's path.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suite.cells import release_of
from suite.errors import RequestError, unknown
from suite.protocol.tables import PROFILES, PROTOCOLS, check_keys

_VARIANT_KEYS = {"choices", "about", "experiments", "datasets", "methods", "profiles", "picks_file", "beside"}


@dataclass(frozen=True)
class Variant:
    """A named decision; the first choice is the default.

    Attributes:
        datasets: of these experiments, that it concerns; empty for all of them.
        methods: that it concerns; empty for every encoder.
        beside: what it adds stands beside the cells, which stay what they are.
        picks_file: it says which file a method is loaded from, so it is not asked where the user names one.
    """

    name: str
    choices: tuple[str, ...]
    about: str
    experiments: tuple[str, ...]
    datasets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    profiles: tuple[str, ...] = PROFILES
    picks_file: bool = False
    beside: bool = False

    @property
    def default(self) -> str:
        """The primary protocol's choice."""
        return self.choices[0]

    def applies(self, experiment: str, dataset: str, spec: str) -> bool:
        """Tell whether this decision can change the numbers of a trial; its encoder is given as `mae` or `mae@FILE`."""
        release = release_of(spec)
        is_in_scope = experiment in self.experiments and (not self.datasets or dataset in self.datasets)
        return (
            is_in_scope and (not self.methods or release in self.methods) and not (self.picks_file and spec != release)
        )


@functools.cache
def load_variants() -> dict[str, Variant]:
    """Load every variant by name, in the order of `variants.toml`."""
    path = PROTOCOLS / "variants.toml"
    variants = {}
    for name, table in tomllib.loads(path.read_text()).items():
        check_keys(f"{path.name}: {name}", table, _VARIANT_KEYS, required={"choices", "about", "experiments"})
        facts: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        variants[name] = Variant(name=name, **facts)
    return variants


def choose_variants(texts: Sequence[str], profile: str) -> dict[str, str]:
    """Turn `["keypoint-box=full"]` into the choice of every variant, defaults filled in.

    Raises:
        RequestError: an unknown variant or choice, two choices of one variant, or one that this profile lacks.
    """
    variants = load_variants()
    choices = {name: variant.default for name, variant in variants.items()}
    chosen: dict[str, str] = {}
    for text in texts:
        name, _, choice = text.partition("=")
        if name not in variants:
            raise unknown("variant", text, [f"{n}={'|'.join(v.choices)}" for n, v in variants.items()])
        variant = variants[name]
        if choice not in variant.choices:
            raise unknown(f"choice of variant {name}", choice, variant.choices)
        if choice != variant.default and profile not in variant.profiles:
            raise RequestError(f"variant {text}: the {profile} profile has no such checkpoint")
        if name in chosen:
            raise RequestError(f"variant {text}: expected one choice of {name}, got {name}={chosen[name]} too")
        chosen[name] = choice
    return choices | chosen


def deviations(choices: Mapping[str, str]) -> dict[str, str]:
    """Return the choices that are not the default."""
    variants = load_variants()
    return {name: choice for name, choice in choices.items() if choice != variants[name].default}
