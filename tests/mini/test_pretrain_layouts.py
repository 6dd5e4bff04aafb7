"""Files of the mini pretraining: training-only parts fold away, keys are the official ones, the suite reads them."""

import copy

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("lightly")

from suite.encoders import load_encoder
from suite.mini.pretrain import methods, save
from suite.mini.pretrain.distillation import new_head
from suite.mini.pretrain.stem import whitened
from suite.mini.pretrain.vit import DIM, PATCH, encode
from tests.support import pretraining

pytestmark = pytest.mark.usefixtures("quick")

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


def test_batch_norm_of_the_classifier_folds_into_it(drawings):
    o = pretraining.load_if_valid("deit", drawings)
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
def test_files_hold_exactly_the_keys_of_the_official_layout(method, drawings):
    content = save.official(method, pretraining.load_if_valid(method, drawings), step=7)
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
    its_run = pretraining.run(method, drawings, tmp_path)
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
