"""A process that believes it has a GPU."""

from collections.abc import Iterator

import pytest

from tests.support.card import card


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand-in for a GPU; see `tests.support.card`."""
    with card(monkeypatch):
        yield
