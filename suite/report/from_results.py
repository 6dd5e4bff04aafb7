"""Parts of a report's content that results alone tell: figures, protocol, costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suite.cells import BASELINES, METHODS
from suite.judge.standing import probes
from suite.protocol.constants import load_constants
from suite.protocol.profiles import Profile
from suite.protocol.tables import sourced
from suite.protocol.variants import load_variants
from suite.results.store import Result, sample_path, strip_path


def figures(results: Sequence[Result]) -> list[dict[str, str]]:
    """List the strips of patch search, by method, query and setting, and of segmentation, by method and role."""
    entries = []
    for result in results:
        place = {"dataset": result.key.dataset, "method": result.key.method}
        if result.key.experiment == "patch_search":
            for name in result.summaries:
                query, setting = name.split()
                strip = {"query": query, "setting": setting, "path": str(strip_path(result.key, query, setting))}
                entries.append({"kind": "patch_search"} | place | strip)
        for role in result.summaries.get("samples", ()):
            entries.append(
                {"kind": "segmentation"} | place | {"role": role, "path": str(sample_path(result.key, role))}
            )
    return entries


def protocol(profile: Profile, results: Sequence[Result], variants: Mapping[str, str]) -> dict[str, Any]:
    """Describe how it was done, as the report says: hyper-parameters, constants, variants, splits, digests.

    `loaded` has, of encoders that are not read as they stand in a file, what was left out or put elsewhere.
    """
    splits: dict[str, list[str]] = {}
    for result in results:
        split = result.summaries.get("split")
        if split and split not in splits.setdefault(result.key.dataset, []):
            splits[result.key.dataset].append(split)
    choices = {name: variant.default for name, variant in load_variants().items()} | dict(variants)
    return {
        "parameters": sourced(profile.parameters),
        "experiments": {e.name: sourced(e.parameters) for e in profile.experiments.values()},
        "constants": {
            name: {"experiments": list(group.experiments)} | sourced(group.constants)
            for name, group in load_constants().items()
        },
        "variants": choices,
        "notice": profile.notice,
        "splits": {dataset: "; ".join(splits[dataset]) for dataset in splits},
        "digests": inputs_of(results),
        "encoders": _encoders(results),
        "loaded": {r.key.method: list(r.facts["encoder_notes"]) for r in results if r.facts.get("encoder_notes")},
        "segmentation_loss": _losses(results),
    }


def _losses(results: Sequence[Result]) -> list[str]:
    """Return the ways in which losses of segmentation heads were computed, each once."""
    computed = (r.facts.get("loss_computed") or {} for r in results)
    return sorted({way for ways in computed for by_seed in ways.values() for way in by_seed})


def _encoders(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Return what was put on each candidate where that follows from its width and depth, by experiment and dataset."""
    methods = dict.fromkeys(r.key.method for r in results if r.key.method not in (*METHODS, *BASELINES))
    return {
        method: {
            f"{entry.pop('experiment')} on {entry.pop('dataset')}": entry
            for entry in map(dict, probes(method, results))
        }
        for method in methods
    }


def inputs_of(results: Sequence[Result]) -> dict[str, dict[str, str]]:
    """Return what results were made from: `data` and `weights`, each name -> SHA-256 as far as it is noted."""
    return {
        "data": {r.key.dataset: r.inputs["data"] for r in results if "data" in r.inputs},
        "weights": {r.key.method: r.inputs["weights"] for r in results if "weights" in r.inputs},
    }


def cost_of(result: Result, *, reused: bool) -> dict[str, Any]:
    """Return what one result cost, and the rate it was made at."""
    place = {"experiment": result.key.experiment, "dataset": result.key.dataset, "method": result.key.method}
    views = result.facts.get("views") or {}
    taken = {"views_cached": views.get("cached"), "views_computed": views.get("computed")}
    taken |= {name: result.facts.get(name) for name in ("start_memory_mib", "images", "images_per_second")}
    gpu = {"gpu": result.facts["gpu"]} if result.facts.get("gpu") else {}
    return place | {n: result.facts.get(n) for n in ("seconds", "peak_memory_mib")} | {"reused": reused} | taken | gpu
