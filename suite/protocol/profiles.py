"""Profiles: what is run, at which size, and the source of every hyper-parameter.

A profile is one TOML file of `suite/protocol/`. A variant is a named choice at a point where the paper and
its official code disagree (`suite/protocol/variants.toml`); it changes a value, never the code's path.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite import registry
from suite.cells import METHODS, PROJECTED_METHODS, CellId
from suite.errors import ProtocolError, unknown
from suite.protocol.settings import SETTINGS, ProfileSettings, Settings
from suite.protocol.tables import PROFILES, PROTOCOLS, Parameter, check_keys, parameters, values
from suite.protocol.typed import typed

_PROFILE_KEYS = {"name", "title", "notice", "data", "weights", "baselines", "parameters"}
_EXPERIMENT_KEYS = {"section", "datasets", "settings", "metrics", "parameters", "like", "without"}
_OPTIONAL = {"parameters", "like", "without"}


@dataclass(frozen=True)
class Experiment:
    """One experiment of the paper in one profile.

    Attributes:
        name: e.g. `part_retrieval`.
        section: its place in the paper.
        cell_settings: what its cells are named by between method and metric, e.g. `encoded` (`settings` of the file).
        parameters: hyper-parameters with their sources, as they are recorded.
        without: baselines that it makes no sense for.
        file: of the profile, in errors.
        settings: the values of the parameters.
    """

    name: str
    section: str
    datasets: tuple[str, ...]
    cell_settings: tuple[str, ...]
    metrics: tuple[str, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    file: str = ""
    settings: Settings = field(init=False)

    @property
    def title(self) -> str:
        """Title as people write it."""
        return registry.title_of(self.name)

    def __post_init__(self) -> None:
        """Take the values of the parameters.

        Raises:
            ProtocolError: one is missing, unknown or of another type.
        """
        place, kind = f"{self.file}: {self.name}: parameters", registry.EXPERIMENTS[self.name].kind
        object.__setattr__(self, "settings", typed(place, SETTINGS[kind], values(self.parameters), self.datasets))

    def cells(self, dataset: str, method: str) -> Iterator[CellId]:
        """Yield the cells that one run of this experiment measures for one dataset and method.

        Only the three releases with a projector have `projected` cells (paper, Table 3).
        """
        for setting in self.cell_settings:
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
    settings: ProfileSettings = field(init=False)

    def __post_init__(self) -> None:
        """Take the values of the parameters.

        Raises:
            ProtocolError: one is missing, unknown or of another type.
        """
        place = f"{self.name}.toml: profile: parameters"
        object.__setattr__(self, "settings", typed(place, ProfileSettings, values(self.parameters)))

    @property
    def methods(self) -> tuple[str, ...]:
        """The seven of the paper, then the baselines."""
        return METHODS + self.baselines

    @property
    def datasets(self) -> tuple[str, ...]:
        """Every dataset of the profile, in order of first use."""
        return tuple(dict.fromkeys(d for e in self.experiments.values() for d in e.datasets))

    def experiment(self, name: str) -> Experiment:
        """Look an experiment up.

        Raises:
            RequestError: there is none of this name; the message lists them.
        """
        if name not in self.experiments:
            raise unknown("experiment", name, tuple(self.experiments))
        return self.experiments[name]

    def cells(self) -> list[CellId]:
        """List every cell of the profile."""
        return [
            cell
            for experiment in self.experiments.values()
            for dataset in experiment.datasets
            for method in self.methods
            if method not in experiment.without
            for cell in experiment.cells(dataset, method)
        ]


def load_profile(name: str) -> Profile:
    """Read `suite/protocol/<name>.toml`.

    Raises:
        RequestError: no such profile.
        ProtocolError: an unknown experiment, an unknown or missing key, a value without source or of another type.
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


def _experiment(file: str, name: str, tables: Mapping[str, dict[str, Any]]) -> Experiment:
    place, table = f"{file}: {name}", tables[name]
    check_keys(file, {name: table}, registry.EXPERIMENTS, required=set())
    check_keys(place, table, _EXPERIMENT_KEYS, required=_EXPERIMENT_KEYS - _OPTIONAL)
    model = table.get("like")
    if model is not None and model not in tables:
        raise ProtocolError(f"{place}: like: expected the name of an experiment of this file, got {model!r}")
    model_parameters = tables[model].get("parameters", {}) if model else {}
    return Experiment(
        name=name,
        section=table["section"],
        datasets=tuple(table["datasets"]),
        cell_settings=tuple(table["settings"]),
        metrics=tuple(table["metrics"]),
        parameters=parameters(f"{place}: parameters", {**model_parameters, **table.get("parameters", {})}),
        without=tuple(table.get("without", ())),
        file=file,
    )
