"""Training of the segmentation heads of one encoder on the same images: side by side, scored in one pass.

A test asks for its own heads; those of the other tests of the same images that are still to be measured come along,
since a head costs little beside the encoder (the official code trains each alone).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch

from suite.core.signals import stop_on_signals
from suite.datasets.pixels import resizing
from suite.datasets.segmentation import SegmentationSet
from suite.errors import SuiteError
from suite.experiments.head_history import History, Percent
from suite.experiments.heads import (
    PASS,
    Heads,
    HeadsTrial,
    crop_recipe,
    evaluated_at,
    iterations_of,
    layers,
    slide_recipe,
    training_identity,
)
from suite.registry import images_of
from suite.results.image_counts import ImageCounts
from suite.segmentation.ahead import CropsAhead
from suite.segmentation.augment import mirror_table
from suite.segmentation.bank import Head
from suite.segmentation.crops import Crops
from suite.segmentation.encode import Encode, layer_features
from suite.segmentation.evaluate import HeadScores, evaluate
from suite.segmentation.store import ImageStore, same_images
from suite.segmentation.train import train_bank
from suite.training.progress import progress_file
from suite.training.schedules import Poly


@dataclass(frozen=True)
class Fitted:
    """A trained head, judged.

    Attributes:
        scores: on the validation images, after the last iteration.
        losses: of every step, mean over labelled pixels.
        accuracies: of every step (`suite.segmentation.bank.centre_accuracy`).
        rates: learning rate of every step, as a share of the peak.
        way: how these were computed.
        history: (iterations done, metric -> per cent) of every evaluation, the last one included.
        best: what was counted in the best of them; None unless the protocol takes that one.
        auxiliary: the head that was trained beside it, where one was.
    """

    scores: HeadScores
    losses: list[float]
    accuracies: list[float]
    rates: list[float]
    way: str
    history: list[tuple[int, Percent]]
    best: ImageCounts | None = None
    auxiliary: Fitted | None = None


_FITTED: dict[tuple[str, str], Fitted] = {}
"""Heads trained by this process, by the digest of everything they depend on and the evaluation that counts."""


def fit(trial: HeadsTrial, seed: int) -> dict[str, Fitted]:
    """Train and score the trial's heads: setting -> what came of it.

    Raises:
        DatasetError: images or masks are missing or damaged.
        StorageError: a checkpoint cannot be written.
    """
    trial_heads, epoch = Heads(trial, seed), trial.choice("probe-epoch")
    if not all((digest, epoch) in _FITTED for digest in trial_heads.digests.values()):
        new_heads = _train([trial_heads, *_companions(trial, seed)])
        _FITTED.update({(digest, epoch): head for digest, head in new_heads.items()})
    heads = {setting: _FITTED[trial_heads.digests[spec.name], epoch] for setting, spec in trial_heads.specs.items()}
    auxiliaries = {
        setting: _FITTED[trial_heads.digests[spec.name], epoch] for setting, spec in trial_heads.auxiliaries.items()
    }
    return {setting: replace(head, auxiliary=auxiliaries.get(setting)) for setting, head in heads.items()}


def _companions(trial: HeadsTrial, seed: int) -> Iterator[Heads]:
    """Yield heads of the request's other trials that share encoder and images, if they have no fresh result yet.

    Where the data of one is missing or damaged, its own test will say so.
    """
    trial_heads = Heads(trial, seed)
    for experiment, dataset, spec in trial.request.tasks():
        companion = HeadsTrial(trial.request, experiment, dataset, spec)
        if spec != trial.spec or companion.key == trial.key or images_of(dataset) != images_of(trial.dataset):
            continue
        try:
            heads = Heads(companion, seed)
            pairs = ([trial_heads.train, heads.train], [trial_heads.val, heads.val])
            same_files = all(len(same_images(pair)) == 1 for pair in pairs)
            same_training = training_identity(companion, seed) == training_identity(trial, seed)
            same_windows = slide_recipe(companion) == slide_recipe(trial)
            if same_files and same_training and same_windows and companion.stored() is None:
                yield heads
        except SuiteError:
            continue


def _train(bank: list[Heads]) -> dict[str, Fitted]:
    """Train the heads of a bank side by side, and score them: digest -> what came of it."""
    trial, seed = bank[0].trial, bank[0].seed
    encoder, device = trial.encoder, trial.request.device
    specs = list({spec.name: spec for heads in bank for spec in heads.specs_trained}.values())
    digests = {name: digest for heads in bank for name, digest in heads.digests.items()}
    iterations = iterations_of(trial.settings, trial.request.limit)
    resize = resizing(trial.factors, protocol="bilinear", antialias=False)
    val = ImageStore(_once([heads.val for heads in bank]), device, resize=resize)
    train = ImageStore(_once([heads.train for heads in bank]), device, resize=resize)
    warmup = min(trial.settings.warmup_iterations, iterations)
    encode = _encode(trial)
    folder = trial.request.cache / "segmentation"
    histories = {name: History(folder / f"{digest}.json") for name, digest in digests.items()}

    latest_scores: dict[str, HeadScores] = {}

    def score(iteration: int, heads: Mapping[str, Head]) -> None:
        keep = range(trial.settings.samples)
        latest_scores.update(
            evaluate(encode, heads, specs, val, slide_recipe(trial), mean=encoder.mean, std=encoder.std, keep=keep)
        )
        for name in heads:
            histories[name].add(iteration, latest_scores[name], last=iteration == iterations)

    crops = Crops(
        train,
        crop_recipe(trial, min(trial.settings.batch_size, len(train))),
        seed=seed,
        mean=encoder.mean,
        std=encoder.std,
        mirror={heads.trial.dataset: mirror_table(heads.train.classes) for heads in bank if heads.mirrored},
    )
    in_main_thread = threading.current_thread() is threading.main_thread()
    stopping = stop_on_signals() if in_main_thread else nullcontext(lambda: False)
    with stopping as stop, CropsAhead(crops, iterations, device) as crops_ahead:
        training = train_bank(
            encode,
            crops_ahead,
            specs,
            in_channels=encoder.embed_dim * len(layers(trial)),
            iterations=iterations,
            warmup=warmup,
            device=device,
            half=_lower(trial) is not None,
            identity=training_identity(trial, seed),
            checkpoints=folder,
            evaluate_at=evaluated_at(iterations, trial.settings.evaluations),
            on_evaluate=score,
            on_round=progress_file(trial.request.run, trial.key, seed),
            stop=stop,
        )
    score(iterations, training.heads)
    takes_best = trial.choice("probe-epoch") == "best"
    schedule, heads_by_digest = Poly(iterations, warmup), {}
    for spec in specs:
        history, scores = histories[spec.name], latest_scores[spec.name]
        best = None
        if takes_best and spec.auxiliary is None:
            best_iteration = history.best()[0]
            best = scores.images if best_iteration == iterations else history.counts(best_iteration)
        heads_by_digest[digests[spec.name]] = Fitted(
            scores=scores,
            losses=training.losses_of_labelled[spec.name],
            accuracies=training.accuracies[spec.name],
            rates=[schedule.factor(step) for step in range(iterations)],
            way=training.ways[spec.name],
            history=history.entries(),
            best=best,
        )
    return heads_by_digest


def _once(sets: list[SegmentationSet]) -> list[SegmentationSet]:
    return list({images.name: images for images in sets}.values())


def _encode(trial: HeadsTrial) -> Encode:
    size = min(PASS, trial.request.forward_batch_size or PASS)
    return layer_features(trial.encoder, layers(trial), autocast=_lower(trial), batch_size=size)


def _lower(trial: HeadsTrial) -> torch.dtype | None:
    """Return the precision of matrix products, where it is lower than float32."""
    dtype_name = trial.settings.autocast
    return None if dtype_name == "none" or trial.request.device == "cpu" else getattr(torch, dtype_name)
