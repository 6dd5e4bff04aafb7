"""The streaming bank of probes against plain loops, LARS against its published formula."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from suite.errors import MetricError, RequestError
from suite.probes import learner as learner_module
from suite.probes.bank import epoch_order
from suite.probes.learner import ProbeLearner, ProbeSpec
from suite.training.schedules import Cosine
from tests.support import oracles
from tests.support.probe_bank import EPOCHS, LABELS, SPECS, VIEWS, C, D, N, Tokens, assert_same, judge, train, weights

LINEAR, ATTENTIVE, LARS = SPECS


def plain(spec: ProbeSpec, *, scale: float = 1, shift: float = 0) -> tuple[dict, list[float]]:
    """The same training as a loop over whole batches: the module's own forward, autograd through all of it."""
    head = spec.head()
    buffers = [torch.zeros_like(p) for p in head.parameters()]
    losses = []
    for epoch in range(EPOCHS):
        batches = epoch_order(N, 4, epoch).split(spec.batch_size)
        batches = [b for b in batches if len(b) == spec.batch_size or not spec.drop_last]
        for number, batch in enumerate(batches):
            head.train()
            loss = F.cross_entropy(head(VIEWS[epoch, batch] * scale + shift), LABELS[batch])
            gradients = torch.autograd.grad(loss, list(head.parameters()))
            when = epoch + number / len(batches)
            with torch.no_grad():
                for p, gradient, buffer in zip(head.parameters(), gradients, buffers, strict=True):
                    adapted = spec.optimizer == "lars" and p.ndim > 1 and p.norm() > 0 and gradient.norm() > 0
                    buffer.mul_(0.9).add_(gradient * (0.001 * p.norm() / gradient.norm() if adapted else 1))
                    p.sub_(spec.schedule.lr(spec.lr, when) * buffer)
            losses.append(loss.item())
    return head.state_dict(), losses


@pytest.mark.parametrize(("spec", "affine"), [(LINEAR, {}), (ATTENTIVE, {}), (LARS, {"scale": 2, "shift": 1})])
def test_each_probe_of_a_bank_ends_as_in_a_plain_loop(spec: ProbeSpec, affine: dict[str, float]) -> None:
    """Batches of 16 and 8 side by side, incomplete ones kept or dropped, two encoders."""
    probe = train()[spec.name]
    expected, losses = plain(spec, **affine)
    assert probe.losses() == pytest.approx(losses, abs=1e-5)
    for name, value in weights(probe).items():
        torch.testing.assert_close(value, expected[name], atol=2e-6, rtol=1e-4)


def test_a_linear_probe_is_softmax_regression_by_hand() -> None:
    """Against NumPy in float64: momentum, a cosine per epoch, the incomplete last batch."""
    start = LINEAR.head().fc.weight.detach().double().numpy()
    rates = [LINEAR.lr * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2 for epoch in range(EPOCHS)]
    weight, bias, losses = start, np.zeros(C), []
    velocity: tuple = ()
    for epoch, rate in enumerate(rates):
        inputs = VIEWS[epoch, :, 0].double().numpy()
        batches = [(batch.tolist(), rate) for batch in epoch_order(N, 4, epoch).split(LINEAR.batch_size)]
        weight, bias, more, velocity = oracles.sgd_linear(
            weight, bias, inputs, LABELS.numpy(), batches, momentum=0.9, velocity=velocity
        )
        losses += more
    probe = train([LINEAR])["linear"]
    assert probe.losses() == pytest.approx(losses, abs=1e-5)
    torch.testing.assert_close(weights(probe)["fc.weight"].double(), torch.from_numpy(weight), atol=2e-6, rtol=1e-4)
    torch.testing.assert_close(weights(probe)["fc.bias"].double(), torch.from_numpy(bias), atol=2e-6, rtol=1e-4)


def test_a_probe_does_not_feel_its_neighbours() -> None:
    bank = train()
    for spec in SPECS:
        assert_same(train([spec]), {spec.name: bank[spec.name]})


def test_tokens_too_many_to_keep_give_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = train([ATTENTIVE])["attentive"]
    monkeypatch.setattr(learner_module, "_KEPT_BYTES", 0)
    monkeypatch.setattr(learner_module, "_POOLED_AT_ONCE", 3)
    probe = train([ATTENTIVE])["attentive"]
    for name, value in weights(probe).items():
        torch.testing.assert_close(value, weights(expected)[name], atol=1e-6, rtol=1e-5)


def test_the_tokens_of_an_epoch_are_asked_for_once_for_all_heads() -> None:
    source = Tokens()
    train(source=source)
    for epoch in range(EPOCHS):
        seen = [i for e, chunk in source.asked if e == epoch for i in chunk]
        assert sorted(seen) == list(range(N))
    assert len({tuple(epoch_order(N, 4, epoch).tolist()) for epoch in range(EPOCHS)}) == EPOCHS


def test_evaluations_are_the_heads_own_in_batches_of_ranks_that_stride() -> None:
    probe, predicted = train([ATTENTIVE])["attentive"], torch.empty(N, dtype=torch.int32)
    log_shares = torch.empty(N)
    with torch.no_grad():
        for rank in reversed(range(3)):  # of the items that come twice the first time counts
            for part in (torch.arange(rank, N + 2, 3) % N).split(10):
                logits = probe.head(VIEWS[0, part])
                predicted[part] = logits.argmax(1).to(torch.int32)
                log_shares[part] = logits.log_softmax(1)[torch.arange(len(part)), LABELS[part]]
    correct = predicted == LABELS
    assert torch.equal(probe.answers["last"].predicted, predicted)
    assert torch.equal(probe.answers["last"].correct, correct)
    assert [epoch for epoch, _ in probe.accuracy] == [1, 2, 3]
    assert probe.accuracy[-1][1] == pytest.approx(correct.double().mean().item())
    assert [epoch for epoch, _ in probe.evaluation_losses] == [1, 2, 3]
    assert probe.evaluation_losses[-1][1] == pytest.approx(-log_shares.mean().item(), abs=1e-6)
    best = max(value for _, value in probe.accuracy)
    assert probe.answers["best"].correct.double().mean().item() == pytest.approx(best)


@pytest.mark.parametrize(("drop", "rates"), [(True, [0, 1 / 3, 2 / 3]), (False, [0, 0.25, 0.5, 0.75])])
def test_the_rate_of_a_step_counts_the_steps_of_its_epoch(drop: bool, rates: list[float]) -> None:
    spec = replace(LARS, drop_last=drop, lr=1.0)
    probe, used = ProbeLearner(spec), []
    probe.optimizer.register_step_pre_hook(lambda opt, *_: used.append(opt.param_groups[0]["lr"]))
    for position in range(0, N, 4):
        chunk = torch.arange(position, position + 4)
        probe.take(VIEWS[0, chunk], LABELS[chunk], epoch=0, position=position, items=N)
    probe.flush()
    assert used == pytest.approx(rates)


def test_a_last_batch_of_one_has_no_statistics_and_is_passed_over() -> None:
    probe = ProbeLearner(ATTENTIVE)
    probe.take(VIEWS[0, :1], LABELS[:1], epoch=0, position=0, items=1)
    probe.flush()
    assert probe.losses() == []


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(MetricError, match=r"probe linear: expected finite losses, got (nan|inf)"):
        train([replace(LINEAR, lr=math.inf)])


def test_what_does_not_fit_together_is_refused(tmp_path) -> None:
    with pytest.raises(RequestError, match=r"batch sizes that divide one another, got \[8, 12\]"):
        train([replace(LINEAR, batch_size=12), ATTENTIVE])
    with pytest.raises(RequestError, match="as many epochs for each"):
        train([replace(LINEAR, schedule=Cosine(2)), ATTENTIVE])
    with pytest.raises(RequestError, match="of different names"):
        train([LINEAR, LINEAR])
    with pytest.raises(RequestError, match="checkpoints need `identity`"):
        train(folder=tmp_path, identity=None)
    with pytest.raises(RequestError, match="warm-up shorter than the training"):
        replace(LINEAR, schedule=Cosine(3, warmup_epochs=3))
    assert judge([]) == {}
    assert (C, D) == (3, 12)
