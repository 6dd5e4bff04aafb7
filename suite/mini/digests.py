"""The digests by which drawn data is known to be what was recorded."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

from suite.core.listing import files_under

DIGESTS = Path(__file__).with_suffix(".toml")
SAMPLE = 0.02
"""The share of the data whose digests are recorded too, so that a test can draw it in seconds."""
TABLES = {1.0: "full", SAMPLE: "sample"}


def recorded_digests(share: float) -> dict[str, str]:
    """Return dataset -> recorded digest of that share of the data; empty for a share that is not recorded."""
    if share not in TABLES or not DIGESTS.exists():
        return {}
    tables = tomllib.loads(DIGESTS.read_text())
    return {str(name): str(digest) for name, digest in tables[TABLES[share]].items()}


def tree_digest(folder: Path) -> str:
    """Return the SHA-256 (hex) of relative paths and content of all files, by `suite.core.listing`, sorted by path.

    The readers of `suite.datasets` know a dataset by the same digest.

    Raises:
        DatasetError: the folder cannot be listed.
    """
    total = hashlib.sha256()
    for name in sorted(path.relative_to(folder).as_posix() for path in files_under(folder)):
        content = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        total.update(f"{name} {content}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()
