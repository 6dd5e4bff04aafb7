"""A stranger's specs: each is taken apart, or refused in one line that says what may have been meant."""

from __future__ import annotations

import pytest

from suite.core.values import spec as read
from suite.errors import RequestError
from suite.run.request import make_request
from suite.specs import Spec, parse

FORMS = (
    "expected one of deit, mocov3, dino, beit, mae, cae, ibot, random_init, raw_pixels, METHOD@FILE, timm:NAME, "
    "hf:NAME_OR_FOLDER, package.module:function; "
)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("dino", Spec("dino", "dino")),
        ("dino@a@b:c.pth", Spec("dino@a@b:c.pth", "dino", "a@b:c.pth")),
        ("timm:vit.tag@random", Spec("timm:vit.tag@random", "timm:vit.tag", "random")),
        ("hf:me/vit-base", Spec("hf:me/vit-base", "hf:me/vit-base")),
        ("hf:./out.v2/x?mean=clip", Spec("hf:./out.v2/x?mean=clip", "hf:./out.v2/x", "", {"mean": "clip"})),
        ("a.b:c?x=1&y=a=b", Spec("a.b:c?x=1&y=a=b", "a.b:c", "", {"x": "1", "y": "a=b"})),
    ],
)
def test_specs_are_taken_apart(text: str, spec: Spec) -> None:
    assert parse(text) == spec
    assert read("--encoder", f" {text} ") == text, "a space around it is nobody's meaning"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("TIMM:vit_tiny_patch16_224@random", "expected timm:vit_tiny_patch16_224"),
        ("HF:me/vit", "expected hf:me/vit"),
        ("hf_hub:me/vit", "expected hf:me/vit, a folder or what the hub's cache has"),
        (
            "https://example.org/x.pth",
            "expected a file of this machine: fetch it, then METHOD@FILE or timm:NAME@FILE",
        ),
        ("my_encoder.py:build", "expected my_encoder:build: a module's name, not its file's"),
        (
            "/home/me/my_encoder.py:build",
            "expected my_encoder:build, with /home/me on PYTHONPATH: a module's name, not its file's",
        ),
        ("me.zoo:build()", "expected me.zoo:build; its arguments are options, ?name=value"),
        ("me.zoo:build('x')", "expected me.zoo:build; its arguments are options, ?name=value"),
        ("facebookresearch/dinov2:dinov2_vitb14", "expected package.module:function"),
        ("open_clip:ViT-B-32", "expected package.module:function"),
        (":build", "expected package.module:function"),
        ("zoo:", "expected package.module:function"),
        ("timm:vit_tiny_patch16_224@", "expected a file behind @, got none"),
        ("timm:vit_tiny_patch16_224@?mean=clip", "expected a file behind @, got none"),
    ],
)
def test_what_cannot_be_a_spec_says_what_may_have_been_meant(text: str, meant: str) -> None:
    with pytest.raises(RequestError) as caught:
        read("--encoder", text)
    assert str(caught.value) == f"encoder {text!r}: {meant}"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("DINO", "'dino' is meant?"),
        ("0.5", "numbers of one option are separated by colons: ?mean=0.5:0.5:0.5"),
        ("out/last.ckpt", "a file does not say whose it is: METHOD@out/last.ckpt or timm:NAME@out/last.ckpt"),
        ("./x.safetensors", "a file does not say whose it is: METHOD@./x.safetensors or timm:NAME@./x.safetensors"),
        ("timm/vit_tiny_patch16_224.augreg", "timm:vit_tiny_patch16_224.augreg is meant?"),
        ("vit_base_patch16_224", "timm:vit_base_patch16_224 is meant?"),
        ("facebook/dinov2-base", "of a model on a hub: hf:facebook/dinov2-base"),
        ("my_encoder.build", "a function stands behind a colon: my_encoder:build"),
        ("dinov2_vitb14", "which spec for which encoder: docs/reference/encoders_2026.md"),
    ],
)
def test_a_word_that_names_no_encoder_says_what_may_have_been_meant(text: str, meant: str) -> None:
    with pytest.raises(RequestError) as caught:
        make_request(encoders=[text], device="cpu")
    assert str(caught.value) == f"unknown encoder {text!r}: {FORMS}{meant}"
