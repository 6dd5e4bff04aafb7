"""One head of a bank: how it is described, and how it learns; it knows nothing of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from suite.core.precision import tf32_matmul
from suite.errors import RequestError
from suite.probes.segmentation import SegmentationHead
from suite.probes.tiled_loss import IGNORED
from suite.probes.upsampling import enlarge
from suite.protocol.constants import constant
from suite.segmentation.auxiliary import LOSS_WEIGHT, AuxiliaryHead, dropout
from suite.segmentation.fused import FastestLoss
from suite.training.learner import Learner
from suite.training.schedules import Poly

BETAS: tuple[float, float] = constant("segmentation", "betas")
EPS: float = constant("segmentation", "eps")
Head = SegmentationHead | AuxiliaryHead


@dataclass(frozen=True)
class HeadSpec:
    """Specification of a head to train.

    Attributes:
        name: unique in its bank.
        label_set: whose labels it learns.
        num_classes: C.
        lr: of AdamW, at its peak.
        weight_decay: of AdamW, decoupled.
        decay_bias: the bias decays too, and whatever else is one number a channel. The official code's layer-decay
            constructor (MAE, CAE, BEiT) spares it, its default one (DeiT, MoCo v3, DINO, iBOT) does not.
        seed: of the initial weights, and of an auxiliary head's dropout.
        enlarge_first: 1: logits are enlarged in one step, as the official code does; 4: by 4 and then the rest, which
            equals enlarging the features by 4 before the head, as the paper says.
        data: digest of the images and labels that it learns from; part of what names its checkpoint.
        auxiliary: None for a linear head on all channels of the features; first channel and the one after the last for
            an `AuxiliaryHead`, a member of the bank like any other.
    """

    name: str
    label_set: str
    num_classes: int
    lr: float = 4e-4
    weight_decay: float = 0.05
    decay_bias: bool = True
    seed: int = 0
    enlarge_first: int = 1
    data: str = ""
    auxiliary: tuple[int, int] | None = None

    @property
    def loss_weight(self) -> float:
        """Factor of its cross-entropy."""
        return 1.0 if self.auxiliary is None else LOSS_WEIGHT

    def __post_init__(self) -> None:
        """Refuse what no optimizer can use."""
        if self.num_classes < 1 or self.enlarge_first < 1 or not self.lr >= 0 or not self.weight_decay >= 0:
            raise RequestError(f"segmentation head: expected positive sizes and rates of at least 0, got {self}")


class HeadLearner(Learner):
    """A head that learns from features; a round of its training is one step.

    Attributes:
        loss: of its logits, which notes how it was computed.
    """

    head: Head

    def __init__(
        self, spec: HeadSpec, in_channels: int, schedule: Poly, device: torch.device, *, half: bool = False
    ) -> None:
        """Draw the head's weights, on the CPU, so that no device makes others.

        Args:
            spec: of the head.
            in_channels: of the features.
            schedule: of its learning rate.
            device: where it learns.
            half: on a GPU its matrix products have the precision of half ones (see `tf32_matmul`).
        """
        self.spec, self.schedule, self.half, self.loss = spec, schedule, half, FastestLoss()
        generator = torch.Generator().manual_seed(spec.seed)
        head = _drawn(spec, in_channels, generator).to(device).eval()
        groups = [
            {"params": [p], "weight_decay": spec.weight_decay * (p.ndim > 1 or spec.decay_bias)}
            for p in head.parameters()
        ]
        optimizer = torch.optim.AdamW(groups, lr=spec.lr, betas=BETAS, eps=EPS)
        remedy = f"labels outside [0, {spec.num_classes}) or too high a learning rate ({spec.lr:g})"
        super().__init__("head", spec.name, head, optimizer, remedy=remedy)

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self._course)

    @property
    def facts(self) -> object:
        """Facts that its weights depend on, besides features and labels."""
        return [asdict(self.spec), asdict(self.schedule), self.head.fc.weight.shape[1]]

    @property
    def way(self) -> str:
        """How its losses were computed, for the record."""
        return self.loss.way(self.step, self.device)

    def state(self) -> dict[str, Tensor]:
        """Return all that the next step depends on, and in how many steps the kernel computed the loss."""
        return super().state() | {"fused": torch.tensor(self.loss.fused)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        super().restore(tensors)
        self.loss.fused = int(tensors["fused"])

    def learn(self, features: Tensor, labels: Tensor) -> None:
        """Take one step.

        Args:
            features: (B, C_in, h, w) on the head's device.
            labels: (B, H, W) there too.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.spec.lr * self.schedule.factor(self.step)
        with tf32_matmul(self.half):
            logits = self._logits(features)
        accuracy = centre_accuracy(logits.detach(), labels)
        if self.spec.enlarge_first > 1:
            logits = enlarge(logits, *(side * self.spec.enlarge_first for side in logits.shape[2:]))
        loss = self.spec.loss_weight * self.loss(logits, labels)
        self.optimizer.zero_grad()
        with tf32_matmul(self.half):
            loss.backward()
        self.optimizer.step()
        self._course.add(loss, accuracy, (labels != IGNORED).float().mean())

    def _logits(self, features: Tensor) -> Tensor:
        if not isinstance(self.head, AuxiliaryHead):
            return self.head(features)
        kept = dropout(self.spec.seed, self.step, len(features)).to(features.device)
        logits = self.head.train()(features, kept)
        self.head.eval()
        return logits


def centre_accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the share of places whose most likely class is the label of the pixel in their middle.

    It is pixel accuracy on a regular sample of the pixels, one a patch, where enlarging leaves the logits all but as
    they are; counting every pixel would cost as much as the loss.

    Args:
        logits: (B, C, h, w).
        labels: (B, H, W), 255 ignored.

    Returns:
        Scalar, float32; NaN where none of these pixels is labelled.
    """
    rows, columns = (
        torch.arange(places, device=labels.device) * pixels // places + pixels // (2 * places)
        for places, pixels in zip(logits.shape[2:], labels.shape[1:], strict=True)
    )
    centres = labels[:, rows[:, None], columns]
    is_labelled = centres != IGNORED
    return ((logits.argmax(1) == centres) & is_labelled).sum() / is_labelled.sum()


def _drawn(spec: HeadSpec, in_channels: int, generator: torch.Generator) -> Head:
    if spec.auxiliary is None:
        return SegmentationHead(in_channels, spec.num_classes, generator=generator)
    return AuxiliaryHead(spec.auxiliary, in_channels, spec.num_classes, generator=generator)
