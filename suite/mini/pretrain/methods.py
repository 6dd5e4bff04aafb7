"""Method name -> a fresh objective."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from suite.mini.pretrain.augment import normalise, view
from suite.mini.pretrain.budgets import Budget
from suite.mini.pretrain.cae import ContextAutoencoder
from suite.mini.pretrain.codes import codebook
from suite.mini.pretrain.contrastive import MomentumContrast
from suite.mini.pretrain.data import Drawings
from suite.mini.pretrain.distillation import MaskedSelfDistillation, SelfDistillation
from suite.mini.pretrain.masked import MaskedAutoencoder, MaskedCodes
from suite.mini.pretrain.objective import Objective
from suite.mini.pretrain.stem import whitened
from suite.mini.pretrain.supervised import Supervised
from suite.mini.pretrain.vit import DIM, PATCH, SIZE, build

SAMPLE = 1_500


def objective(method: str, data: Drawings, budget: Budget, seed: int) -> Objective:
    """Initialise a method; the same bits for the same data and seed.

    Args:
        method: one of `budgets.BUDGETS`.
        data: drawings; only the supervised method learns from their labels.
        budget: for the momentum.
        seed: of the initialisation.
    """
    torch.manual_seed(seed)
    images = torch.from_numpy(data.images[:SAMPLE])
    colour = method in ("mocov3", "dino", "ibot")
    sample = views(images, 1, colour=colour)[0]
    encoder = build(method, whitened(sample, DIM, PATCH))
    makers: dict[str, Callable[[], Objective]] = {
        "deit": lambda: Supervised(encoder, int(np.max(data.labels)) + 1),
        "mocov3": lambda: MomentumContrast(encoder, budget.ema),
        "dino": lambda: SelfDistillation(encoder, budget.ema),
        "ibot": lambda: MaskedSelfDistillation(encoder, budget.ema),
        "mae": lambda: MaskedAutoencoder(encoder),
        "beit": lambda: MaskedCodes(encoder, codebook(sample, PATCH, seed)),
        "cae": lambda: ContextAutoencoder(encoder, codebook(sample, PATCH, seed)),
    }
    return makers[method]()


def views(images: Tensor, count: int, *, colour: bool) -> list[Tensor]:
    """Draw `count` normalised random views (B, 3, 48, 48) of uint8 images (B, H, W, 3)."""
    return [normalise(view(images, SIZE, colour=colour)) for _ in range(count)]
