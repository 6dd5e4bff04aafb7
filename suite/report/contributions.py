"""Environments that a run's results were made in: what its report says of them, from the run folder alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suite.core.numerics import Environment, differences, digest_of_environment, environment_line
from suite.results.store import Result

Json = dict[str, Any]
OWN = 1
"""Number of the run's own environment, whether or not a result was made in it."""


def contributions(results: Sequence[Result], environment: Mapping[str, Any]) -> list[Json]:
    """List every environment that results were made in, the run's own first, then by name of result.

    Args:
        results: of the run.
        environment: of the run, as it noted it: `packages`, and `numerics` unless it is older than that.

    Returns:
        One entry per environment: `number` (1 is the run's own), `here` (whether it is, as far as is noted), `digest`,
        `said` (in one line), `noted_in` (`inputs`, or `packages` where a result is older than the input), `differs`
        (from the run's own, in words), `results` (names), `facts`.
    """
    own = environment.get("numerics")
    packages = environment.get("packages") or {}
    groups: dict[tuple[str, str], tuple[Environment, list[str]]] = {}
    for result in results:
        noted_in = "inputs" if "environment" in result.inputs else "packages"
        made_in = result.inputs["environment"] if noted_in == "inputs" else _noted(result)
        key = (noted_in, digest_of_environment(made_in))
        groups.setdefault(key, (made_in, []))[1].append(str(result.key))
    found = []
    for (noted_in, digest), (made_in, names) in groups.items():
        # where one of the two is known by its packages only, these are what can be compared
        if own is not None and noted_in == "inputs":
            differs = differences(made_in, own)
        else:
            known = {name: version for name, version in made_in["packages"].items() if name in packages}
            differs = differences({"packages": known}, {"packages": {name: packages[name] for name in known}})
        entry = {"here": not differs, "digest": digest, "said": environment_line(made_in), "noted_in": noted_in}
        found.append(entry | {"differs": differs, "results": sorted(names), "facts": dict(made_in)})
    found.sort(key=lambda entry: (not entry["here"], entry["noted_in"] != "inputs", entry["results"]))
    first = OWN if found and found[0]["here"] else OWN + 1
    return [{"number": number, **entry} for number, entry in enumerate(found, first)]


def _noted(result: Result) -> Environment:
    """Return what a result from before the input says of its environment."""
    return {
        "packages": dict(result.facts.get("packages") or {}),
        "device": {"kind": result.facts.get("device") or "unknown device"},
    }


def notes(entries: Sequence[Mapping[str, Any]], *, kept: bool) -> list[str]:
    """Write the notes of a report's head where not every result was made in the run's own environment.

    Args:
        entries: see `contributions`.
        kept: whether the run was asked to keep results of other environments.
    """
    every = sum(len(entry["results"]) for entry in entries)
    found = []
    for entry in entries:
        count, where = len(entry["results"]), f"environment {entry['number']}"
        if not entry["here"]:
            why = ", kept as asked (--keep-other-environments)" if kept else ""
            found.append(
                f"{count} of {every} results were made in another environment than this run's{why}; their cells carry "
                f"its number. In {where}: {'; '.join(entry['differs'])}."
            )
        elif entry["noted_in"] == "packages":
            known = f"known only by the packages noted with them: {entry['said']}"
            found.append(
                f"The environment of {count} of {every} results ({where}) is "
                f"{known if entry['facts']['packages'] else 'not noted'}. The next make reproduce measures them again."
            )
    return found
