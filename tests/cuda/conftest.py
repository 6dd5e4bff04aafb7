"""A process that believes it has a GPU."""

from collections.abc import Iterator

import pytest

from tests.support.card import card


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand-in for a GPU; see `tests.support.card`."""
    with card(monkeypatch):
        yield


@pytest.fixture(autouse=True)
def plain_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the kernel to its own tests: it is compiled for real cards only."""
    from suite.probes.tiled_loss import segmentation_loss
    from suite.segmentation import bank

    monkeypatch.setattr(bank, "fastest_loss", segmentation_loss)
