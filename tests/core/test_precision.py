from __future__ import annotations

import pytest
import torch

from suite.core.precision import tf32_matmul
from suite.segmentation.bank import HeadLearner, HeadSpec
from suite.training.schedules import Poly


def test_products_are_coarse_in_the_block_only():
    assert not torch.backends.cuda.matmul.allow_tf32
    with tf32_matmul(False):
        assert not torch.backends.cuda.matmul.allow_tf32
    with tf32_matmul(True):
        assert torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("half", [False, True])
def test_a_head_s_products_are_coarse_where_asked_for_forwards_and_backwards(half):
    learner = HeadLearner(HeadSpec("a", "a", 3), 8, Poly(2, 0), torch.device("cpu"), half=half)
    seen = []
    learner.head.fc.register_forward_hook(lambda *_: seen.append(torch.backends.cuda.matmul.allow_tf32))
    learner.head.fc.weight.register_hook(lambda _: seen.append(torch.backends.cuda.matmul.allow_tf32))
    learner.learn(torch.randn(1, 8, 2, 2), torch.zeros(1, 8, 8, dtype=torch.uint8))
    assert seen == [half, half]
    assert not torch.backends.cuda.matmul.allow_tf32
