"""Fixtures of the tests of a new encoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.reference import select as references
from tests.support.candidate_run import EXPECTED_OF_THE_SEVEN, FLOORS, LEVELS, MINE, PLACES, store_result, write_record


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished check: good at objects (second), bad at parts (last)."""
    folder = tmp_path / "run"
    for place in PLACES:
        for method, value in (LEVELS | FLOORS).items():
            store_result(folder, place, method, value)
        store_result(folder, place, MINE, 75.0 if place.startswith(("object", "image")) else 10.0)
    write_record(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of accepted values."""
    root = tmp_path / "expected"
    monkeypatch.setattr(references, "EXPECTED", root)
    monkeypatch.setattr(references, "_load", lambda _profile: EXPECTED_OF_THE_SEVEN)
    return root / "encoders"
