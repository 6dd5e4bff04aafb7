"""The contract every encoder keeps: normalised images in, `Tokens` out, nothing ever trained."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from suite.errors import RequestError
from suite.protocol.constants import constant

IMAGENET_MEAN: tuple[float, ...] = constant("encoders", "mean")
IMAGENET_STD: tuple[float, ...] = constant("encoders", "std")


@dataclass(frozen=True)
class Tokens:
    """Output of an encoder for B images on an (h, w) grid of patches.

    Attributes:
        cls: (B, D) class token after the final norm.
        patches: (B, D, h, w) patch tokens after the final norm; their mean is the "encoded" representation.
        projected: (B, P) projector output for the normed class token; None unless asked for.
        layers: {block index: (B, D, h, w)} patch tokens as the block leaves them, not normed.
    """

    cls: Tensor
    patches: Tensor
    projected: Tensor | None = None
    layers: dict[int, Tensor] = field(default_factory=dict)

    @property
    def sequence(self) -> Tensor:
        """(B, 1 + h * w, D): the class token, then the patch tokens row by row."""
        return torch.cat([self.cls[:, None], self.patches.flatten(2).mT], dim=1)


class Encoder(nn.Module):
    """A frozen encoder: `train()` keeps it in evaluation mode and no parameter requires a gradient.

    Attributes:
        name: method name, or the specification a user gave.
        patch_size: side of a patch, pixels; image sides must be multiples of it.
        embed_dim: D.
        depth: number of blocks; layers are 0 .. depth - 1.
        image_size: side of the images it was pretrained on, pixels.
        mean: per channel, of images in [0, 1], subtracted by whoever prepares the images.
        std: per channel, divided by after that.
        norm_eps: of every LayerNorm, where the catalogue states it; None where the module sees to it.
        digest: SHA-256 of names, shapes and float32 values of its tensors, whatever file they came in.
        code: SHA-256 of a user's source files behind it; empty where all its code is this suite's or installed.
        tokens: SHA-256 of what a user's encoder makes of fixed pictures (`suite.encoders.identity`); else empty.
        altered: diagnostic factors in it, as `channels=bgr` (`suite.encoders.altered`).
        notes: how its weights were found in a file, where that is not plain: sentences for the record.
    """

    code = ""
    tokens = ""
    altered: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        trunk: nn.Module,
        *,
        patch_size: int,
        embed_dim: int,
        depth: int,
        image_size: int,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
        projector: nn.Module | None = None,
        norm_eps: float | None = None,
    ) -> None:
        """Wrap and freeze.

        Args:
            name: see the class.
            trunk: `(images, layers) -> (tokens (B, 1 + h * w, D) after the final norm, class token first;
                {layer: such tokens before it})`.
            patch_size: see the class.
            embed_dim: see the class.
            depth: see the class.
            image_size: see the class.
            mean: see the class.
            std: see the class.
            projector: (B, D) normed class tokens -> (B, P).
            norm_eps: see the class; the trunk has it, this says so.
        """
        super().__init__()
        self.name, self.patch_size, self.embed_dim, self.depth = name, patch_size, embed_dim, depth
        self.image_size, self.mean, self.std, self.norm_eps = image_size, mean, std, norm_eps
        self.trunk, self.projector = trunk, projector
        self.digest = digest(self.state_dict())
        self.requires_grad_(False)
        self.eval()

    @property
    def device(self) -> torch.device:
        """Device of its parameters; one without any works on the CPU."""
        return next((parameter.device for parameter in self.parameters()), torch.device("cpu"))

    @property
    def has_projector(self) -> bool:
        """Return whether `project=True` works."""
        return self.projector is not None

    def train(self, mode: bool = True) -> Encoder:
        """Stay in evaluation mode: frozen means frozen."""
        return super().train(False)

    # no_grad, not inference_mode: a probe must be able to save these tensors for its own backward pass
    @torch.no_grad()
    def forward(self, images: Tensor, *, layers: tuple[int, ...] = (), project: bool = False) -> Tokens:
        """Encode a batch.

        Args:
            images: (B, 3, H, W), B at least 1, normalised with `mean` and `std`; any H and W that `patch_size`
                divides.
            layers: indices of the blocks whose raw outputs are wanted, from 0.
            project: also run the projector.

        Returns:
            Tokens in the encoder's dtype, also under autocast, on its device.

        Raises:
            RequestError: images of another shape, type or device, or a layer or a projection that this encoder
                does not have.
        """
        kind = self._weight()
        self._check(images, layers, project, kind)
        height, width = images.shape[-2] // self.patch_size, images.shape[-1] // self.patch_size
        tokens, raw = self.trunk(images, layers)
        projected = self.projector(tokens[:, 0]) if project and self.projector is not None else None
        dtype = tokens.dtype if kind is None else kind.dtype
        return Tokens(
            cls=tokens[:, 0].to(dtype),
            patches=_on_grid(tokens.to(dtype), height, width),
            projected=projected if projected is None else projected.to(dtype),
            layers={index: _on_grid(raw[index].to(dtype), height, width) for index in layers},
        )

    def _weight(self) -> Tensor | None:
        """Return any one of its weights, which tells dtype and device; None where there are none."""
        tensors = itertools.chain(self.parameters(), self.buffers())
        return next((tensor for tensor in tensors if tensor.is_floating_point()), None)

    def _check(self, images: Tensor, layers: tuple[int, ...], project: bool, weight: Tensor | None) -> None:
        fits = images.ndim == 4 and images.shape[1] == 3 and len(images) > 0
        if not fits or any(side == 0 or side % self.patch_size for side in images.shape[-2:]):
            raise RequestError(
                f"{self.name}: images: expected (B, 3, H, W) with H and W multiples of {self.patch_size}, "
                f"got {tuple(images.shape)}"
            )
        if not images.is_floating_point():
            raise RequestError(
                f"{self.name}: images: expected floating point, normalised with mean and std, got {images.dtype}"
            )
        if weight is not None and images.device != weight.device:
            raise RequestError(f"{self.name}: images: expected on {weight.device}, got on {images.device}; move one")
        beyond = [index for index in layers if not 0 <= index < self.depth]
        if beyond:
            raise RequestError(f"{self.name}: layers: expected 0 to {self.depth - 1}, got {beyond}")
        if project and not self.has_projector:
            raise RequestError(f"{self.name}: its weights hold no projector, so nothing can be projected")


def digest(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of names, shapes and float32 values, in the order of names: hex digits."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].detach().cpu().float().contiguous()
        total.update(f"{name} {tuple(values.shape)}\n".encode())
        total.update(values.numpy().data)
    return total.hexdigest()


def _on_grid(tokens: Tensor, height: int, width: int) -> Tensor:
    """Reshape (B, 1 + h * w, D), class token first, to (B, D, h, w), a view."""
    return tokens[:, 1:].transpose(1, 2).unflatten(2, (height, width))
