"""A bank of probes for which memory has no room is trained in parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from suite.core.memory import backoffs
from suite.probes.learner import ProbeLearner
from tests.support.probe_bank import assert_same, train, weights


@pytest.mark.parametrize("stored", [True, False])
def test_probes_in_parts_end_with_the_bits_of_the_whole_bank(
    stored: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory runs out in the second epoch, when the first probe has taken its tokens."""
    whole, take, taken = train(), ProbeLearner.take, []
    shortages = iter(range(2))

    def take_where_there_is_room(self, *arguments, epoch: int, **how) -> None:
        taken.append(self.name)
        if epoch == 1 and taken[-2:] == ["linear", "attentive"] and next(shortages, None) is not None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        take(self, *arguments, epoch=epoch, **how)

    monkeypatch.setattr(ProbeLearner, "take", take_where_there_is_room)
    with backoffs() as noted:
        parts = train(folder=tmp_path if stored else None)
    assert noted()[0] == "probes in parts of half as many as 3, for which memory had no room"
    assert_same(parts, whole)
    assert weights(parts["linear"])
