"""Sizes of the encoders of a request, known before their files are, and one to time."""

from __future__ import annotations

import torch

from suite.encoders import Encoder, load_encoder
from suite.encoders.architecture import Architecture, of_profile
from suite.encoders.baselines import THUMBNAIL, raw_pixels
from suite.encoders.catalogue import CATALOGUE
from suite.encoders.choices import chosen
from suite.encoders.vit import build_vit, vit_encoder
from suite.experiments.costs.shape import Shape
from suite.run.request import Request
from suite.specs import parse

_PROJECTED = {
    "mini": {"mocov3": 128, "dino": 512, "ibot": 512},
    "paper": {"mocov3": 256, "dino": 65_536, "ibot": 8_192},
}
"""Widths of the projectors: ours, and those of the releases (code of MoCo v3, DINO and iBOT, `main_*.py`)."""

_BUILT_LIKE = {"vit": "deit", "beit": "cae", "beit relative": "beit"}


def shape_of(request: Request, spec: str) -> Shape:
    """Return an encoder's shape; a method of the paper needs no file, any other encoder does.

    Raises:
        SuiteError: a user's encoder cannot be loaded.
    """
    parts = parse(spec)
    name, file = parts.name, parts.file
    usual = of_profile(request.profile.name)
    if spec == "raw_pixels":
        return Shape("pixels", Architecture(usual.image_size, usual.image_size, 3 * THUMBNAIL**2, usual.depth))
    if spec == "random_init":
        return Shape("vit", usual)
    if name in CATALOGUE:
        method = CATALOGUE[name]
        relative = method.trunk == "beit" and method.positions == "relative"
        kind = "beit relative" if relative else method.trunk
        branch = chosen(spec, request.variants).branch
        sizes = _sizes(load_encoder(spec, branch=branch)) if file else usual
        return Shape(kind, sizes, _PROJECTED[request.profile.name].get(name, 0))
    return Shape(spec, _sizes(load_encoder(spec)))


def build(shape: Shape, device: str) -> Encoder:
    """Build an encoder of a shape, with random weights: it takes as long as a trained one."""
    if shape.kind == "pixels":
        return raw_pixels(shape.architecture).to(device)
    if shape.kind not in _BUILT_LIKE:
        return load_encoder(shape.kind, device=device)
    method = CATALOGUE[_BUILT_LIKE[shape.kind]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vit = build_vit(method, shape.architecture)
    return vit_encoder(shape.name, method, vit, shape.architecture).to(device)


def _sizes(encoder: Encoder) -> Architecture:
    return Architecture(encoder.image_size, encoder.patch_size, encoder.embed_dim, encoder.depth)
