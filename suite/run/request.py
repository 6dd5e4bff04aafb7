"""Request: which experiments, encoders and datasets, how, and where to."""

from __future__ import annotations

import math
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from suite.cells import BASELINES, METHODS, CellId, method_names
from suite.core.files import write_atomically
from suite.core.forms import warn
from suite.core.nvidia import has_gpu, unusable
from suite.core.paths import EXPECTED, MINI_WEIGHTS, NO_CHECKOUT, ROOT, from_checkout
from suite.core.values import check_folder, check_seed, once
from suite.errors import ExpectedError, RequestError, StorageError, unknown
from suite.protocol.profiles import Experiment, Profile, load_profile
from suite.protocol.variants import choose_variants, deviations
from suite.reference.select import accepted_folder
from suite.results.store import Key
from suite.run.options import CACHE_GB, DEVICES, OPTIONS
from suite.specs import unknown_encoder

GROUPS = {"seven": METHODS, "floors": BASELINES}
"""Encoders that one word asks for: the paper's, and what no pretraining and no encoder reach."""
_OF_ONE_PROCESS = ("stored_only",)
"""Fields that tell one process of a run apart from the others, and are no part of what was asked for."""


@dataclass(frozen=True)
class Request:
    """A validated request; made by `make_request`.

    Attributes:
        encoders: specs as the user wrote them, e.g. `dino` or `timm:vit_tiny_patch16_224`.
        variants: the choice of every variant.
        accepted: folder of the values that were accepted; None for the checkout's `expected`.
        factors: diagnostic ones (`suite.protocol.factors`), only `triage` asks for any, and judges nothing.
        forward_batch_size: images that an encoder sees at once, at most; None for the profile's.
        limit: use at most this many views of each split, for a smoke run; nothing is judged then.
        allow_inconclusive: end in 0 although something cannot be told.
        claims_gate: fail on a claim that differs from the paper.
        share_stream: encoders that learn from augmented images see the same ones, decoded once, in one process.
        processes_per_probe: processes, each with its GPU, that share every batch of a probe on augmented images.
        judged: whether cells are held against references; not while these are recorded.
        stored_only: measure nothing, only look whether stored results hold.
        keep_other_environments: reuse results that were made with other packages or on another device.
        cache_gb: 10^9 bytes that the cache keeps of features at most.
    """

    profile: Profile
    encoders: tuple[str, ...]
    datasets: tuple[str, ...]
    experiments: tuple[str, ...]
    variants: dict[str, str]
    seeds: tuple[int, ...]
    device: str
    data: Path
    weights: Path
    cache: Path
    run: Path
    limit: int | None
    strict: bool
    allow_inconclusive: bool = False
    claims_gate: bool = False
    share_stream: bool = False
    processes_per_probe: int = 1
    judged: bool = True
    stored_only: bool = False
    keep_other_environments: bool = False
    cache_gb: float = CACHE_GB
    forward_batch_size: int | None = None
    accepted: Path | None = None
    factors: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def names(self) -> dict[str, str]:
        """Name of every encoder in paths and cells."""
        return method_names(self.encoders)

    def tasks(self) -> Iterator[tuple[Experiment, str, str]]:
        """List (experiment, dataset, encoder spec) for everything asked for."""
        for name in self.experiments:
            experiment = self.profile.experiment(name)
            for dataset in experiment.datasets:
                if dataset in self.datasets:
                    specs = (spec for spec in self.encoders if spec not in experiment.without)
                    yield from ((experiment, dataset, spec) for spec in specs)

    def key(self, experiment: Experiment, dataset: str, spec: str) -> Key:
        """Return the key under which the result of a task is stored."""
        return Key(experiment.name, dataset, self.names[spec])

    def cells(self) -> list[CellId]:
        """List the cells asked for."""
        return [cell for e, dataset, spec in self.tasks() for cell in e.cells(dataset, self.names[spec])]

    def record(self) -> dict[str, Any]:
        """Return the request as JSON, for the run folder and the report."""
        unsaid = _OF_ONE_PROCESS if self.factors else (*_OF_ONE_PROCESS, "factors")
        names = [field.name for field in fields(self) if field.name not in unsaid]
        record = {name: getattr(self, name) for name in names} | {
            "profile": self.profile.name,
            "variants": deviations(self.variants),
            "cells": [str(cell) for cell in self.cells()],
            "command": shlex.join(["python", "-m", "suite", "reproduce", *self.arguments()]),
        }
        return {key: str(value) if isinstance(value, Path) else value for key, value in record.items()}

    def arguments(self) -> list[str]:
        """Write the request as options, of `python -m suite reproduce` and of `pytest suite/experiments`."""
        options = [text for option in OPTIONS for text in option.arguments(self)]
        options += [f"--factor={name}={choice}" for name, choice in self.factors.items()]
        return options if self.judged else [*options, "--unjudged"]


def make_request(
    *,
    profile: str = "mini",
    encoders: Sequence[str] = (),
    datasets: Sequence[str] = (),
    experiments: Sequence[str] = (),
    variants: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    device: str = "auto",
    data: Path | None = None,
    weights: Path | None = None,
    cache: Path = Path("cache"),
    run: Path | None = None,
    limit: int | None = None,
    strict: bool = False,
    allow_inconclusive: bool = False,
    claims_gate: bool = False,
    share_stream: bool = False,
    processes_per_probe: int = 1,
    keep_other_environments: bool = False,
    cache_gb: float = CACHE_GB,
    forward_batch_size: int | None = None,
    accepted: Path | None = None,
    here: bool = True,
) -> Request:
    """Check a request and fill in the profile's defaults; where it is not carried out `here`, `cuda` needs no GPU.

    Raises:
        RequestError: an unknown name (the message lists the valid ones), no GPU for `cuda`, nothing to run.
        ExpectedError: this is no checkout, so nothing could be judged in the end.
    """
    if not EXPECTED.is_dir():
        raise ExpectedError(f"{EXPECTED}: {NO_CHECKOUT}")
    loaded_profile, encoders = load_profile(profile), ungrouped(encoders)
    _check_names(loaded_profile, encoders=encoders, datasets=datasets, experiments=experiments)
    _check_folders({"--data": data, "--run": run})
    accepted_folder(accepted)
    if limit is not None and limit < 1:
        raise RequestError(f"limit {limit}: expected at least 1")
    if forward_batch_size is not None and forward_batch_size < 1:
        raise RequestError(f"pass size {forward_batch_size}: expected at least 1 image a pass, e.g. PASS_SIZE=64")
    if processes_per_probe < 1:
        raise RequestError(f"processes per probe {processes_per_probe}: expected at least 1")
    if not 0 <= cache_gb < math.inf:
        raise RequestError(f"cache {cache_gb} GB: expected a number from 0, e.g. CACHE_GB=100; 0 keeps no features")
    choices = choose_variants(variants, profile)
    request = Request(
        profile=loaded_profile,
        encoders=tuple(encoders) or loaded_profile.methods,
        datasets=tuple(datasets) or loaded_profile.datasets,
        experiments=tuple(experiments) or tuple(loaded_profile.experiments),
        variants=choices,
        seeds=_check_seeds(seeds),
        device=resolve_device(device, here=here),
        data=data or loaded_profile.data,
        weights=weights or _default_weights(loaded_profile),
        cache=cache,
        run=run or Path("runs") / "+".join([profile, *(f"{k}={v}" for k, v in deviations(choices).items())]),
        limit=limit,
        strict=strict,
        allow_inconclusive=allow_inconclusive,
        claims_gate=claims_gate,
        share_stream=share_stream,
        processes_per_probe=processes_per_probe,
        keep_other_environments=keep_other_environments,
        cache_gb=cache_gb,
        forward_batch_size=forward_batch_size,
        accepted=accepted,
    )
    if not list(request.tasks()):
        raise RequestError(_nothing(request))
    if not request.cells():
        raise RequestError(
            f"{', '.join(request.experiments)}: pictures only, nothing to judge: add an experiment that measures"
        )
    return request


def ungrouped(encoders: Sequence[str]) -> list[str]:
    """Put the encoders of a group, `seven` or `floors`, in the place of its name."""
    return [spec for name in encoders for spec in GROUPS.get(name, (name,))]


def resolve_device(device: str, *, here: bool = True) -> str:
    """Turn `auto` into `cuda` where there is a GPU, else `cpu`; what is carried out elsewhere may use a GPU there.

    Raises:
        RequestError: an unknown device, or `cuda` on a machine without a usable GPU.
    """
    if device not in DEVICES:
        raise unknown("device", device, DEVICES)
    if device == "cuda" and not here:
        return device
    if device == "cpu" or (device == "auto" and not has_gpu()):
        return "cpu"  # torch takes seconds to load, and would say the same
    why = unusable()
    if why and device == "cuda":
        raise RequestError(f"device 'cuda': {why}; or pass DEVICE=cpu")
    if why:
        warn(f"on the CPU, since the GPU cannot be used: {why}")
    return "cpu" if why else "cuda"


def check_writable(folder: Path) -> None:
    """Fail now rather than after an hour's work.

    Raises:
        StorageError: the folder can neither be made nor written to.
    """
    probe = folder / ".writable"
    write_atomically(probe, b"x" * 4096)
    probe.unlink(missing_ok=True)


def with_writable_cache(request: Request, *, quiet: bool = False) -> Request:
    """Return the request as it is, or where its cache cannot be written one that goes on without, after a warning.

    Checkpoints then lie in the run folder, so that the same command still goes on from them; no features are kept.
    """
    try:
        check_writable(request.cache)
    except StorageError as error:
        instead = request.run / "cache"
        if not quiet:
            print(f"warning: {error}; the run keeps no features, and its checkpoints in {instead}", file=sys.stderr)
        return replace(request, cache=instead, cache_gb=0)
    return request


def _check_names(
    loaded_profile: Profile, *, encoders: Sequence[str], datasets: Sequence[str], experiments: Sequence[str]
) -> None:
    for option, values in (("--dataset", datasets), ("--experiment", experiments), ("--encoder", encoders)):
        once(option, values)
    for name in datasets:
        if name not in loaded_profile.datasets:
            raise unknown("dataset", name, loaded_profile.datasets)
    for name in experiments:
        loaded_profile.experiment(name)
    for spec in encoders:
        if not re.search(r"[@:]", spec) and spec not in (*METHODS, *BASELINES):
            raise unknown_encoder(spec, (*METHODS, *BASELINES))


def _check_folders(folders: Mapping[str, Path | None]) -> None:
    for option, folder in folders.items():
        if folder is not None:
            check_folder(option, folder)
    run = folders["--run"]
    if run is not None and run.resolve() == ROOT:
        raise RequestError(f"--run {str(run)!r}: expected a folder of its own, got the checkout")


def _default_weights(profile: Profile) -> Path:
    """Return the profile's folder of checkpoints; the embedded ones lie in the package, wherever a command runs."""
    is_embedded = ROOT / profile.weights == MINI_WEIGHTS
    return from_checkout(profile.weights) if is_embedded else profile.weights


def _check_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    if not seeds:
        raise RequestError("--seed: expected one or more different whole numbers, e.g. SEED=0,1,2, got none")
    return tuple(once("--seed", [check_seed("--seed", seed) for seed in seeds]))


def _nothing(request: Request) -> str:
    scope = f"{', '.join(request.experiments)} on {', '.join(request.datasets)}"
    experiments = [request.profile.experiment(name) for name in request.experiments]
    has_experiments = any(dataset in request.datasets for experiment in experiments for dataset in experiment.datasets)
    cause = f"they leave out {', '.join(request.encoders)}" if has_experiments else "no experiment uses these datasets"
    return f"nothing to run: {scope}: {cause}"
