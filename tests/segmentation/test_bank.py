from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from suite.encoders import load_encoder
from suite.errors import MetricError, RequestError
from suite.probes import SegmentationHead
from suite.segmentation.bank import HeadSpec, centre_accuracy
from suite.segmentation.batch import Batch
from suite.segmentation.encode import blocks_at, layer_features
from tests.support.oracles import mmcv_rates
from tests.support.segmentation_bank import CHANNELS, CLASSES, CROP, SPECS, assert_same, batches, encode, train


def plainly_trained(spec: HeadSpec, iterations: int, warmup: int) -> tuple[SegmentationHead, list[float]]:
    """One head by torch's own loss and optimizer, features enlarged before the head where the paper's text says so."""
    head = SegmentationHead(CHANNELS, spec.num_classes, generator=torch.Generator().manual_seed(spec.seed))
    no_decay = [] if spec.decay_bias else [head.fc.bias]
    decay = [p for p in head.parameters() if not any(p is other for other in no_decay)]
    groups = [{"params": decay, "weight_decay": spec.weight_decay}, {"params": no_decay, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], betas=(0.9, 0.999))
    losses = []
    for step, lr in enumerate(mmcv_rates(spec.lr, iterations, warmup)):
        for group in optimizer.param_groups:
            group["lr"] = lr
        batch = batches(step)
        features = encode(batch.pixels[batch.rows[spec.label_set]])
        if spec.enlarge_first > 1:
            features = F.interpolate(features, scale_factor=spec.enlarge_first, mode="bilinear", align_corners=False)
        logits = F.conv2d(features, head.fc.weight[:, :, None, None], head.fc.bias)
        enlarged = F.interpolate(logits, size=(CROP, CROP), mode="bilinear", align_corners=False)
        labels = batch.labels[spec.label_set].long()
        loss = F.cross_entropy(enlarged, labels, ignore_index=255, reduction="none").mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return head, losses


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_head_ends_where_plain_training_ends(spec):
    head, losses = plainly_trained(spec, 12, 4)
    trained = train()
    torch.testing.assert_close(trained.heads[spec.name].fc.weight, head.fc.weight, rtol=0, atol=1e-5)
    torch.testing.assert_close(trained.heads[spec.name].fc.bias, head.fc.bias, rtol=0, atol=1e-5)
    assert trained.losses[spec.name] == pytest.approx(losses, rel=1e-5)


def test_accuracy_is_counted_of_the_pixel_in_the_middle_of_a_patch():
    logits = torch.zeros(1, 3, 2, 2)
    logits[0, :, 0, 0], logits[0, :, 1, 1] = torch.tensor([0.0, 2, 1]), torch.tensor([0.0, 1, 2])
    labels = torch.full((1, 8, 8), 255, dtype=torch.uint8)
    labels[0, 2, 2], labels[0, 6, 6], labels[0, 2, 6], labels[0, 0, 0] = 1, 2, 1, 0
    assert centre_accuracy(logits, labels) == pytest.approx(2 / 3), "of four middles one is ignored, one is wrong"
    assert centre_accuracy(logits, torch.full_like(labels, 255)).isnan()
    odd = torch.zeros(1, 7, 5, dtype=torch.uint8)
    assert centre_accuracy(logits[..., :1, :], odd) == 0.5


def test_every_step_says_how_much_of_it_was_labelled_and_named_rightly():
    trained = train()
    name = SPECS[0].name
    labels = [batches(step).labels[SPECS[0].label_set] for step in range(12)]
    shares = [float((label != 255).float().mean()) for label in labels]
    assert [len(trained.accuracies[name]), len(trained.losses[name])] == [12, 12]
    assert all(0 <= accuracy <= 1 for accuracy in trained.accuracies[name])
    expected = [loss / share for loss, share in zip(trained.losses[name], shares, strict=True)]
    assert trained.losses_of_labelled[name] == pytest.approx(expected)


def test_the_bias_decays_only_where_asked_for():
    spec = replace(SPECS[0], weight_decay=20.0)
    spared, decayed = train([spec, replace(spec, name="decayed", decay_bias=True)]).heads.values()
    assert spared.fc.bias.abs().sum() > decayed.fc.bias.abs().sum()


@pytest.mark.slow
@pytest.mark.parametrize("order", [[0], [3, 1], [2, 0, 3, 1]])
def test_a_head_ends_as_it_would_alone(order):
    bank = train()
    assert_same(train([SPECS[i] for i in order]), bank, [SPECS[i].name for i in order])


def test_heads_of_one_description_but_another_seed_differ():
    one, other = train([SPECS[0], replace(SPECS[0], name="other", seed=1)]).heads.values()
    assert not torch.equal(one.fc.weight, other.fc.weight)


def test_each_crop_is_encoded_once_a_step():
    calls = []
    plain = train()

    def counted(step: int) -> Batch:
        calls.append(step)
        return batches(step)

    assert_same(train(batches=counted), plain)
    assert calls == list(range(12))


def test_evaluation_sees_the_heads_of_its_step():
    seen = {}
    trained = train(
        evaluate_at=(4, 12),
        on_evaluate=lambda step, heads: seen.update(
            {step: {n: h.fc.weight.detach().clone() for n, h in heads.items()}}
        ),
    )
    assert list(seen) == [4, 12]
    assert torch.equal(seen[12]["low"], trained.heads["low"].fc.weight)
    assert not torch.equal(seen[4]["low"], seen[12]["low"])


def test_every_step_is_told():
    told = []
    train(on_round=lambda done, steps, left: told.append((done, steps, left)))
    assert [(done, steps) for done, steps, _ in told] == [(done, 12) for done in range(1, 13)]
    assert told[0][2] > 0
    assert told[-1][2] == 0


@pytest.mark.slow
def test_trained_heads_are_frozen():
    for head in train().heads.values():
        assert not head.training
        assert not any(p.requires_grad for p in head.parameters())


@pytest.mark.slow
def test_a_loss_that_is_not_finite_names_head_and_step():
    def spoiled(step: int) -> Batch:
        batch = batches(step)
        return Batch(batch.pixels * float("nan") if step == 7 else batch.pixels, batch.labels, batch.rows)

    with pytest.raises(MetricError, match="head low: expected finite losses, got nan in step 7"):
        train(batches=spoiled, look_every=50)


def test_labels_beyond_the_classes_are_refused():
    with pytest.raises(MetricError, match=r"target: expected classes in \[0, 3\) or 255"):
        train([HeadSpec("few", "parts", 3)])


@pytest.mark.parametrize(
    ("specs", "options", "message"),
    [
        ([SPECS[0], SPECS[0]], {}, "names that differ, got low more than once"),
        (SPECS, {"iterations": 0}, "at least 1 step"),
        (SPECS, {"warmup": -1}, "0 of warm-up, got 12 and -1"),
        ([HeadSpec("x", "animals", 3)], {}, r"label sets among \['objects', 'parts'\], got \['animals'\]"),
    ],
)
def test_a_bank_that_makes_no_sense_is_refused(specs, options, message):
    with pytest.raises(RequestError, match=message):
        train(specs, **options)


def test_a_head_that_makes_no_sense_is_refused():
    for bad in ({"num_classes": 0}, {"lr": -1.0}, {"lr": float("nan")}, {"enlarge_first": 0}):
        with pytest.raises(RequestError, match="segmentation head: expected positive sizes"):
            HeadSpec(**{"name": "x", "label_set": "parts", "num_classes": 3} | bad)


def test_features_are_the_raw_outputs_of_the_blocks_in_their_order():
    encoder = load_encoder("random_init")
    images = torch.randn(2, 3, 4 * encoder.patch_size, 3 * encoder.patch_size)
    last = encoder.depth - 1
    features = layer_features(encoder, (0, last))(images)
    tokens = encoder(images, layers=(0, last))
    assert features.shape == (2, 2 * encoder.embed_dim, 4, 3)
    assert torch.equal(features, torch.cat([tokens.layers[0], tokens.layers[last]], dim=1))
    assert not torch.allclose(features[:, encoder.embed_dim :], tokens.patches)  # no final norm
    assert torch.equal(layer_features(encoder, (last, 0))(images)[:, encoder.embed_dim :], tokens.layers[0])


@pytest.mark.slow
def test_features_do_not_depend_on_what_else_is_encoded():
    encoder = load_encoder("random_init")
    images = torch.randn(5, 3, 4 * encoder.patch_size, 4 * encoder.patch_size)
    encode_by_two = layer_features(encoder, (1,), batch_size=2)
    whole = encode_by_two(images)
    for count in range(1, 6):
        assert torch.equal(encode_by_two(images[:count]), whole[:count])


def test_layers_that_an_encoder_does_not_have_are_refused():
    encoder = load_encoder("random_init")
    for layers in ((), (encoder.depth,), (-1,)):
        with pytest.raises(RequestError, match="layers: expected some of 0 to"):
            layer_features(encoder, layers)


@pytest.mark.parametrize(
    ("depth", "expected"), [(12, (3, 5, 7, 11)), (24, (7, 11, 15, 23)), (6, (1, 2, 3, 5)), (4, (0, 1, 2, 3))]
)
def test_blocks_lie_at_the_paper_s_fractions_of_the_depth(depth, expected):
    assert blocks_at(depth) == expected


def test_label_sets_of_the_toy_have_the_classes_it_says():
    labels = batches(0).labels
    assert {name: int(values[values != 255].max()) + 1 for name, values in labels.items()} == CLASSES
