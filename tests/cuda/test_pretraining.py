"""A step of the mini study's own pretraining, on the stand-in for a GPU."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from tests.support.card import CARD, card

pytest.importorskip("lightly")


def test_a_step_of_pretraining_is_lowered_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    from suite.mini.pretrain import methods
    from suite.mini.pretrain.train import Run

    dtypes = []

    class Objective(nn.Linear):
        views, colour = 1, False
        before_update = after_update = staticmethod(lambda *_: None)

        def loss(self, views: Tensor, labels: Tensor) -> tuple[Tensor, None]:
            logits = self(views)
            dtypes.append(logits.dtype)
            return nn.functional.cross_entropy(logits.float(), labels), None

    monkeypatch.setattr(methods, "views", lambda images, _count, *, colour: images)
    with card(monkeypatch):
        objective = Objective(4, 3).to("cuda")
        batch = (torch.ones(2, 4, device=CARD), torch.tensor([0, 1], device=CARD))
        run = SimpleNamespace(
            seed=0,
            step=0,
            device=CARD,
            objective=objective,
            budget=SimpleNamespace(batch=2, lr=0.1, warmup=1, steps=4),
            train_set=SimpleNamespace(batch=lambda *_: batch),
            optimizer=torch.optim.SGD(objective.parameters(), lr=0.1),
        )
        loss = Run.take_step(run)
    assert loss > 0
    assert dtypes == [torch.bfloat16]
