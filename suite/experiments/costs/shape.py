"""Size of an encoder: what a forward pass costs."""

from __future__ import annotations

from dataclasses import dataclass

from suite.encoders.architecture import Architecture


@dataclass(frozen=True)
class Shape:
    """Size of an encoder, on which its cost depends; its weights do not matter.

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
        """Name by which its rates are remembered: encoders of one architecture share them."""
        sizes = self.architecture
        return f"{self.kind} {sizes.image_size}/{sizes.patch_size} {sizes.embed_dim}x{sizes.depth}"

    @property
    def tokens(self) -> int:
        """Tokens of an image of its own size, the class token included."""
        return 1 + (self.architecture.image_size // self.architecture.patch_size) ** 2

    def flops(self, side: int) -> int:
        """Count floating-point operations of the blocks for one image, two for each multiply-accumulate.

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
        """Bytes of the blocks and the patches' projection, float32."""
        sizes = self.architecture
        block = (4 + 2 * sizes.mlp_ratio) * sizes.embed_dim**2
        return (
            0 if self.kind == "pixels" else int(4 * (sizes.depth * block + 3 * sizes.patch_size**2 * sizes.embed_dim))
        )
