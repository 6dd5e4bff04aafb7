"""The official auxiliary head: built and trained as mmseg 0.11 and mmcv do, and nothing to the decode head."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suite.errors import MetricError, RequestError
from suite.experiments.heads import Heads
from suite.experiments.segmenting import segment
from suite.segmentation.auxiliary import AuxiliaryHead, dropout
from suite.segmentation.bank import HeadLearner, HeadSpec
from suite.segmentation.batch import Batch
from suite.segmentation.train import TrainedBank
from suite.training.schedules import Poly
from tests.support.segmentation_bank import CHANNELS, CROP, SPECS, assert_same, batches, encode, train
from tests.support.small_trials import lip

SEES = (2, 5)
DECODE = SPECS[:3]


def beside(spec: HeadSpec) -> HeadSpec:
    return replace(spec, name=f"{spec.name} auxiliary", auxiliary=SEES)


AUXILIARIES = [beside(spec) for spec in DECODE]


def drawn(spec: HeadSpec) -> AuxiliaryHead:
    generator = torch.Generator().manual_seed(spec.seed)
    return AuxiliaryHead(SEES, CHANNELS, spec.num_classes, generator=generator)


class MmsegFCNHead(nn.Module):
    """mmseg 0.11, fcn_head.py and decode_head.py, with `num_convs=1, concat_input=False`; one process, so plain BN."""

    def __init__(self, start: AuxiliaryHead) -> None:
        super().__init__()
        classes, channels = start.fc.weight.shape
        self.conv = nn.Conv2d(SEES[1] - SEES[0], channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.conv_seg = nn.Conv2d(channels, classes, 1)
        with torch.no_grad():
            self.conv.weight.copy_(start.conv)
            self.conv_seg.weight.copy_(start.fc.weight[:, :, None, None])
            self.conv_seg.bias.copy_(start.fc.bias)

    def forward(self, features: Tensor, kept: Tensor | None = None) -> Tensor:
        hidden = torch.relu(self.bn(self.conv(features[:, SEES[0] : SEES[1]])))
        return self.conv_seg(hidden if kept is None else hidden * kept[:, :, None, None])

    def assert_is(self, head: AuxiliaryHead) -> None:
        for obtained, expected in (
            (head.conv, self.conv.weight),
            (head.norm.weight, self.bn.weight),
            (head.norm.bias, self.bn.bias),
            (head.norm.running_mean, self.bn.running_mean),
            (head.norm.running_var, self.bn.running_var),
            (head.fc.weight, self.conv_seg.weight[:, :, 0, 0]),
            (head.fc.bias, self.conv_seg.bias),
        ):
            torch.testing.assert_close(obtained, expected, rtol=0, atol=2e-5)


def jointly_trained(spec: HeadSpec, iterations: int, *, auxiliary: bool = True) -> tuple[MmsegFCNHead, Tensor, list]:
    """Both heads as the official code trains them: one sum of losses, one backward pass, one AdamW."""
    head = MmsegFCNHead(drawn(beside(spec))).train()
    decode = nn.Conv2d(CHANNELS, spec.num_classes, 1)
    nn.init.normal_(decode.weight, std=0.01, generator=torch.Generator().manual_seed(spec.seed))
    nn.init.zeros_(decode.bias)
    parameters = [*decode.parameters(), *head.parameters()]
    spared = [p for p in parameters if p.ndim == 1 and not spec.decay_bias]
    others = [p for p in parameters if not any(p is s for s in spared)]
    groups = [{"params": others, "weight_decay": spec.weight_decay}, {"params": spared, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], betas=(0.9, 0.999))
    losses = []
    for step in range(iterations):
        for group in optimizer.param_groups:
            group["lr"] = spec.lr * (1 - step / iterations)
        batch = batches(step)
        features, labels = encode(batch.pixels[batch.rows[spec.label_set]]), batch.labels[spec.label_set].long()

        def loss_of(logits: Tensor, labels: Tensor = labels) -> Tensor:
            enlarged = F.interpolate(logits, size=(CROP, CROP), mode="bilinear", align_corners=False)
            return F.cross_entropy(enlarged, labels, ignore_index=255, reduction="none").mean()

        total = loss_of(decode(features))
        if auxiliary:
            losses.append(0.4 * loss_of(head(features, dropout(spec.seed, step, len(features)))))
            total = total + losses[-1]
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    return head.eval(), decode.weight.detach()[:, :, 0, 0], [loss.item() for loss in losses]


@pytest.mark.parametrize("spec", DECODE, ids=lambda spec: spec.name)
def test_it_ends_where_the_official_joint_training_ends(spec):
    """`low` spares biases and norms from decay, as layer decay does; enough of it that it shows."""
    assert {s.decay_bias for s in DECODE} == {False, True}
    spec = replace(spec, weight_decay=5.0)
    trained = train([spec, beside(spec)], warmup=0)
    expected, decode, losses = jointly_trained(spec, 12)
    head = trained.heads[f"{spec.name} auxiliary"]
    expected.assert_is(head)
    assert trained.losses[f"{spec.name} auxiliary"] == pytest.approx(losses, rel=1e-4)
    torch.testing.assert_close(trained.heads[spec.name].fc.weight, decode, rtol=0, atol=1e-5)
    features = encode(batches(99).pixels)
    torch.testing.assert_close(head(features), expected(features), rtol=0, atol=1e-4)  # running statistics, no dropout


def test_the_decode_head_is_the_same_to_the_last_bit():
    """In the bank, and in the official joint training, where a sum of losses and one AdamW could have tied the two."""
    assert_same(train([*DECODE, *AUXILIARIES]), train(DECODE), [spec.name for spec in DECODE])
    (_, beside_it, losses), (_, alone, _) = (
        jointly_trained(DECODE[1], 12, auxiliary=auxiliary) for auxiliary in (True, False)
    )
    assert len(losses) == 12
    assert torch.equal(beside_it, alone)


def test_the_decay_of_norms_and_biases_follows_the_method():
    for decays, small in ((True, 0.05), (False, 0.0)):
        spec = replace(AUXILIARIES[0], decay_bias=decays)
        learner = HeadLearner(spec, CHANNELS, Poly(1, 0), torch.device("cpu"))
        names = [name for name, _ in learner.head.named_parameters()]
        decay_by_name = {name: g["weight_decay"] for name, g in zip(names, learner.optimizer.param_groups, strict=True)}
        one_a_channel = dict.fromkeys(("norm.weight", "norm.bias", "fc.bias"), small)
        assert decay_by_name == {"conv": 0.05, "fc.weight": 0.05} | one_a_channel


def test_it_starts_as_mmcv_starts_it():
    head = AuxiliaryHead((0, 64), 64, 150)
    assert head.conv.std().item() == pytest.approx(math.sqrt(2 / (256 * 3 * 3)), rel=0.02)  # over the fan-out
    assert head.fc.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not head.fc.bias.any()
    assert {name for name, _ in head.named_parameters()} == {"conv", "norm.weight", "norm.bias", "fc.weight", "fc.bias"}


def test_dropout_takes_whole_channels_at_the_official_rate():
    kept = torch.stack([dropout(0, step, 16) for step in range(100)])
    assert sorted(kept.unique().tolist()) == pytest.approx([0, 1 / 0.9])
    assert (kept == 0).float().mean() == pytest.approx(0.1, abs=0.003)
    assert torch.equal(dropout(0, 7, 16), dropout(0, 7, 16))
    for other in (dropout(0, 8, 16), dropout(1, 7, 16)):
        assert not torch.equal(dropout(0, 7, 16), other)
    head, features = AuxiliaryHead(SEES, CHANNELS, 4).eval(), torch.randn(2, CHANNELS, 4, 4)
    none = head(features, torch.zeros(2, 256))
    assert torch.equal(none, head.fc.bias[None, :, None, None].expand_as(none))


def test_it_looks_at_its_own_map_only():
    head, features = drawn(AUXILIARIES[0]).eval(), torch.randn(2, CHANNELS, 4, 4)
    others = features.clone()
    others[:, : SEES[0]] += 1
    others[:, SEES[1] :] += 1
    assert torch.equal(head(features), head(others))
    assert not torch.equal(head(features), head(features + 1))


def whole_state(bank: TrainedBank) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for name, head in bank.heads.items() for key, value in head.state_dict().items()}


@pytest.mark.parametrize("step", [1, 7])
def test_stopped_it_goes_on_with_the_same_bits(tmp_path, step):
    calls, specs = iter(range(1, 100)), [DECODE[0], AUXILIARIES[0]]
    with pytest.raises(KeyboardInterrupt):
        train(specs, folder=tmp_path, stop=lambda: next(calls) == step)
    resumed, whole = train(specs, folder=tmp_path), train(specs)
    assert_same(resumed, whole)
    expected = whole_state(whole)
    assert expected["low auxiliary.norm.running_mean"].any()
    for name, value in whole_state(resumed).items():
        assert torch.equal(value, expected[name]), name


def test_added_later_it_trains_alone_and_ends_the_same(tmp_path):
    specs, told = [DECODE[0], AUXILIARIES[0]], []
    train(specs[:1], folder=tmp_path)
    grown = train(specs, folder=tmp_path, evaluate_at=(12,), on_evaluate=lambda _, heads: told.extend(heads))
    assert told == ["low auxiliary"]
    assert_same(grown, train(specs))


def test_evaluation_while_training_sees_running_statistics_and_moves_none():
    features, seen = encode(batches(99).pixels), []

    def look(_, heads):
        assert not any(module.training for module in heads["low auxiliary"].modules())
        seen.append(heads["low auxiliary"](features))

    specs = AUXILIARIES[:1]
    assert_same(train(specs, evaluate_at=(3, 6), on_evaluate=look), train(specs))
    assert len(seen) == 2


def test_a_loss_that_is_not_finite_stops_it():
    def spoiled(step: int) -> Batch:
        batch = batches(step)
        return Batch(batch.pixels * float("nan") if step == 7 else batch.pixels, batch.labels, batch.rows)

    with pytest.raises(MetricError, match="head low auxiliary: expected finite losses, got nan in step 7"):
        train(AUXILIARIES[:1], batches=spoiled)


@pytest.mark.parametrize("sees", [(0, CHANNELS + 1), (3, 3), (-1, 2)])
def test_channels_that_the_features_do_not_have_are_refused(sees):
    with pytest.raises(RequestError, match=f"auxiliary head: expected a range of channels among {CHANNELS}"):
        train([replace(AUXILIARIES[0], auxiliary=sees)])


def test_each_head_of_a_sweep_has_one_on_the_third_map(tmp_path):
    options = ("segmentation-auxiliary=trained", "segmentation-upsampling=x4-first")
    trial = lip(tmp_path, *options, experiment="learning_rate_sweep")
    heads, width = Heads(trial, 0), trial.encoder.embed_dim
    assert len(heads.auxiliaries) == len(heads.specs) == 6
    for setting, spec in heads.auxiliaries.items():
        assert spec.auxiliary == (2 * width, 3 * width)
        assert spec.lr == heads.specs[setting].lr
        assert (heads.specs[setting].enlarge_first, spec.enlarge_first) == (4, 1)
    assert not Heads(lip(tmp_path / "dropped", experiment="learning_rate_sweep"), 0).auxiliaries


def test_a_trial_keeps_its_values_and_tells_of_the_auxiliary_head(tmp_path):
    dropped = segment(lip(tmp_path / "dropped"))
    trained = segment(lip(tmp_path / "trained", "segmentation-auxiliary=trained"))
    assert trained.values == dropped.values
    [with_curve], [without_curve] = trained.summaries["trainings"], dropped.summaries["trainings"]
    losses = with_curve.pop("auxiliary_losses")
    assert len(losses) == len(with_curve["losses"]) > 1
    assert with_curve == without_curve
    [with_it], [without] = trained.summaries["linear_head"], dropped.summaries["linear_head"]
    assert set(with_it.pop("auxiliary")) == {"miou", "macc", "aacc"}
    assert with_it == without
