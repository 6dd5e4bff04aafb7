"""Train any number of probes over one pass of the encoders: tokens stream by, none is stored.

Source: paper, implementation details, probing; code of CAE, tools/run_linear.py and tools/run_attentive.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from suite.core.digests import digest_of
from suite.core.numerics import environment_of
from suite.core.source_code import code_digest
from suite.errors import RequestError
from suite.probes.learner import ProbeLearner, ProbeSpec
from suite.probes.predict import predict
from suite.protocol.constants import constants_digest
from suite.training.checkpoints import read_tensors, write_tensors
from suite.training.distributed import ALONE, World

_CODE = ("suite.probes.bank", "suite.encoders", "suite.features", "suite.imagenet_pipeline.tokens")
"""What a probe's weights are made by."""


class TokenSource(Protocol):
    """Where the tokens of N items come from, for any epoch, in any order."""

    def __len__(self) -> int: ...

    def tokens(self, epoch: int, chunks: Sequence[Tensor]) -> Iterator[Mapping[str, Tensor]]:
        """Encoder's name -> (b, 1 + n, D), for the b items of each chunk in turn."""


Judge = Callable[[Sequence[ProbeLearner]], Mapping[str, Tensor]]
"""Probes -> by name, (N,) whether each evaluation item was named correctly."""
OnRound = Callable[[int, int, float], None]
"""(rounds done, rounds in all, seconds left)."""


def train_bank(
    specs: Sequence[ProbeSpec],
    source: TokenSource,
    labels: Tensor,
    *,
    seed: int,
    judge: Judge,
    device: torch.device | str = "cpu",
    world: World = ALONE,
    identity: Mapping[str, object] | None = None,
    checkpoints: Path | None = None,
    checkpoint_s: float = 300.0,
    on_round: OnRound | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, ProbeLearner]:
    """Train probes side by side; each ends as it would alone, whatever the others' batch sizes.

    A round is the largest batch; smaller ones must divide it, and step several times within. Between rounds no
    tokens are held, so a checkpoint is small. A probe whose checkpoint is ahead joins when the others catch up.

    Args:
        specs: the probes, all of as many epochs.
        source: of the training items' tokens.
        labels: (N,) integers.
        seed: of the order of the items, with the epoch.
        judge: called after each epoch; see `evaluate_pooled`.
        device: where heads learn.
        world: the processes that share each batch; all call this alike.
        identity: by encoder, digests of it, data and protocol; needed with `checkpoints`.
        checkpoints: folder for checkpoints, or None.
        checkpoint_s: seconds between them; 0 for one after each round.
        on_round: told how far it is.
        stop: asked after each round; True, in any process, ends the training.

    Returns:
        The probes by name, with losses and evaluations.

    Raises:
        RequestError: batch sizes or epochs that do not fit together, or checkpoints without an identity.
        MetricError: a loss that is not finite.
        StorageError: a checkpoint cannot be written; older ones stay.
        KeyboardInterrupt: `stop` said so; checkpoints are written.
    """
    epochs, chunk, size = _sizes(specs)
    if len(labels) != len(source):
        raise RequestError(f"bank of probes: expected {len(source)} labels, got {len(labels)}")
    if checkpoints is not None and identity is None:
        raise RequestError(f"{checkpoints}: checkpoints need `identity`, which says what the training depends on")
    learners = [ProbeLearner(spec, device, world) for spec in specs]
    facts = {name: [digests, seed, len(labels)] for name, digests in (identity or {}).items()}
    paths = {} if checkpoints is None else _restore(learners, checkpoints, facts)
    rounds = -(-len(labels) // size)
    first = min(learner.rounds for learner in learners)
    began = saved = time.monotonic()
    for epoch in range(first // rounds, epochs):
        order = epoch_order(len(labels), seed, epoch)
        skipped = max(0, first - epoch * rounds)
        plan = [order[r * size : (r + 1) * size].split(chunk) for r in range(skipped, rounds)]
        tokens = source.tokens(epoch, [world.share(part) for parts in plan for part in parts])
        for number, parts in enumerate(plan, skipped):
            done = epoch * rounds + number + 1
            active = [learner for learner in learners if learner.rounds == done - 1]
            _learn(active, parts, tokens, labels.to(device), (epoch, number * size))
            last = number + 1 == rounds
            if last:
                for name, correct in judge(active).items():
                    next(learner for learner in active if learner.spec.name == name).note(epoch + 1, correct)
            stopping = world.agree(stop())
            if paths and world.rank == 0:
                due = stopping or done == epochs * rounds or time.monotonic() - saved >= checkpoint_s
                for learner in active if due else ():
                    path = paths[learner.spec.name]
                    write_tensors(path, learner.state(), path.stem)
                saved = time.monotonic() if due else saved
            if on_round:
                left = (time.monotonic() - began) / (done - first) * (epochs * rounds - done)
                on_round(done, epochs * rounds, left)
            if stopping and done < epochs * rounds:
                raise KeyboardInterrupt(f"stopped after round {done} of {epochs * rounds}")
        for learner in learners:
            learner.losses()  # raises where one is not finite
    return {learner.spec.name: learner for learner in learners}


def epoch_order(items: int, seed: int, epoch: int) -> Tensor:
    """(N,) the order of an epoch: a function of the two numbers, so that any epoch can be gone on with."""
    mixed = int(digest_of([seed, epoch])[:15], 16)
    return torch.randperm(items, generator=torch.Generator().manual_seed(mixed))


@torch.no_grad()
def evaluate_pooled(
    learners: Sequence[ProbeLearner],
    chunks: Sequence[Tensor],
    tokens: Iterator[Mapping[str, Tensor]],
    labels: Tensor,
    *,
    batches: Sequence[Tensor],
) -> dict[str, Tensor]:
    """Name every evaluation item, with one pass of the encoders for all probes.

    Args:
        learners: the probes.
        chunks: the items, in order, in global chunks.
        tokens: of this process's share of each chunk.
        labels: (N,) of the items in that order.
        batches: of the classification, on whose statistics a published attentive head depends; the same for any number
            of processes (see `suite.probes.predict.evaluation_batches`).

    Returns:
        By probe, (N,) bool on the CPU.
    """
    pooled: dict[str, list[Tensor]] = {learner.spec.name: [] for learner in learners}
    for chunk, by_encoder in zip(chunks, tokens, strict=True):
        for learner in learners:
            inputs = by_encoder[learner.spec.encoder].to(next(learner.head.parameters()))
            rows = learner.world.gather(learner.head.pool(inputs), len(chunk))
            pooled[learner.spec.name].append(rows)
    found = {}
    for learner in learners:
        logits = predict(_Classifier(learner), torch.cat(pooled[learner.spec.name]), batches=batches)
        found[learner.spec.name] = logits.argmax(1) == labels.cpu()
    return found


class _Classifier(nn.Module):
    """The second part of a head as a module of its own."""

    def __init__(self, learner: ProbeLearner) -> None:
        super().__init__()
        self.head = learner.head

    @property
    def smallest_batch(self) -> int:
        return self.head.smallest_batch

    def forward(self, pooled: Tensor) -> Tensor:
        return self.head.classify(pooled)


def _learn(
    learners: Sequence[ProbeLearner],
    parts: Sequence[Tensor],
    tokens: Iterator[Mapping[str, Tensor]],
    labels: Tensor,
    at: tuple[int, int],
) -> None:
    """One round."""
    epoch, position = at
    for part in parts:
        by_encoder = next(tokens)
        known = labels[part.to(labels.device)]
        for learner in learners:
            own = by_encoder[learner.spec.encoder].to(known.device)
            learner.take(own, known, epoch=epoch, position=position, items=len(labels))
        position += len(part)
    for learner in learners:
        learner.flush() if position == len(labels) else None
        learner.rounds += 1


def _sizes(specs: Sequence[ProbeSpec]) -> tuple[int, int, int]:
    """Epochs, items a chunk (the smallest batch), items a round (the largest)."""
    names = [spec.name for spec in specs]
    if not specs or len(set(names)) < len(names):
        raise RequestError(f"bank of probes: expected one or more, of different names, got {names}")
    sizes = sorted({spec.batch_size for spec in specs})
    if any(sizes[-1] % size or size % sizes[0] for size in sizes):
        raise RequestError(f"bank of probes: expected batch sizes that divide one another, got {sizes}")
    epochs = {spec.schedule.epochs for spec in specs}
    if len(epochs) > 1:
        raise RequestError(f"bank of probes: expected as many epochs for each, got {sorted(epochs)}")
    return epochs.pop(), sizes[0], sizes[-1]


def _restore(learners: Sequence[ProbeLearner], folder: Path, facts: Mapping[str, object]) -> dict[str, Path]:
    """Let every probe go on from its checkpoint; returns where they lie, by name."""
    paths = {}
    for learner in learners:
        made_on = environment_of(next(learner.head.parameters()).device)
        digest = digest_of(
            [facts[learner.spec.encoder], learner.facts, code_digest(*_CODE), constants_digest(), made_on]
        )
        path = paths[learner.spec.name] = folder / f"{digest}.safetensors"
        found = read_tensors(path, digest, whose=f"probe {learner.spec.name}")
        if found is not None:
            learner.restore(found)
    return paths
