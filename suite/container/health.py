"""Health check `python -m suite.container.health`, the HEALTHCHECK of the Dockerfile: can this image do its work?

It goes the whole way of a trial once, with an embedded encoder and no data: imports, checkpoint, forward pass.
"""

from __future__ import annotations

import sys
from pathlib import Path

from suite.core.paths import MINI_WEIGHTS
from suite.core.program import run_program
from suite.errors import SuiteError


def check(weights: Path = MINI_WEIGHTS) -> str:
    """Return one line about a forward pass of an embedded encoder.

    Raises:
        CheckpointError: its checkpoint is missing or damaged.
        SuiteError: its features are not finite numbers of the declared shape.
    """
    import torch

    from suite.encoders import load_encoder

    encoder = load_encoder("dino", weights=weights)
    with torch.inference_mode():
        cls = encoder(torch.zeros(2, 3, 48, 48)).cls
    if cls.shape != (2, encoder.embed_dim) or not bool(cls.isfinite().all()):
        raise SuiteError(f"dino: expected (2, {encoder.embed_dim}) finite features, got {tuple(cls.shape)}")
    return f"healthy: torch {torch.__version__}, {encoder.name} {encoder.digest[:12]}"


def main() -> int:
    """Print the outcome; 0 if healthy, 1 if not, as Docker wants it; 4 is a fault of the check."""
    try:
        print(check())
    except (SuiteError, ImportError, OSError) as error:
        print(f"unhealthy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    run_program(main)
