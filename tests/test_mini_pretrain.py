"""The pretraining of the mini encoders: its folds, layouts, masks, targets and its exact resumption."""

import copy
import csv
import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("lightly")

from suite.encoders import load_encoder
from suite.errors import RequestError, StorageError
from suite.mini.pretrain import augment, codes, data, health, methods, objective, save, train
from suite.mini.pretrain.budgets import BUDGETS, Budget, budget
from suite.mini.pretrain.cae import RATIO
from suite.mini.pretrain.contrastive import contrast
from suite.mini.pretrain.distillation import PROTOTYPES, balanced, new_head
from suite.mini.pretrain.stem import whitened
from suite.mini.pretrain.vit import DIM, PATCH, PATCHES, encode

BLOCK = [
    "norm1.weight",
    "norm1.bias",
    "attn.qkv.weight",
    "attn.qkv.bias",
    "attn.proj.weight",
    "attn.proj.bias",
    "norm2.weight",
    "norm2.bias",
    "mlp.fc1.weight",
    "mlp.fc1.bias",
    "mlp.fc2.weight",
    "mlp.fc2.bias",
]
SPLIT_BLOCK = [name for name in BLOCK if name != "attn.qkv.bias"] + ["attn.q_bias", "attn.v_bias", "gamma_1", "gamma_2"]
STEM = ["cls_token", "patch_embed.proj.weight", "patch_embed.proj.bias", "norm.weight", "norm.bias"]
HEAD = [f"mlp.{i}.{end}" for i in (0, 2, 4) for end in ("weight", "bias")]
NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def trunk_keys(block=BLOCK, positions=("pos_embed",)):
    return {*STEM, *positions, *(f"blocks.{i}.{name}" for i in range(4) for name in block)}


def prefixed(prefix, keys):
    return {prefix + key for key in keys}


def moco_mlp(layers):
    keys = {f"{3 * i}.weight" for i in range(layers)} | {f"{3 * i + 1}.{n}" for i in range(layers - 1) for n in NORM}
    return keys | {f"{3 * layers - 2}.{name}" for name in NORM[2:]}


def moco_keys():
    branch = trunk_keys() | prefixed("head.", moco_mlp(3))
    keys = prefixed("base_encoder.", branch) | prefixed("momentum_encoder.", branch)
    return prefixed("module.", keys | prefixed("predictor.", moco_mlp(2)))


def distilled_keys(last, student_extra=()):
    branch = prefixed("backbone.", trunk_keys()) | prefixed("head.", [*HEAD, *last])
    return {"student": prefixed("module.", branch | set(student_extra)), "teacher": branch}


IBOT_LAST = [f"{name}.{end}" for name in ("last_layer", "last_layer2") for end in ("weight_g", "weight_v")]
BEIT_POSITIONS = ("rel_pos_bias.relative_position_bias_table", "rel_pos_bias.relative_position_index")
LAYOUTS = {
    "deit": {"model": trunk_keys() | {"head.weight", "head.bias"}},
    "mocov3": {"state_dict": moco_keys()},
    "dino": distilled_keys(["last_layer.weight"]),
    "ibot": distilled_keys(IBOT_LAST, ["backbone.masked_embed"]),
    "beit": {"model": trunk_keys(SPLIT_BLOCK, BEIT_POSITIONS) | {"mask_token", "lm_head.weight", "lm_head.bias"}},
    "mae": {"model": trunk_keys()},
    "cae": {"model": prefixed("encoder.", trunk_keys(SPLIT_BLOCK))},
}


@pytest.fixture(scope="module")
def drawings():
    rng = np.random.default_rng(0)
    # smooth random colours: patches differ, neighbours agree
    small = torch.from_numpy(rng.random((128, 3, 6, 6), np.float32))
    images = F.interpolate(small, (64, 64), mode="bicubic").clamp(0, 1).mul(255).byte()
    return data.Drawings(images.permute(0, 2, 3, 1).contiguous().numpy(), rng.integers(0, 3, 128))


@pytest.fixture(scope="module", autouse=True)
def _quick():
    def any_patches(images, patch, seed):
        return codes.Codebook(codes.describe(images, patch).flatten(0, 1)[: codes.CODES], patch)

    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(methods, "codebook", any_patches)
        patcher.setattr(health, "BATCH", 16)
        patcher.setattr(health, "BATCHES", 1)
        yield


@pytest.fixture(scope="module")
def fresh(drawings):
    """Fresh objectives, one of each method."""
    made = {}

    def make(method):
        if method not in made:
            made[method] = methods.objective(method, drawings, Budget(steps=4, batch=32, ema=0.9), seed=0)
        return made[method]

    return make


def run(method, drawings, folder, steps=4):
    held_out = data.HeldOut(drawings, drawings)
    its_budget = Budget(steps=steps, batch=16, warmup=1, ema=0.9)
    return train.Run(
        method, its_budget, 0, torch.device("cpu"), drawings, held_out, folder / f"{method}.pt", save_every=2
    )


def test_the_whitened_stem_folds_into_one_convolution(drawings):
    images = methods.views(torch.from_numpy(drawings.images), 1, colour=True)[0]
    stem = whitened(images, DIM, PATCH)
    torch.nn.init.trunc_normal_(stem.mix.weight, std=DIM**-0.5)
    torch.nn.init.normal_(stem.mix.bias)
    weight, bias = stem.folded()
    convolved = F.conv2d(images, weight, bias, stride=PATCH).flatten(2).transpose(1, 2)
    assert (stem(images) - convolved).norm() < 1e-5 * convolved.norm()


def test_whitening_leaves_patches_centred_and_uncorrelated(drawings):
    images = methods.views(torch.from_numpy(drawings.images), 1, colour=True)[0]
    tokens = whitened(images, 8, PATCH)(images).flatten(0, 1)
    assert tokens.mean(0).abs().max() < 1e-3
    assert torch.allclose(torch.cov(tokens.T), torch.eye(8), atol=0.05)


def test_batch_norm_of_a_head_folds_into_its_linears():
    torch.manual_seed(0)
    head = new_head()
    for _ in range(3):
        head(torch.randn(64, DIM) * 2 + 1)
    folded = save.folded_mlp(head.layers)
    plain = torch.nn.Sequential(
        torch.nn.Linear(DIM, 256), torch.nn.GELU(), torch.nn.Linear(256, 256), torch.nn.GELU(), torch.nn.Linear(256, 64)
    )
    plain.load_state_dict({key.removeprefix("mlp."): value for key, value in folded.items()})
    x = torch.randn(5, DIM)
    assert torch.allclose(plain(x), head.eval().layers(x), atol=1e-6)


def test_batch_norm_of_the_classifier_folds_into_it(drawings, fresh):
    o = fresh("deit")
    with torch.no_grad():
        for _ in range(3):
            o.head(torch.randn(64, DIM) * 2 + 1)
        model = save.LAYOUTS["deit"](o, 1)["model"]
        x = torch.randn(5, DIM)
        expected = copy.deepcopy(o.head).eval()(x)
        assert torch.allclose(x @ model["head.weight"].T + model["head.bias"], expected, atol=1e-5)


def test_the_two_forms_of_the_last_layer_agree():
    head = new_head()
    torch.nn.init.normal_(head.last_layer.weight_v)
    x = torch.randn(3, 64)
    assert torch.allclose(x @ save.dino_head(head)["last_layer.weight"].T, head.last_layer(x), atol=1e-5)


@pytest.mark.parametrize("method", LAYOUTS)
def test_files_hold_exactly_the_keys_of_the_official_layout(method, fresh):
    content = save.official(method, fresh(method), step=7)
    states = {key: set(value) for key, value in content.items() if isinstance(value, dict)}
    assert states == LAYOUTS[method]
    tensors = [tensor for state in content.values() if isinstance(state, dict) for tensor in state.values()]
    assert {tensor.dtype for tensor in tensors} <= {torch.float16, torch.int64}


def projected(its_objective, cls):
    """What training's own head makes of class tokens, in evaluation."""
    head = getattr(its_objective, "teacher_head", None) or getattr(its_objective, "projector", None)
    return None if head is None else head.eval()(cls)


@pytest.mark.parametrize("method", LAYOUTS)
def test_the_suite_reads_back_what_was_trained(method, drawings, tmp_path):
    its_run = run(method, drawings, tmp_path)
    its_run.take_step()
    content = save.LAYOUTS[method](its_run.objective, 1)  # before rounding to fp16
    torch.save(content, tmp_path / f"{method}.pth")
    encoder = load_encoder(method, weights=tmp_path)
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        tokens = encode(its_run.objective.shipped, images)
        expected = projected(its_run.objective, tokens[:, 0])
    got = encoder(images, project=expected is not None)
    assert torch.allclose(got.cls, tokens[:, 0], atol=2e-5)
    assert torch.allclose(got.patches.flatten(2).transpose(1, 2), tokens[:, 1:], atol=2e-5)
    if expected is not None:
        assert torch.allclose(got.projected, expected, atol=2e-5)


def test_moco_stores_as_many_tensors_as_the_release_has_for_its_depth():
    # 342 at depth 12, of which 2 * 8 * 12 are the eight further blocks of both encoders
    assert len(LAYOUTS["mocov3"]["state_dict"]) == 342 - 2 * 8 * 12


def test_the_key_bias_of_cae_stays_zero(drawings, tmp_path):
    its_run = run("cae", drawings, tmp_path, steps=2)
    its_run.train()
    bias = its_run.objective.encoder.blocks[0].attn.qkv.bias
    assert bias[DIM : 2 * DIM].abs().max() == 0
    assert bias[:DIM].abs().max() > 0


@pytest.mark.parametrize("method", ["mocov3", "ibot", "cae"])
def test_an_interrupted_run_ends_in_the_bits_of_an_uninterrupted_one(method, drawings, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "MEASUREMENTS", 1)
    whole, part = run(method, drawings, tmp_path / "whole"), run(method, drawings, tmp_path / "part")
    whole.train()
    monkeypatch.setattr(part, "take_step", interrupted_at(3, part))
    with pytest.raises(KeyboardInterrupt):
        part.train()
    rest = run(method, drawings, tmp_path / "part")
    rest.resume()
    assert rest.step == 2
    rest.train()
    expected, got = whole.objective.state_dict(), rest.objective.state_dict()
    assert all(torch.equal(expected[key], got[key]) for key in expected)
    assert [row["held_out_loss"] for row in rest.history] == [row["held_out_loss"] for row in whole.history]


def interrupted_at(step, its_run):
    take_step = its_run.take_step

    def step_or_stop():
        if its_run.step == step:
            raise KeyboardInterrupt
        return take_step()

    return step_or_stop


@pytest.mark.parametrize("changed", ["budget", "drawings"])
def test_a_state_of_another_plan_is_not_resumed(changed, drawings, tmp_path):
    first = run("mae", drawings, tmp_path)
    first.step = 1
    first.save()
    same = run("mae", drawings, tmp_path)
    same.resume()
    assert same.step == 1
    darker = data.Drawings(drawings.images // 2, drawings.labels)
    other = run("mae", drawings, tmp_path, steps=3) if changed == "budget" else run("mae", darker, tmp_path)
    other.resume()
    assert other.step == 0


def test_drawings_are_kept_until_they_come_out_otherwise(drawings, tmp_path):
    made = []

    def make(shade):
        def first(count):
            made.append(count)
            return data.Drawings(drawings.images[:count] // shade, drawings.labels[:count])

        return first

    path = tmp_path / "x.npz"
    data.cached(path, 40, make(1))
    assert np.array_equal(data.cached(path, 40, make(1)).images, drawings.images[:40])
    assert made == [40, data.FEW]
    assert np.array_equal(data.cached(path, 40, make(2)).images, drawings.images[:40] // 2)
    assert made == [40, data.FEW, data.FEW, 40]


def test_initialisation_is_a_function_of_the_seed(drawings):
    one, same, other = (methods.objective("dino", drawings, Budget(steps=1), seed) for seed in (0, 0, 1))
    equal = [torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True)]
    assert all(equal)
    assert not torch.equal(one.encoder.blocks[0].attn.qkv.weight, other.encoder.blocks[0].attn.qkv.weight)


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order(drawings):
    batches = [drawings.batch(step, 32, 5, torch.device("cpu"))[0] for step in range(8)]
    first, second = torch.cat(batches[:4]), torch.cat(batches[4:])
    assert sorted(image.sum().item() for image in first) == sorted(image.sum().item() for image in second)
    assert not torch.equal(first, second)
    assert torch.equal(batches[5], drawings.batch(5, 32, 5, torch.device("cpu"))[0])


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
def test_the_encoder_sees_the_visible_patches_only(method, seen, drawings, fresh, monkeypatch):
    lengths = []
    blocks = fresh(method).encoder.blocks
    handle = blocks[0].register_forward_pre_hook(lambda _, args: lengths.append(args[0].shape[1]))
    views = methods.views(torch.from_numpy(drawings.images[:8]), 1, colour=False)
    fresh(method).loss(views, torch.zeros(8))
    handle.remove()
    assert lengths[0] == seen
    assert lengths[1:] == ([1 + PATCHES * RATIO] if method == "cae" else [])


def test_beit_masks_about_its_share_of_the_patches(drawings, fresh, monkeypatch):
    masks = []
    monkeypatch.setattr(
        "suite.mini.pretrain.masked.encode",
        lambda vit, images, **given: masks.append(given["mask"]) or encode(vit, images, **given),
    )
    random.seed(0)
    fresh("beit").loss(methods.views(torch.from_numpy(drawings.images), 1, colour=False), torch.zeros(128))
    share = masks[0].float().mean(1)
    assert 0.4 < share.mean() <= 16 / 36
    assert share.max() <= 16 / 36


def test_a_masked_patch_tells_the_encoder_nothing(fresh):
    encoder = fresh("deit").encoder
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
    found = codebook(patches)[:, 0]
    assert len(found.unique()) == 4
    assert torch.equal(codebook(patches + 0.3)[:, 0], found)


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


def test_the_schedule_warms_up_and_ends_at_zero():
    its_budget = Budget(steps=100, warmup=10)
    factors = [train.schedule(step, its_budget) for step in (0, 4, 9, 10, 55, 99)]
    assert factors[:4] == [0.1, 0.5, 1.0, 1.0]
    assert math.isclose(factors[4], 0.5)
    assert factors[5] < 1e-3


UNIFORM = math.log(PROTOTYPES)
HEALTHY = {"held_out_loss": 1.0, "object_linear": 20.0, "part_linear": 20.0}
DISTILLED = HEALTHY | {"teacher_entropy": 0.6 * UNIFORM, "marginal_entropy": UNIFORM, "agreement": 0.4}
START = {"held_out_loss": 2.0, "object_linear": 10.0, "part_linear": 10.0, "agreement": 0.1}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (HEALTHY, []),
        (DISTILLED, []),
        (HEALTHY | {"held_out_loss": 2.5}, ["held-out loss rose from 2.000 to 2.500"]),
        (
            HEALTHY | {"part_linear": 9.0},
            ["linear part classification 9.0 % is not above 10.0 %, its random initialisation's"],
        ),
        (DISTILLED | {"teacher_entropy": 0.1}, ["teacher entropy 0.10 nats is near collapse or uniform"]),
        (DISTILLED | {"teacher_entropy": 6.2}, ["teacher entropy 6.20 nats is near collapse or uniform"]),
        (DISTILLED | {"marginal_entropy": 1.8}, ["few prototypes in use: marginal entropy 1.80 nats"]),
        (
            DISTILLED | {"agreement": 0.05},
            ["the two views of an image agree no more often than at random initialisation"],
        ),
    ],
)
def test_each_gate_says_what_it_misses(last, expected):
    assert health.failures("beit", [START, last]) == expected


def test_pretrain_writes_weights_and_history(drawings, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "MEASUREMENTS", 2)
    monkeypatch.setattr(data, "load", lambda cache: (drawings, data.HeldOut(drawings, drawings)))
    monkeypatch.setitem(BUDGETS, "mae", Budget(steps=2, batch=16, warmup=1))
    missed = train.pretrain(["mae"], device="cpu", out=tmp_path / "out", cache=tmp_path / "cache")
    assert list(missed) == ["mae"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mae.csv", "mae.pth"]
    with (tmp_path / "out" / "mae.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["0", "1", "2"]
    stored = torch.load(tmp_path / "out" / "mae.pth", weights_only=True)["model"]
    assert stored["pos_embed"].shape == (1, 1 + PATCHES, DIM)


def test_an_unknown_method_is_refused_by_name():
    with pytest.raises(RequestError) as error:
        budget("simclr")
    valid = "deit, mocov3, dino, beit, mae, cae, ibot"
    assert str(error.value) == f"unknown method to pretrain 'simclr': expected one of {valid}"


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU where there is none")
def test_a_missing_gpu_is_said_in_one_line():
    with pytest.raises(RequestError) as error:
        train.pick_device("cuda")
    assert str(error.value) == ("device 'cuda': expected a GPU that PyTorch can use, found none: use --device cpu")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    from suite.mini.pretrain.files import write_atomically

    with pytest.raises(StorageError, match=r"file/x\.pth: cannot be written"):
        write_atomically(blocked / "x.pth", lambda file: file.write(b"x"))


def test_a_failed_write_leaves_the_old_file(tmp_path):
    from suite.mini.pretrain.files import write_atomically

    path = tmp_path / "weights.pth"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"half")
        raise OSError("no space left on device")

    with pytest.raises(StorageError):
        write_atomically(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.pth"]
    assert path.read_bytes() == b"old"
