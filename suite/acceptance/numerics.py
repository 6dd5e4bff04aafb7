"""Steps on numbers: the kernel, the precision of products, and whether the same work gives the same bits."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from suite.acceptance.site import Answer, Site, verdict
from suite.core.paths import MINI_WEIGHTS
from suite.core.precision import exact_convolutions, tf32_matmul
from suite.encoders import load_encoder
from suite.probes import segmentation_loss
from suite.probes.learner import Kind, ProbeLearner, ProbeSpec
from suite.segmentation.bank import HeadSpec
from suite.segmentation.batch import Batch
from suite.segmentation.fused import FastestLoss
from suite.segmentation.train import train_bank
from suite.training.schedules import Cosine
from suite.verification.determinism import determinism

GRADIENT = 1e-5
"""Largest difference of a gradient, of the largest, that the kernel may have: sums of float32 in another order."""
EXACT = 1e-5
"""Largest error of a float32 product of 1024 terms, of the largest value: roundings of 2^-24 make some 1e-7, were they
all in the same direction 6e-5; those of TF32, 2^-11, make 1e-4 and more."""
TF32 = (5e-5, 3e-3)
"""Where the error of a TF32 product lies, of the largest value: 10 bits of mantissa."""
LOWER = {torch.float16: 1e-2, torch.bfloat16: 6e-2}
"""Largest error of an encoder's tokens under autocast, of the largest: mantissas of 11 and 8 bits, block by block."""
FULL = 1e-4
"""Largest error of an encoder's float32 tokens against float64."""


def kernel(site: Site) -> Answer:
    """Hold the segmentation loss that training takes, and its gradient, against the plain one in float64."""
    differences = {}
    taken = FastestLoss()
    for classes, grid, side in ((19, 20, 320), (150, 32, 512), (209, 32, 512)) if site.is_gpu else ((19, 4, 64),):
        generator = torch.Generator().manual_seed(classes)
        logits = torch.randn(2, classes, grid, grid, generator=generator)
        target = torch.randint(classes, (2, side, side), generator=generator).to(torch.uint8)
        target[torch.rand(target.shape, generator=generator) < 0.1] = 255
        exact = _gradient(_plain_loss, logits.double(), target)
        losses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"taken": taken, "tiled": segmentation_loss}
        for name, loss in losses.items():
            gradient = _gradient(loss, logits.to(site.device), target.to(site.device)).cpu().double()
            differences[f"{name} {classes}"] = float((gradient - exact).abs().max() / exact.abs().max())
    worst = max(differences.values())
    without = f"; the kernel was not used: {taken.reason}" if taken.reason else ""
    return verdict(
        worst <= GRADIENT and not without,
        f"gradients differ from float64 by {worst:.1e} of the largest at most, allowed {GRADIENT:.0e}{without}",
        differences=differences,
        allowed=GRADIENT,
    )


def _plain_loss(logits: Tensor, target: Tensor) -> Tensor:
    enlarged = F.interpolate(logits, size=target.shape[1:], mode="bilinear", align_corners=False)
    return F.cross_entropy(enlarged, target.long(), ignore_index=255, reduction="none").mean()


def _gradient(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> Tensor:
    leaf = logits.detach().requires_grad_()
    return torch.autograd.grad(loss(leaf, target), leaf)[0]


def precision(site: Site) -> Answer:
    """Hold products, convolutions and an encoder, in each precision that the suite sets, against float64."""
    exact_convolutions()
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 1024, 1024, generator=generator)
    image, weight = torch.randn(4, 16, 64, 64, generator=generator), torch.randn(32, 16, 3, 3, generator=generator)
    product = a.double() @ b.double()
    errors = {"product": _error(a.to(site.device) @ b.to(site.device), product)}
    with tf32_matmul(True):
        errors["product in TF32"] = _error(a.to(site.device) @ b.to(site.device), product)
    errors["product afterwards"] = _error(a.to(site.device) @ b.to(site.device), product)
    convolved = F.conv2d(image.to(site.device), weight.to(site.device))
    errors["convolution"] = _error(convolved, F.conv2d(image.double(), weight.double()))
    allowed = {"product": EXACT, "product afterwards": EXACT, "convolution": EXACT}
    problems = [name for name, bound in allowed.items() if errors[name] > bound]
    if (
        site.is_gpu
        and torch.cuda.get_device_capability() >= (8, 0)
        and not TF32[0] <= errors["product in TF32"] <= TF32[1]
    ):
        problems.append("product in TF32")
    errors |= _encoder_errors(site)
    problems += [name for name in errors if name.startswith("encoder") and errors[name] > _bound(name)]
    text = ", ".join(f"{name} {error:.1e}" for name, error in errors.items())
    return verdict(
        not problems,
        f"errors against float64, of the largest value: {text}"
        + (f"; out of bounds: {', '.join(problems)}" if problems else ""),
        errors=errors,
        allowed=allowed | {"product in TF32": list(TF32)} | {n: _bound(n) for n in errors if n.startswith("encoder")},
    )


def _encoder_errors(site: Site) -> dict[str, float]:
    images = torch.randn(8, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    encoder = load_encoder("dino", weights=MINI_WEIGHTS)
    with torch.inference_mode():
        exact = encoder.double()(images.double()).sequence
        encoder = encoder.float().to(site.device)
        errors = {"encoder float32": _error(encoder(images.to(site.device)).sequence, exact)}
        for dtype in LOWER:
            with torch.autocast(site.device, dtype):
                tokens = encoder(images.to(site.device)).sequence
            errors[f"encoder {str(dtype).removeprefix('torch.')}"] = _error(tokens, exact)
    return errors


def _bound(name: str) -> float:
    return FULL if name == "encoder float32" else LOWER[getattr(torch, name.removeprefix("encoder "))]


def _error(value: Tensor, exact: Tensor) -> float:
    return float((value.cpu().double() - exact).abs().max() / exact.abs().max())


def repeated(site: Site) -> Answer:
    """Encode, and train heads and probes, twice: the same bits; and batches of another size the same features."""
    checks = determinism(site.device)
    work = {"segmentation heads": _train_heads, "probes": _train_probes}
    differing = [name for name, train in work.items() if not _same(train(site.device), train(site.device))]
    failed = [check.detail for check in checks if check.status == "failed"]
    failed += [f"{name}: two trainings gave different weights" for name in differing]
    return verdict(
        not failed,
        "; ".join(failed or [*(check.detail for check in checks), "heads and probes trained twice have the same bits"]),
        checks=[check.record() for check in checks],
        trained_twice={name: name not in differing for name in work},
    )


def _same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _train_heads(device: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(6, 3, 48, 48, generator=generator).to(device)
    labels = torch.randint(7, (4, 48, 48), generator=generator).to(torch.uint8).to(device)
    batch = Batch(pixels, {"set": labels}, {"set": torch.tensor([0, 2, 3, 5], device=device)})
    bank = train_bank(
        lambda images: F.avg_pool2d(images, 8).repeat(1, 4, 1, 1).to(device),
        lambda _: batch,
        [HeadSpec(f"head {lr}", "set", 7, lr=lr) for lr in (4e-4, 1e-2)],
        in_channels=12,
        iterations=20,
        warmup=2,
        device=device,
        half=True,
    )
    return {f"{name} {key}": value for name, head in bank.heads.items() for key, value in head.state_dict().items()}


def _train_probes(device: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    tokens, labels = torch.randn(32, 10, 24, generator=generator).to(device), (torch.arange(32) % 5).to(device)
    state: dict[str, Tensor] = {}
    kinds: tuple[Kind, ...] = ("linear", "attentive")
    for kind in kinds:
        spec = ProbeSpec(kind, "set", kind, 24, 5, 0.01, batch_size=32, schedule=Cosine(4), num_heads=4)
        learner = ProbeLearner(spec, device)
        for epoch in range(4):
            learner.take(tokens, labels, epoch=epoch, position=0, items=32)
        state |= {f"{kind} {name}": value for name, value in learner.head.state_dict().items()}
    return state
