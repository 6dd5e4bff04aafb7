"""Fixtures of the tests of the judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.reproduction.accept import accept_run
from tests.support.accepted_run import FILE, write_run


@pytest.fixture
def expected(expected_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `expected/` that values can be accepted into."""
    for module in ("report.collect", "reference.select", "reproduction.reproduce", "reproduction.accept"):
        monkeypatch.setattr(f"suite.{module}.EXPECTED", expected_root)
    return expected_root


@pytest.fixture
def accepted_file(expected: Path, tmp_path: Path) -> Path:
    """The file of an accepted run."""
    accept_run(write_run(tmp_path / "first"), reason="the first run on this GPU")
    return expected / "accepted" / "paper" / FILE
