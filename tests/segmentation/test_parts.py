"""A bank of heads for which memory has no room is trained in parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from suite.core.memory import backoffs
from suite.segmentation import train as training
from tests.support.segmentation_bank import SPECS, assert_same, train


@pytest.mark.parametrize("stored", [True, False])
def test_heads_in_parts_end_with_the_bits_of_the_whole_bank(
    stored: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory runs out in the middle of a step, when some heads have taken it."""
    whole, learn, widths = train(), training._learn, []

    def learn_where_there_is_room(learners, encode, batch, device) -> None:
        widths.append(len(learners))
        if len(learners) > 1 and learners[0].rounds == 5:
            learn(learners[:1], encode, batch, device)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        learn(learners, encode, batch, device)

    monkeypatch.setattr(training, "_learn", learn_where_there_is_room)
    evaluated = []
    with backoffs() as noted:
        parts = train(
            folder=tmp_path if stored else None,
            evaluate_at={4, 8},
            on_evaluate=lambda done, heads: evaluated.extend((name, done) for name in heads),
        )
    assert list(parts.heads) == [spec.name for spec in SPECS]
    assert_same(parts, whole)
    assert {(name, done) for name in parts.heads for done in (4, 8)} == set(evaluated)
    assert noted() == [
        "segmentation heads in parts of half as many as 4, for which memory had no room",
        "segmentation heads in parts of half as many as 2, for which memory had no room",
    ]
    rest = 7 if stored else 12  # with checkpoints nothing is done twice
    assert widths.count(1) == 4 * rest


def test_a_single_head_for_which_there_is_no_room_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(training, "_learn", refuse)
    with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate"):
        train(SPECS[:1])
