from __future__ import annotations

import pytest
import torch

from suite.errors import MetricError
from suite.probes import AttentiveHead, LinearHead, predict

N, D, C = 45, 12, 3


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def problem(count: int = N) -> tuple[torch.Tensor, torch.Tensor]:
    """The class is written on the class token and, fainter, on one patch."""
    generator = seeded(1)
    tokens = torch.randn(count, 5, D, generator=generator)
    labels = torch.randint(0, C, (count,), generator=generator)
    tokens[torch.arange(count), 0, labels] += 4
    tokens[torch.arange(count), 2, labels + 3] += 4
    return tokens, labels


def linear() -> LinearHead:
    return LinearHead(D, C, generator=seeded())


def attentive(**options) -> AttentiveHead:
    return AttentiveHead(D, C, num_heads=3, generator=seeded(), **options)


@pytest.mark.parametrize("make", [linear, lambda: attentive(eval_statistics="running")])
def test_predictions_without_batch_statistics_do_not_depend_on_the_batch(make):
    tokens, _ = problem()
    head = make().train()
    head(tokens)  # statistics of its own
    torch.testing.assert_close(predict(head, tokens, batch_size=1), predict(head, tokens), atol=1e-5, rtol=1e-5)


def test_predictions_normalise_each_batch_in_sequence_and_a_lone_last_item_joins_the_one_before():
    tokens, _ = problem(33)
    head = attentive().eval()
    got = predict(head, tokens, batch_size=16)
    expected = torch.cat([head(tokens[:16]), head(tokens[16:])])
    torch.testing.assert_close(got, expected)
    smaller = predict(head, tokens[:18], batch_size=16)
    torch.testing.assert_close(smaller, torch.cat([head(tokens[:16]), head(tokens[16:18])]))


@pytest.mark.parametrize(("make", "count", "least"), [(linear, 0, 1), (attentive, 1, 2)])
def test_predict_refuses_too_few_items(make, count, least):
    with pytest.raises(MetricError) as error:
        predict(make(), problem()[0][:count])
    assert str(error.value) == f"tokens: expected at least {least} items to predict, got {count}"
