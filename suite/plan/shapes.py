"""Sizes of the encoders of a request, known before their files are: what a forward pass costs, and one to time."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from suite.encoders import Encoder, load_encoder
from suite.encoders.architecture import BASE, MINI, Architecture
from suite.encoders.baselines import THUMBNAIL, raw_pixels
from suite.encoders.catalogue import CATALOGUE
from suite.encoders.choices import chosen
from suite.encoders.vit import build_vit, vit_encoder
from suite.run.request import Request

_PROJECTED = {
    "mini": {"mocov3": 128, "dino": 512, "ibot": 512},
    "paper": {"mocov3": 256, "dino": 65_536, "ibot": 8_192},
}
"""Widths of the projectors: ours, and those of the releases (code of MoCo v3, DINO and iBOT, `main_*.py`)."""

_BUILT_LIKE = {"vit": "deit", "beit": "cae", "beit relative": "beit"}


@dataclass(frozen=True)
class Shape:
    """What the cost of an encoder depends on; its weights do not.

    Attributes:
        kind: `vit`, `beit`, `beit relative` (biased attention), `pixels` (no network), or a user's specification.
        architecture: sizes; the MLPs of a user's encoder are taken to be four times as wide as its tokens.
        projected: width of the projector's output; 0 where it has none, or none that is known.
    """

    kind: str
    architecture: Architecture
    projected: int = 0

    @property
    def name(self) -> str:
        """By which its rates are remembered: encoders of one architecture share them."""
        sizes = self.architecture
        return f"{self.kind} {sizes.image_size}/{sizes.patch_size} {sizes.embed_dim}x{sizes.depth}"

    @property
    def tokens(self) -> int:
        """Tokens of an image of its own size, the class token included."""
        return 1 + (self.architecture.image_size // self.architecture.patch_size) ** 2

    def flops(self, side: int) -> int:
        """Floating-point operations of the blocks for one image, two for each multiply-accumulate.

        With n patches, N = n + 1 tokens, width D, depth L, patches of p pixels and MLPs r times as wide:
        n 3 p^2 D for the patches, and in each block 4 N D^2 (query, key, value, output), 2 N^2 D (attention) and
        2 r N D^2 (MLP). ViT-B/16 at 224 pixels: 17.6 G multiply-accumulates. Left out: norms, softmax, and
        projectors (0.1 % of a ViT-B).

        Args:
            side: of the square image, pixels.
        """
        if self.kind == "pixels":
            return 0
        sizes = self.architecture
        patches = (side // sizes.patch_size) ** 2
        tokens, width = patches + 1, sizes.embed_dim
        block = (4 + 2 * sizes.mlp_ratio) * tokens * width**2 + 2 * tokens**2 * width
        return int(2 * (patches * 3 * sizes.patch_size**2 * width + sizes.depth * block))

    @property
    def weight_bytes(self) -> int:
        """Of the blocks and the patches' projection, float32."""
        sizes = self.architecture
        block = (4 + 2 * sizes.mlp_ratio) * sizes.embed_dim**2
        return (
            0 if self.kind == "pixels" else int(4 * (sizes.depth * block + 3 * sizes.patch_size**2 * sizes.embed_dim))
        )


def shape_of(request: Request, spec: str) -> Shape:
    """The shape of an encoder; the file of a method of the paper is not needed, that of any other encoder is.

    Raises:
        SuiteError: a user's encoder cannot be loaded.
    """
    name, _, file = spec.partition("@")
    if spec == "raw_pixels":
        return Shape("pixels", Architecture(MINI.image_size, MINI.image_size, 3 * THUMBNAIL**2, MINI.depth))
    if spec == "random_init":
        return Shape("vit", MINI)
    if name in CATALOGUE:
        method = CATALOGUE[name]
        relative = method.trunk == "beit" and method.positions == "relative"
        kind = "beit relative" if relative else method.trunk
        usual = MINI if request.profile.name == "mini" else BASE
        branch = chosen(spec, request.variants).branch
        sizes = _sizes(load_encoder(spec, branch=branch)) if file else usual
        return Shape(kind, sizes, _PROJECTED[request.profile.name].get(name, 0))
    return Shape(spec, _sizes(load_encoder(spec)))


def build(shape: Shape, device: str) -> Encoder:
    """An encoder of a shape, with random weights: it takes as long as a trained one."""
    if shape.kind == "pixels":
        return raw_pixels(MINI).to(device)
    if shape.kind not in _BUILT_LIKE:
        return load_encoder(shape.kind, device=device)
    method = CATALOGUE[_BUILT_LIKE[shape.kind]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vit = build_vit(method, shape.architecture)
    return vit_encoder(shape.name, method, vit, shape.architecture).to(device)


def _sizes(encoder: Encoder) -> Architecture:
    return Architecture(encoder.image_size, encoder.patch_size, encoder.embed_dim, encoder.depth)
