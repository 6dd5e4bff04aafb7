from __future__ import annotations

import numpy as np
import pytest
import torch

from suite.errors import MetricError
from suite.metrics import top1_accuracy
from suite.probes import AttentiveHead, LinearHead, cosine_lr, fit_probe, fit_probes, predict
from tests import oracles

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


SETTINGS = {"lr": 0.1, "epochs": 3, "batch_size": 16}


def weights(head: torch.nn.Module) -> list[torch.Tensor]:
    return [v.clone() for v in head.state_dict().values()]


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_the_cosine_by_hand():
    assert [cosine_lr(0.4, e, 4) for e in range(4)] == pytest.approx([0.4, 0.341421, 0.2, 0.058579], abs=1e-6)


def test_fit_equals_sgd_by_hand():
    """Momentum, cosine per epoch and the incomplete last batch, against NumPy in float64."""
    tokens, labels = problem()
    order = np.stack([np.random.default_rng(e).permutation(N) for e in range(3)])
    head = linear().double()
    start = head.fc.weight.detach().numpy().copy(), np.zeros(C)
    batches = [(order[e, a : a + 16], lr) for e, lr in enumerate((0.1, 0.075, 0.025)) for a in (0, 16, 32)]
    weight, bias, losses = oracles.sgd_linear(
        *start, tokens[:, 0].double().numpy(), labels.numpy(), batches, momentum=0.7
    )
    got = fit_probe(head, tokens.double(), labels, **SETTINGS, momentum=0.7, order=order)
    assert got == pytest.approx(losses, abs=1e-9)
    np.testing.assert_allclose(head.fc.weight.detach().numpy(), weight, atol=1e-9)
    np.testing.assert_allclose(head.fc.bias.detach().numpy(), bias, atol=1e-9)


@pytest.mark.parametrize("make", [linear, attentive])
def test_fit_learns_and_leaves_the_head_in_eval_mode(make):
    tokens, labels = problem()
    head = make()
    losses = fit_probe(head, tokens, labels, lr=0.2, epochs=30, batch_size=16)
    assert len(losses) == 30 * 3
    assert losses[-1] < 0.5 * losses[0]
    assert top1_accuracy(predict(head, tokens), labels) > 0.9
    assert not head.training


@pytest.mark.parametrize("make", [linear, attentive])
def test_two_fits_are_identical_and_the_global_seed_plays_no_part(make):
    heads = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        heads.append(make())
        fit_probe(heads[-1], *problem(), **SETTINGS)
    assert same(*heads)


@pytest.mark.parametrize(
    ("order", "alike"),
    [
        (lambda: seeded(0), True),
        (lambda: seeded(1), False),
        (lambda: torch.stack([torch.randperm(N, generator=g) for g in [seeded(0)] for _ in range(3)]), True),
        (lambda: np.arange(N), False),
    ],
)
def test_order_none_means_a_generator_of_seed_0(order, alike):
    default, other = linear(), linear()
    fit_probe(default, *problem(), **SETTINGS)
    fit_probe(other, *problem(), **SETTINGS, order=order())
    assert same(default, other) == alike


def test_one_row_of_order_serves_all_epochs():
    row = torch.randperm(N, generator=seeded(4))
    first, second = linear(), linear()
    fit_probe(first, *problem(), **SETTINGS, order=row)
    fit_probe(second, *problem(), **SETTINGS, order=row.repeat(3, 1))
    assert same(first, second)


def test_side_by_side_each_head_ends_as_it_would_alone():
    tokens, labels = problem(33)  # a last batch of one, which only the linear head can use
    bank = {"linear": linear(), "attentive": attentive()}
    losses = fit_probes(bank, tokens, labels, lr={"linear": 0.4, "attentive": 0.04}, epochs=3, batch_size=16)
    alone = {"linear": linear(), "attentive": attentive()}
    for name, lr in (("linear", 0.4), ("attentive", 0.04)):
        assert fit_probe(alone[name], tokens, labels, lr=lr, epochs=3, batch_size=16) == losses[name]
        assert same(bank[name], alone[name])
    assert (len(losses["linear"]), len(losses["attentive"])) == (9, 6)


def test_half_precision_tokens_are_read_as_float32():
    tokens, labels = problem()
    first, second = linear(), linear()
    fit_probe(first, tokens.half(), labels, **SETTINGS)
    fit_probe(second, tokens.half().float(), labels, **SETTINGS)
    assert same(first, second)


def test_after_epoch_sees_heads_in_eval_mode_and_changes_nothing():
    tokens, labels = problem()
    watched, plain = attentive(), attentive()
    seen = []

    def look(epoch: int) -> None:
        seen.append((epoch, watched.training))
        predict(watched, tokens)

    fit_probe(watched, tokens, labels, **SETTINGS, after_epoch=look)
    fit_probe(plain, tokens, labels, **SETTINGS)
    assert seen == [(0, False), (1, False), (2, False)]
    assert same(watched, plain)


def test_every_epoch_trains_batch_norm_even_where_the_head_came_in_eval_mode():
    head = attentive().eval()
    fit_probe(head, *problem(), **SETTINGS)
    assert head.bn.num_batches_tracked == 3 * 3


@pytest.mark.parametrize("make", [linear, lambda: attentive(eval_statistics="running")])
def test_predictions_without_batch_statistics_do_not_depend_on_the_batch(make):
    tokens, labels = problem()
    head = make()
    fit_probe(head, tokens, labels, **SETTINGS)
    torch.testing.assert_close(predict(head, tokens, batch_size=1), predict(head, tokens), atol=1e-5, rtol=1e-5)


def test_predictions_normalise_each_batch_in_sequence_and_a_lone_last_item_joins_the_one_before():
    tokens, _ = problem(33)
    head = attentive().eval()
    got = predict(head, tokens, batch_size=16)
    expected = torch.cat([head(tokens[:16]), head(tokens[16:])])
    torch.testing.assert_close(got, expected)
    smaller = predict(head, tokens[:18], batch_size=16)
    torch.testing.assert_close(smaller, torch.cat([head(tokens[:16]), head(tokens[16:18])]))


NAN = torch.full((4, 2, D), torch.nan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": torch.ones(0, 2, D)}, "tokens: expected shape (N, 1 + n, D) and at least one item, got (0, 2, 12)"),
        ({"tokens": torch.ones(4, D)}, "tokens: expected shape (N, 1 + n, D) and at least one item, got (4, 12)"),
        ({"labels": torch.ones(3)}, "labels: expected shape (4,), one per item, got (3,)"),
        ({"epochs": 0}, "probe: expected at least 1 epoch and 1 item a batch, got 0 and 4"),
        ({"batch_size": 0}, "probe: expected at least 1 epoch and 1 item a batch, got 2 and 0"),
        ({"order": torch.arange(8).view(2, 4)}, "order: expected every row to hold each of 0..3 once"),
        ({"order": torch.arange(3)}, "order: expected shape (2, 4) or (4,), got (3,)"),
        ({"tokens": NAN}, "probe 'head': expected a finite loss, got nan in step 0; lower lr, look at tokens"),
        (
            {"head": attentive(), "batch_size": 1},
            "probe 'head': expected batches of at least 2 items for batch norm, got batches of 1",
        ),
    ],
)
def test_fit_refuses(change, message):
    call = {"head": linear(), "tokens": torch.ones(4, 2, D), "labels": torch.zeros(4), "lr": 0.1, "epochs": 2}
    with pytest.raises(MetricError) as error:
        fit_probe(**(call | {"batch_size": 4} | change))
    assert str(error.value) == message


@pytest.mark.parametrize(("make", "count", "least"), [(linear, 0, 1), (attentive, 1, 2)])
def test_predict_refuses_too_few_items(make, count, least):
    with pytest.raises(MetricError) as error:
        predict(make(), problem()[0][:count])
    assert str(error.value) == f"tokens: expected at least {least} items to predict, got {count}"
