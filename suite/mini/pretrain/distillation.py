"""DINO and iBOT: a student predicts its slow teacher's assignment to prototypes (Caron 2021, Zhou 2022).

Two changes against the releases, both because a run of minutes otherwise collapses to a constant output:
batch norm in the head (folded away on saving) and Sinkhorn-balanced targets in place of a running centre. So
lightly's `DINOLoss` and `IBOTPatchLoss`, which centre, do not fit; its heads, `sinkhorn` and masks do.
"""

from __future__ import annotations

import copy
import warnings

import torch
from lightly.loss.swav_loss import sinkhorn
from lightly.models.modules.heads import DINOProjectionHead
from lightly.models.utils import deactivate_requires_grad, random_block_mask, update_momentum
from torch import Tensor, nn

from suite.mini.pretrain.objective import Objective, Signals, apply_to_both, entropy, frozen_statistics
from suite.mini.pretrain.vit import DIM, GRID, Trunk, encode, pooled

HIDDEN, BOTTLENECK, PROTOTYPES = 256, 64, 512
STUDENT_TEMPERATURE, TEACHER_TEMPERATURE = 0.1, 0.025
FROZEN_STEPS = 20
MASKED = (0.1, 0.6)


def new_head() -> DINOProjectionHead:
    """Build an MLP with batch norm and GELU, bottleneck, weight-normed prototypes of unit length."""
    with warnings.catch_warnings():
        # lightly still calls torch's older weight_norm, whose weight_g and weight_v the releases store
        warnings.simplefilter("ignore", FutureWarning)
        return DINOProjectionHead(DIM, HIDDEN, BOTTLENECK, PROTOTYPES, batch_norm=True, freeze_last_layer=FROZEN_STEPS)


class SelfDistillation(Objective):
    """DINO on two global views.

    Args:
        encoder: trunk of the student.
        ema: momentum of the teacher, constant.
    """

    views = 2
    colour = True

    def __init__(self, encoder: Trunk, ema: float) -> None:
        super().__init__()
        self.ema = ema
        self.encoder, self.head = encoder, new_head()
        # a weight-normed layer cannot be deep-copied
        self.teacher, self.teacher_head = copy.deepcopy(encoder), new_head()
        self.teacher_head.load_state_dict(self.head.state_dict())
        deactivate_requires_grad(self.teacher)
        deactivate_requires_grad(self.teacher_head)

    @property
    def shipped(self) -> Trunk:
        """The teacher, as the release."""
        return self.teacher

    def loss(self, views: list[Tensor], labels: Tensor) -> tuple[Tensor, Signals]:
        """Compare each view of the student with the teacher's other view."""
        all_views = torch.cat(views)
        with torch.no_grad():
            goals = self.goals(encode(self.teacher, all_views))
        logits = apply_to_both(self.head, *pooled(encode(self.encoder, all_views)))
        return image_loss(logits, goals), assignment_signals(goals[0])

    def goals(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the teacher's balanced assignments of class tokens and of mean tokens, (2B, K) each."""
        logits = apply_to_both(self.teacher_head, *pooled(tokens))
        return balanced(logits[0]), balanced(logits[1])

    def before_update(self, step: int) -> None:
        """Hold the prototypes for the first steps."""
        self.head.cancel_last_layer_gradients(step)

    def after_update(self) -> None:
        """Move the teacher."""
        update_momentum(self.encoder, self.teacher, m=self.ema)
        update_momentum(self.head, self.teacher_head, m=self.ema)


class MaskedSelfDistillation(SelfDistillation):
    """iBOT: DINO, and masked patches of half of the views predict the teacher's patches through the same head."""

    def __init__(self, encoder: Trunk, ema: float) -> None:
        super().__init__(encoder, ema)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, DIM))

    def loss(self, views: list[Tensor], labels: Tensor) -> tuple[Tensor, Signals]:
        """Return the image loss plus patch loss, weight 1."""
        all_views = torch.cat(views)
        mask = random_block_mask((len(all_views), GRID, GRID), 0.5, *MASKED, min_num_masks_per_block=2).flatten(1)
        mask = mask.to(all_views.device)
        with torch.no_grad():
            tokens = encode(self.teacher, all_views)
            goals = self.goals(tokens)
            with frozen_statistics(self.teacher_head):
                patch_goals = balanced(self.teacher_head(tokens[:, 1:][mask]))
        tokens = encode(self.encoder, all_views, mask=mask, mask_token=self.mask_token)
        logits = apply_to_both(self.head, *pooled(tokens))
        with frozen_statistics(self.head):
            patch_loss = cross_entropy(self.head(tokens[:, 1:][mask]), patch_goals)
        signals = assignment_signals(goals[0]) | {"patch_loss": patch_loss.detach()}
        signals["patch_teacher_entropy"] = entropy(patch_goals)
        return image_loss(logits, goals) + patch_loss, signals


def balanced(logits: Tensor) -> Tensor:
    """Return Sinkhorn targets: rows (samples) sum to 1, prototypes are used alike. Shape kept."""
    targets: Tensor = sinkhorn(logits.float(), iterations=3, epsilon=TEACHER_TEMPERATURE)
    return targets


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of the student's softmax under soft targets."""
    return -(targets * (logits.float() / STUDENT_TEMPERATURE).log_softmax(-1)).sum(-1).mean()


def image_loss(logits: tuple[Tensor, Tensor], goals: tuple[Tensor, Tensor]) -> Tensor:
    """Return the cross-view loss, averaged over the two readouts; the two views are the two halves of the rows."""
    on_cls, on_mean = (cross_entropy(x, goal.roll(len(goal) // 2, 0)) for x, goal in zip(logits, goals, strict=True))
    return (on_cls + on_mean) / 2


def assignment_signals(goals: Tensor) -> Signals:
    """Return the sharpness of single targets, evenness of their mean, and agreement of the two views of an image."""
    first, second = goals.chunk(2)
    return {
        "teacher_entropy": entropy(goals),
        "marginal_entropy": entropy(goals.mean(0, keepdim=True)),
        "agreement": (first.argmax(1) == second.argmax(1)).float().mean(),
    }
