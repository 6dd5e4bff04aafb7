"""Profiles: what is run, at which size, and where every hyper-parameter comes from.

A profile is one TOML file of `suite/protocols/`. A variant is a named choice at a point where the paper and
its official code disagree (`suite/protocols/variants.toml`); it changes a value, never the code's path.
"""

from __future__ import annotations

import functools
import hashlib
import json
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite.cells import METHODS, PROJECTED_METHODS, CellId, release_of
from suite.errors import ProtocolError, RequestError, unknown

PROTOCOLS = Path(__file__).parent / "protocols"
PROFILES = ("mini", "paper")
_PROFILE_KEYS = {"name", "title", "notice", "data", "weights", "baselines", "parameters"}
_EXPERIMENT_KEYS = {"title", "section", "datasets", "settings", "metrics", "parameters", "like", "without"}
_OPTIONAL = {"parameters", "like", "without"}
_VARIANT_KEYS = {"choices", "about", "experiments", "datasets", "methods", "profiles", "picks_file"}


@dataclass(frozen=True)
class Parameter:
    """A hyper-parameter and the place in the paper or its code that states it."""

    value: Any
    source: str


@dataclass(frozen=True)
class Variant:
    """A named decision; the first choice is the default.

    Attributes:
        datasets: of these experiments, that it concerns; empty for all of them.
        methods: that it concerns; empty for every encoder.
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

    @property
    def default(self) -> str:
        """The primary protocol's choice."""
        return self.choices[0]

    def applies(self, experiment: str, dataset: str, spec: str) -> bool:
        """Whether this decision can change the numbers of one trial; its encoder is given as `mae` or `mae@FILE`."""
        release = release_of(spec)
        placed = experiment in self.experiments and (not self.datasets or dataset in self.datasets)
        return placed and (not self.methods or release in self.methods) and not (self.picks_file and spec != release)


@dataclass(frozen=True)
class Experiment:
    """One experiment of the paper in one profile.

    Attributes:
        name: e.g. `part_retrieval`.
        section: its place in the paper.
        without: baselines that it makes no sense for.
    """

    name: str
    title: str
    section: str
    datasets: tuple[str, ...]
    settings: tuple[str, ...]
    metrics: tuple[str, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> Any:
        if key not in self.parameters:
            raise ProtocolError(f"{self.name}: parameter {key!r} missing: add it, with its source, to the profile")
        return self.parameters[key].value

    def cells(self, dataset: str, method: str) -> Iterator[CellId]:
        """The cells that one run of this experiment measures for one dataset and method.

        Only the three releases with a projector have `projected` cells (paper, Table 3).
        """
        for setting in self.settings:
            if setting != "projected" or method in PROJECTED_METHODS:
                for metric in self.metrics:
                    yield CellId(self.name, dataset, method, setting, metric)


@dataclass(frozen=True)
class Profile:
    """Every experiment at one size."""

    name: str
    title: str
    notice: str
    data: Path
    weights: Path
    baselines: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    experiments: Mapping[str, Experiment]

    @property
    def methods(self) -> tuple[str, ...]:
        """The seven of the paper, then the baselines."""
        return METHODS + self.baselines

    @property
    def datasets(self) -> tuple[str, ...]:
        """Every dataset of the profile, in order of first use."""
        return tuple(dict.fromkeys(d for e in self.experiments.values() for d in e.datasets))

    def __getitem__(self, key: str) -> Any:
        return self.parameters[key].value

    def experiment(self, name: str) -> Experiment:
        """Look an experiment up.

        Raises:
            RequestError: there is none of this name; the message lists them.
        """
        if name not in self.experiments:
            raise unknown("experiment", name, tuple(self.experiments))
        return self.experiments[name]

    def cells(self) -> list[CellId]:
        """Every cell of the profile."""
        return [
            cell
            for experiment in self.experiments.values()
            for dataset in experiment.datasets
            for method in self.methods
            if method not in experiment.without
            for cell in experiment.cells(dataset, method)
        ]


def load_profile(name: str) -> Profile:
    """Read `suite/protocols/<name>.toml`.

    Raises:
        RequestError: no such profile.
        ProtocolError: an unknown or missing key, or a value without source.
    """
    if name not in PROFILES:
        raise unknown("profile", name, PROFILES)
    path = PROTOCOLS / f"{name}.toml"
    tables = tomllib.loads(path.read_text())
    head = tables.pop("profile")
    check_keys(f"{path.name}: profile", head, _PROFILE_KEYS, required=_PROFILE_KEYS)
    return Profile(
        name=head["name"],
        title=head["title"],
        notice=head["notice"],
        data=Path(head["data"]),
        weights=Path(head["weights"]),
        baselines=tuple(head["baselines"]),
        parameters=parameters(f"{path.name}: profile: parameters", head["parameters"]),
        experiments={key: _experiment(path.name, key, tables) for key in tables},
    )


@functools.cache
def load_variants() -> dict[str, Variant]:
    """Every variant by name, in the order of `variants.toml`."""
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
    """`["keypoint-box=full"]` -> the choice of every variant, defaults filled in.

    Raises:
        RequestError: an unknown variant or choice, or one that this profile has no files for.
    """
    variants = load_variants()
    chosen = {name: variant.default for name, variant in variants.items()}
    for text in texts:
        name, _, choice = text.partition("=")
        if name not in variants:
            raise unknown("variant", text, [f"{n}={'|'.join(v.choices)}" for n, v in variants.items()])
        variant = variants[name]
        if choice not in variant.choices:
            raise unknown(f"choice of variant {name}", choice, variant.choices)
        if choice != variant.default and profile not in variant.profiles:
            raise RequestError(f"variant {text}: the {profile} profile has no such checkpoint")
        chosen[name] = choice
    return chosen


def deviations(chosen: Mapping[str, str]) -> dict[str, str]:
    """The choices that are not the default."""
    variants = load_variants()
    return {name: choice for name, choice in chosen.items() if choice != variants[name].default}


def digest_of(value: object) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def parameters(where: str, table: Mapping[str, dict[str, Any]]) -> dict[str, Parameter]:
    """Values with their sources, as they stand in a table.

    Args:
        where: the table, in errors.
        table: name -> `{ value, source }`.

    Raises:
        ProtocolError: one of them has another key, or lacks one.
    """
    for key, entry in table.items():
        check_keys(f"{where}.{key}", entry, {"value", "source"}, required={"value", "source"})
    return {key: Parameter(**entry) for key, entry in table.items()}


def sourced(table: Mapping[str, Parameter]) -> dict[str, dict[str, Any]]:
    """Parameters as records keep them: name -> `{ value, source }`."""
    return {name: {"value": parameter.value, "source": parameter.source} for name, parameter in table.items()}


def check_keys(where: str, table: object, known: Collection[str], *, required: set[str]) -> None:
    """Refuse a table with an unknown key, or without a required one.

    Raises:
        ProtocolError: there is one, or this is no table.
    """
    if not isinstance(table, Mapping):
        raise ProtocolError(f"{where}: expected a table with {', '.join(sorted(required))}, got {table!r}")
    for key in sorted(table.keys() - set(known)):
        raise ProtocolError(f"{where}: unknown key {key!r}: expected one of {', '.join(sorted(known))}")
    for key in sorted(required - table.keys()):
        raise ProtocolError(f"{where}: key {key!r} is missing")


def _experiment(file: str, name: str, tables: Mapping[str, dict[str, Any]]) -> Experiment:
    where, table = f"{file}: {name}", tables[name]
    check_keys(where, table, _EXPERIMENT_KEYS, required=_EXPERIMENT_KEYS - _OPTIONAL)
    model = table.get("like")
    if model is not None and model not in tables:
        raise ProtocolError(f"{where}: like: expected the name of an experiment of this file, got {model!r}")
    inherited = tables[model].get("parameters", {}) if model else {}
    return Experiment(
        name=name,
        title=table["title"],
        section=table["section"],
        datasets=tuple(table["datasets"]),
        settings=tuple(table["settings"]),
        metrics=tuple(table["metrics"]),
        parameters=parameters(f"{where}: parameters", {**inherited, **table.get("parameters", {})}),
        without=tuple(table.get("without", ())),
    )
