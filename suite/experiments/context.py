"""Context of a measurement: one experiment of the paper, on one dataset, with one encoder."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from suite import datasets
from suite.core.digests import digest_of
from suite.core.numerics import environment_of
from suite.core.source_code import trial_code
from suite.datasets.pixels import changed
from suite.datasets.views import ViewSet
from suite.encoders import Encoder, load_encoder
from suite.encoders.altered import alter
from suite.encoders.architecture import Architecture, of_profile
from suite.encoders.choices import Chosen, chosen
from suite.features import Cache, Features, Passes, extract, identity
from suite.probes.sources import KeptTokens, RecomputedTokens, token_source
from suite.protocol.constants import constants_of
from suite.protocol.factors import load_factors
from suite.protocol.profiles import Experiment
from suite.protocol.settings import Settings
from suite.protocol.tables import sourced
from suite.protocol.variants import load_variants
from suite.results.store import PerItemScores, Result, Store
from suite.run.networks import agree, is_candidate
from suite.run.request import Request

S_co = TypeVar("S_co", bound=Settings, covariant=True)


@dataclass
class Outcome:
    """Outcome of a measurement.

    Attributes:
        values: `setting/metric` -> per cent, one value per seed, or a single one where nothing is random.
        summaries: per-item summaries by name.
        seeded: whether a probe was trained, so that seeds play a part.
        items: scores of the single items behind the values; None where there are none.
        facts: circumstances that go on record with the values, by name.
    """

    values: dict[str, list[float]] = field(default_factory=dict)
    summaries: dict[str, Any] = field(default_factory=dict)
    seeded: bool = False
    items: PerItemScores | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class Context(Generic[S_co]):
    """Everything a measurement may ask for, made when it is asked for.

    Its experiment is of the kind that has these settings.
    """

    def __init__(self, request: Request, experiment: Experiment, dataset: str, spec: str) -> None:
        self.request = request
        self.experiment = experiment
        self.dataset = dataset
        self.spec = spec
        self.key = request.key(experiment, dataset, spec)
        self.store = Store(request.run)

    @functools.cached_property
    def encoder(self) -> Encoder:
        """The frozen encoder, on the request's device.

        Raises:
            RequestError: a candidate that is another network than in the rest of the run.
        """
        choices = {name: self.choice(name) for name in load_variants()}
        of = chosen(self.spec, choices)
        architecture = of_profile(self.request.profile.name)
        encoder = load(of, self.request.weights, self.request.device, architecture, tuple(self.factors.items()))
        if is_candidate(self.spec):
            network = {"weights": encoder.digest, "code": encoder.code, "tokens": encoder.tokens}
            agree(self.request.run, self.spec, network, place=str(self.key), variants=choices)
        return encoder

    @functools.cached_property
    def root(self) -> Path:
        """The dataset's folder.

        Raises:
            DatasetError: it is missing or empty.
        """
        return datasets.require(datasets.dataset_root(self.request.data, self.dataset), self.dataset)

    @functools.cached_property
    def cache(self) -> Cache:
        """The features that are remembered; its tally is this trial's."""
        return Cache(self.request.cache, self.request.cache_gb)

    @property
    def settings(self) -> S_co:
        """The parameters of the experiment in this profile."""
        return cast(S_co, self.experiment.settings)

    @property
    def cell_settings(self) -> list[str]:
        """The settings of cells that this encoder can be measured in."""
        return [s for s in self.experiment.cell_settings if s != "projected" or self.encoder.has_projector]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the probes."""
        return self.request.seeds

    def __reduce__(self) -> tuple[Any, ...]:
        """Send another process the request, not what was made of it."""
        return Context, (self.request, self.experiment, self.dataset, self.spec)

    def choice(self, variant: str) -> str:
        """Return the choice made of a variant; its default where it says nothing about this trial."""
        definition = load_variants()[variant]
        applies = definition.applies(self.experiment.name, self.dataset, self.spec)
        return self.request.variants[variant] if applies else definition.default

    @functools.cached_property
    def factors(self) -> dict[str, str]:
        """Diagnostic factors of this trial, name -> choice; none where anything is judged."""
        factors = load_factors()
        chosen_factors = self.request.factors.items()
        return {name: choice for name, choice in chosen_factors if self.experiment.name in factors[name].experiments}

    def splits(self, names: Mapping[str, str]) -> dict[str, str]:
        """Return the dataset's names of `train` and `val`, where a factor says so the other way round."""
        roles = {"train": "val", "val": "train"} if "splits" in self.factors else {}
        return {role: names[roles.get(role, role)] for role in names}

    @property
    def label_shift(self) -> int:
        """What is added to the evaluation labels, the last class following the first: 0 but for a factor."""
        return {"minus-one": -1, "plus-one": 1}.get(self.factors.get("label-map", ""), 0)

    @property
    def forward_batch_size(self) -> int:
        """Views that the encoder sees at once; passes are filled up, which a smoke run need not pay for."""
        size = self.request.profile.settings.batch_size
        return min(size, self.request.forward_batch_size or size, self.request.limit or size)

    @property
    def permuted(self) -> bool:
        """Tell whether the patches of every image are shuffled."""
        return self.choice("mae-order") == "permuted"

    def passes(self, views: ViewSet, transform: str) -> Passes:
        """Return the passes that turn views into tokens."""
        return Passes(self.encoder, views, changed(transform, self.factors), self.permuted, self.forward_batch_size)

    def extract(self, views: ViewSet, transform: str, keep: Collection[str], *, cached: bool = True) -> Features:
        """Encode views once, for what is to be kept; reused from the cache where nothing changed."""
        cache = self.cache if cached else replace(self.cache, gigabytes=0)
        return extract(self.passes(views, transform), keep, cache=cache)

    def token_source(self, views: ViewSet, transform: str) -> KeptTokens | RecomputedTokens:
        """Return the tokens of views, as often as a probe asks: from memory if they fit, else encoded anew."""
        return token_source(self.passes(views, transform), self.spec, cache=self.cache)

    def protocol(self) -> dict[str, Any]:
        """List every hyper-parameter and constant of this trial, with its source, and the variants that apply."""
        parameters = dict(self.request.profile.parameters) | dict(self.experiment.parameters)
        return {
            "profile": self.request.profile.name,
            "settings": list(self.experiment.cell_settings),
            "parameters": sourced(parameters),
            "constants": constants_of(self.experiment.name),
            "variants": {
                name: self.choice(name)
                for name, variant in load_variants().items()
                if variant.applies(self.experiment.name, self.dataset, self.spec)
            },
            "limit": self.request.limit,
            **({"factors": self.factors} if self.factors else {}),
        }

    def inputs(self) -> dict[str, Any]:
        """Return digests of everything that the values are made from, and the environment they are made in."""
        return {
            "weights": self.encoder.digest,
            "encoder": digest_of(identity(self.encoder)),
            "data": datasets.digest(self.root),
            "protocol": digest_of(self.protocol()),
            "code": trial_code(self.experiment.name),
            "seeds": list(self.seeds),
            "device": self.request.device,
            "environment": environment_of(self.request.device),
        }

    def stored(self, inputs: dict[str, Any] | None = None) -> Result | None:
        """Return the stored result if it holds: its inputs are unchanged, or, where asked, all but its environment.

        Args:
            inputs: as `inputs()` returns them; None to ask for them here.
        """
        inputs, result = inputs or self.inputs(), self.store.load(self.key)
        if result is not None and self.request.keep_other_environments:
            stored_inputs = {name: value for name, value in result.inputs.items() if name != "environment"}
            if stored_inputs == {name: value for name, value in inputs.items() if name != "environment"}:
                inputs = dict(result.inputs)
        return self.store.load_if_valid(self.key, inputs)


@functools.lru_cache(maxsize=16)
def load(
    encoder: Chosen, weights: Path, device: str, architecture: Architecture, factors: tuple[tuple[str, str], ...] = ()
) -> Encoder:
    """Load an encoder, once a process.

    Args:
        encoder: which.
        weights: folder of the checkpoints.
        device: where it is to run.
        architecture: of the baselines.
        factors: diagnostic ones in it, name and choice.
    """
    loaded = load_encoder(
        encoder.spec,
        weights=weights,
        device=device,
        branch=encoder.branch,
        norm_eps=encoder.norm_eps,
        architecture=architecture,
    )
    return alter(loaded, dict(factors))
