"""Methods of the mini pretraining: masks, targets, codes, statistics, views."""

import math
import random

import pytest
import torch

pytest.importorskip("lightly")

from suite.mini.pretrain import augment, codes, methods, objective
from suite.mini.pretrain.cae import RATIO
from suite.mini.pretrain.contrastive import contrast
from suite.mini.pretrain.distillation import balanced, new_head
from suite.mini.pretrain.vit import DIM, PATCHES, encode
from tests.support import pretraining

pytestmark = pytest.mark.usefixtures("quick")


def test_the_key_bias_of_cae_stays_zero(drawings, tmp_path):
    its_run = pretraining.run("cae", drawings, tmp_path, steps=2)
    its_run.train()
    bias = its_run.objective.encoder.blocks[0].attn.qkv.bias
    assert bias[DIM : 2 * DIM].abs().max() == 0
    assert bias[:DIM].abs().max() > 0


def test_balanced_targets_have_even_marginals():
    torch.manual_seed(0)
    # cosines of 256 samples to 64 prototypes, one of which nearly all prefer
    logits = torch.randn(256, 64).mul(0.05)
    logits[:, 3] += 0.2
    targets = balanced(logits)
    assert torch.allclose(targets.sum(1), torch.ones(256), atol=1e-5)
    assert torch.allclose(targets.sum(0), torch.full((64,), 4.0), rtol=0.15)
    assert logits.div(0.025).softmax(1).sum(0)[3] > 100


@pytest.mark.parametrize(("method", "seen"), [("mae", 1 + 9), ("cae", 1 + 18)])
def test_the_encoder_sees_the_visible_patches_only(method, seen, drawings):
    lengths = []
    its_objective = pretraining.load_if_valid(method, drawings)
    first = its_objective.encoder.blocks[0]
    first.register_forward_pre_hook(lambda _, args: lengths.append(args[0].shape[1]))
    views = methods.views(torch.from_numpy(drawings.images[:8]), 1, colour=False)
    its_objective.loss(views, torch.zeros(8))
    assert lengths[0] == seen
    assert lengths[1:] == ([1 + PATCHES * RATIO] if method == "cae" else [])


def test_beit_masks_about_its_share_of_the_patches(drawings, monkeypatch):
    masks = []
    monkeypatch.setattr(
        "suite.mini.pretrain.masked.encode",
        lambda vit, images, **options: masks.append(options["mask"]) or encode(vit, images, **options),
    )
    random.seed(0)
    views = methods.views(torch.from_numpy(drawings.images), 1, colour=False)
    pretraining.load_if_valid("beit", drawings).loss(views, torch.zeros(128))
    share = masks[0].float().mean(1)
    assert 0.4 < share.mean() <= 16 / 36
    assert share.max() <= 16 / 36


def test_a_masked_patch_tells_the_encoder_nothing(drawings):
    encoder = pretraining.load_if_valid("deit", drawings).encoder
    images = torch.randn(1, 3, 48, 48)
    other = images.clone()
    other[..., :8, :8] += 1
    mask = torch.zeros(1, PATCHES, dtype=torch.bool)
    token = torch.zeros(1, 1, DIM)
    assert not torch.allclose(encode(encoder, images), encode(encoder, other))
    mask[0, 0] = True
    both = [encode(encoder, x, mask=mask, mask_token=token) for x in (images, other)]
    assert torch.equal(*both)


def test_codes_tell_edges_apart_and_ignore_brightness():
    patches = torch.zeros(4, 3, 8, 8)
    patches[0, :, :, :4] = patches[1, :, :4] = patches[2, :, 4:] = 1
    images = patches.repeat(40, 1, 1, 1)
    codebook = codes.codebook(images, 8, seed=0, count=4)
    indices = codebook(patches)[:, 0]
    assert len(indices.unique()) == 4
    assert torch.equal(codebook(patches + 0.3)[:, 0], indices)


def test_contrast_of_equal_views_names_the_right_key():
    rows = torch.eye(4).repeat(2, 1)
    loss, accuracy = contrast(rows, rows)
    # logits 1 / 0.2 = 5 for the right key, 0 for the three others
    assert math.isclose(loss.item(), math.log(1 + 3 * math.exp(-5)), rel_tol=1e-4)
    assert accuracy == 1


def test_statistics_follow_class_tokens_only():
    torch.manual_seed(0)
    head = new_head()
    alone = new_head()
    alone.load_state_dict(head.state_dict())
    cls, mean = torch.randn(32, DIM), torch.randn(32, DIM) + 5
    objective.apply_to_both(head, cls, mean)
    alone(cls)
    assert torch.equal(head.layers[1].running_mean, alone.layers[1].running_mean)
    assert head.layers[1].momentum == 0.1


def test_colour_changes_keep_grey_grey_and_stay_in_range():
    torch.manual_seed(0)
    grey = torch.rand(16, 1, 8, 8).expand(-1, 3, -1, -1)
    changed = augment.recolour(grey)
    assert (changed[:, 0] - changed[:, 1]).abs().max() < 1e-5
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_a_third_of_a_turn_of_hue_swaps_the_channels():
    turned = augment.hue_rotation(torch.tensor([2 * math.pi / 3]))[0] @ torch.tensor([1.0, 0.0, 0.0])
    assert torch.allclose(turned, torch.tensor([0.0, 1.0, 0.0]), atol=1e-6)
