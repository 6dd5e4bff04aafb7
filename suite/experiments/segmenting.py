"""Linear heads on frozen blocks, shared by the three segmentation experiments and scored at the images' own size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from suite.core.digests import digest_of
from suite.core.files import write_atomically, write_json
from suite.core.forms import read_if_whole
from suite.core.source_code import code_digest
from suite.datasets.pixels import read_rgb
from suite.datasets.segmentation import IGNORE, SegmentationSet
from suite.experiments.context import Outcome
from suite.experiments.head_history import Percent, best_of, percent
from suite.experiments.head_training import Fitted, fit
from suite.experiments.heads import HeadsTrial, label_set, layers, rate_of, slide_recipe
from suite.experiments.items import image_name
from suite.experiments.strips import labelled, strip
from suite.results.image_counts import ImageCounts, pack
from suite.results.item_names import Names
from suite.results.records import CEILING_FORM
from suite.results.store import PerItemScores, sample_path
from suite.segmentation.ceiling import ceilings
from suite.training.curve import curve


def segment(trial: HeadsTrial) -> Outcome:
    """Train a head per setting and seed, report mIoU, mAcc and aAcc on the validation images.

    The result is that of the last iteration; the best evaluation, which selects on these images, is kept beside it.
    """
    train, val = label_set(trial, "train"), label_set(trial, "val")
    title = trial.experiment.title.lower()
    outcome = Outcome(seeded=True)
    outcome.summaries = {
        "split": f"{title}: {len(train):,} training, {len(val):,} evaluation images",
        "classes": train.num_classes,
        "ceiling": ceiling_of(trial, val),
    }
    counts: dict[str, list[ImageCounts]] = {}
    ways: dict[str, list[str]] = {}
    for seed in trial.seeds:
        fitted = fit(trial, seed)
        for setting, head in fitted.items():
            ways.setdefault(setting, []).append(head.way)
            best = best_of(head.history)
            evaluation = head.history[-1] if head.best is None else best
            for metric in trial.experiment.metrics:
                outcome.values.setdefault(f"{setting}/{metric}", []).append(evaluation[1][metric])
            auxiliary = {"auxiliary": _rounded(head.auxiliary.history[-1][1])} if head.auxiliary else {}
            outcome.summaries.setdefault(setting, []).append(
                {"seed": seed, "last": _rounded(head.history[-1][1]), "best": _rounded(best[1]), "best_at": best[0]}
                | auxiliary
            )
            counts.setdefault(setting, []).append(head.scores.images if head.best is None else head.best)
            rate = rate_of(setting, trial.settings.lr)
            outcome.summaries.setdefault("trainings", []).append(
                {"setting": setting, "rate": rate, "stated": True, "seed": seed, "metric": "miou"} | training_of(head)
            )
        if seed == trial.seeds[0] and "linear_head" in fitted:
            outcome.summaries["samples"] = draw(trial, fitted["linear_head"])
    outcome.items = _items(counts, val.digest, [image_name(image) for image, _ in val.records])
    outcome.facts["loss_computed"] = ways
    outcome.facts["blocks"] = [block + 1 for block in layers(trial)]
    return outcome


def training_of(head: Fitted) -> dict[str, Any]:
    """Return the curve of a head's training (`suite.training.curve`), evaluations by mIoU."""
    evaluations = [(iteration, scores["miou"]) for iteration, scores in head.history]
    kept = curve(head.losses, head.accuracies, head.rates, evaluations)
    if head.auxiliary:
        auxiliary = head.auxiliary
        kept["auxiliary_losses"] = curve(auxiliary.losses, auxiliary.accuracies, auxiliary.rates, [])["losses"]
    return kept


def ceiling_of(trial: HeadsTrial, val: SegmentationSet) -> dict[str, Any]:
    """Return what perfect heads reach on a set's masks (`suite.segmentation.ceiling`), of every encoder counted once.

    Returns:
        `patch_px`, and by kind of head mIoU, mAcc and aAcc in per cent.
    """
    patch_px, recipe = trial.encoder.patch_size, slide_recipe(trial)
    code = code_digest("suite.segmentation.ceiling")
    made_of = [val.digest, recipe.__dict__, patch_px, trial.experiment.metrics, code]
    path = trial.request.cache / "ceilings" / f"{digest_of(made_of)}.json"
    known: dict[str, Any] | None = read_if_whole(path, CEILING_FORM, "ceilings of a set of masks", lambda _: None)
    if known is None:
        counts = ceilings(val, recipe, patch_px, device=trial.request.device)
        known = {"patch_px": patch_px}
        for kind, counted in counts.items():
            scores = _rounded(percent(counted))
            known[kind] = {metric: scores[metric] for metric in trial.experiment.metrics}
        write_json(path, known)
    return known


def draw(trial: HeadsTrial, head: Fitted) -> list[str]:
    """Write the strips of the first validation images: what they show, the truth, what the head says of it."""
    val = label_set(trial, "val")
    numbers = sorted(head.scores.predictions)
    truth = {number: val.mask(number) for number in numbers}
    predictions = {n: np.where(truth[n] == IGNORE, truth[n], head.scores.predictions[n]) for n in numbers}
    rows: dict[str, list[Image.Image]] = {
        "image": [read_rgb(val.records[number][0]) for number in numbers],
        "truth": [labelled(truth[number]) for number in numbers],
        "prediction": [labelled(predictions[number]) for number in numbers],
    }
    for role, pictures in rows.items():
        write_atomically(trial.request.run / sample_path(trial.key, role), strip(pictures))
    return list(rows)


def _items(counts: dict[str, list[ImageCounts]], identity: str, images: Sequence[str]) -> PerItemScores:
    """Score mean IoU of each image with any label, which does not depend on the encoder; and count pixels of all."""
    scores = {f"{setting}/miou": np.stack([run.image_iou for run in runs]) for setting, runs in counts.items()}
    is_labelled = ~np.isnan(next(iter(scores.values()))[0])
    # of an evaluation that has lost images nobody knows which: that is for the judge to see
    names: Names = (
        {"image": [images[int(n)] for n in np.flatnonzero(is_labelled)]} if len(images) == len(is_labelled) else {}
    )
    return PerItemScores(
        {name: rows[:, is_labelled].astype(np.float32) for name, rows in scores.items()},
        identity,
        np.arange(is_labelled.sum(), dtype=np.int32),
        {f"{setting}.{part}": array for setting, runs in counts.items() for part, array in pack(runs).items()},
        names,
    )


def _rounded(scores: Percent) -> Percent:
    return {metric: round(value, 4) for metric, value in scores.items()}
