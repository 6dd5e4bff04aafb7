"""Fixtures of the tests of the mini pretraining; they import it only where asked for, since it needs more packages."""

import pytest


@pytest.fixture
def quick(monkeypatch):
    """Cheap codebooks and health checks."""
    from tests.support import pretraining

    pretraining.make_quick(monkeypatch)


@pytest.fixture(scope="module")
def drawings():
    """Smooth images, of which neighbouring patches agree."""
    from tests.support import pretraining

    return pretraining.smooth_drawings()
