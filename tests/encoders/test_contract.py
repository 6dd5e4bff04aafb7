"""What every encoder promises, whatever it is: the catalogue's, the baselines', a user's."""

from __future__ import annotations

import sys

import pytest
import timm
import torch

from suite.cells import METHODS
from suite.encoders import BASE, Architecture, Encoder, load_encoder
from suite.encoders.positions import bicubic, geometric_spline, shifted_bicubic
from suite.errors import CheckpointError, RequestError
from tests.support.checkpoints import write

SPECS = [*METHODS, "random_init", "raw_pixels"]


def images(count=3, height=48, width=48):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(7))


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for method in METHODS:
        write(method, folder / f"{method}.pth")
    return {spec: load_encoder(spec, weights=folder) for spec in SPECS}


@pytest.mark.parametrize("spec", SPECS)
def test_tokens_have_the_contract_s_shapes(encoders, spec):
    encoder = encoders[spec]
    rows, columns = 8, 5
    out = encoder(images(2, rows * encoder.patch_size, columns * encoder.patch_size), layers=(1, 3))
    width = encoder.embed_dim
    assert width == (432 if spec == "raw_pixels" else 96)
    assert out.cls.shape == (2, width)
    assert out.patches.shape == (2, width, 8, 5)
    assert {index: tuple(layer.shape) for index, layer in out.layers.items()} == {
        1: (2, width, 8, 5),
        3: (2, width, 8, 5),
    }
    assert out.projected is None


@pytest.mark.parametrize("spec", SPECS)
def test_frozen_means_frozen(encoders, spec):
    encoder = encoders[spec].train()
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder(images(), project=encoder.has_projector)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("spec", SPECS)
def test_tokens_do_not_depend_on_the_batch_or_the_call(encoders, spec):
    encoder = encoders[spec]
    batch = images()
    first, again = encoder(batch), encoder(batch)
    assert torch.equal(first.patches, again.patches)
    alone = torch.cat([encoder(image[None]).patches for image in batch])
    torch.testing.assert_close(alone, first.patches, rtol=0, atol=1e-5)


def test_a_probe_can_be_trained_on_tokens(encoders):
    weight = torch.zeros(96, requires_grad=True)
    (encoders["mae"](images()).cls @ weight).square().sum().backward()
    assert weight.grad is not None


def test_another_size_does_not_change_later_results(encoders):
    for spec in ("dino", "beit", "mae"):
        before = encoders[spec](images()).cls
        encoders[spec](images(1, 96, 96))
        assert torch.equal(encoders[spec](images()).cls, before)


def test_moving_an_encoder_moves_its_resized_positions(encoders, tmp_path):
    write("beit", tmp_path / "beit.pth")
    encoder = load_encoder("beit", weights=tmp_path)
    encoder(images(1, 64, 64))
    assert encoder.double()(images(1, 64, 64).double()).cls.dtype == torch.float64


@pytest.mark.parametrize(
    ("keywords", "shape", "expected"),
    [
        ({}, (1, 3, 50, 48), "expected (B, 3, H, W) with H and W multiples of 8, got (1, 3, 50, 48)"),
        ({}, (1, 1, 48, 48), "expected (B, 3, H, W) with H and W multiples of 8, got (1, 1, 48, 48)"),
        ({}, (3, 48, 48), "expected (B, 3, H, W) with H and W multiples of 8, got (3, 48, 48)"),
        ({}, (0, 3, 48, 48), "expected (B, 3, H, W) with H and W multiples of 8, got (0, 3, 48, 48)"),
        ({}, (1, 3, 48, 0), "expected (B, 3, H, W) with H and W multiples of 8, got (1, 3, 48, 0)"),
        ({"layers": (0, 4)}, (1, 3, 48, 48), "expected 0 to 3, got [4]"),
        ({"layers": (-1,)}, (1, 3, 48, 48), "expected 0 to 3, got [-1]"),
    ],
)
def test_what_an_encoder_cannot_do_is_said(encoders, keywords, shape, expected):
    with pytest.raises(RequestError) as caught:
        encoders["mae"](torch.zeros(shape), **keywords)
    where = "layers" if keywords else "images"
    assert str(caught.value) == f"mae: {where}: {expected}"


@pytest.mark.parametrize("spec", SPECS)
def test_images_of_another_type_or_device_are_an_error(encoders, spec):
    with pytest.raises(RequestError) as caught:
        encoders[spec](torch.zeros(1, 3, 48, 48, dtype=torch.uint8))
    assert str(caught.value) == (
        f"{spec}: images: expected floating point, normalised with mean and std, got torch.uint8"
    )
    with pytest.raises(RequestError, match=rf"^{spec}: images: expected on cpu, got on meta; move one$"):
        encoders[spec](torch.zeros(1, 3, 48, 48, device="meta"))


@pytest.mark.parametrize("spec", METHODS)
def test_autocast_changes_precision_and_neither_the_dtype_nor_what_comes_after(encoders, spec):
    encoder = encoders[spec]
    encoder.trunk._placed.clear()
    keywords = {"layers": (1,), "project": encoder.has_projector}
    with torch.autocast("cpu", torch.bfloat16):
        mixed = encoder(images(), **keywords)
    single = encoder(images(), **keywords)
    encoder.trunk._placed.clear()
    assert torch.equal(encoder(images(), **keywords).patches, single.patches)
    for field in ("cls", "patches", "projected"):
        if getattr(single, field) is not None:
            assert getattr(mixed, field).dtype == torch.float32
    assert mixed.layers[1].dtype == torch.float32
    difference = (mixed.patches - single.patches).std() / single.patches.std()
    assert 1e-4 < difference < 0.05


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("spec", METHODS)
def test_half_precision_encoders_return_half_precision(tmp_path, spec, dtype):
    write(spec, tmp_path / f"{spec}.pth")
    encoder = load_encoder(spec, weights=tmp_path, dtype=dtype)
    out = encoder(images(1, 64, 48), layers=(3,), project=encoder.has_projector)
    tensors = [out.cls, out.patches, out.layers[3], *([out.projected] if encoder.has_projector else [])]
    assert {tensor.dtype for tensor in tensors} == {dtype}
    assert all(torch.isfinite(tensor).all() for tensor in tensors)


def test_projecting_without_a_projector_is_an_error(encoders):
    assert [spec for spec in SPECS if encoders[spec].has_projector] == ["mocov3", "dino", "ibot"]
    with pytest.raises(RequestError, match=r"^cae: its weights hold no projector, so nothing can be projected$"):
        encoders["cae"](images(), project=True)


def test_raw_pixels_are_the_thumbnail_around_mid_grey(encoders):
    encoder = encoders["raw_pixels"]
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (encoder.mean, encoder.std))
    pixels = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    enlarged = pixels.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    out = encoder((enlarged - mean) / std)
    averages = torch.nn.functional.interpolate(enlarged, size=(12, 12), mode="bilinear", antialias=True) - 0.5
    torch.testing.assert_close(out.patches.mean((2, 3)), averages.flatten(1))
    torch.testing.assert_close(out.cls, averages.flatten(1))
    grey = encoder(((torch.full((1, 3, 48, 48), 0.5)) - mean) / std)
    torch.testing.assert_close(grey.cls, torch.zeros(1, 432), atol=1e-6, rtol=0)


def test_random_init_is_the_same_every_time_and_takes_an_architecture():
    first, second = load_encoder("random_init"), load_encoder("random_init")
    assert first.digest == second.digest
    assert torch.equal(first(images()).cls, second(images()).cls)
    other = load_encoder("random_init", architecture=Architecture(32, 16, 64, 2))
    assert (other.image_size, other.patch_size, other.embed_dim, other.depth) == (32, 16, 64, 2)
    assert (BASE.num_heads, BASE.image_size) == (12, 224)


@pytest.mark.parametrize(
    ("wanted", "ratio"), [(39, 1.060968), (59, 1.125056), (63, 1.134918)], ids=["320 px", "480 px", "512 px"]
)
def test_beit_s_spline_reproduces_a_cubic_at_the_published_ratios(wanted, ratio):
    """A cubic in both offsets, known at 0, ±1, ±(1 + q), ..., must come out exactly at the integers."""
    outward = torch.cumsum(ratio ** torch.arange(13, dtype=torch.float64), dim=0)
    knots = torch.cat([-outward.flip(0), torch.zeros(1), outward])

    def cubic(offsets):
        y, x = offsets[:, None] / 10, offsets[None, :] / 10
        return y**3 - 2 * y * x**2 + x**3 + 1

    special = torch.tensor([[7.0], [8.0], [9.0]])
    table = torch.cat([cubic(knots).reshape(-1, 1), special])
    grid = (wanted + 1) // 2
    resampled = geometric_spline(table, (grid, grid))
    integers = torch.arange(wanted, dtype=torch.float64) - wanted // 2
    torch.testing.assert_close(resampled[:-3, 0], cubic(integers).reshape(-1), rtol=1e-4, atol=1e-4)
    assert torch.equal(resampled[-3:], special.double())


@pytest.mark.parametrize("resize", [bicubic, shifted_bicubic])
def test_half_precision_positions_are_resized_in_single(resize):
    table = torch.randn(1, 37, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    expected = resize(table.float(), (9, 5)).bfloat16()
    assert torch.equal(resize(table, (9, 5)), expected)


def test_a_timm_model_from_a_file(tmp_path):
    model = timm.create_model("test_vit", num_classes=0, global_pool="").eval()
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    spec = f"timm:test_vit@{tmp_path / 'vit.pth'}"
    encoder = load_encoder(spec)
    assert (encoder.name, encoder.patch_size, encoder.embed_dim, encoder.image_size) == (spec, 16, 64, 160)
    assert (encoder.depth, encoder.mean, encoder.std) == (6, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    batch = images(1, 160, 160)
    with torch.no_grad():
        expected, raw = model.forward_intermediates(batch, indices=[4])
    out = encoder(batch, layers=(4,))
    torch.testing.assert_close(out.cls, expected[:, 0])
    torch.testing.assert_close(out.patches.flatten(2).mT, expected[:, 1:])
    torch.testing.assert_close(out.layers[4], raw[0])
    assert encoder(images(1, 64, 96)).patches.shape == (1, 64, 4, 6)


def test_another_timm_model_s_file_is_refused(tmp_path):
    tensors = timm.create_model("test_vit").state_dict()
    torch.save({"model": {k: v for k, v in tensors.items() if k != "cls_token"}}, tmp_path / "vit.pth")
    with pytest.raises(CheckpointError) as caught:
        load_encoder(f"timm:test_vit@{tmp_path / 'vit.pth'}")
    assert str(caught.value) == f"{tmp_path / 'vit.pth'}: missing cls_token"


def test_register_tokens_are_dropped_and_a_missing_class_token_is_the_mean_patch(tmp_path):
    model = timm.create_model("test_vit2", num_classes=0, global_pool="").eval()
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    out = load_encoder(f"timm:test_vit2@{tmp_path / 'vit.pth'}")(images(1, 160, 160))
    with torch.no_grad():
        expected = model.forward_features(images(1, 160, 160))[:, 1:]
    torch.testing.assert_close(out.patches.flatten(2).mT, expected)
    torch.testing.assert_close(out.cls, expected.mean(dim=1))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            "timm:vit_enormous",
            "encoder 'timm:vit_enormous': timm has no model 'vit_enormous'; see timm.list_models('vit_*')",
        ),
        (
            "timm:vit_tinny_patch16_224",
            "encoder 'timm:vit_tinny_patch16_224': timm has no model 'vit_tinny_patch16_224'; vit_tiny_patch16_224 or "
            "deit_tiny_patch16_224 is meant?",
        ),
        ("timm:resnet18@x", "encoder 'timm:resnet18@x': not a plain vision transformer; wrap it in a factory"),
        (
            "no_such_module:make",
            "encoder 'no_such_module:make': no module 'no_such_module'; "
            "it has to be in the current folder or on PYTHONPATH",
        ),
        ("math:pi", "encoder 'math:pi': expected a function, got float"),
        ("math:make", "encoder 'math:make': module 'math' has no attribute 'make'; expected MODULE:FUNCTION"),
        ("builtins:dict", "encoder 'builtins:dict': expected the factory to return an Encoder or a module, got dict"),
    ],
)
def test_a_user_s_encoder_that_is_none(spec, expected):
    with pytest.raises(RequestError) as caught:
        load_encoder(spec)
    assert str(caught.value) == expected


def test_timm_weights_that_cannot_be_fetched_ask_for_a_file(monkeypatch):
    def offline(*_, **__):
        raise OSError("no route\nto host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(CheckpointError) as caught:
        load_encoder("timm:test_vit")
    assert str(caught.value) == (
        "encoder 'timm:test_vit': no pretrained weights (OSError); give a file, timm:test_vit@FILE, "
        "or try it untrained, timm:test_vit@random"
    )


def test_a_factory_in_a_user_s_module(tmp_path, monkeypatch):
    (tmp_path / "their_encoder.py").write_text(
        "from suite.encoders import load_encoder\ndef make():\n    return load_encoder('random_init')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    encoder = load_encoder("their_encoder:make", dtype=torch.float64)
    assert isinstance(encoder, Encoder)
    assert encoder(images(1).double()).cls.dtype == torch.float64
    sys.modules.pop("their_encoder")
