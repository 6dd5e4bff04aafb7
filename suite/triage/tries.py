"""What is tried for the cells of a run: each named variant, diagnostic factor and other network, one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from suite.cells import release_of
from suite.errors import RequestError
from suite.protocol.factors import load_factors
from suite.protocol.variants import load_variants
from suite.report.triaged import AGAIN, FOLDER
from suite.results.store import Key
from suite.run.request import Request
from suite.triage.asked import Findings

ACTS = ("nowhere", "labels", "splits", "protocol", "encoder", "pixels", "weights")
"""Where a try acts, what needs no forward pass of its own first; variants are `protocol`."""
NETWORK = "network"
"""Name of a try that puts another network in the encoder's place."""


@dataclass
class Try:
    """One change of the run's request.

    Attributes:
        changes: name of a variant, a factor, or `network` -> choice, or the other network's spec; `measured` -> `again`
            for none at all.
        acts: one of `ACTS`.
        about: in words.
        keys: trials of the run that it is tried on, in order.
    """

    changes: Mapping[str, str]
    acts: str
    about: str
    keys: list[Key] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Name for people, `channels=bgr`."""
        return " + ".join(f"{name}={choice}" for name, choice in self.changes.items())

    def request(self, run: Request) -> Request:
        """Return the request of its trials: the run's own with the change in it, in a folder of its own.

        What is measured again takes nothing from the run's cache, neither features nor trained heads.
        """
        names = {name: {getattr(key, name) for key in self.keys} for name in ("experiment", "dataset", "method")}
        specs = [spec for spec in run.encoders if run.names[spec] in names["method"]]
        variants, factors = load_variants(), load_factors()
        place = "+".join(re.sub(r"[^A-Za-z0-9._-]+", "-", f"{name}-{choice}") for name, choice in self.changes.items())
        folder = run.run / FOLDER / place
        is_again = self.label == AGAIN
        return replace(
            run,
            run=folder,
            experiments=tuple(name for name in run.experiments if name in names["experiment"]),
            datasets=tuple(name for name in run.datasets if name in names["dataset"]),
            encoders=(self.changes[NETWORK],) if NETWORK in self.changes else tuple(specs),
            variants=run.variants | {name: choice for name, choice in self.changes.items() if name in variants},
            factors={name: choice for name, choice in self.changes.items() if name in factors},
            cache=folder / "cache" if is_again else run.cache,
            cache_gb=0.0 if is_again else run.cache_gb,
            judged=False,
        )

    def trials(self, run: Request) -> dict[Key, Key]:
        """Map trials of the run to those of this try."""
        request = self.request(run)
        specs = {run.names[spec]: spec for spec in run.encoders}
        return {
            key: replace(key, method=request.names[self.changes.get(NETWORK, specs[key.method])]) for key in self.keys
        }


def tries_of(
    request: Request, keys: Sequence[Key], findings: Findings, networks: Sequence[str]
) -> tuple[list[Try], list[dict[str, str]]]:
    """List what can be tried, and what cannot, with the reason.

    Args:
        request: of the run.
        keys: trials that have a cell to explain.
        findings: of a look at them.
        networks: specs that the user names, of other checkpoints of an encoder of the run.

    Raises:
        RequestError: a network that is no encoder's of these trials.
    """
    tries: dict[str, Try] = {}
    left_out: dict[tuple[str, str], dict[str, str]] = {}
    specs = {request.names[spec]: spec for spec in request.encoders}
    _check_networks(networks, {specs[key.method] for key in keys})
    for key in keys:
        spec = specs[key.method]
        for one in _of_trial(request, key, spec, [*networks, *findings.networks.get(spec, [])]):
            reason = findings.idle.get((spec, one.label), "")
            if reason:
                left_out[key.method, one.label] = {"factor": one.label, "encoder": key.method, "reason": reason}
            else:
                tries.setdefault(one.label, one).keys.append(key)
    return list(tries.values()), list(left_out.values())


def pair(first: Try, second: Try) -> Try:
    """Join two tries of different names; on which trials it is tried is still to be said."""
    acts = max(first.acts, second.acts, key=ACTS.index)
    return Try({**first.changes, **second.changes}, acts, f"{first.about}; {second.about}")


def _of_trial(request: Request, key: Key, spec: str, networks: Sequence[str]) -> Iterator[Try]:
    yield Try(dict([AGAIN.split("=")]), "nowhere", "the same, measured once more")
    for variant in load_variants().values():
        applies = variant.applies(key.experiment, key.dataset, spec) and request.profile.name in variant.profiles
        moves = applies and not variant.beside
        choices = [c for c in variant.choices if moves and c != request.variants[variant.name]]
        yield from (Try({variant.name: choice}, "protocol", variant.about) for choice in choices)
    for factor in load_factors().values():
        choices = factor.mistakes(key.experiment)
        yield from (Try({factor.name: choice}, factor.acts, factor.about) for choice in choices)
    for network in networks:
        if release_of(network) == release_of(spec):
            yield Try({NETWORK: network}, "weights", "another network in the encoder's place")


def _check_networks(networks: Sequence[str], specs: set[str]) -> None:
    releases = sorted({release_of(spec) for spec in specs})
    for network in networks:
        if release_of(network) not in releases:
            raise RequestError(
                f"--checkpoint {network!r}: expected a file of an encoder with a cell to explain, e.g. "
                f"{releases[0]}@FILE; those are {', '.join(releases)}"
            )
