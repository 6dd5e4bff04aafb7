"""Linear heads on frozen blocks, shared by the three segmentation experiments and scored at the images' own size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from suite.core.files import write_atomically
from suite.datasets.pixels import read_rgb
from suite.datasets.segmentation import IGNORE
from suite.experiments.context import Outcome
from suite.experiments.head_history import Percent, best_of
from suite.experiments.head_training import Fitted, fit
from suite.experiments.heads import HeadsTrial, label_set, layers
from suite.experiments.items import image_name
from suite.experiments.strips import labelled, strip
from suite.results.image_counts import ImageCounts, pack
from suite.results.item_names import Names
from suite.results.store import PerItemScores, sample_path

CURVE_POINTS = 20


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
        if seed == trial.seeds[0] and "linear_head" in fitted:
            outcome.summaries["training"] = training(fitted["linear_head"])
            outcome.summaries["samples"] = draw(trial, fitted["linear_head"])
    outcome.items = _items(counts, val.digest, [image_name(image) for image, _ in val.records])
    outcome.facts["loss_computed"] = ways
    outcome.facts["blocks"] = [block + 1 for block in layers(trial)]
    return outcome


def training(head: Fitted) -> dict[str, object]:
    """Average the loss over stretches of the training, and list mIoU at every evaluation: what a report draws."""
    steps, losses = _stretches(head.losses)
    curves: dict[str, object] = {
        "steps": steps,
        "losses": losses,
        "evaluations": [[iteration, round(scores["miou"], 4)] for iteration, scores in head.history],
    }
    if head.auxiliary:
        curves["auxiliary_losses"] = _stretches(head.auxiliary.losses)[1]
    return curves


def _stretches(losses: list[float]) -> tuple[list[int], list[float]]:
    """Return the ends of stretches of a training, and the mean loss in each."""
    stretches = np.array_split(np.array(losses), min(CURVE_POINTS, len(losses)))
    ends = np.cumsum([len(stretch) for stretch in stretches])
    return ends.tolist(), [round(float(stretch.mean()), 5) for stretch in stretches]


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
