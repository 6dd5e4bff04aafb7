"""Encoders that users bring: what they have to write, and what they are told when it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from suite.encoders import Encoder, Tokens, load_encoder, wrap
from suite.errors import CheckpointError, RequestError
from tests.support.vits import FACTS, TinyViT

IMAGES = torch.randn(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))
Write = Callable[[str], str]


@pytest.mark.parametrize(("registers", "class_token"), [(0, True), (4, True), (0, False), (2, False)])
def test_prefix_tokens_are_told_apart(registers: int, class_token: bool) -> None:
    vit = TinyViT(registers=registers, class_token=class_token).eval()
    with torch.no_grad():
        plain = vit(IMAGES)
    out = vit.wrapped()(IMAGES)
    patches = plain[:, registers + class_token :]
    torch.testing.assert_close(out.patches.flatten(2).mT, patches)
    torch.testing.assert_close(out.cls, plain[:, 0] if class_token else patches.mean(dim=1))
    assert out.patches.shape == (2, 24, 4, 5)


def test_layers_are_what_the_blocks_return_and_no_hook_stays() -> None:
    vit = TinyViT(registers=1).eval()
    encoder = vit.wrapped()
    first = encoder(IMAGES, layers=(0,)).layers[0]
    seen: list[torch.Tensor] = []
    hook = vit.blocks[0].register_forward_hook(lambda *args: seen.append(args[2]))
    encoder(IMAGES)
    hook.remove()
    torch.testing.assert_close(first.flatten(2).mT, seen[0][:, 2:])
    assert not any(block._forward_hooks for block in vit.blocks)


def test_a_module_may_return_tokens() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 8, stride=8)

        def forward(self, images: torch.Tensor) -> Tokens:
            patches = self.conv(images)
            return Tokens(cls=patches.amax((2, 3)), patches=patches)

    encoder = wrap(Pair(), **FACTS)
    out = encoder(IMAGES)
    torch.testing.assert_close(out.cls, out.patches.amax((2, 3)))
    assert (encoder.embed_dim, encoder.depth) == (6, 0)


def test_the_digest_counts_every_tensor_once_and_sees_each() -> None:
    encoder, other = TinyViT().wrapped(), TinyViT().wrapped(tokens=TinyViT(seed=0))
    assert len([name for name in encoder.state_dict() if name.endswith("embed.weight")]) == 1
    assert encoder.digest == other.digest
    changed = TinyViT()
    with torch.no_grad():
        changed.prefix[0, 0, 0] += 1e-3
    assert changed.wrapped().digest != encoder.digest


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"prefix_tokens": 0},
            r"prefix_tokens \+ h \* w, D\), here \(1, 0 \+ 16, D\), got \(1, 17, 24\)",
        ),
        ({"patch_size": 16}, r"here \(1, 1 \+ 4, D\), got \(1, 17, 24\); state prefix_tokens"),
        ({"mean": 0.5}, "mean: expected three numbers, of images in \\[0, 1\\], got 0.5"),
        ({"std": (1, 1)}, "std: expected three numbers"),
        ({"image_size": 33}, "image_size: expected a multiple of patch_size 8, got 33"),
        ({"patch_size": "8"}, "patch_size: expected an integer of at least 1, got '8'"),
        ({"prefix_tokens": -1}, "prefix_tokens: expected an integer of at least 0, got -1"),
    ],
)
def test_facts_that_cannot_be_are_refused(change: dict, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        TinyViT().wrapped(**change)


def test_mean_and_std_have_no_default() -> None:
    with pytest.raises(TypeError, match="'mean' and 'std'"):
        wrap(TinyViT(), patch_size=8, image_size=32)


MODULE = "from tests.support.vits import TinyViT\ndef build():\n    m = TinyViT(registers=2)\n"
STATED = "    m.patch_size, m.image_size, m.mean, m.std = 8, 32, (0.5,) * 3, (0.5,) * 3\n    return m\n"


def test_a_module_that_states_its_facts_is_enough(module: Write) -> None:
    spec = f"{module(MODULE + STATED)}:build"
    encoder = load_encoder(spec)
    assert isinstance(encoder, Encoder)
    assert (encoder.name, encoder.patch_size, encoder.depth, encoder.mean) == (spec, 8, 2, (0.5, 0.5, 0.5))
    assert encoder(IMAGES).patches.shape == (2, 24, 4, 5)


def test_an_edited_module_is_another_encoder_though_its_weights_are_the_same(module: Write) -> None:
    one, two = (load_encoder(f"{module(text)}:build") for text in (MODULE + STATED, MODULE + STATED + "# edited\n"))
    assert one.digest == two.digest
    assert one.code != two.code
    assert load_encoder("random_init").code == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            MODULE + "    return m\n",
            "the factory returned does not state patch_size, image_size, mean, std: set",
        ),
        (
            "def build():\n    raise ValueError('no\\nluck')\n",
            r"the factory raised ValueError: no luck \(users_.*, line 2\)",
        ),
        ("def build():\n    exit(1)\n", r"the factory raised SystemExit: 1 \(users_.*, line 2\)"),
        ("import sys\nsys.exit(1)\n", r"cannot be imported: SystemExit: 1 \(users_.*, line 2\)"),
        (
            "def build():\n    raise BaseException('gone')\n",
            r"the factory raised BaseException: gone \(users_.*, line 2\)",
        ),
        ("raise GeneratorExit\n", r"cannot be imported: GeneratorExit:  \(users_.*, line 1\)"),
        ("def build(:\n", "cannot be imported: SyntaxError: "),
        ("import no_such_package\n", "no module 'no_such_package', which users_.* imports"),
        ("def build():\n    return [1]\n", "expected the factory to return an Encoder or a module, got list"),
        ("build = 3\n", "expected a function, got int"),
        ("", "has no attribute 'build'; expected MODULE:FUNCTION"),
        ("def build(size):\n    return size\n", "the factory raised TypeError: build.* missing 1 required positional"),
        (
            "from torch import nn\ndef build():\n    m = nn.Linear(7, 2)\n" + STATED,
            "its module fails on one black image: RuntimeError: ",
        ),
        (
            "def build():\n    return open('weights.pth')\n",
            r"the factory raised FileNotFoundError: .*'weights.pth' \(users_.*, line 2\)",
        ),
    ],
)
def test_what_is_wrong_with_a_factory_is_one_line(module: Write, text: str, words: str) -> None:
    name = module(text)
    with pytest.raises(RequestError, match=words) as caught:
        load_encoder(f"{name}:build")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"encoder '{name}:build': ")


def test_a_module_that_is_nowhere_says_where_it_was_looked_for() -> None:
    with pytest.raises(RequestError, match="no module 'no_such'; it has to be in the current folder or on PYTHONPATH"):
        load_encoder("no_such:build")


def test_a_timm_file_s_head_is_left_out_in_either_format(tmp_path: Path) -> None:
    model = timm.create_model("test_vit")
    tensors = model.state_dict()
    save_file(tensors, tmp_path / "vit.safetensors")
    torch.save({"state_dict": {f"module.{name}": value for name, value in tensors.items()}}, tmp_path / "vit.pth")
    one, two = (load_encoder(f"timm:test_vit@{tmp_path / name}") for name in ("vit.safetensors", "vit.pth"))
    assert one.digest == two.digest
    assert "head.weight" in tensors


def test_a_timm_file_of_another_architecture_is_refused_with_names(tmp_path: Path) -> None:
    save_file(timm.create_model("test_vit2").state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"other\.safetensors: missing .*cls_token"):
        load_encoder(f"timm:test_vit@{tmp_path / 'other.safetensors'}")


def test_untrained_timm_weights_are_the_same_every_time() -> None:
    torch.manual_seed(5)
    one = load_encoder("timm:test_vit@random")
    torch.manual_seed(6)
    assert load_encoder("timm:test_vit@random").digest == one.digest


def test_rotary_positions_work_at_any_size() -> None:
    encoder = load_encoder("timm:eva02_tiny_patch14_224@random")
    out = encoder(torch.zeros(1, 3, 28, 42), layers=(0,))
    assert out.patches.shape == out.layers[0].shape == (1, 192, 2, 3)


def test_in_a_container_a_missing_import_says_what_the_container_has(
    module: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = module("import no_such_package\n")
    monkeypatch.setenv("SUITE_IMAGE", "part-aware-repro:1")
    with pytest.raises(RequestError) as caught:
        load_encoder(f"{name}:build")
    assert str(caught.value) == (
        f"encoder '{name}:build': no module 'no_such_package', which {name} imports; the container has the image's "
        "packages and the folders of PYTHONPATH"
    )
