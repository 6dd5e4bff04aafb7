from __future__ import annotations

import pytest
import torch
from torch.utils.data import DistributedSampler

from suite.errors import MetricError
from suite.probes import AttentiveHead, LinearHead, predict
from suite.probes.predict import evaluation_batches
from suite.protocol.profiles import load_profile
from tests.support.randomness import seeded

N, D, C = 45, 12, 3


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


@pytest.mark.parametrize(("items", "batch_size", "ranks"), [(50_000, 384, 32), (800, 100, 8), (45, 7, 3), (7, 3, 2)])
def test_evaluation_batches_are_those_of_distributed_ranks(items, batch_size, ranks):
    """torch's own sampler, one rank after the other, as CAE's `run_attentive.py` sets it up."""
    samplers = [DistributedSampler(range(items), ranks, rank, shuffle=False) for rank in range(ranks)]
    expected = [part.tolist() for s in samplers for part in torch.tensor(list(s)).split(batch_size)]
    batches = [batch.tolist() for batch in evaluation_batches(items, batch_size, ranks)]
    assert batches == expected
    assert {item for batch in batches for item in batch} == set(range(items))


def test_table_1_is_evaluated_as_by_the_official_code_so_that_a_batch_spans_many_classes():
    """CAE, tools/run_attentive.py: 384 images a GPU, 32 GPUs; 50 images a class, sorted by class."""
    settings = load_profile("paper").experiment("image_classification").settings
    batches = evaluation_batches(50_000, settings.eval_batch_size, settings.eval_stride)
    assert [len(batch) for batch in batches[:5]] == [384, 384, 384, 384, 27]
    assert len(batches) == 32 * 5
    assert len({item // 50 for item in batches[0].tolist()}) == 246
    mini = load_profile("mini").experiment("image_classification").settings
    batches = evaluation_batches(800, mini.eval_batch_size, mini.eval_stride)
    assert [len({item // 40 for item in batch.tolist()}) for batch in batches] == [20] * 8


def test_part_classification_is_evaluated_in_the_loader_s_order_and_batches_of_256():
    """Official code, patch_lincls.py: every process evaluates all patches, in order."""
    for profile in ("mini", "paper"):
        settings = load_profile(profile).experiment("part_classification").settings
        batches = evaluation_batches(600, settings.eval_batch_size, settings.eval_stride)
        assert [(batch[0].item(), batch[-1].item()) for batch in batches] == [(0, 255), (256, 511), (512, 599)]


def test_few_items_are_not_spread_over_ranks_that_would_see_less_than_a_batch():
    assert [batch.tolist() for batch in evaluation_batches(4, 384, 32)] == [[0, 1, 2, 3]]
    assert [len(batch) for batch in evaluation_batches(900, 384, 32)] == [384, 66, 384, 66]


def test_a_batch_of_one_joins_the_one_before_it_in_every_rank_and_an_item_that_comes_twice_counts_once():
    tokens, _ = problem(9)
    head = attentive().eval()
    batches = evaluation_batches(9, 4, 2)
    assert [batch.tolist() for batch in batches] == [[0, 2, 4, 6], [8], [1, 3, 5, 7], [0]]
    got = predict(head, tokens, batches=batches)
    expected = torch.empty(9, C)
    for part in ([1, 3, 5, 7, 0], [0, 2, 4, 6, 8]):
        expected[part] = head(tokens[part])
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(("make", "count", "least"), [(linear, 0, 1), (attentive, 1, 2)])
def test_predict_refuses_too_few_items(make, count, least):
    with pytest.raises(MetricError) as error:
        predict(make(), problem()[0][:count])
    assert str(error.value) == f"tokens: expected at least {least} items to predict, got {count}"
