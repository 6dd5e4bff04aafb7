"""Results of an earlier run that stand beside a candidate's: which of them were made of the same as its own.

Scores may be paired only where both encoders saw the same items under the same protocol, and were given the same seeds.
The items' own digest decides that item by item (`suite.judge.items`); this says in words what differs, which a digest
does not, and says it before anything is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suite.results.store import Result, Store

_OF_THE_TRIAL = ("profile", "parameters", "constants", "limit")


@dataclass(frozen=True)
class Beside:
    """Results of an earlier run, and where their items are."""

    store: Store
    results: Sequence[Result] = ()


@dataclass(frozen=True)
class Made:
    """What a trial is made of, as far as it is known.

    Attributes:
        protocol: as `Context.protocol` returns it.
        data: digest of the dataset; None where nobody knows it yet.
        seeds: of probes.
    """

    protocol: Mapping[str, Any]
    data: str | None
    seeds: Sequence[int]


def made_of(result: Result) -> Made:
    """Return what a stored result was made of."""
    return Made(result.protocol, result.inputs.get("data"), result.facts["seeds"])


def misfit(own: Made, other: Result) -> str | None:
    """Say what keeps the scores of an earlier result from being paired with one's own; None where nothing does.

    Args:
        own: of the candidate, on the same dataset in the same experiment.
        other: of another encoder, in an earlier run.
    """
    for word in _OF_THE_TRIAL:
        if other.protocol.get(word) != own.protocol.get(word):
            return f"another protocol ({_difference(word, own.protocol.get(word), other.protocol.get(word))})"
    variants, others = own.protocol.get("variants") or {}, other.protocol.get("variants") or {}
    for name in variants.keys() & others.keys():  # some apply to one encoder only
        if variants[name] != others[name]:
            return f"another protocol (variant {name}: {variants[name]} here, {others[name]} there)"
    if own.data is not None and other.inputs.get("data") != own.data:
        return f"other data ({own.data[:12]} here, {str(other.inputs.get('data'))[:12]} there)"
    seeds = other.facts["seeds"]
    if seeds and list(seeds) != list(own.seeds):
        return f"other seeds ({_listed(own.seeds)} here, {_listed(seeds)} there)"
    return None


def fitting(results: Iterable[Result], own_results: Iterable[Result]) -> tuple[list[Result], dict[str, list[str]]]:
    """Keep the earlier results that can be paired with one's own.

    Returns:
        Those, and what keeps others out -> their names. Experiments and datasets that this run did not measure are
        neither.
    """
    own = {(r.key.experiment, r.key.dataset): made_of(r) for r in own_results}
    kept: list[Result] = []
    problems: dict[str, list[str]] = {}
    for result in results:
        place = result.key.experiment, result.key.dataset
        if place in own:
            problem = misfit(own[place], result)
            if problem is None:
                kept.append(result)
            else:
                problems.setdefault(problem, []).append(str(result.key))
    return kept, problems


def _difference(word: str, own: Any, other: Any) -> str:
    """Name the first entry of a table of the protocol that differs, or the two values themselves."""
    if isinstance(own, Mapping) and isinstance(other, Mapping):
        name = next(name for name in (*own, *other) if own.get(name) != other.get(name))
        return f"{word}: {name}"
    return f"{word}: {own} here, {other} there"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"
