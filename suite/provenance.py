"""Which source code a number comes from."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

SHARED = (
    "features.py",
    "precision.py",
    "encoders",
    "datasets",
    "metrics",
    "experiments/trial.py",
    "experiments/items.py",
)
"""What every experiment's numbers depend on, besides its own page."""

_RETRIEVING = ("probes/retrieval.py", "experiments/retrieval.py")
_PROBING = (
    *(f"probes/{name}.py" for name in ("linear", "normed", "attentive", "predict", "learner", "bank", "sources")),
    "checkpoints.py",
    "training.py",
    "distributed.py",
    "experiments/probing.py",
)
_SEGMENTING = (
    "probes/linear.py",
    "probes/segmentation.py",
    "segmentation",
    "image_counts.py",
    "checkpoints.py",
    "training.py",
    *(f"experiments/{name}.py" for name in ("families", "heads", "segmenting", "strips")),
)
HELPERS = {
    "object_retrieval": _RETRIEVING,
    "part_retrieval": _RETRIEVING,
    "image_classification": (*_PROBING, "stream", "experiments/imagenet.py"),
    "part_classification": _PROBING,
    "object_segmentation": _SEGMENTING,
    "part_segmentation": _SEGMENTING,
    "learning_rate_sweep": _SEGMENTING,
}
"""What the pages of experiments share with some others."""


def trial_code(experiment: str) -> str:
    """Digest of the code behind an experiment: when it changes, stored results are made again."""
    return code_digest((*SHARED, *HELPERS.get(experiment, ()), f"experiments/test_{experiment}.py"))


@functools.cache
def code_digest(names: tuple[str, ...]) -> str:
    """SHA-256 of the suite's source files of these names (a folder stands for its files)."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for name in names:
        for path in sorted((root / name).rglob("*.py")) or [root / name]:
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
