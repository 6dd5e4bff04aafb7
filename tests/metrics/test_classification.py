from __future__ import annotations

import numpy as np
import pytest
import torch

from suite.errors import MetricError
from suite.metrics import top1_accuracy


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_top1_by_hand(kind):
    logits = kind([[0.1, 0.9], [2.0, -1.0], [0.5, 0.5], [-3.0, -2.0]])
    assert top1_accuracy(logits, kind([1, 1, 0, 1])) == 3 / 4


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.ones((0, 2)), [], "logits: expected shape (N, C) and at least one item, got (0, 2)"),
        (np.ones((2, 2)), [0], "labels: expected shape (2,), one per row of logits, got (1,)"),
        ([[1.0, np.inf]], [0], "logits: expected finite numbers, got nan or infinity"),
        ([[1.0, 2.0]], [2], "labels: expected integers in [0, 2), got torch.int64 2 to 2"),
        ([[1.0, 2.0]], [-1], "labels: expected integers in [0, 2), got torch.int64 -1 to -1"),
        ([[1.0, 2.0]], [0.5], "labels: expected integers in [0, 2), got torch.float64 0.5 to 0.5"),
    ],
)
def test_top1_refuses(logits, labels, message):
    with pytest.raises(MetricError) as error:
        top1_accuracy(np.array(logits), np.array(labels))
    assert str(error.value) == message
