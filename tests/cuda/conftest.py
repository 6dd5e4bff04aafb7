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
def plain_ways(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the loss's kernel to its own tests, and torch's fused attention block to plain tensors."""
    import torch

    from suite.segmentation import fused

    monkeypatch.setattr(fused, "_is_on_gpu", lambda _: False)
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(fastpath)
