"""Bank of any number of probes, trained over one pass of the encoders: tokens stream by, none is stored.

Source: paper, implementation details, probing; code of CAE, tools/run_linear.py and tools/run_attentive.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suite.core.digests import digest_of
from suite.core.memory import in_parts
from suite.errors import RequestError
from suite.metrics.classification import top1
from suite.probes.learner import Answers, ProbeLearner, ProbeSpec
from suite.probes.predict import predict
from suite.training.checkpoints import checkpoints_in
from suite.training.distributed import ALONE, World
from suite.training.loop import OnRound, train

_CODE = ("suite.probes.bank", "suite.encoders", "suite.features", "suite.imagenet_pipeline.tokens")
"""Code that makes a probe's weights."""


class TokenSource(Protocol):
    """Source of the tokens of N items, for any epoch, in any order."""

    def __len__(self) -> int: ...

    def tokens(self, epoch: int, chunks: Sequence[Tensor]) -> Iterator[Mapping[str, Tensor]]:
        """Yield encoder's name -> (b, 1 + n, D), for the b items of each chunk in turn."""


Judge = Callable[[Sequence[ProbeLearner]], Mapping[str, Answers]]
"""Judge of probes: by name, what each evaluation item was taken for, and whether it is that."""


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
    tokens are held, so a checkpoint is small. A probe whose checkpoint is ahead joins when the others catch up. Where
    memory has no room for all, one half is trained after the other; not where processes share a batch, since the others
    would wait for the one that has no room.

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
    labels_here = labels.to(device)
    if len(labels) != len(source):
        raise RequestError(f"bank of probes: expected {len(source)} labels, got {len(labels)}")
    made_of = None if identity is None else {s.name: [identity[s.encoder], seed, len(labels)] for s in specs}
    store = checkpoints_in(checkpoints, made_of, *_CODE)

    def train_part(part: Sequence[ProbeSpec]) -> list[ProbeLearner]:
        learners = [ProbeLearner(spec, device, world) for spec in part]
        rounds = _Rounds(source, labels_here, seed=seed, size=size, chunk=chunk, world=world)

        def evaluate(done: int, active: Sequence[ProbeLearner]) -> None:
            if done % rounds.in_epoch == 0:
                by_name = {learner.name: learner for learner in active}
                for name, answers in judge(active).items():
                    by_name[name].note(done // rounds.in_epoch, answers)

        train(
            learners,
            epochs * rounds.in_epoch,
            rounds.learn,
            evaluate,
            look_every=rounds.in_epoch,
            checkpoints=store,
            checkpoint_s=checkpoint_s,
            on_round=on_round,
            stop=stop,
            world=world,
        )
        return learners

    banks = in_parts(specs, train_part, "probes") if world.size == 1 else [train_part(specs)]
    return {learner.name: learner for bank in banks for learner in bank}


def epoch_order(items: int, seed: int, epoch: int) -> Tensor:
    """Order an epoch, (N,): a function of the two numbers, so that any epoch can be gone on with."""
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
) -> dict[str, Answers]:
    """Name every evaluation item, with one pass of the encoders for all probes.

    Args:
        learners: the probes.
        chunks: the items, in order, in global chunks.
        tokens: of this process's share of each chunk.
        labels: (N,) of the items in that order.
        batches: of the classification, on whose statistics a published attentive head depends; the same for any number
            of processes (see `suite.probes.predict.evaluation_batches`).

    Returns:
        By probe, of N items, on the CPU.
    """
    pooled: dict[str, list[Tensor]] = {learner.spec.name: [] for learner in learners}
    for chunk, by_encoder in zip(chunks, tokens, strict=True):
        for learner in learners:
            inputs = by_encoder[learner.spec.encoder].to(next(learner.head.parameters()))
            rows = learner.world.gather(learner.head.pool(inputs), len(chunk))
            pooled[learner.spec.name].append(rows)
    answers = {}
    for learner in learners:
        logits = predict(_Classifier(learner), torch.cat(pooled[learner.spec.name]), batches=batches)
        loss = float(F.cross_entropy(logits, labels.cpu()))
        answers[learner.spec.name] = Answers(*top1(logits, labels.cpu()), loss)
    return answers


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


class _Rounds:
    """The rounds of an epoch: its items in an order of its own, whose tokens stream by."""

    def __init__(self, source: TokenSource, labels: Tensor, *, seed: int, size: int, chunk: int, world: World) -> None:
        """Begin as `train_bank` says; a round has `size` items, which come in chunks."""
        self.source, self.labels, self.seed = source, labels, seed
        self.size, self.chunk, self.world = size, chunk, world
        self._epoch = -1
        self._order = torch.empty(0)
        self._tokens: Iterator[Mapping[str, Tensor]] = iter(())

    @property
    def in_epoch(self) -> int:
        """Rounds of an epoch, the last of which may be smaller."""
        return -(-len(self.labels) // self.size)

    def learn(self, number: int, learners: Sequence[ProbeLearner]) -> None:
        """Do a round, counted from 0 over all epochs; after the first one they come in turn."""
        epoch, place = divmod(number, self.in_epoch)
        if epoch != self._epoch:
            self._begin(epoch, place)
        position = place * self.size
        for part in self._parts(place):
            tokens, labels = next(self._tokens), self.labels[part.to(self.labels.device)]
            for learner in learners:
                inputs = tokens[learner.spec.encoder].to(labels.device)
                learner.take(inputs, labels, epoch=epoch, position=position, items=len(self.labels))
            position += len(part)
        if position == len(self.labels):
            for learner in learners:
                learner.flush()

    def _begin(self, epoch: int, place: int) -> None:
        """Ask for the tokens of an epoch, from one of its rounds on."""
        self._epoch, self._order = epoch, epoch_order(len(self.labels), self.seed, epoch)
        parts = [part for number in range(place, self.in_epoch) for part in self._parts(number)]
        self._tokens = self.source.tokens(epoch, [self.world.share(part) for part in parts])

    def _parts(self, place: int) -> tuple[Tensor, ...]:
        """Return the items of a round of this epoch, in chunks."""
        return self._order[place * self.size : (place + 1) * self.size].split(self.chunk)


def _sizes(specs: Sequence[ProbeSpec]) -> tuple[int, int, int]:
    """Return epochs, items a chunk (the smallest batch), items a round (the largest)."""
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
