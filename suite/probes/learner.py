"""One probe of a bank: how it is described, and how it learns from tokens that stream by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

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
from suite.training.state import Losses, restore_state, state_of

Kind = Literal["linear", "normed_linear", "attentive"]
_KEPT_BYTES = 1 << 30
"""Tokens of a step up to which the pooling's intermediate values are kept; beyond it they are computed twice."""
_POOLED_AT_ONCE = 256


class Head(Protocol):
    """A probe in two parts: what concerns an item alone, and what a batch shares."""

    def pool(self, tokens: Tensor) -> Tensor:
        """(B, 1 + n, D) -> (B, D)."""

    def classify(self, pooled: Tensor) -> Tensor:
        """(B, D) -> (B, C)."""


@dataclass(frozen=True)
class Schedule:
    """Learning rate over a training.

    Attributes:
        epochs: in all.
        warmup_epochs: of a line from 0 to the peak.
        final_lr: what the cosine ends in.
        per_step: the rate follows every step; else it is that of the epoch's begin.
    """

    epochs: int
    warmup_epochs: int = constant("probes", "warmup_epochs")
    final_lr: float = constant("probes", "final_lr")
    per_step: bool = False

    def lr(self, peak: float, epoch: float) -> float:
        """Rate at a time, in epochs from 0 (code of CAE, linear_util/lr_sched.py; MoCo's for no warm-up)."""
        now = epoch if self.per_step else math.floor(epoch)
        if now < self.warmup_epochs:
            return peak * now / self.warmup_epochs
        share = (now - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        return self.final_lr + (peak - self.final_lr) * 0.5 * (1 + math.cos(math.pi * share))


@dataclass(frozen=True)
class ProbeSpec:
    """What to train.

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
    schedule: Schedule
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
        """A head with its first weights, drawn on the CPU, so that no device makes others."""
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


class ProbeLearner:
    """A head, its optimizer, and where it has got to. Between rounds of a training it holds no tokens."""

    def __init__(self, spec: ProbeSpec, device: torch.device | str = "cpu", world: World = ALONE) -> None:
        self.spec, self.world = spec, world
        self.head = spec.head().to(device).eval()
        self.optimizer = _optimizer(spec, self.head)
        self.rounds = 0
        self.accuracy: list[tuple[int, float]] = []
        self.correct: dict[str, Tensor] = {}
        self._losses = Losses(f"probe {spec.name}", f"lower the learning rate ({spec.lr:g})")
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
        if sum(len(known) for _, known in self._waiting) >= self.spec.batch_size:
            self._step()

    def flush(self) -> None:
        """End of an epoch: step on what fills no batch, or leave it out, as the protocol says."""
        if self._waiting and not self.spec.drop_last:
            self._step()
        self._waiting.clear()

    def _step(self) -> None:
        waiting, self._waiting = self._waiting, []
        labels = torch.cat([known for _, known in waiting])
        self.head.train()
        if len(labels) >= self.head.smallest_batch:
            for group in self.optimizer.param_groups:
                group["lr"] = self.spec.schedule.lr(self.spec.lr, self._now)
            self._losses.add(self._learn([tokens for tokens, _ in waiting], [len(k) for _, k in waiting], labels))
        self.head.eval()

    def _learn(self, shares: list[Tensor], totals: list[int], labels: Tensor) -> Tensor:
        """One step on a global batch, given as chunks, of which each process holds its share."""
        keep = sum(tokens.numel() * tokens.element_size() for tokens in shares) <= _KEPT_BYTES
        pooled = [self._pool(tokens, keep=keep) for tokens in shares]
        whole = [self.world.gather(part.detach(), total) for part, total in zip(pooled, totals, strict=True)]
        leaf = torch.cat(whole).requires_grad_()
        loss = F.cross_entropy(self.head.classify(leaf), labels)
        self.optimizer.zero_grad()
        loss.backward()
        if pooled[0].requires_grad:
            assert leaf.grad is not None
            mine = [gradient[self.world.span(len(gradient))] for gradient in leaf.grad.split(totals)]
            own = [p for p in self.head.parameters() if p.grad is None]  # what comes before the pooling
            torch.cat(pooled).backward(torch.cat(mine))
            self.world.add(p.grad for p in own if p.grad is not None)
        self.optimizer.step()
        return loss

    def _pool(self, tokens: Tensor, *, keep: bool) -> Tensor:
        """(b, D); piece by piece, so that a large batch fits."""
        tokens = tokens.to(next(self.head.parameters()).dtype) if keep else tokens
        if keep or self.spec.kind != "attentive":
            return self.head.pool(tokens)
        pieces = [
            checkpoint(self._pool_as_float, piece, use_reentrant=False) for piece in tokens.split(_POOLED_AT_ONCE)
        ]
        return torch.cat(pieces)

    def _pool_as_float(self, tokens: Tensor) -> Tensor:
        return self.head.pool(tokens.to(next(self.head.parameters()).dtype))

    def losses(self) -> list[float]:
        """The loss of each step so far.

        Raises:
            MetricError: one of them is not finite.
        """
        return self._losses.values()

    def note(self, epoch: int, correct: Tensor) -> None:
        """Keep an evaluation: its accuracy, and of the last and of the best which items were right.

        Args:
            epoch: epochs done.
            correct: (N,) bool.
        """
        value = float(correct.double().mean())
        best = max((known for _, known in self.accuracy), default=-1.0)
        self.accuracy = [entry for entry in self.accuracy if entry[0] != epoch] + [(epoch, value)]
        self.correct["last"] = correct.cpu()
        if value > best:
            self.correct["best"] = correct.cpu()

    def state(self) -> dict[str, Tensor]:
        """Everything that the next round depends on, and what came of the rounds so far."""
        tensors = {f"correct.{name}": value.to(torch.uint8) for name, value in self.correct.items()}
        tensors["losses"] = torch.tensor(self.losses(), dtype=torch.float32)
        tensors["accuracy"] = torch.tensor(self.accuracy, dtype=torch.float64).reshape(-1, 2)
        tensors["rounds"] = torch.tensor(self.rounds)
        return state_of(self.head, self.optimizer) | tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        restore_state(self.head, self.optimizer, tensors)
        names = {name: name.removeprefix("correct.") for name in tensors if name.startswith("correct.")}
        self.correct = {short: tensors[name].bool() for name, short in names.items()}
        self._losses.restore(tensors["losses"])
        self._waiting = []
        self.accuracy = [(int(epoch), value) for epoch, value in tensors["accuracy"].tolist()]
        self.rounds = int(tensors["rounds"])

    @property
    def facts(self) -> object:
        """What its weights depend on, besides tokens and labels."""
        return [asdict(self.spec), next(self.head.parameters()).device.type]


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
