"""Fixtures of the main job."""

import pytest

from tests.support.here import do_jobs_here


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `reproduce` measure in the test's own process: what a test has patched holds there."""
    do_jobs_here(monkeypatch)
