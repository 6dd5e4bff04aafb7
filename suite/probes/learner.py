"""One probe of a bank: how it is described, and how it learns from tokens that stream by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from timm.optim.lars import Lars
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from suite.errors import RequestError
from suite.probes.attentive import AttentiveHead, Initial, Statistics
from suite.probes.linear import LinearHead
from suite.probes.normed import NormedLinearHead
from suite.protocol.constants import constant
from suite.training.distributed import ALONE, World
from suite.training.learner import Learner
from suite.training.schedules import Cosine

Kind = Literal["linear", "normed_linear", "attentive"]
_KEPT_BYTES = 1 << 30
"""Tokens of a step up to which the pooling's intermediate values are kept; beyond it they are computed twice."""
_POOLED_AT_ONCE = 256


class Head(Protocol):
    """A probe in two parts: what concerns an item alone, and what a batch shares."""

    def pool(self, tokens: Tensor) -> Tensor:
        """Map (B, 1 + n, D) to (B, D)."""

    def classify(self, pooled: Tensor) -> Tensor:
        """Map (B, D) to (B, C)."""


class Answers(NamedTuple):
    """What a probe took N evaluation items for.

    Attributes:
        predicted: (N,) integers, the class with the highest logit.
        correct: (N,) bool, whether it is the label's.
        loss: mean cross-entropy over the items.
    """

    predicted: Tensor
    correct: Tensor
    loss: float = math.nan


@dataclass(frozen=True)
class ProbeSpec:
    """Specification of a probe to train.

    Attributes:
        name: unique in its bank.
        encoder: name of the encoder whose tokens it reads.
        kind: of head.
        embed_dim: D.
        num_classes: C.
        lr: peak, as the optimizer sees it.
        batch_size: global, items a step.
        schedule: of the learning rate.
        optimizer: SGD or LARS; see `suite/protocol/constants.toml`, probes and cae_probes.
        drop_last: leave out the items of an epoch that fill no batch.
        num_heads: of an attentive head.
        eval_statistics: of an attentive head's batch norm.
        initial: whose first weights an attentive head has.
        seed: of the initial weights.
    """

    name: str
    encoder: str
    kind: Kind
    embed_dim: int
    num_classes: int
    lr: float
    batch_size: int
    schedule: Cosine
    optimizer: Literal["sgd", "lars"] = "sgd"
    drop_last: bool = False
    num_heads: int = 12
    eval_statistics: Statistics = "batch"
    initial: Initial = "paper"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        s = self.schedule
        if self.batch_size < 1 or not self.lr >= 0 or not 0 <= s.warmup_epochs < s.epochs:
            raise RequestError(
                f"probe {self.name}: expected a batch of 1 or more, a rate of 0 or more and a warm-up shorter than "
                f"the training, got {self.batch_size}, {self.lr} and {s.warmup_epochs} of {s.epochs} epochs"
            )

    def head(self) -> LinearHead | AttentiveHead:
        """Return a head with its first weights, drawn on the CPU, so that no device makes others."""
        generator = torch.Generator().manual_seed(self.seed)
        if self.kind == "attentive":
            return AttentiveHead(
                self.embed_dim,
                self.num_classes,
                num_heads=self.num_heads,
                eval_statistics=self.eval_statistics,
                initial=self.initial,
                generator=generator,
            )
        kind = LinearHead if self.kind == "linear" else NormedLinearHead
        return kind(self.embed_dim, self.num_classes, generator=generator)


class ProbeLearner(Learner):
    """A probe that learns from tokens and is judged after each epoch. Between rounds it holds no tokens."""

    head: LinearHead | AttentiveHead

    def __init__(self, spec: ProbeSpec, device: torch.device | str = "cpu", world: World = ALONE) -> None:
        head = spec.head().to(device).eval()
        remedy = f"lower the learning rate ({spec.lr:g})"
        super().__init__("probe", spec.name, head, _optimizer(spec, head), remedy=remedy)
        self.spec, self.world = spec, world
        self.accuracy: list[tuple[int, float]] = []
        self.evaluation_losses: list[tuple[int, float]] = []
        self.answers: dict[str, Answers] = {}
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._now = 0.0

    def take(self, tokens: Tensor, labels: Tensor, *, epoch: int, position: int, items: int) -> None:
        """Receive a chunk of a batch, and step when the batch is full.

        Args:
            tokens: (b, 1 + n, D) of this process's share of the chunk.
            labels: (B,) of the whole chunk.
            epoch: from 0.
            position: items of the epoch before this chunk.
            items: of a whole epoch.
        """
        whole, rest = divmod(items, self.spec.batch_size)
        steps = max(1, whole + (rest > 0 and not self.spec.drop_last))
        self._now = epoch + position // self.spec.batch_size / steps
        inputs = tokens if self.spec.kind == "attentive" else tokens[:, :1].clone()
        self._waiting.append((inputs, labels))
        if sum(len(part) for _, part in self._waiting) >= self.spec.batch_size:
            self._step()

    def flush(self) -> None:
        """End an epoch: step on what fills no batch, or leave it out, as the protocol says."""
        if self._waiting and not self.spec.drop_last:
            self._step()
        self._waiting.clear()

    def _step(self) -> None:
        waiting, self._waiting = self._waiting, []
        labels = torch.cat([part for _, part in waiting])
        self.head.train()
        if len(labels) >= self.head.smallest_batch:
            for group in self.optimizer.param_groups:
                group["lr"] = self.spec.schedule.lr(self.spec.lr, self._now)
            self._course.add(*self._learn([tokens for tokens, _ in waiting], [len(k) for _, k in waiting], labels))
        self.head.eval()

    def _learn(self, shares: list[Tensor], totals: list[int], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Step on a global batch, given as chunks, of which each process holds its share; return loss and accuracy."""
        keep = sum(tokens.numel() * tokens.element_size() for tokens in shares) <= _KEPT_BYTES
        pooled = [self._pool(tokens, keep=keep) for tokens in shares]
        gathered = [self.world.gather(part.detach(), total) for part, total in zip(pooled, totals, strict=True)]
        leaf = torch.cat(gathered).requires_grad_()
        logits = self.head.classify(leaf)
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        if pooled[0].requires_grad:
            assert leaf.grad is not None
            gradients = [gradient[self.world.span(len(gradient))] for gradient in leaf.grad.split(totals)]
            pooling = [p for p in self.head.parameters() if p.grad is None]  # what comes before the pooling
            torch.cat(pooled).backward(torch.cat(gradients))
            self.world.add(p.grad for p in pooling if p.grad is not None)
        self.optimizer.step()
        return loss, (logits.detach().argmax(1) == labels).float().mean()

    def _pool(self, tokens: Tensor, *, keep: bool) -> Tensor:
        """Pool to (b, D); piece by piece, so that a large batch fits."""
        tokens = tokens.to(next(self.head.parameters()).dtype) if keep else tokens
        if keep or self.spec.kind != "attentive":
            return self.head.pool(tokens)
        pieces = [
            checkpoint(self._pool_as_float, piece, use_reentrant=False) for piece in tokens.split(_POOLED_AT_ONCE)
        ]
        return torch.cat(pieces)

    def _pool_as_float(self, tokens: Tensor) -> Tensor:
        return self.head.pool(tokens.to(next(self.head.parameters()).dtype))

    def note(self, epoch: int, answers: Answers) -> None:
        """Keep an evaluation: its accuracy and loss, and of the last and of the best what every item was taken for.

        Args:
            epoch: epochs done.
            answers: of N items.
        """
        value = float(answers.correct.double().mean())
        best = max((earlier for _, earlier in self.accuracy), default=-1.0)
        self.accuracy = [entry for entry in self.accuracy if entry[0] != epoch] + [(epoch, value)]
        losses = [entry for entry in self.evaluation_losses if entry[0] != epoch]
        self.evaluation_losses = [*losses, (epoch, answers.loss)]
        answers = Answers(answers.predicted.cpu().to(torch.int32), answers.correct.cpu())
        self.answers["last"] = answers
        if value > best:
            self.answers["best"] = answers

    def state(self) -> dict[str, Tensor]:
        """Return a learner's state, and what came of the evaluations so far."""
        tensors = {f"predicted.{name}": answers.predicted.clone() for name, answers in self.answers.items()}
        tensors |= {f"correct.{name}": answers.correct.to(torch.uint8) for name, answers in self.answers.items()}
        for name, values in (("accuracy", self.accuracy), ("evaluation_losses", self.evaluation_losses)):
            tensors[name] = torch.tensor(values, dtype=torch.float64).reshape(-1, 2)
        return super().state() | tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        super().restore(tensors)
        names = [name.removeprefix("correct.") for name in tensors if name.startswith("correct.")]
        self.answers = {
            name: Answers(tensors[f"predicted.{name}"], tensors[f"correct.{name}"].bool()) for name in names
        }
        self._waiting = []
        self.accuracy, self.evaluation_losses = (
            [(int(epoch), value) for epoch, value in tensors[name].tolist()]
            for name in ("accuracy", "evaluation_losses")
        )

    @property
    def facts(self) -> object:
        """Facts that its weights depend on, besides tokens and labels."""
        return asdict(self.spec)


def _optimizer(spec: ProbeSpec, head: nn.Module) -> torch.optim.Optimizer:
    if spec.optimizer == "sgd":
        return torch.optim.SGD(
            head.parameters(),
            lr=spec.lr,
            momentum=constant("probes", "momentum"),
            weight_decay=constant("probes", "weight_decay"),
            nesterov=constant("probes", "nesterov"),
        )
    # CAE adapts the rate of matrices only; timm's LARS without weight decay only of groups that always adapt
    matrices = [p for p in head.parameters() if p.ndim > 1]
    others = [p for p in head.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "always_adapt": True}, {"params": others, "always_adapt": False}]
    return Lars(
        groups,
        lr=spec.lr,
        momentum=constant("cae_probes", "lars_momentum"),
        weight_decay=constant("cae_probes", "lars_weight_decay"),
        trust_coeff=constant("cae_probes", "lars_trust"),
        eps=constant("cae_probes", "lars_eps"),
    )
