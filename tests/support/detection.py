"""Faults put into a measurement, and what the judge says.

`python -m tests.support.detection` writes docs/evidence/detection.md.

Each fault is a mistake that a change of the code could make. It is put into the running code, one trial of the mini
study is measured, and its cells are judged as a run of that one trial would be.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from tabulate import tabulate

from suite.cells import CellId, Measurement
from suite.core.paths import DOCS
from suite.datasets.segmentation import IGNORE, SegmentationSet
from suite.datasets.views import ViewSet
from suite.encoders import Encoder
from suite.experiments import context, head_training, heads
from suite.experiments.base import page_of
from suite.experiments.judge import Trial
from suite.judge.verdict import Judgement, judge
from suite.protocol.profiles import Experiment, load_profile
from suite.reference.expected import Expected
from suite.reference.select import references
from suite.run.request import make_request
from suite.segmentation import bank, evaluate
from tests.support.small_trials import SEGMENTATION

PAGE = DOCS / "evidence" / "detection.md"
RETRIEVAL = ("object_retrieval", "part_retrieval")
PROBES = ("image_classification", "part_classification")
TRIALS = {
    "object_retrieval": ("cifar10", "deit"),
    "part_retrieval": ("cub200", "dino"),
    "image_classification": ("imagenet1k", "mae"),
    "part_classification": ("cub200", "ibot"),
    "object_segmentation": ("pascal_object", "deit"),
    "part_segmentation": ("lip", "mae"),
    "learning_rate_sweep": ("lip", "mae"),
}
"""The trial of each experiment that faults are put into: dataset and encoder."""
FACTORS = (0.99, 1.01)
"""What every value is multiplied by: each must be seen in every experiment."""

Fault = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Injected:
    """A fault, the experiments that it can be made in, and how it is put in."""

    name: str
    experiments: tuple[str, ...]
    put_in: Fault


def encoder_changed(change: Callable[[Encoder], None]) -> Fault:
    def put_in() -> AbstractContextManager[Any]:
        original = context.load_encoder

        def load(*args: Any, **options: Any) -> Encoder:
            encoder = original(*args, **options)
            change(encoder)
            return encoder

        return mock.patch.object(context, "load_encoder", load)

    return put_in


def _wrong_mean(encoder: Encoder) -> None:
    encoder.mean, encoder.std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def _bgr(encoder: Encoder) -> None:
    original = encoder.forward
    encoder.forward = lambda images, **options: original(images.flip(1), **options)


def _other_weights() -> AbstractContextManager[Any]:
    original = context.load_encoder
    other = {"deit": "mae", "mae": "deit", "dino": "mocov3", "ibot": "mae"}

    def load(spec: str, **options: Any) -> Encoder:
        return original(other[spec], **options | {"branch": None})

    return mock.patch.object(context, "load_encoder", load)


def _labels(change: Callable[[ViewSet], ViewSet], *, only_evaluation: bool = True) -> Fault:
    """Change the labels that a view set hands out; of a probe's two sets only the evaluation's."""

    def put_in() -> AbstractContextManager[Any]:
        original = ViewSet.take
        seen: list[ViewSet] = []

        def take(self: ViewSet, limit: int | None) -> ViewSet:
            seen.append(self)
            is_training = only_evaluation and len(seen) == 1
            return original(self if is_training else change(self), limit)

        return mock.patch.object(ViewSet, "take", take)

    return put_in


def _shuffled(views: ViewSet) -> ViewSet:
    return replace(views, labels=np.random.default_rng(0).permutation(views.labels))


def _next_item_s(views: ViewSet) -> ViewSet:
    return replace(views, labels=np.roll(views.labels, 1))


def _reversed_classes(views: ViewSet) -> ViewSet:
    return replace(views, labels=views.labels.max() - views.labels)


def _without_last_batch(views: ViewSet) -> ViewSet:
    return views.subset(np.arange((len(views) - 1) // 128 * 128))


def _masks(change: Callable[[SegmentationSet, int], Any]) -> Fault:
    """Change the masks of the validation images, which are read after the training images' in a bank."""

    def put_in() -> AbstractContextManager[Any]:
        original = SegmentationSet.mask

        def mask(self: SegmentationSet, index: int) -> Any:
            is_evaluation = "val" in str(self.records[0][1])
            return change(self, index) if is_evaluation else original(self, index)

        return mock.patch.object(SegmentationSet, "mask", mask)

    return put_in


_READ_MASK = SegmentationSet.mask


def _shifted_labels(found: SegmentationSet, index: int) -> Any:
    """One pixel to the right, as padding on the wrong side does."""
    return np.roll(_READ_MASK(found, index), 1, axis=1)


def _shuffled_pixels(found: SegmentationSet, index: int) -> Any:
    labels = _READ_MASK(found, index)
    return np.random.default_rng(index).permutation(labels.ravel()).reshape(labels.shape)


def _next_class(found: SegmentationSet, index: int) -> Any:
    labels = _READ_MASK(found, index)
    return np.where(labels == IGNORE, labels, (labels.astype(int) + 1) % found.num_classes).astype(np.uint8)


def _dropped_window() -> AbstractContextManager[Any]:
    original = evaluate.sliding_windows

    def all_but_the_last(*size: int, **options: int) -> list[tuple[int, int, int, int]]:
        windows = original(*size, **options)
        return windows[:-1] or windows

    return mock.patch.object(evaluate, "sliding_windows", all_but_the_last)


def _dropped_images() -> AbstractContextManager[Any]:
    original = heads.label_set

    def label_set(asked: Trial, split: str) -> SegmentationSet:
        whole = original(asked, split)
        return replace(whole, records=whole.records[:-8]) if split == "val" else whole

    return mock.patch.object(heads, "label_set", label_set)


def _mean_over_labelled() -> AbstractContextManager[Any]:
    original = bank.FastestLoss.__call__

    def loss(head: bank.FastestLoss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return original(head, logits, target) * (target.numel() / (target != IGNORE).sum().clamp_min(1))

    return mock.patch.object(bank.FastestLoss, "__call__", loss)


def _smoothed_labels() -> AbstractContextManager[Any]:
    original = F.cross_entropy
    return mock.patch.object(F, "cross_entropy", lambda *given: original(*given, label_smoothing=0.1))


EVERY = tuple(TRIALS)
FAULTS = (
    Injected("wrong mean and deviation", EVERY, encoder_changed(_wrong_mean)),
    Injected("BGR for RGB", EVERY, encoder_changed(_bgr)),
    Injected("another encoder's weights", EVERY, _other_weights),
    Injected("shuffled labels", RETRIEVAL, _labels(_shuffled, only_evaluation=False)),
    Injected("shuffled labels", PROBES, _labels(_shuffled)),
    Injected("shuffled labels", SEGMENTATION, _masks(_shuffled_pixels)),
    Injected("labels of the next item", RETRIEVAL, _labels(_next_item_s, only_evaluation=False)),
    Injected("labels of the next item", PROBES, _labels(_next_item_s)),
    Injected("labels one pixel to the right", SEGMENTATION, _masks(_shifted_labels)),
    Injected("wrong order of classes", PROBES, _labels(_reversed_classes)),
    Injected("wrong order of classes", SEGMENTATION, _masks(_next_class)),
    Injected("last batch dropped", RETRIEVAL, _labels(_without_last_batch, only_evaluation=False)),
    Injected("last batch dropped", PROBES, _labels(_without_last_batch)),
    Injected("last batch dropped", SEGMENTATION, _dropped_images),
    Injected("last window dropped", SEGMENTATION, _dropped_window),
    Injected("wrong gradient", PROBES, _smoothed_labels),
    Injected("wrong gradient", SEGMENTATION, _mean_over_labelled),
)
CASES = [(fault, experiment) for fault in FAULTS for experiment in fault.experiments]


def untouched() -> AbstractContextManager[Any]:
    """No fault."""
    return contextlib.nullcontext()


def judged(experiment: str, data: Path, put_in: Fault = untouched) -> Judgement:
    """Measure the trial of an experiment, with a fault in it, and judge it against its references."""
    dataset, spec = TRIALS[experiment]
    with tempfile.TemporaryDirectory() as folder, fresh_process(), put_in():
        request = make_request(
            encoders=[spec],
            datasets=[dataset],
            experiments=[experiment],
            device="cpu",
            data=data,
            run=Path(folder, "run"),
            cache=Path(folder, "cache"),
        )
        asked, *place = next(request.tasks())
        result, _ = Trial(request, _narrowed(asked), *place).measure(page_of(experiment).run)
    measured = {m.id: m for m in result.measurements()}
    return judge(list(measured), measured, references("mini", request.variants, None, [spec]), {}, [])


def _narrowed(experiment: Experiment) -> Experiment:
    """Of the sweep one rate, the largest: its heads learn side by side, each as it would alone."""
    return (
        replace(experiment, cell_settings=experiment.cell_settings[-1:])
        if experiment.name == "learning_rate_sweep"
        else experiment
    )


@contextlib.contextmanager
def fresh_process() -> Iterator[None]:
    """With nothing loaded or trained before, and nothing left behind."""
    _forget()
    try:
        yield
    finally:
        _forget()


def _forget() -> None:
    context.load.cache_clear()
    head_training._FITTED.clear()


def worst(judgement: Judgement) -> float:
    """The largest difference of a cell, in points."""
    return max((c.difference or 0.0 for c in judgement.cells), key=abs)


def scaled(experiment: str, factor: float) -> Judgement:
    """The verdict on every cell of an experiment if each had the value recorded with seed 0 times a factor."""
    expected = {c: e for c, e in _recorded().items() if c.experiment == experiment}
    measured = {cell: _with_seed_0(cell, reference, factor) for cell, reference in expected.items()}
    return judge(list(measured), measured, expected, {}, [])


def _with_seed_0(cell: CellId, reference: Expected, factor: float) -> Measurement:
    if reference.deterministic:
        assert reference.value is not None
        return Measurement(cell, (reference.value * factor,))
    return Measurement(cell, (reference.by_seed[0] * factor,), (0,))


def _recorded() -> Mapping[CellId, Expected]:
    return references("mini", {}, None)


def smallest_factor(experiment: str) -> float:
    """The smallest factor above 1, to five decimals, that turns an experiment red."""
    low, high = 0, 100_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if scaled(experiment, 1 + middle / 1e5).exit_code == 1 else (middle, high)
    return 1 + high / 1e5


def page(differences: Mapping[tuple[str, str], float]) -> str:
    """docs/evidence/detection.md: what the judge of the mini study sees."""
    names = list(dict.fromkeys(fault.name for fault in FAULTS))
    profile = load_profile("mini")
    rows = [
        [profile.experiment(e).title, "{}, {}".format(*TRIALS[e]), f"{smallest_factor(e):.5f}"]
        + [f"{differences[n, e]:+.2f}" if (n, e) in differences else "" for n in names]
        for e in TRIALS
    ]
    table = tabulate(rows, ["experiment", "trial", "factor", *names], tablefmt="github", disable_numparse=True)
    return f"""# What the mini study's judge sees

Written by `python -m tests.support.detection`; `tests/experiments/test_detection.py` makes each of these faults again
and asks for red.

*Factor*: the smallest number above 1 that, multiplied into every value of the experiment, turns a run of it red. The
other columns: a fault put into the code, and by how many points the cell that moved most then differs from its
reference, in a run of that one trial. Every entry is red: the run ends in 1. Empty: nothing to go wrong
there (AP knows no order of classes, retrieval no training), or the next column is its counterpart. Of the sweep only
its largest rate is measured: heads learn side by side, each as it would alone.

{table}

The faults: *wrong mean and deviation*, 0.5 for ImageNet's; *another encoder's weights*, in a file of the same layout's
name; *shuffled labels*, among items, in segmentation among the pixels of a mask; *labels of the next item*, a list
that slipped by one; *wrong order of classes*, counted from the end in probes,
from the next class on in segmentation; *last batch dropped*, at the end of the evaluation; *last window dropped*, of
each validation image that has several; *wrong gradient*, labels smoothed by a tenth in probes, the mean over labelled
pixels in place of all in segmentation.

Not every encoder feels every fault. BGR moves DeiT's accuracy on ImageNet by two items of 800, which a machine is
allowed to: every part is drawn in a colour of its own, so colour tells it nothing. A whole run has eight others.

How far a value may move without a fault is measured, not guessed: [the machine's slack](mini_slack.md).
"""


def main(data: Path) -> None:
    """Make every fault and write the page."""
    differences: dict[tuple[str, str], float] = {}
    for experiment in TRIALS:
        assert judged(experiment, data).exit_code == 0, experiment
    for fault, experiment in CASES:
        judgement = judged(experiment, data, fault.put_in)
        print(f"{fault.name}, {experiment}: {judgement.verdict}, {worst(judgement):+.3f}", flush=True)
        assert judgement.exit_code == 1, judgement.sentence
        differences[fault.name, experiment] = worst(judgement)
    PAGE.write_text(page(differences))


if __name__ == "__main__":
    main(Path("data/mini"))
