"""timm's own weights and a file's go through the same exact check, the norm behind a pooling included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from suite.encoders import load_encoder
from suite.errors import CheckpointError, RequestError

# the smallest of timm that pool before the norm, a ViT and an EVA
POOLED = ("vit_wee_patch16_reg1_gap_256", "eva02_tiny_patch14_336")


def trained(name: str, **settings: Any) -> dict[str, Tensor]:
    """Weights of a model as timm publishes them, its norms far from 1 and 0."""
    torch.manual_seed(3)
    state = timm.create_model(name, **settings).state_dict()
    return {n: v + torch.rand(v.shape) if "norm" in n else v for n, v in state.items()}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What timm's hub has; to be filled."""
    tensors: dict[str, Any] = {}
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: dict(tensors))
    return tensors


@pytest.mark.slow
@pytest.mark.parametrize("name", POOLED)
def test_a_model_that_pools_before_its_norm_keeps_it(published: dict[str, Any], tmp_path: Path, name: str) -> None:
    tensors = trained(name)
    published.update(tensors)
    assert "fc_norm.weight" in tensors
    own = load_encoder(f"timm:{name}")
    norm = own.trunk.module.norm
    assert torch.equal(norm.weight, tensors["fc_norm.weight"])
    assert torch.equal(norm.bias, tensors["fc_norm.bias"])
    save_file(tensors, tmp_path / "vit.safetensors")
    from_file = load_encoder(f"timm:{name}@{tmp_path / 'vit.safetensors'}")
    assert from_file.digest == own.digest
    assert own.notes == from_file.notes == ("the norm behind the pooling (fc_norm) is the final norm",)


@pytest.mark.slow
def test_tokens_are_those_that_timm_pools(published: dict[str, Any]) -> None:
    name = POOLED[0]
    published.update(trained(name))
    images = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    model = timm.create_model(name, num_classes=0)
    model.load_state_dict({n: v for n, v in published.items() if not n.startswith("head.")})
    norm = model.fc_norm
    with torch.no_grad():
        raw = model.eval().forward_features(images)
        expected = torch.nn.functional.layer_norm(raw, norm.weight.shape, norm.weight, norm.bias, norm.eps)
    out = load_encoder(f"timm:{name}")(images)
    torch.testing.assert_close(out.patches.flatten(2).mT, expected[:, 1:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: {n: v for n, v in t.items() if n != "norm.weight"}, "missing norm.weight"),
        (lambda t: t | {"blocks.0.extra": torch.ones(1)}, "unexpected blocks.0.extra"),
        (lambda t: t | {"norm.bias": torch.full((64,), torch.nan)}, "not finite norm.bias"),
    ],
)
def test_every_tensor_of_timm_s_own_is_checked(published: dict[str, Any], change: Any, words: str) -> None:
    published.update(change(trained("test_vit")))
    with pytest.raises(CheckpointError) as caught:
        load_encoder("timm:test_vit")
    assert str(caught.value) == f"encoder 'timm:test_vit': timm's own weights: {words}"


def test_timm_s_own_weights_are_what_timm_itself_loads(published: dict[str, Any]) -> None:
    tensors = trained("test_vit")
    published.update(tensors)
    encoder = load_encoder("timm:test_vit")
    expected = {n: v for n, v in tensors.items() if not n.startswith("head.")}
    assert encoder.trunk.module.state_dict().keys() == expected.keys()
    assert all(torch.equal(v, expected[n]) for n, v in encoder.trunk.module.state_dict().items())
    assert encoder.notes == ()


def test_options_choose_size_and_normalisation_and_are_part_of_the_name(published: dict[str, Any]) -> None:
    published.update(trained("test_vit"))
    spec = "timm:test_vit?img_size=64&mean=imagenet"
    encoder = load_encoder(spec)
    assert (encoder.name, encoder.image_size) == (spec, 64)
    assert (encoder.mean, encoder.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert encoder.notes == ("positions resized from 101 to 17 by timm's rule",)
    assert encoder(torch.zeros(1, 3, 64, 64)).patches.shape == (1, 64, 4, 4)
    own = load_encoder("timm:test_vit?mean=0.1:0.2:0.3&std=0.5")
    assert (own.mean, own.std) == ((0.1, 0.2, 0.3), (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("timm:test_vit@random?img_size=big", "option img_size: expected a whole number of pixels, got 'big'"),
        ("timm:test_vit@random?group=ema", "unknown option 'group': expected one of img_size, mean, std"),
        (
            "timm:test_vit@random?mean=imagenett",
            "option mean: expected imagenet, inception, clip, none, or one or three numbers as 0.5:0.5:0.5, "
            "got 'imagenett'",
        ),
        ("random_init?size=3", "unknown option 'size': it takes none"),
        ("dino@x.pth?group=ema", "unknown option 'group': it takes none"),
    ],
)
def test_an_option_that_is_none_is_one_line(spec: str, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        load_encoder(spec)
    assert str(caught.value) == f"encoder {spec!r}: {words}"
