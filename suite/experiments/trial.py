"""One trial: an experiment of the paper, on one dataset, with one encoder."""

from __future__ import annotations

import functools
import resource
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from suite import datasets
from suite.cells import CellId
from suite.core.digests import digest_of
from suite.core.environment import code_state, package_versions
from suite.core.numerics import PACKAGES, environment_of, said
from suite.core.source_code import trial_code
from suite.datasets.views import ViewSet
from suite.encoders import Encoder, load_encoder
from suite.encoders.choices import Chosen, chosen
from suite.features import Features, Passes, extract, identity
from suite.judge.entries import cell_entry, cell_properties
from suite.judge.gate import hold
from suite.judge.verdict import ALPHA, CellVerdict, judge
from suite.probes.sources import KeptTokens, RecomputedTokens, token_source
from suite.protocol.constants import constants_of
from suite.protocol.profiles import Experiment
from suite.protocol.tables import sourced
from suite.protocol.variants import load_variants
from suite.reference.expected import Expected
from suite.reference.select import EXPECTED, known_deviations, references
from suite.results.store import Items, Result, Store
from suite.run.request import Request


@dataclass
class Outcome:
    """What a measurement yields.

    Attributes:
        values: `setting/metric` -> per cent, one value per seed, or a single one where nothing is random.
        summaries: per-item summaries by name.
        seeded: whether a probe was trained, so that seeds play a part.
        items: scores of the single items behind the values; None where there are none.
    """

    values: dict[str, list[float]] = field(default_factory=dict)
    summaries: dict[str, Any] = field(default_factory=dict)
    seeded: bool = False
    items: Items | None = None


class Trial:
    """Everything a measurement may ask for, made when it is asked for."""

    def __init__(self, request: Request, experiment: Experiment, dataset: str, spec: str) -> None:
        self.request = request
        self.experiment = experiment
        self.dataset = dataset
        self.spec = spec
        self.key = request.key(experiment, dataset, spec)
        self.store = Store(request.run)
        self.properties: list[tuple[str, str]] = [("trial", str(self.key))]

    @functools.cached_property
    def encoder(self) -> Encoder:
        """The frozen encoder, on the request's device."""
        choices = {name: self.choice(name) for name in load_variants()}
        return load(chosen(self.spec, choices), self.request.weights, self.request.device)

    @functools.cached_property
    def root(self) -> Path:
        """The dataset's folder.

        Raises:
            DatasetError: it is missing or empty.
        """
        return datasets.require(datasets.dataset_root(self.request.data, self.dataset), self.dataset)

    @property
    def settings(self) -> list[str]:
        """The settings that this encoder can be measured in."""
        return [s for s in self.experiment.settings if s != "projected" or self.encoder.has_projector]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the probes."""
        return self.request.seeds

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process goes what is asked for, not what was made of it."""
        return Trial, (self.request, self.experiment, self.dataset, self.spec)

    def __getitem__(self, parameter: str) -> Any:
        return self.experiment[parameter]

    def choice(self, variant: str) -> str:
        """The choice made of a variant; its default where it says nothing about this trial."""
        named = load_variants()[variant]
        applies = named.applies(self.experiment.name, self.dataset, self.spec)
        return self.request.variants[variant] if applies else named.default

    @property
    def pass_size(self) -> int:
        """Views that the encoder sees at once; passes are filled up, which a smoke run need not pay for."""
        size: int = self.request.profile["batch_size"]
        return min(size, self.request.limit or size)

    @property
    def permuted(self) -> bool:
        """Whether the patches of every image are shuffled."""
        return self.choice("mae-order") == "permuted"

    def passes(self, views: ViewSet, transform: str) -> Passes:
        """How views become tokens."""
        return Passes(self.encoder, views, transform, self.permuted, self.pass_size)

    def extract(self, views: ViewSet, transform: str, keep: Collection[str], *, cached: bool = True) -> Features:
        """Encode views once, for what is to be kept; reused from the cache where nothing changed."""
        return extract(self.passes(views, transform), keep, cache=self.request.cache if cached else None)

    def token_source(self, views: ViewSet, transform: str) -> KeptTokens | RecomputedTokens:
        """The tokens of views, as often as a probe asks: from memory if they fit, else encoded anew."""
        return token_source(self.passes(views, transform), self.spec, cache=self.request.cache)

    def protocol(self) -> dict[str, Any]:
        """Every hyper-parameter and constant of this trial, with its source, and the variants that apply."""
        parameters = dict(self.request.profile.parameters) | dict(self.experiment.parameters)
        return {
            "profile": self.request.profile.name,
            "settings": list(self.experiment.settings),
            "parameters": sourced(parameters),
            "constants": constants_of(self.experiment.name),
            "variants": {
                name: self.choice(name)
                for name, variant in load_variants().items()
                if variant.applies(self.experiment.name, self.dataset, self.spec)
            },
            "limit": self.request.limit,
        }

    def inputs(self) -> dict[str, Any]:
        """Digests of everything that the values are made from, and the environment they are made in."""
        return {
            "weights": self.encoder.digest,
            "encoder": digest_of(identity(self.encoder)),
            "data": _data_digest(self.root),
            "protocol": digest_of(self.protocol()),
            "code": trial_code(self.experiment.name),
            "seeds": list(self.seeds),
            "device": self.request.device,
            "environment": environment_of(self.request.device),
        }

    def stored(self) -> Result | None:
        """The stored result if it holds: its inputs are unchanged, or, where asked, all but its environment."""
        inputs, found = self.inputs(), self.store.load(self.key)
        if found is not None and self.request.keep_other_environments:
            theirs = {name: value for name, value in found.inputs.items() if name != "environment"}
            if theirs == {name: value for name, value in inputs.items() if name != "environment"}:
                inputs = dict(found.inputs)
        return self.store.fresh(self.key, inputs)

    def check(self, measurement: Callable[[Trial], Outcome]) -> None:
        """Measure, or reuse what was measured, and hold every cell against its reference.

        A cell fails the test if it would also fail the whole run: if its deviation is confirmed among all cells
        that have a reference (Bonferroni, the first step of Holm's procedure), if a known deviation is none any more,
        or, if strict, if it deviates at all. A test in which a cell cannot be told is skipped, one with a known
        deviation is an expected failure: neither is green.
        """
        result, reused = self.measure(measurement)
        self.properties += [("seconds", str(result.facts["seconds"])), *([("reused", "yes")] if reused else [])]
        made_in = result.inputs.get("environment") or {"packages": result.facts.get("packages", {})}
        if reused and made_in != environment_of(self.request.device):
            self.properties += [("environment", said(made_in))]
        measured = {m.id: m for m in result.measurements()}
        if not measured or not self.request.judged:
            return
        variants, limit = self.protocol()["variants"], self.request.limit
        expected = references(self.request.profile.name, variants, limit, {self.spec})
        known = known_deviations(self.request.profile.name, variants)
        cells = judge(list(measured), measured, expected, {}, [], known=known, on=datetime.now(UTC).date()).cells
        self.properties += cell_properties([cell_entry(cell) for cell in cells])
        level = 1.0 if self.request.strict else ALPHA / max(1, len(expected))
        failing = [c for c in cells if c.verdict == "unexpected" or (c.verdict == "deviates" and _p_value(c) <= level)]
        wrong = [f"{cell.id}: {cell.reason}" for cell in failing] + self._changed(result, expected)
        if wrong:
            pytest.fail("\n".join(wrong), pytrace=False)
        known_ones = [cell for cell in cells if cell.verdict == "known deviation"]
        open_ = [cell for cell in cells if cell.verdict == "inconclusive"]
        if open_ and not self.request.allow_inconclusive:
            pytest.skip(f"inconclusive: {len(open_)} of {len(cells)} cells, {open_[0].id} first: {open_[0].reason}")
        if known_ones:
            pytest.xfail("\n".join(f"{cell.id}: {cell.reason}" for cell in known_ones))

    def _changed(self, result: Result, expected: Mapping[CellId, Expected]) -> list[str]:
        """What the second gate says: a line per cell that has changed against the accepted run of this device."""
        request = self.request
        gate = hold(
            [result],
            EXPECTED / "accepted",
            request.profile.name,
            variants=request.variants,
            limit=request.limit,
            references=expected,
        )
        cells = {} if gate is None else gate.cells
        self.properties += [(f"{cell}#accepted", f"{held.verdict}: {held.reason}") for cell, held in cells.items()]
        return [f"{cell}: {held.reason}" for cell, held in cells.items() if held.verdict == "changed"]

    def measure(self, measurement: Callable[[Trial], Outcome]) -> tuple[Result, bool]:
        """The stored result if its inputs are unchanged, else a new one; True if it was reused."""
        stored = self.stored()
        if stored is not None:
            return stored, True
        inputs, started = self.inputs(), time.perf_counter()
        outcome = measurement(self)
        result = Result(
            key=self.key,
            values=outcome.values,
            summaries=outcome.summaries,
            inputs=inputs,
            protocol=self.protocol(),
            facts=self._facts(outcome, seconds=time.perf_counter() - started),
        )
        self.store.save(result, outcome.items)
        return result, False

    def _facts(self, outcome: Outcome, *, seconds: float) -> Mapping[str, Any]:
        return {
            "seeds": list(self.seeds) if outcome.seeded else [],
            "encoder": self.spec,
            "device": self.request.device,
            "seconds": round(seconds, 3),
            "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "code_state": code_state(),
            "packages": package_versions(PACKAGES),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def _p_value(cell: CellVerdict) -> float:
    """1 where it cannot be told."""
    return 1.0 if cell.p_value is None else cell.p_value


@functools.cache
def _data_digest(root: Path) -> str:
    """A dataset is read once a process for its digest."""
    return datasets.digest(root)


@functools.lru_cache(maxsize=16)
def load(encoder: Chosen, weights: Path, device: str) -> Encoder:
    """An encoder, loaded once a process; `weights` is the folder of the checkpoints."""
    return load_encoder(encoder.spec, weights=weights, device=device, branch=encoder.branch, norm_eps=encoder.norm_eps)
