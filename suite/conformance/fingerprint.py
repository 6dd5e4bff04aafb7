"""Fingerprint of an encoder from fixed pictures: two files of the same encoder can be told to be so, or not."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import numpy as np
import torch

from suite.conformance.pictures import COUNT
from suite.conformance.questions import view
from suite.encoders import Encoder

DECIMALS = 2
_BATCH = 16


def fingerprint(encoder: Encoder) -> dict[str, Any]:
    """Reduce the features of the pictures.

    Returns:
        `hash`: of the mean patch tokens, in standard deviations rounded to two decimals: equal for the same encoder
            on the same machine; on another, a value at a rounding edge may change it.
        `probe`: the first picture's mean patch token against the next eight's (cosines, four decimals): to be
            compared with a tolerance of 0.001 between machines.
        `token_norm`, `token_std`, `cls_norm`: their size.
        `images_per_second`: measured on the way.
    """
    images = view(encoder, COUNT)
    start = time.perf_counter()
    parts = [encoder(batch) for batch in images.split(_BATCH)]
    features = torch.cat([part.patches.mean((2, 3)) for part in parts]).float().cpu()
    seconds = time.perf_counter() - start
    cls = torch.cat([part.cls for part in parts]).float().cpu()
    unit = torch.nn.functional.normalize(features, dim=1)
    digits = np.rint((features / features.std().clamp_min(1e-12)).numpy() * 10**DECIMALS).astype("<i4")
    return {
        "hash": hashlib.sha256(digits.tobytes()).hexdigest()[:16],
        "probe": [round(value, 4) for value in (unit[1:9] @ unit[0]).tolist()],
        "token_norm": round(float(features.norm(dim=1).mean()), 4),
        "token_std": round(float(features.std()), 4),
        "cls_norm": round(float(cls.norm(dim=1).mean()), 4),
        "pictures": COUNT,
        "images_per_second": float(f"{COUNT / seconds:.3g}"),
    }
