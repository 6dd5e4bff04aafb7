"""Ceilings that stand beside the tables: what perfect heads reach on the masks, and what the labels leave of 100 %."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from suite.results.store import Result

LABEL_ERRORS = {("paper", "imagenet1k", "image_classification", "top1"): 6.0}
"""Per cent of evaluation labels that are wrong, at least, by profile, dataset, experiment and metric.

Source: Northcutt, Athalye and Mueller, Pervasive label errors in test sets destabilize machine learning benchmarks,
NeurIPS Datasets and Benchmarks 2021 (arXiv 2103.14749): at least 6 % of the ImageNet validation set. Of the parts of
CUB-200-2011 and COCO we know no published figure; the labels of the mini study are what was drawn, so none is wrong.
"""


def ceilings(profile: str, results: Sequence[Result]) -> list[dict[str, Any]]:
    """List ceilings of a run's experiments.

    Args:
        profile: `mini` or `paper`.
        results: of the run; those of segmentation hold what perfect heads reach on their masks.

    Returns:
        `kind` (`decided`, `shared`, see `suite.segmentation.ceiling`; `labels`), `patch_px` (None for labels),
        `experiment`, `dataset`, `metric`, `value`; each once, in the order of the results.
    """
    entries = [entry for result in results for entry in (*_of_masks(result), *_of_labels(profile, result))]
    return [entry for number, entry in enumerate(entries) if entry not in entries[:number]]


def _of_masks(result: Result) -> Iterator[dict[str, Any]]:
    ceiling = result.summaries.get("ceiling") or {}
    place = {"experiment": result.key.experiment, "dataset": result.key.dataset}
    for kind in (kind for kind in ("decided", "shared") if kind in ceiling):
        for metric, value in ceiling[kind].items():
            yield {"kind": kind, "patch_px": ceiling["patch_px"]} | place | {"metric": metric, "value": value}


def _of_labels(profile: str, result: Result) -> Iterator[dict[str, Any]]:
    for (whose, dataset, experiment, metric), wrong in LABEL_ERRORS.items():
        if (whose, dataset, experiment) == (profile, result.key.dataset, result.key.experiment):
            place = {"experiment": experiment, "dataset": dataset, "metric": metric}
            yield {"kind": "labels", "patch_px": None} | place | {"value": 100 - wrong}
