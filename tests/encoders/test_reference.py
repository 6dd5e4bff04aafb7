"""Every release against plain arithmetic, and every known mistake against the same bound.

The bound is 2e-5 of the features' standard deviation, float32 against float64. Quick sizes always; ViT-B at every
window of the paper, and the table of docs/evidence/encoder_equality.md, with

    FULL_VITS=1 python -m pytest tests/encoders/test_reference.py -k vit_b -s
"""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from timm.layers.pos_embed_rel import resize_rel_pos_bias_table

from suite.cells import METHODS
from suite.encoders import Encoder, load_encoder
from tests.support.checkpoints import VIT_B, Sizes, halves_swapped, write
from tests.support.reference_vits import NETWORKS, Expected, Wrong, expected, stretched_linearly
from tests.support.switches import is_on

BOUND = 2e-5
NARROW = Sizes(image=224, patch=16, width=64, depth=12, heads=1)
LAYERS = (3, 5, 7, 11)
WINDOWS = [(224, 224), (320, 320), (480, 480), (512, 512), (320, 480)]


def error(obtained: torch.Tensor, reference: torch.Tensor) -> float:
    """Largest difference in standard deviations of the reference."""
    assert obtained.shape == reference.shape
    return float((obtained.double() - reference).abs().max() / reference.std())


def on_grid(tokens: torch.Tensor, rows: int) -> torch.Tensor:
    return tokens[:, 1:].mT.unflatten(2, (rows, -1))


def errors(encoder: Encoder, images: torch.Tensor, reference: Expected) -> dict[str, float]:
    """Of cls, patch tokens, raw blocks and projection, each in its own standard deviations."""
    out = encoder(images, layers=LAYERS, project=encoder.has_projector)
    rows = images.shape[2] // encoder.patch_size
    deviations = {"cls": error(out.cls, reference.tokens[:, 0])}
    deviations["patches"] = error(out.patches, on_grid(reference.tokens, rows))
    deviations["raw"] = max(error(out.layers[index], on_grid(reference.raw[index], rows)) for index in LAYERS)
    assert encoder.has_projector == (reference.projected is not None)
    if out.projected is not None and reference.projected is not None:
        deviations["projected"] = error(out.projected, reference.projected)
    return deviations


def noise(height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """method -> (encoder, content of its file); nothing is at its neutral value."""
    folder = tmp_path_factory.mktemp("narrow")
    pairs = {}
    for seed, method in enumerate(METHODS):
        content = write(method, folder / f"{method}.pth", sizes=NARROW, seed=seed)
        pairs[method] = load_encoder(method, weights=folder), content
    return pairs


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_features_equal_the_reference(narrow, method, window):
    encoder, content = narrow[method]
    images = noise(*window)
    deviations = errors(encoder, images, expected(method, content, images, NARROW))
    assert max(deviations.values()) < BOUND, deviations


@pytest.mark.parametrize("method", METHODS)
def test_double_precision_leaves_rounding_only(tmp_path, method):
    content = write(method, tmp_path / f"{method}.pth", seed=9)
    encoder = load_encoder(method, weights=tmp_path, dtype=torch.float64)
    images = noise(64, 40, count=2).double()
    out, reference = encoder(images, layers=(0, 3)), expected(method, content, images, Sizes())
    assert error(out.cls, reference.tokens[:, 0]) < 1e-10
    assert error(out.patches, on_grid(reference.tokens, 8)) < 1e-10
    assert error(out.layers[0], on_grid(reference.raw[0], 8)) < 1e-10


def by_size(grid, rows, columns, **how):
    """Other ways of resizing (g, g, D)."""
    return F.interpolate(grid.permute(2, 0, 1)[None], size=(rows, columns), **how)[0].permute(1, 2, 0)


def timm_s_table(offsets, wanted):
    """timm's resampling of relative biases: linear."""
    table = torch.cat([offsets.flatten(0, 1), torch.zeros(3, offsets.shape[-1])]).float()
    rows, columns = wanted
    window = (rows + 1) // 2, (columns + 1) // 2
    resampled = resize_rel_pos_bias_table(table, window, (rows * columns + 3, table.shape[1]))
    return resampled[:-3].reshape(rows, columns, -1).double()


ANTIALIASED = partial(by_size, mode="bicubic", antialias=True)
SHUFFLE = torch.randperm(20 * 20, generator=torch.Generator().manual_seed(2))
MISTAKES = {
    "final norm lost": (METHODS, Wrong(final_norm=False)),
    "LayerNorm epsilon 1e-5": (METHODS, Wrong(epsilon=1e-5)),
    "LayerNorm epsilon 1e-12": (METHODS, Wrong(epsilon=1e-12)),
    "tanh instead of exact GELU": (METHODS, Wrong(gelu="tanh")),
    "timm's antialiased resizing": (("deit", "mocov3", "dino", "mae", "cae", "ibot"), Wrong(resize=ANTIALIASED)),
    "bilinear resizing": (("deit", "mocov3", "mae", "cae"), Wrong(resize=partial(by_size, mode="bilinear"))),
    "resized by size, not by scale": (("dino", "ibot"), Wrong(shift=0.0)),
    "resized by shifted scale, not by size": (("deit", "mocov3", "mae", "cae"), Wrong(shift=0.1)),
    "sin-cos halves swapped": (("mocov3", "mae", "cae"), Wrong(positions=halves_swapped)),
    "patches permuted before positions": (("mae",), Wrong(order=SHUFFLE)),
    "LayerScale missing": (("beit", "cae"), Wrong(layer_scale=False)),
    "value bias in the key's place": (("beit", "cae"), Wrong(bias_order="qv0")),
    "linear instead of cubic spline": (("beit",), Wrong(stretch=stretched_linearly)),
    "timm's resampling of the table": (("beit",), Wrong(stretch=timm_s_table)),
    "class token's rows exchanged": (("beit",), Wrong(cls_rows=(-2, -3, -1))),
}


@pytest.mark.parametrize(
    ("mistake", "method"), [(name, method) for name, (methods, _) in MISTAKES.items() for method in methods]
)
def test_each_mistake_breaks_the_bound(narrow, mistake, method):
    encoder, content = narrow[method]
    images = noise(320, 320)
    out = encoder(images)
    wrong = expected(method, content, images, NARROW, MISTAKES[mistake][1])
    assert max(error(out.cls, wrong.tokens[:, 0]), error(out.patches, on_grid(wrong.tokens, 20))) > BOUND


@pytest.mark.parametrize(
    ("method", "prefixes"),
    [
        ("dino", ("student", "module.backbone.", "module.head.")),
        ("ibot", ("student", "module.backbone.", "module.head.")),
        ("mocov3", ("state_dict", "module.momentum_encoder.", "module.momentum_encoder.head.")),
    ],
)
def test_the_other_network_of_the_file_breaks_the_bound(narrow, monkeypatch, method, prefixes):
    encoder, content = narrow[method]
    monkeypatch.setitem(NETWORKS, method, prefixes)
    images = noise(224, 224)
    deviations = errors(encoder, images, expected(method, content, images, NARROW))
    assert min(deviations.values()) > BOUND


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        ("mocov3", Wrong(batch_statistics=True)),
        ("dino", Wrong(normalised=False)),
        ("ibot", Wrong(normalised=False)),
        ("dino", Wrong(final_norm=False)),
    ],
)
def test_a_mistaken_projector_breaks_the_bound(narrow, method, wrong):
    encoder, content = narrow[method]
    images = noise(224, 224, count=3)
    deviations = errors(encoder, images, expected(method, content, images, NARROW, wrong))
    assert deviations["projected"] > BOUND


@pytest.mark.skipif(not is_on("FULL_VITS"), reason="minutes at full size; set FULL_VITS=1")
@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_vit_b_equals_the_reference(tmp_path, method):
    content = write(method, tmp_path / f"{method}.pth", sizes=VIT_B, seed=METHODS.index(method))
    encoder = load_encoder(method, weights=tmp_path)
    largest = {}
    for window in WINDOWS:
        images = noise(*window)
        deviations = errors(encoder, images, expected(method, content, images, VIT_B))
        cells = " | ".join(f"{value:.1e}" for value in deviations.values())
        print(f"\n| {method} | {window[0]} x {window[1]} | {cells} |")
        largest[window] = max(deviations.values())
    images = noise(224, 224)
    wrong = expected(method, content, images, VIT_B, Wrong(epsilon=1e-5))
    off = error(encoder(images).cls, wrong.tokens[:, 0])
    print(f"\n| {method} | epsilon 1e-5 | {off:.1e} |")
    assert off > BOUND
    assert max(largest.values()) < BOUND, largest
