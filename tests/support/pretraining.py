"""What the tests of the mini pretraining share: smooth drawings, tiny runs, cheap codebooks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("lightly")

from suite.mini.pretrain import codes, data, health, methods, train
from suite.mini.pretrain.budgets import Budget


def smooth_drawings():
    """128 images of smooth random colours: patches differ, neighbours agree."""
    rng = np.random.default_rng(0)
    small = torch.from_numpy(rng.random((128, 3, 6, 6), np.float32))
    images = F.interpolate(small, (64, 64), mode="bicubic").clamp(0, 1).mul(255).byte()
    return data.Drawings(images.permute(0, 2, 3, 1).contiguous().numpy(), rng.integers(0, 3, 128))


def any_patches(images, patch, seed):
    """A codebook without k-means."""
    return codes.Codebook(codes.describe(images, patch).flatten(0, 1)[: codes.CODES], patch)


def make_quick(patcher):
    """Cheap codebooks and health checks."""
    patcher.setattr(methods, "codebook", any_patches)
    patcher.setattr(health, "BATCH", 16)
    patcher.setattr(health, "BATCHES", 1)


def run(method, drawings, folder, steps=4):
    """A tiny run of a method."""
    few = data.Drawings(drawings.images[:32], drawings.labels[:32])
    held_out = data.HeldOut(few, few)
    its_budget = Budget(steps=steps, batch=16, warmup=1, ema=0.9)
    state = folder / f"{method}.pt"
    return train.Run(method, its_budget, 0, torch.device("cpu"), drawings, held_out, state, save_every=2)


def load_if_valid(method, drawings):
    """A fresh objective."""
    return methods.objective(method, drawings, Budget(steps=4, batch=32, ema=0.9), seed=0)
