"""Fixtures of the tests of the plan."""

from pathlib import Path

import pytest


@pytest.fixture
def nothing(tmp_path: Path) -> dict[str, Path]:
    """Empty folders: no data, no weights, nothing remembered."""
    return {name: tmp_path / name for name in ("data", "weights", "cache", "run")}
