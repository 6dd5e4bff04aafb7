from __future__ import annotations

import math

import pytest
import torch

from suite.errors import RequestError
from suite.probes import AttentiveHead, LinearHead
from tests.support import oracles
from tests.support.randomness import seeded

D, C = 24, 5


def tokens(count: int = 16, patches: int = 6) -> torch.Tensor:
    return torch.randn(count, 1 + patches, D, generator=seeded(1)) * 3 + 1


def grown(head: torch.nn.Module) -> torch.nn.Module:
    """Weights away from their special initial values, so that every parameter shows."""
    generator = seeded(9)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return head


def test_linear_head_reads_the_class_token_only():
    head = LinearHead(D, C, generator=seeded())
    x = tokens()
    expected = x[:, 0] @ head.fc.weight.T + head.fc.bias
    torch.testing.assert_close(head(x), expected)
    x[:, 1:] = 0
    torch.testing.assert_close(head(x), expected)


def test_linear_head_starts_from_small_weights_and_no_bias():
    head = LinearHead(400, 100, generator=seeded())
    assert head.fc.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert head.fc.bias.count_nonzero() == 0


def test_attentive_head_starts_as_published():
    head = AttentiveHead(240, 100, generator=seeded())
    # std of a normal cut at one std: 0.02 * sqrt(1 - 2 phi(1) / (2 Phi(1) - 1))
    cut = 0.02 * math.sqrt(1 - 2 * math.exp(-0.5) / math.sqrt(2 * math.pi) / math.erf(1 / math.sqrt(2)))
    for name in ("q", "k", "v", "proj"):
        weight = getattr(head, name).weight
        assert weight.abs().max() <= 0.02
        assert weight.std().item() == pytest.approx(cut, rel=0.02)
    assert head.query.abs().max() <= 0.02
    assert head.query.std() > 0.005
    assert head.fc.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert [n for n, p in head.named_parameters() if n.endswith("bias") and p.count_nonzero()] == []
    assert head.k.bias is None
    assert (head.bn.eps, head.bn.momentum, head.bn.affine, head.norm_q.eps) == (1e-5, 0.1, False, 1e-6)


def test_attentive_head_of_cae_starts_from_a_zero_query_and_normals_that_nothing_cuts():
    """models/modeling_finetune.py: `query_token` is `torch.zeros`; timm's `trunc_normal_(std=.02)` cuts at 2."""
    head = AttentiveHead(240, 100, initial="cae", generator=seeded())
    assert head.query.count_nonzero() == 0
    for name in ("q", "k", "v", "proj"):
        weight = getattr(head, name).weight
        assert weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert weight.abs().max() > 3.5 * 0.02, "one of 57,600 normals"
    assert head.fc.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert [n for n, p in head.named_parameters() if n.endswith("bias") and p.count_nonzero()] == []
    head(tokens(patches=6).repeat(1, 1, 10)).square().sum().backward()
    assert head.query.grad is not None
    assert head.query.grad.count_nonzero() > 0, "the query can leave zero"


@pytest.mark.parametrize("heads", [1, 3, 12])
def test_attentive_head_equals_keys_and_values_made_per_token(heads):
    head = grown(AttentiveHead(D, C, num_heads=heads, generator=seeded())).double()
    expected = oracles.attentive_logits(dict(head.named_parameters()), tokens().double(), heads=heads)
    torch.testing.assert_close(head(tokens().double()), expected, atol=1e-9, rtol=1e-9)


def test_attentive_head_has_the_gradients_of_the_plain_form():
    head = grown(AttentiveHead(D, C, num_heads=4, generator=seeded())).double()
    x, truth = tokens().double(), torch.arange(16) % C
    parameters = dict(head.named_parameters())
    plain = torch.nn.functional.cross_entropy(oracles.attentive_logits(parameters, x, heads=4), truth)
    expected = torch.autograd.grad(plain, list(parameters.values()))
    got = torch.autograd.grad(torch.nn.functional.cross_entropy(head(x), truth), list(parameters.values()))
    for name, a, b in zip(parameters, got, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-7, msg=name)


def test_attentive_head_in_eval_mode_uses_the_batch_and_leaves_running_statistics_alone():
    head = grown(AttentiveHead(D, C, generator=seeded())).eval()
    before = head.bn.running_mean.clone()
    expected = oracles.attentive_logits(dict(head.named_parameters()), tokens(), heads=12)
    torch.testing.assert_close(head(tokens()), expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(head(tokens()[:8]), expected[:8], atol=1e-3)
    torch.testing.assert_close(head.bn.running_mean, before)


def test_attentive_head_with_running_statistics_does_not_depend_on_the_batch():
    head = grown(AttentiveHead(D, C, eval_statistics="running", generator=seeded()))
    head(tokens())
    assert head.bn.running_mean.count_nonzero() == D
    head.eval()
    whole = head(tokens())
    torch.testing.assert_close(head(tokens()[:1]), whole[:1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("mode", "statistics", "smallest"),
    [("train", "batch", 2), ("train", "running", 2), ("eval", "batch", 2), ("eval", "running", 1)],
)
def test_attentive_head_knows_the_smallest_batch_it_can_normalise(mode, statistics, smallest):
    head = AttentiveHead(D, C, eval_statistics=statistics).train(mode == "train")
    assert head.smallest_batch == smallest


@pytest.mark.parametrize("kind", [LinearHead, AttentiveHead])
def test_the_seed_decides_the_weights(kind):
    first, same, other = (kind(D, C, generator=seeded(s)).state_dict() for s in (3, 3, 4))
    assert all(torch.equal(first[k], same[k]) for k in first)
    assert not torch.equal(first["fc.weight"], other["fc.weight"])
    torch.manual_seed(5)
    implicit = kind(D, C).state_dict()
    torch.manual_seed(5)
    assert all(torch.equal(v, implicit[k]) for k, v in kind(D, C).state_dict().items())


def test_a_generator_leaves_the_global_one_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    AttentiveHead(D, C, generator=seeded())
    LinearHead(D, C, generator=seeded())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 7}, "attentive head: expected heads that divide the width 24, got 7"),
        ({"num_heads": 0}, "attentive head: expected heads that divide the width 24, got 0"),
        (
            {"eval_statistics": "best"},
            "attentive head: expected eval_statistics 'batch' or 'running', got 'best'",
        ),
    ],
)
def test_attentive_head_refuses(options, message):
    with pytest.raises(RequestError) as error:
        AttentiveHead(D, C, **options)
    assert str(error.value) == message
