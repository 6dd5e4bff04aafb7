"""Environments that a run's results were made in: what its report says of them, from the run folder alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suite.core.numerics import Environment, differences, digest_of_environment, environment_line
from suite.results.store import Result

Json = dict[str, Any]
OWN_NUMBER = 1
"""Number of the run's own environment, whether or not a result was made in it."""


def contributions(
    results: Sequence[Result], environment: Mapping[str, Any], others: Sequence[Mapping[str, Any]] = ()
) -> list[Json]:
    """List every environment that results were made in, the run's own first, then by name of result.

    Args:
        results: of the run.
        environment: of the run, as it noted it: `packages`, and `numerics` unless it is older than that.
        others: of its other shards, which may have run on machines of another kind.

    Returns:
        One entry per environment: `number` (1 is the run's own), `here` (whether it is the run's own or that of one
        of its shards, as far as is noted), `digest`,
        `said` (in one line), `noted_in` (`inputs`, or `packages` where a result is older than the input), `differs`
        (from the run's own, in words), `results` (names), `facts`.
    """
    own_numerics = environment.get("numerics")
    packages = environment.get("packages") or {}
    groups: dict[tuple[str, str], tuple[Environment, list[str]]] = {}
    for result in results:
        source = "inputs" if "environment" in result.inputs else "packages"
        origin = result.inputs["environment"] if source == "inputs" else _noted_environment(result)
        key = (source, digest_of_environment(origin))
        groups.setdefault(key, (origin, []))[1].append(str(result.key))
    entries = []
    for (source, digest), (origin, names) in groups.items():
        # where one of the two is known by its packages only, these are what can be compared
        if own_numerics is not None and source == "inputs":
            difference_texts = differences(origin, own_numerics)
        else:
            shared_packages = {name: version for name, version in origin["packages"].items() if name in packages}
            difference_texts = differences(
                {"packages": shared_packages}, {"packages": {name: packages[name] for name in shared_packages}}
            )
        here = not difference_texts or (
            source == "inputs" and any(not differences(origin, other.get("numerics") or {}) for other in others)
        )
        entry = {"here": here, "digest": digest, "said": environment_line(origin), "noted_in": source}
        entries.append(entry | {"differs": difference_texts, "results": sorted(names), "facts": dict(origin)})
    entries.sort(
        key=lambda entry: (not entry["here"], bool(entry["differs"]), entry["noted_in"] != "inputs", entry["results"])
    )
    is_own = bool(entries) and entries[0]["here"] and not entries[0]["differs"]
    first_number = OWN_NUMBER if is_own else OWN_NUMBER + 1
    return [{"number": number, **entry} for number, entry in enumerate(entries, first_number)]


def _noted_environment(result: Result) -> Environment:
    """Return what a result from before the input says of its environment."""
    return {
        "packages": dict(result.facts.get("packages") or {}),
        "device": {"kind": result.facts.get("device") or "unknown device"},
    }


def notes(entries: Sequence[Mapping[str, Any]], *, keeps_others: bool) -> list[str]:
    """Write the notes of a report's head where not every result was made in the run's own environment.

    Args:
        entries: see `contributions`.
        keeps_others: whether the run was asked to keep results of other environments.
    """
    result_count = sum(len(entry["results"]) for entry in entries)
    sentences = []
    for entry in entries:
        count, place = len(entry["results"]), f"environment {entry['number']}"
        if not entry["here"]:
            cause = ", kept as asked (--keep-other-environments)" if keeps_others else ""
            sentences.append(
                f"{count} of {result_count} results were made in another environment than this run's{cause}; their "
                "cells carry "
                f"its number. In {place}: {'; '.join(entry['differs'])}."
            )
        elif entry["noted_in"] == "packages":
            description = f"known only by the packages noted with them: {entry['said']}"
            sentences.append(
                f"The environment of {count} of {result_count} results ({place}) is "
                f"{description if entry['facts']['packages'] else 'not noted'}. The next make reproduce measures "
                "them again."
            )
    return sentences
