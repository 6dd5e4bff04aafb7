"""Every recipe of the page is run as it stands there, with a tiny model, and passes the conformance checks."""

from __future__ import annotations

import functools
import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import timm
import torch
import transformers as hf
from torch import Tensor, nn

from suite.conformance.checks import run_checks
from suite.core.paths import DOCS
from suite.encoders import Encoder, load_encoder
from suite.errors import RequestError

PAGE = (DOCS / "how-to" / "recipes.md").read_text()
RECIPES = {
    re.findall(r"\w+", block)[0]: block
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
}
"""Name of the module -> its text."""
IMAGES = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(2))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
Write = Callable[[str], str]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def trained(model: nn.Module) -> Any:
    """A model whose parameters are all far from their initial values."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model.eval()


def checked(module: Write, recipe: str, **options: object) -> Encoder:
    """The encoder of a recipe, after all conformance checks."""
    spec = f"{module(RECIPES[recipe])}:build?" + "&".join(f"{name}={value}" for name, value in options.items())
    outcome = run_checks(spec, lambda: load_encoder(spec))
    assert outcome.failure is None, outcome.failure
    assert next(check for check in outcome.checks if check.name == "patch order").status == "passed"
    return load_encoder(spec)


def test_the_page_has_a_recipe_for_each_test_here() -> None:
    assert [*RECIPES] == ["my_convnext", "my_swin", "my_openclip", "my_dinov2", "my_hf_convnext", "my_vjepa2"]


def test_the_example_of_a_whole_module(module: Write, tmp_path: Path) -> None:
    text = (DOCS / "examples" / "my_encoder.py").read_text()
    name = module(text.replace("my_encoder.pth", "weights.pth"))
    runpy.run_path(str(tmp_path / f"{name}.py"), run_name="__main__")
    outcome = run_checks("x", lambda: load_encoder(f"{name}:build"), needs_other_sizes=True)
    assert outcome.failure is None, outcome.failure
    assert {check.name for check in outcome.checks if check.status == "warning"} == {"trained"}


@pytest.mark.parametrize(
    ("recipe", "name", "sizes"),
    [
        ("my_convnext", "convnext_tiny", {"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 24)}),
        (
            "my_swin",
            "swin_tiny_patch4_window7_224",
            {"depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2), "embed_dim": 4},
        ),
    ],
)
def test_maps_of_timm(
    module: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, name: str, sizes: dict[str, Any]
) -> None:
    monkeypatch.setattr(timm, "create_model", functools.partial(timm.create_model, **sizes))
    net = trained(timm.create_model(name, num_classes=5))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    encoder = checked(module, recipe, ckpt=tmp_path / "net.pth", num_classes=5)
    assert (encoder.patch_size, encoder.depth, encoder.mean, encoder.std) == (32, 0, *IMAGENET)
    tokens = encoder(IMAGES)
    with torch.no_grad():
        places = net.forward_features(IMAGES)
        expected = places.permute(0, 3, 1, 2) if recipe == "my_swin" else net.head.norm(places)
    torch.testing.assert_close(tokens.patches, expected)
    torch.testing.assert_close(tokens.cls, expected.mean(dim=(2, 3)))


def test_openclip(module: Write, tmp_path: Path) -> None:
    tower = {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16}
    text = {"context_length": 8, "vocab_size": 9, "width": 16, "heads": 2, "layers": 1}
    config = {"embed_dim": 16, "vision_cfg": tower, "text_cfg": text}
    (tmp_path / "tiny-vit.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "tiny-vit.json")
    model = trained(open_clip.create_model("tiny-vit"))
    torch.save(model.state_dict(), tmp_path / "clip.pth")
    encoder = checked(module, "my_openclip", ckpt=tmp_path / "clip.pth", name="tiny-vit")
    assert (encoder.patch_size, encoder.depth, encoder.image_size) == (8, 2, 32)
    assert (encoder.mean, encoder.std) == (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    images = IMAGES[:, :, :32, :32]
    with torch.no_grad():
        torch.testing.assert_close(encoder(images).cls @ model.visual.proj, model.encode_image(images))


HUBCONF = """
import torch
from torch import nn


class Tiny(nn.Module):
    patch_size, num_register_tokens = 14, 3

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 24, 14, stride=14)
        self.prefix = nn.Parameter(torch.randn(1, 4, 24))
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(24, 2, 48, batch_first=True) for _ in range(2))
        self.norm = nn.LayerNorm(24)

    def forward_features(self, images):
        x = self.embed(images).flatten(2).mT
        x = torch.cat([self.prefix.expand(len(x), -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        names = ("x_norm_clstoken", "x_norm_regtokens", "x_norm_patchtokens", "x_prenorm")
        return dict(zip(names, (x[:, 0], x[:, 1:4], x[:, 4:], x)))


def dinov2_vits14(pretrained=True):
    assert not pretrained
    return Tiny()
"""


def test_a_dictionary_as_dinov2_s_hub_returns_it(
    module: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = tmp_path / "hub"
    hub.mkdir()
    (hub / "hubconf.py").write_text(HUBCONF)
    monkeypatch.delitem(sys.modules, "hubconf", raising=False)
    model = trained(torch.hub.load(str(hub), "dinov2_vits14", source="local", pretrained=False))
    torch.save(model.state_dict(), tmp_path / "teacher.pth")
    encoder = checked(module, "my_dinov2", hub=hub, ckpt=tmp_path / "teacher.pth")
    assert (encoder.patch_size, encoder.depth) == (14, 2)
    with torch.no_grad():
        expected = model.forward_features(IMAGES)
    tokens = encoder(IMAGES)
    torch.testing.assert_close(tokens.cls, expected["x_norm_clstoken"])
    torch.testing.assert_close(tokens.patches.flatten(2).mT, expected["x_norm_patchtokens"])
    with pytest.raises(RequestError) as caught:
        load_encoder(f"{module(RECIPES['my_dinov2'].replace('tokens=tokens', 'tokens=model.forward_features'))}:build"
                     f"?hub={hub}&ckpt={tmp_path / 'teacher.pth'}")  # fmt: skip
    assert str(caught.value).endswith(
        "Tiny: tokens: expected (B, prefix_tokens + h * w, D), here (1, 4 + 256, D), got dict of x_norm_clstoken, "
        "x_norm_regtokens, x_norm_patchtokens, x_prenorm; pass tokens=, a function that makes tokens of it "
        "(docs/how-to/recipes.md)"
    )


@pytest.mark.parametrize(
    ("recipe", "config"),
    [
        (
            "my_hf_convnext",
            hf.DINOv3ConvNextConfig(depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 24]),
        ),
        (
            "my_vjepa2",
            hf.VJEPA2Config(
                **{"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2},
                **{"pred_hidden_size": 12, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1},
                **{"crop_size": 256, "patch_size": 16, "frames_per_clip": 2},
            ),
        ),
    ],
)
def test_outputs_of_transformers(module: Write, tmp_path: Path, recipe: str, config: Any) -> None:
    model: Any = trained(hf.AutoModel.from_config(config))
    model.save_pretrained(tmp_path / "model")
    encoder = checked(module, recipe, folder=tmp_path / "model")
    side = encoder.image_size
    images = torch.nn.functional.interpolate(IMAGES, side)
    with torch.no_grad():
        shown: dict[str, Tensor] = {"pixel_values": images}
        if recipe == "my_vjepa2":
            shown = {"pixel_values_videos": torch.stack([images, images], dim=1)}
        expected = model(**shown).last_hidden_state
    tokens = encoder(images)
    cls, patches = (expected.mean(dim=1), expected) if recipe == "my_vjepa2" else (expected[:, 0], expected[:, 1:])
    torch.testing.assert_close(tokens.patches.flatten(2).mT, patches, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tokens.cls, cls, rtol=1e-4, atol=1e-5)
    # a weight that is missing stops it
    config.save_pretrained(tmp_path / "cut")
    state = model.state_dict()
    model.save_pretrained(tmp_path / "cut", state_dict={n: v for n, v in state.items() if "norm" not in n})
    with pytest.raises(RequestError, match="the factory raised ValueError: weights that the folder lacks"):
        load_encoder(f"{module(RECIPES[recipe])}:build?folder={tmp_path / 'cut'}")
