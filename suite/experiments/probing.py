"""Linear and attentive probes of image and part classification, learning side by side from frozen tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.core.digests import digest_of
from suite.core.signals import stop_on_signals
from suite.datasets.views import ViewSet
from suite.experiments.context import Context, Outcome
from suite.experiments.items import items_of
from suite.features import identity
from suite.probes.bank import TokenSource, evaluate_pooled, train_bank
from suite.probes.learner import Answers, ProbeLearner, ProbeSpec
from suite.probes.predict import evaluation_batches
from suite.protocol.settings import ProbingSettings, StreamSettings
from suite.training.curve import curve
from suite.training.distributed import ALONE, World
from suite.training.progress import progress_file
from suite.training.schedules import Cosine

EVALUATED_AT_ONCE = 1024
"""Evaluation items whose tokens are held at a time."""

ProbingTrial = Context[ProbingSettings]


@dataclass(frozen=True)
class Split:
    """The items of a training or of an evaluation.

    Attributes:
        views: N labelled views.
        tokens: theirs, by encoder spec.
    """

    views: ViewSet
    tokens: TokenSource


def measure(
    trial: ProbingTrial, train: ViewSet, test: ViewSet, fit: Callable[[int], Mapping[str, ProbeLearner]]
) -> Outcome:
    """Train the probes once per seed, and report their accuracy on the evaluation items.

    The accuracy after the last epoch is the result; the best epoch's, which selects on the evaluation split, is kept
    beside it.

    Args:
        trial: what is measured.
        train: the training items.
        test: the evaluation items.
        fit: seed -> by name (`probes_of`), a trained probe that has judged the evaluation items.
    """
    outcome = Outcome(seeded=True)
    outcome.facts["num_heads"] = attention_heads(trial.encoder.embed_dim, trial.settings.num_heads)
    outcome.summaries = {
        "split": f"{trial.experiment.title.lower()}: {len(train):,} training, {len(test):,} evaluation views",
        "train_items": len(train),
        "test_items": len(test),
        "classes": len(train.class_names),
    }
    metric = trial.experiment.metrics[0]
    epoch = "best" if trial.choice("probe-epoch") == "best" else "last"
    correct: dict[str, list[NDArray[np.bool_]]] = {}
    predicted: dict[str, list[NDArray[np.unsignedinteger]]] = {}
    small = np.min_scalar_type(len(test.class_names) - 1)
    by_rate: dict[str, dict[float, list[float]]] = {setting: {} for setting in trial.cell_settings}
    for seed in trial.seeds:
        for probe_name, probe in fit(seed).items():
            accuracy = [100 * value for _, value in probe.accuracy]
            summary = {"last": accuracy[-1], "best": max(accuracy)}
            setting, factor = probes_of(trial)[probe_name]
            head = {"setting": setting, "rate": probe.spec.lr, "stated": factor == 1, "seed": seed, "metric": metric}
            outcome.summaries.setdefault("trainings", []).append(head | training_of(probe))
            by_rate[setting].setdefault(probe.spec.lr, []).append(summary[epoch])
            if factor != 1:
                continue
            name = f"{setting}/{metric}"
            outcome.values.setdefault(name, []).append(summary[epoch])
            answers = probe.answers[epoch]
            correct.setdefault(name, []).append(answers.correct.numpy())
            predicted.setdefault(f"{setting}.predicted", []).append(answers.predicted.numpy().astype(small))
            outcome.summaries.setdefault(setting, []).append({"seed": seed} | summary)
    if trial.choice("probe-rates") == "swept":
        outcome.summaries["rates"] = {
            setting: [[rate, float(np.mean(values))] for rate, values in sorted(accuracies.items())]
            for setting, accuracies in by_rate.items()
        }
    evidence = {"labels": shifted(test, trial.label_shift).astype(small)}
    evidence |= {name: np.stack(rows) for name, rows in predicted.items()}
    outcome.items = items_of(test, correct, evidence)
    return outcome


def training_of(probe: ProbeLearner) -> dict[str, Any]:
    """Return the curve of a probe's training (`suite.training.curve`)."""
    losses, schedule = probe.losses(), probe.spec.schedule
    in_epoch = max(1, len(losses) // schedule.epochs)
    rates = [schedule.lr(probe.spec.lr, k // in_epoch + k % in_epoch / in_epoch) for k in range(len(losses))]
    evaluations = [(epoch * in_epoch, 100 * value) for epoch, value in probe.accuracy]
    evaluation_losses = [(epoch * in_epoch, value) for epoch, value in probe.evaluation_losses]
    return curve(losses, probe.accuracies(), rates, evaluations, evaluation_losses)


def shifted(views: ViewSet, label_shift: int) -> NDArray[np.int64]:
    """Return the labels (N,) that answers are held against: the views' own, but where a factor shifts them."""
    return (views.labels + label_shift) % len(views.class_names) if label_shift else views.labels


def train_probes(
    trials: Sequence[ProbingTrial], train: Split, test: Split, *, seed: int, token_inputs: object, world: World = ALONE
) -> dict[str, dict[str, ProbeLearner]]:
    """Train the probes of one or several encoders in one bank, from where checkpoints say.

    Args:
        trials: one an encoder, alike in everything else.
        train: what they learn from.
        test: what they are judged on after each epoch.
        seed: of the first weights and of the order.
        token_inputs: what the tokens depend on, besides encoders and items.
        world: the processes that share every batch; each calls this.

    Returns:
        By encoder spec and name (`probes_of`).

    Raises:
        StorageError: a checkpoint cannot be written; older ones stay.
        MetricError: a loss that is not finite.
        KeyboardInterrupt: a signal came; checkpoints are written.
    """
    first = trials[0]
    specs = [spec for trial in trials for spec in probe_specs(trial, train.views, seed=seed)]
    in_main_thread = threading.current_thread() is threading.main_thread()
    with stop_on_signals() if in_main_thread else nullcontext(lambda: False) as stop:
        probes = train_bank(
            specs,
            train.tokens,
            torch.from_numpy(train.views.labels),
            seed=seed,
            judge=_judge(
                test, world, evaluation_batches(len(test.views), *_evaluation(first)), label_shift=first.label_shift
            ),
            device=first.request.device,
            world=world,
            identity={trial.spec: digest_of(_identity(trial, train, test, token_inputs)) for trial in trials},
            checkpoints=first.request.cache / "probes",
            on_round=progress_file(first.request.run, first.key, seed) if world.rank == 0 else None,
            stop=stop,
        )
    return {trial.spec: {name: probes[f"{trial.spec} {name}"] for name in probes_of(trial)} for trial in trials}


def probes_of(trial: ProbingTrial) -> dict[str, tuple[str, float]]:
    """Map a probe's name to its setting and the factor of the protocol's learning rate that it learns with."""
    factors = [1, *(trial.settings.rate_factors if trial.choice("probe-rates") == "swept" else [])]
    return {s if f == 1 else f"{s} x{f:g}": (s, f) for s in trial.cell_settings for f in factors}


def attention_heads(width: int, stated: int) -> int:
    """Return the protocol's number of attention heads, or for a width that it does not divide the nearest that does.

    Of two as near the larger: a ViT-L, 1024 wide, gets its own 16 in place of the paper's 12.
    """
    return min((n for n in range(1, width + 1) if width % n == 0), key=lambda n: (abs(n - stated), -n))


def probe_specs(trial: ProbingTrial, train: ViewSet, *, seed: int) -> list[ProbeSpec]:
    """Return a trial's probes, by the protocol that its variant names; part classification has only the paper's."""
    width, settings = trial.encoder.embed_dim, trial.settings
    shared: dict[str, Any] = {
        "encoder": trial.spec,
        "embed_dim": width,
        "num_classes": len(train.class_names),
        "num_heads": attention_heads(width, settings.num_heads),
        "eval_statistics": trial.choice("bn-statistics"),
        "seed": seed,
    }
    if isinstance(settings, StreamSettings) and trial.choice("imagenet-protocol") == "cae":
        descriptions = _cae(settings, len(train))
    else:
        descriptions = _summary(settings)
    return [
        ProbeSpec(
            name=f"{trial.spec} {name}",
            **shared,
            **descriptions[setting] | {"lr": descriptions[setting]["lr"] * factor},
        )
        for name, (setting, factor) in probes_of(trial).items()
    ]


def _summary(settings: ProbingSettings) -> Mapping[str, dict[str, Any]]:
    """Describe the paper's probes (implementation details, probing): SGD, one batch size, a cosine per epoch."""
    rates = {"linear": settings.lr_linear, "attentive": settings.lr_attentive}
    shared = {"batch_size": settings.batch_size, "schedule": Cosine(settings.epochs)}
    return {kind: {"kind": kind, "lr": rate, **shared} for kind, rate in rates.items()}


def _cae(settings: StreamSettings, items: int) -> Mapping[str, dict[str, Any]]:
    """Describe the probes of CAE's code, tools/run_linear.py and tools/run_attentive.py.

    It drops the incomplete last batch of an epoch; a smoke run that has no other keeps it.
    """
    linear = Cosine(settings.epochs, settings.cae_warmup_epochs, per_step=True)
    attentive = Cosine(settings.epochs, settings.cae_warmup_epochs, settings.cae_final_lr_attentive, per_step=True)
    return {
        "linear": {
            "kind": "normed_linear",
            "optimizer": "lars",
            "lr": settings.cae_lr_linear,
            "batch_size": settings.cae_batch_linear,
            "schedule": linear,
            "drop_last": items >= settings.cae_batch_linear,
        },
        "attentive": {
            "kind": "attentive",
            "initial": "cae",
            "lr": settings.cae_lr_attentive,
            "batch_size": settings.cae_batch_attentive,
            "schedule": attentive,
            "drop_last": items >= settings.cae_batch_attentive,
        },
    }


def _identity(trial: ProbingTrial, train: Split, test: Split, token_inputs: object) -> object:
    """Return what a trial's weights and evaluations depend on, besides the probes' own description."""
    encoder = [identity(trial.encoder), trial.choice("mae-order")]
    factors = [trial.factors] if trial.factors else []
    return [encoder, train.views.digest, test.views.digest, _evaluation(trial), token_inputs, *factors]


def _evaluation(trial: ProbingTrial) -> tuple[int, int]:
    """Return batch size and stride of the evaluation."""
    return trial.settings.eval_batch_size, trial.settings.eval_stride


def _judge(
    test: Split, world: World, batches: Sequence[Tensor], *, label_shift: int
) -> Callable[[Sequence[ProbeLearner]], Mapping[str, Answers]]:
    """Return the judge to call after each epoch."""
    chunks = torch.arange(len(test.views)).split(EVALUATED_AT_ONCE)
    labels = torch.from_numpy(shifted(test.views, label_shift))

    def judge(probes: Sequence[ProbeLearner]) -> Mapping[str, Answers]:
        tokens = test.tokens.tokens(0, [world.share(chunk) for chunk in chunks])
        return evaluate_pooled(probes, chunks, tokens, labels, batches=batches)

    return judge
