"""Fixtures of the acceptance: a CPU in the place of a card."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from suite.acceptance.site import Ended, RunSuite, Site


def no_suite(arguments: Sequence[str], seconds: float) -> Ended:
    raise AssertionError(f"no verb was to be run: {arguments} for {seconds} s")


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[..., Site]:
    """A site on the CPU, with as many cards as a test wants."""

    def make(cards: int = 1, run_suite: RunSuite = no_suite, seconds: float = 600.0) -> Site:
        return Site("cpu", cards, tmp_path, time.monotonic() + seconds, run_suite)

    return make
