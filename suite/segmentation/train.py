"""Training of any number of segmentation heads over one frozen pass.

Source: paper, section 4 and appendix; official code, segmentation/configs_local: AdamW, poly decay, linear warm-up.
The official auxiliary head shares nothing that is trained with the decode head, so it is a head of the bank like any
other, there only where it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from suite.core.memory import in_parts
from suite.errors import RequestError
from suite.segmentation.bank import Head, HeadLearner, HeadSpec
from suite.segmentation.batch import Batch
from suite.segmentation.encode import Encode
from suite.training.checkpoints import checkpoints_in
from suite.training.loop import OnRound, train
from suite.training.schedules import Poly

_CODE = ("suite.segmentation.train", "suite.segmentation.encode")
"""Code that makes a head's weights."""
OnEvaluate = Callable[[int, Mapping[str, Head]], None]


@dataclass(frozen=True)
class TrainedBank:
    """Bank of trained heads.

    Attributes:
        heads: by name, frozen, in eval mode.
        losses: by name, of each step, as it was minimised.
        losses_of_labelled: by name, of each step, mean over labelled pixels.
        accuracies: by name, of each step (`centre_accuracy`).
        ways: by name, how these were computed (`FastestLoss.way`).
    """

    heads: Mapping[str, Head]
    losses: Mapping[str, list[float]]
    losses_of_labelled: Mapping[str, list[float]]
    accuracies: Mapping[str, list[float]]
    ways: Mapping[str, str]

    @classmethod
    def of(cls, learners: Sequence[HeadLearner]) -> TrainedBank:
        """Take over what learners have learned."""
        return cls(
            heads={learner.name: learner.head.requires_grad_(False) for learner in learners},
            losses={learner.name: learner.losses() for learner in learners},
            losses_of_labelled={learner.name: learner.losses_of_labelled() for learner in learners},
            accuracies={learner.name: learner.accuracies() for learner in learners},
            ways={learner.name: learner.way for learner in learners},
        )

    @classmethod
    def joined(cls, banks: Sequence[TrainedBank]) -> TrainedBank:
        """Put banks of different heads together."""
        return cls(
            heads={name: head for bank in banks for name, head in bank.heads.items()},
            losses={name: losses for bank in banks for name, losses in bank.losses.items()},
            losses_of_labelled={name: values for bank in banks for name, values in bank.losses_of_labelled.items()},
            accuracies={name: values for bank in banks for name, values in bank.accuracies.items()},
            ways={name: way for bank in banks for name, way in bank.ways.items()},
        )


def train_bank(
    encode: Encode,
    batches: Callable[[int], Batch],
    specs: Sequence[HeadSpec],
    *,
    in_channels: int,
    iterations: int,
    warmup: int,
    device: torch.device | str = "cpu",
    half: bool = False,
    identity: object = None,
    checkpoints: Path | None = None,
    checkpoint_s: float = 300.0,
    look_every: int = 50,
    on_round: OnRound | None = None,
    evaluate_at: Collection[int] = (),
    on_evaluate: OnEvaluate | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainedBank:
    """Train heads side by side; each ends, to the last bit, as it would alone.

    A head whose checkpoint is ahead of the others' joins when they have caught up; one that is finished stays out.
    Where memory has no room for all, one half is trained after the other, each from where its checkpoints say.

    Args:
        encode: images to (B, in_channels, h, w) features on `device`.
        batches: step, from 0 -> its crops, whatever was asked for before.
        specs: the heads.
        in_channels: channels of the features.
        iterations: steps of each head.
        warmup: steps of the linear warm-up.
        device: where heads learn.
        half: on a GPU the heads' matrix products have the precision of half ones (see `tf32_matmul`).
        identity: digests of encoder, data and protocol (see `Checkpoints`); needed with `checkpoints`.
        checkpoints: folder for checkpoints, or None. They stay when the training is done.
        checkpoint_s: seconds between them; 0 for one after each step.
        look_every: steps between looks at the losses, for which a GPU has to wait.
        on_round: told after each step how far it is.
        evaluate_at: numbers of steps done at which to call `on_evaluate`.
        on_evaluate: called with such a number and the heads, in eval mode, that just reached it. Checkpoints at or
            beyond that number are written only once the call has returned; after a kill it may come again, never
            with other weights.
        stop: asked after each step; True ends the training.

    Returns:
        The heads and their loss curves.

    Raises:
        RequestError: heads of the same name, no steps, or checkpoints without an identity.
        MetricError: a loss that is not finite, or illegal labels.
        StorageError: a checkpoint cannot be written; older ones stay.
        KeyboardInterrupt: `stop` said so; checkpoints are written.
    """
    _check(specs, iterations, warmup)
    made_of = None if identity is None else {spec.name: identity for spec in specs}
    store = checkpoints_in(checkpoints, made_of, *_CODE)
    schedule = Poly(iterations, warmup)

    def step(number: int, active: Sequence[HeadLearner]) -> None:
        _learn(active, encode, batches(number), device)

    def evaluate(done: int, active: Sequence[HeadLearner]) -> None:
        if on_evaluate and done in evaluate_at:
            on_evaluate(done, {learner.name: learner.head for learner in active})

    def train_part(part: Sequence[HeadSpec]) -> TrainedBank:
        learners = [HeadLearner(spec, in_channels, schedule, torch.device(device), half=half) for spec in part]
        train(
            learners,
            iterations,
            step,
            evaluate,
            look_every=look_every,
            unit="step",
            checkpoints=store,
            checkpoint_s=checkpoint_s,
            on_round=on_round,
            stop=stop,
        )
        return TrainedBank.of(learners)

    return TrainedBank.joined(in_parts(specs, train_part, "segmentation heads"))


def _learn(learners: Sequence[HeadLearner], encode: Encode, batch: Batch, device: torch.device | str) -> None:
    """Step each once: every crop is encoded once, every label set's features are gathered once."""
    places = encode(batch.pixels).to(device).permute(0, 2, 3, 1)
    label_sets = dict.fromkeys(learner.spec.label_set for learner in learners)
    missing = label_sets.keys() - batch.labels.keys()
    if missing:
        raise RequestError(f"bank of heads: expected label sets among {sorted(batch.labels)}, got {sorted(missing)}")
    for label_set in label_sets:
        features = places[batch.rows[label_set].to(device)].permute(0, 3, 1, 2)
        labels = batch.labels[label_set].to(device)
        for learner in learners:
            if learner.spec.label_set == label_set:
                learner.learn(features, labels)


def _check(specs: Sequence[HeadSpec], iterations: int, warmup: int) -> None:
    names = [spec.name for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestError(f"bank of heads: expected names that differ, got {', '.join(twice)} more than once")
    if iterations < 1 or warmup < 0:
        raise RequestError(f"bank of heads: expected at least 1 step and 0 of warm-up, got {iterations} and {warmup}")
