"""What image and part classification share: linear and attentive probes on frozen tokens."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from suite.datasets.views import ViewSet
from suite.experiments.items import items_of
from suite.experiments.trial import Outcome, Trial
from suite.metrics import top1_accuracy
from suite.probes import AttentiveHead, LinearHead, fit_probes, predict
from suite.probes.attentive import Statistics


def make_heads(trial: Trial, classes: int, seed: int) -> dict[str, nn.Module]:
    """One head per setting; a seed decides their first weights."""
    generator = torch.Generator().manual_seed(seed)
    width = trial.encoder.embed_dim
    count = attention_heads(width, trial["num_heads"])
    statistics: Statistics = "running" if trial.choice("bn-statistics") == "running" else "batch"
    attentive = AttentiveHead(width, classes, num_heads=count, eval_statistics=statistics, generator=generator)
    heads: dict[str, nn.Module] = {"linear": LinearHead(width, classes, generator=generator), "attentive": attentive}
    return {setting: heads[setting].to(trial.request.device) for setting in trial.settings}


def attention_heads(width: int, stated: int) -> int:
    """The protocol's number of attention heads, or for a width that it does not divide the nearest that does.

    Of two as near the larger: a ViT-L, 1024 wide, gets its own 16 in place of the paper's 12.
    """
    return min((n for n in range(1, width + 1) if width % n == 0), key=lambda n: (abs(n - stated), -n))


def probe(trial: Trial, train: ViewSet, test: ViewSet, *, train_transform: str, test_transform: str) -> Outcome:
    """Fit all heads side by side, once per seed, and report their accuracy on the test views.

    The published protocol has no augmentation here, so the tokens are computed once. The accuracy after the last
    epoch is the result; the best epoch's, which selects on the test split, is kept beside it.
    """
    train, test = train.take(trial.request.limit), test.take(trial.request.limit)
    fitted = trial.extract(train, train_transform, tokens=True).setting("tokens")
    judged = trial.extract(test, test_transform, tokens=True).setting("tokens")
    outcome = Outcome(seeded=True)
    outcome.summaries = {
        "split": f"{trial.experiment.title.lower()}: {len(train):,} training, {len(test):,} evaluation views",
        "train_items": len(train),
        "test_items": len(test),
        "classes": len(train.class_names),
    }
    metric = trial.experiment.metrics[0]
    correct: dict[str, list[NDArray[np.bool_]]] = {}
    for seed in trial.seeds:
        history = fit(trial, (fitted, train), (judged, test), seed)
        for setting, epochs in history.items():
            accuracy = [value for value, _ in epochs]
            chosen = accuracy.index(max(accuracy)) if trial.choice("probe-epoch") == "best" else -1
            name = f"{setting}/{metric}"
            outcome.values.setdefault(name, []).append(accuracy[chosen])
            correct.setdefault(name, []).append(epochs[chosen][1])
            summary = {"seed": seed, "last": accuracy[-1], "best": max(accuracy)}
            outcome.summaries.setdefault(setting, []).append(summary)
    outcome.items = items_of(test, correct)
    return outcome


Epoch = tuple[float, NDArray[np.bool_]]
"""Accuracy on the test views, per cent, and (N,) whether each was named correctly."""


def fit(trial: Trial, train: tuple[Tensor, ViewSet], test: tuple[Tensor, ViewSet], seed: int) -> dict[str, list[Epoch]]:
    """What every head reaches on the test views after every epoch."""
    heads = make_heads(trial, len(train[1].class_names), seed)
    reached: dict[str, list[Epoch]] = {setting: [] for setting in heads}

    def evaluate(_epoch: int) -> None:
        for setting, head in heads.items():
            logits = predict(head, test[0], batch_size=trial["eval_batch_size"])
            correct = logits.argmax(1).numpy() == test[1].labels
            reached[setting].append((100 * top1_accuracy(logits, test[1].labels), correct))

    fit_probes(
        heads,
        train[0],
        torch.from_numpy(train[1].labels),
        lr={setting: trial[f"lr_{setting}"] for setting in heads},
        epochs=trial["epochs"],
        batch_size=trial["batch_size"],
        order=torch.Generator().manual_seed(seed),
        after_epoch=evaluate,
    )
    return reached
