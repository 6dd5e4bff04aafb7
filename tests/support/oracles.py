"""Slow, obvious references. They import nothing from the suite."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def average_precision(scores: Sequence[float], relevant: Sequence[bool]) -> float:
    """AP by its definition: walk down the distinct scores, weigh precision by the recall gained there."""
    total, ap, recall = sum(relevant), 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        retrieved = [r for s, r in zip(scores, relevant, strict=True) if s >= threshold]
        ap += (sum(retrieved) / total - recall) * sum(retrieved) / len(retrieved)
        recall = sum(retrieved) / total
    return ap


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Cosine similarity, float64."""
    return float(a @ b / (max(np.linalg.norm(a), 1e-8) * max(np.linalg.norm(b), 1e-8)))


def retrieval_average_precision(
    features: NDArray[np.floating], labels: Sequence[int], *, include_self: bool = True
) -> list[float]:
    """AP of each item against all, a Python loop; NaN where nothing is relevant. Scores are rounded to 1e-6."""
    result = []
    for query, vector in enumerate(features):
        gallery = [i for i in range(len(features)) if include_self or i != query]
        scores = [round(cosine(vector.astype(float), features[i].astype(float)), 6) + 0.0 for i in gallery]
        relevant = [labels[i] == labels[query] for i in gallery]
        result.append(average_precision(scores, relevant) if any(relevant) else math.nan)
    return result


def segmentation(
    prediction: NDArray[np.integer], target: NDArray[np.integer], classes: int, ignore: int
) -> list[float]:
    """MIoU, mAcc, aAcc by sets of pixels, one class at a time."""
    labelled = {i for i, t in enumerate(target.ravel()) if t != ignore}
    ious, accuracies, correct = [], [], 0
    for c in range(classes):
        true = {i for i in labelled if target.ravel()[i] == c}
        predicted = {i for i in labelled if prediction.ravel()[i] == c}
        correct += len(true & predicted)
        if true | predicted:
            ious.append(len(true & predicted) / len(true | predicted))
        if true:
            accuracies.append(len(true & predicted) / len(true))
    return [sum(ious) / len(ious), sum(accuracies) / len(accuracies), correct / len(labelled)]


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Layer norm over the last axis, eps 1e-6."""
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / ((x - mean) ** 2).mean(-1, keepdim=True).add(1e-6).sqrt() * weight + bias


def attentive_logits(parameters: dict[str, Tensor], tokens: Tensor, *, heads: int) -> Tensor:
    """The attentive probe as the official code writes it: keys and values per token, a head at a time.

    Batch norm by the statistics of the batch.
    """
    p = parameters
    batch, _, width = tokens.shape
    size = width // heads
    query = layer_norm(p["query"], p["norm_q.weight"], p["norm_q.bias"]) @ p["q.weight"].T + p["q.bias"]
    keys = layer_norm(tokens, p["norm_k.weight"], p["norm_k.bias"]) @ p["k.weight"].T
    values = layer_norm(tokens, p["norm_v.weight"], p["norm_v.bias"]) @ p["v.weight"].T + p["v.bias"]
    pooled = []
    for h in range(heads):
        part = slice(h * size, (h + 1) * size)
        attention = torch.softmax(query[..., part].expand(batch, -1, -1) * size**-0.5 @ keys[..., part].mT, dim=-1)
        pooled.append((attention @ values[..., part])[:, 0])
    out = torch.cat(pooled, dim=1) @ p["proj.weight"].T + p["proj.bias"]
    out = (out - out.mean(0)) / (out.var(0, unbiased=False) + 1e-5).sqrt()
    return out @ p["fc.weight"].T + p["fc.bias"]


def sgd_linear(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    inputs: NDArray[np.float64],
    labels: NDArray[np.integer],
    batches: Sequence[tuple[Sequence[int], float]],
    *,
    momentum: float,
    velocity: tuple[NDArray[np.float64], ...] = (),
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[float], tuple[NDArray[np.float64], ...]]:
    """Softmax regression by hand: (indices, lr) a step; returns weight, bias, the losses and the velocities."""
    velocity_w, velocity_b = velocity or (np.zeros_like(weight), np.zeros_like(bias))
    losses = []
    for indices, lr in batches:
        x, y = inputs[list(indices)], labels[list(indices)]
        logits = x @ weight.T + bias
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        losses.append(float(-np.log(p[np.arange(len(y)), y]).mean()))
        p[np.arange(len(y)), y] -= 1
        velocity_w = momentum * velocity_w + p.T @ x / len(y)
        velocity_b = momentum * velocity_b + p.mean(0)
        weight, bias = weight - lr * velocity_w, bias - lr * velocity_b
    return weight, bias, losses, (velocity_w, velocity_b)


def mmcv_rates(lr: float, iterations: int, warmup: int) -> list[float]:
    """mmcv 1.x, lr_updater.py: `PolyLrUpdaterHook(power=1, min_lr=0)` under `warmup='linear', warmup_ratio=1e-6`."""
    rates = []
    for cur_iter in range(iterations):
        coeff = (1 - cur_iter / iterations) ** 1
        regular_lr = (lr - 0) * coeff + 0
        if cur_iter < warmup:
            k = (1 - cur_iter / warmup) * (1 - 1e-6)
            rates.append(regular_lr * (1 - k))
        else:
            rates.append(regular_lr)
    return rates
