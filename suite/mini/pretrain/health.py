"""Health of a run, whether it learns: on drawings that no training and no evaluation reads; never on a claim.

Gates: the run's own signal on held-out drawings is better than where it began; linear classification of parts and
of objects is above the same encoder before training; and for DINO and iBOT, targets are neither collapsed nor
uniform. Retrieval and nearest neighbours are recorded beside them and gate nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from suite.metrics import mean_class_ap, retrieval_average_precision, top1_accuracy
from suite.mini.pretrain.augment import normalise
from suite.mini.pretrain.data import Drawings, HeldOut
from suite.mini.pretrain.distillation import PROTOTYPES
from suite.mini.pretrain.methods import views
from suite.mini.pretrain.objective import Objective, frozen_statistics
from suite.mini.pretrain.vit import SIZE, Trunk, encode, pooled

NEIGHBOURS = 20
BATCHES, BATCH = 4, 128
SEED = 4_321
SHRINKAGE = 0.05
Row = dict[str, float]


@torch.no_grad()
def measure(objective: Objective, held_out: HeldOut, device: torch.device) -> Row:
    """Measure loss and signals on held-out views; retrieval and classification by mean patch tokens.

    Returns:
        name -> number; retrieval and classification in per cent.
    """
    row = held_out_signal(objective, held_out.objects, device)
    for name, drawings in (("object", held_out.objects), ("part", held_out.parts)):
        features = encoded(objective.shipped, drawings, device)
        labels = torch.from_numpy(drawings.labels)
        per_query = retrieval_average_precision(features, labels, include_self=False)
        row[f"{name}_ap"] = 100 * mean_class_ap(per_query, labels)
        row[f"{name}_knn"] = 100 * knn_accuracy(features, labels)
        row[f"{name}_linear"] = 100 * linear_accuracy(features, labels)
    return row


def held_out_signal(objective: Objective, drawings: Drawings, device: torch.device) -> Row:
    """Return the training loss and its signals, averaged over a few fixed batches of held-out views."""
    torch.manual_seed(SEED)
    rows = []
    with frozen_statistics(objective):
        for step in range(min(BATCHES, len(drawings.images) // BATCH)):
            images, labels = drawings.batch(step, BATCH, SEED, device)
            loss, signals = objective.loss(views(images, objective.views, colour=objective.colour), labels)
            rows.append({"held_out_loss": float(loss)} | {k: float(v) for k, v in signals.items()})
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def encoded(encoder: Trunk, drawings: Drawings, device: torch.device) -> Tensor:
    """Return (N, D) mean patch tokens of unit length, on the CPU."""
    features = []
    for chunk in torch.from_numpy(drawings.images).split(256):
        pixels = chunk.to(device).permute(0, 3, 1, 2).float().div(255)
        small = F.interpolate(pixels, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
        features.append(pooled(encode(encoder, normalise(small)))[1].float().cpu())
    return F.normalize(torch.cat(features), dim=1)


def knn_accuracy(features: Tensor, labels: Tensor) -> float:
    """Return the accuracy of a vote of the nearest other items of (N, D) unit features; a fraction."""
    similarities = (features @ features.T).fill_diagonal_(-math.inf)
    votes = F.one_hot(labels[similarities.topk(NEIGHBOURS).indices]).sum(1)
    return top1_accuracy(votes, labels)


def linear_accuracy(features: Tensor, labels: Tensor) -> float:
    """Return the accuracy of linear discriminants fitted on either half and tested on the other; a fraction."""
    x, y = features.numpy(), labels.numpy()
    scores = []
    for parity in (0, 1):
        fit = np.arange(len(y)) % 2 == parity
        classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE).fit(x[fit], y[fit])
        scores.append(classifier.score(x[~fit], y[~fit]))
    return float(np.mean(scores))


def failures(method: str, history: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the gates that a finished run misses, each as a sentence.

    Args:
        method: name of the method.
        history: rows of `measure`, the first before training.
    """
    first, last = history[0], history[-1]
    missed = []
    if last["held_out_loss"] >= first["held_out_loss"] and method not in ("dino", "ibot"):
        missed.append(f"held-out loss rose from {first['held_out_loss']:.3f} to {last['held_out_loss']:.3f}")
    missed += [
        f"linear {name} classification {last[key]:.1f} % is not above {first[key]:.1f} %, its random initialisation's"
        for name, key in (("part", "part_linear"), ("object", "object_linear"))
        if last[key] <= first[key]
    ]
    if "teacher_entropy" in last:
        uniform = math.log(PROTOTYPES)
        if not 0.1 * uniform < last["teacher_entropy"] < 0.9 * uniform:
            missed.append(f"teacher entropy {last['teacher_entropy']:.2f} nats is near collapse or uniform")
        if last["marginal_entropy"] < 0.8 * uniform:
            missed.append(f"few prototypes in use: marginal entropy {last['marginal_entropy']:.2f} nats")
        if last["agreement"] <= first["agreement"]:
            missed.append("the two views of an image agree no more often than at random initialisation")
    return missed
