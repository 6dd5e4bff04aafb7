"""Which source code a number comes from."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

SHARED = ("features.py", "encoders", "datasets", "probes", "metrics", "experiments/trial.py")
"""What every experiment's numbers depend on, besides its own page."""


def trial_code(experiment: str) -> str:
    """Digest of the code behind an experiment: when it changes, stored results are made again."""
    helpers = ("experiments/retrieval.py", "experiments/probing.py")
    return code_digest((*SHARED, *helpers, f"experiments/test_{experiment}.py"))


@functools.cache
def code_digest(names: tuple[str, ...]) -> str:
    """SHA-256 of the suite's source files of these names (a folder stands for its files)."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for name in names:
        for path in sorted((root / name).rglob("*.py")) or [root / name]:
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
