"""A small bank of probes on random tokens, for the tests of streaming banks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from suite.probes.bank import evaluate_pooled, train_bank
from suite.probes.learner import Answers, ProbeLearner, ProbeSpec
from suite.probes.predict import evaluation_batches
from suite.training.distributed import ALONE, World
from suite.training.schedules import Cosine

N, D, C = 52, 12, 3
EPOCHS = 3
_DRAWS = torch.Generator().manual_seed(0)
LABELS = torch.randint(0, C, (N,), generator=_DRAWS)
VIEWS = torch.randn(EPOCHS, N, 5, D, generator=_DRAWS) + torch.eye(C, D)[LABELS][None, :, None]
WARM = Cosine(EPOCHS, warmup_epochs=1, final_lr=1e-3, per_step=True)
EVALUATED = evaluation_batches(N, 10, 3)
"""Batches of ten, as three ranks that stride over the items see them."""
SPECS = [
    ProbeSpec("linear", "a", "linear", D, C, lr=0.5, batch_size=16, schedule=Cosine(EPOCHS)),
    ProbeSpec("attentive", "a", "attentive", D, C, lr=0.05, batch_size=8, schedule=WARM, num_heads=3),
    ProbeSpec("lars", "b", "normed_linear", D, C, lr=5, batch_size=16, schedule=WARM, optimizer="lars", drop_last=True),
]


class Tokens:
    """A source of the tokens above, by epoch, of two encoders; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[int]]] = []

    def __len__(self) -> int:
        return N

    def tokens(self, epoch: int, chunks: Sequence[Tensor]) -> Iterator[dict[str, Tensor]]:
        for chunk in chunks:
            self.asked.append((epoch, chunk.tolist()))
            yield {"a": VIEWS[epoch, chunk], "b": VIEWS[epoch, chunk] * 2 + 1}


def judge(probes: Sequence[ProbeLearner]) -> dict[str, Answers]:
    chunks = torch.arange(N).split(10)
    world = probes[0].world if probes else ALONE
    tokens = Tokens().tokens(0, [world.share(chunk) for chunk in chunks])
    return evaluate_pooled(probes, chunks, tokens, LABELS, batches=EVALUATED)


def train(
    specs: Sequence[ProbeSpec] = SPECS, *, folder: Path | None = None, world: World = ALONE, **options
) -> dict[str, ProbeLearner]:
    defaults = {"seed": 4, "judge": judge, "source": Tokens(), "identity": {"a": "a", "b": "b"}, "checkpoint_s": 0}
    options = defaults | options
    return train_bank(specs, options.pop("source"), LABELS, checkpoints=folder, world=world, **options)


def weights(probe: ProbeLearner) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in probe.head.state_dict().items()}


def assert_same(found: dict[str, ProbeLearner], expected: dict[str, ProbeLearner]) -> None:
    assert found.keys() == expected.keys()
    for name, probe in found.items():
        for part, value in weights(probe).items():
            assert torch.equal(value, weights(expected[name])[part]), (name, part)
        assert probe.losses() == expected[name].losses()
        assert probe.accuracy == expected[name].accuracy
        for epoch in ("last", "best"):
            pairs = zip(probe.answers[epoch][:2], expected[name].answers[epoch][:2], strict=True)
            assert all(torch.equal(answer, other) for answer, other in pairs)
        assert probe.evaluation_losses == expected[name].evaluation_losses
