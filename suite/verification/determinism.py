"""Check that an encoder gives the same bytes twice, and the same features in batches of another size."""

from __future__ import annotations

from pathlib import Path

from suite.core.paths import MINI_WEIGHTS
from suite.verification.outcome import Check

SUBJECT = "determinism"
IMAGES = 24
TOLERANCE = 1e-4
"""Largest difference over the largest feature between batches of one size and another: BLAS may pick another kernel for
another shape, so fp32 leaves the last digits open; measured 0 on an AMD EPYC. A real mistake costs more than 1e-2."""


def determinism(device: str = "cpu", weights: Path = MINI_WEIGHTS) -> list[Check]:
    """Make two checks: `repeated`, bit for bit, and `batch size`; without the device a single one that says so.

    Args:
        device: where the experiments will run.
        weights: of the embedded encoders.
    """
    import torch

    from suite.encoders import load_encoder

    if device.startswith("cuda") and not torch.cuda.is_available():
        return [Check(SUBJECT, f"on {device}", "no reference", "no GPU: torch sees no CUDA device")]
    encoder = load_encoder("dino", weights=weights, device=device)
    images = torch.randn(IMAGES, 3, 48, 48, generator=torch.Generator().manual_seed(0)).to(device)

    def features(size: int) -> torch.Tensor:
        with torch.inference_mode():
            return torch.cat([encoder(batch).patches.flatten(1) for batch in images.split(size)])

    first, again, smaller = features(IMAGES), features(IMAGES), features(7)
    same = torch.equal(first, again)
    repeated = Check(
        SUBJECT,
        "repeated",
        "passed" if same else "failed",
        f"{encoder.name} on {device}: two passes over {IMAGES} images give {'the same' if same else 'different'} bytes",
    )
    difference = float((first - smaller).abs().max() / first.abs().max())
    size = Check(
        SUBJECT,
        "batch size",
        "passed" if difference <= TOLERANCE else "failed",
        f"{encoder.name} on {device}: batches of {IMAGES} and 7 differ by {difference:.1e} of the largest feature, "
        f"allowed {TOLERANCE:.0e}",
    )
    return [repeated, size]
