"""Passes of an encoder over views: each view once, in batches of one length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from suite.datasets.views import ViewSet, render
from suite.encoders import Encoder
from suite.encoders.encoder import Tokens
from suite.encoders.forward import Forward, fitting_size


@dataclass(frozen=True, eq=False)
class Passes:
    """Way from N views to tokens: all that decides their values.

    Attributes:
        encoder: frozen; its device is where the work is done.
        views: N views.
        transform: how a view becomes a square image (`suite.datasets.pixels`).
        permute: shuffle the patches of every image (see `suite.encoders.forward.permute_patches`).
        batch_size: views a pass.
    """

    encoder: Encoder
    views: ViewSet
    transform: str
    permute: bool = False
    batch_size: int = 128

    def __len__(self) -> int:
        return len(self.views)

    def fitting(self) -> Passes:
        """Return the passes as long as memory has had room for so far; rounding aside, values stay."""
        return replace(self, batch_size=fitting_size(self.encoder, self.batch_size))

    def run(
        self, order: NDArray[np.int64] | None = None, *, project: bool = False
    ) -> Iterator[tuple[NDArray[np.int64], Tokens]]:
        """Encode, while threads draw the views of the next passes.

        The bits of a view's tokens depend on no other view: see `suite.encoders.forward.Forward`.

        Args:
            order: the views to encode, in that order; None for all, those of an image together.
            project: also run the projector.

        Yields:
            (b,) indices of views, and what the encoder says of them; rows from b on are filling.

        Raises:
            DatasetError: an image cannot be read.
            RequestError: no such transform, or no projector.
        """
        forward = Forward(self.encoder, batch_size=self.batch_size, permute=self.permute)
        size = self.encoder.image_size
        for indices, batch in render(self.views.views, self.transform, size, batch_size=self.batch_size, order=order):
            # a view of channels last, which is the layout that the encoder works on
            pixels = torch.from_numpy(batch).permute(0, 3, 1, 2)
            yield indices, forward(pixels, indices, project=project)
