"""What image and part classification share: linear and attentive probes on frozen tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite.datasets.views import ViewSet
from suite.experiments.trial import Outcome, Trial
from suite.metrics import top1_accuracy
from suite.probes import AttentiveHead, LinearHead, fit_probes, predict
from suite.probes.attentive import Statistics


def make_heads(trial: Trial, classes: int, seed: int) -> dict[str, nn.Module]:
    """One head per setting; a seed decides their first weights."""
    generator = torch.Generator().manual_seed(seed)
    width = trial.encoder.embed_dim
    statistics: Statistics = "running" if trial.choice("bn-statistics") == "running" else "batch"
    attentive = AttentiveHead(
        width, classes, num_heads=trial["num_heads"], eval_statistics=statistics, generator=generator
    )
    heads: dict[str, nn.Module] = {"linear": LinearHead(width, classes, generator=generator), "attentive": attentive}
    return {setting: heads[setting].to(trial.request.device) for setting in trial.settings}


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
    for seed in trial.seeds:
        history = fit(trial, (fitted, train), (judged, test), seed)
        for setting, epochs in history.items():
            value = max(epochs) if trial.choice("probe-epoch") == "best" else epochs[-1]
            outcome.values.setdefault(f"{setting}/{metric}", []).append(value)
            outcome.summaries.setdefault(setting, []).append({"seed": seed, "last": epochs[-1], "best": max(epochs)})
    return outcome


def fit(trial: Trial, train: tuple[Tensor, ViewSet], test: tuple[Tensor, ViewSet], seed: int) -> dict[str, list[float]]:
    """Accuracy on the test views, per cent, after every epoch of every head."""
    heads = make_heads(trial, len(train[1].class_names), seed)
    accuracy: dict[str, list[float]] = {setting: [] for setting in heads}

    def evaluate(_epoch: int) -> None:
        for setting, head in heads.items():
            logits = predict(head, test[0], batch_size=trial["eval_batch_size"])
            accuracy[setting].append(100 * top1_accuracy(logits, test[1].labels))

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
    return accuracy
