"""The same encoder on the same images gives the same features, whatever the batch size and on every device."""

from __future__ import annotations

import pytest

from suite.verification.determinism import determinism


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_determinism(device: str, subtests: pytest.Subtests, hold) -> None:
    for check in determinism(device):
        with subtests.test(check.name):
            hold(check)
