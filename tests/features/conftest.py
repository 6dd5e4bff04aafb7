"""Fixtures of the tests of features."""

import pytest

from suite.features import cache


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test hear what is said once a process."""
    monkeypatch.setattr(cache, "_told", set())
