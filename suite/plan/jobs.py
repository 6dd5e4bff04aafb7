"""What a plan counts: operations whose duration a calibration knows, jobs made of them, and the tasks behind them."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import takewhile

from suite.plan.counts import Splits
from suite.plan.shapes import Shape
from suite.protocol.profiles import Experiment
from suite.results.store import Key
from suite.run.request import Request


@dataclass(frozen=True)
class Operation:
    """One kind of work at one size.

    Attributes:
        kind: `encode` (unit: an image), `decode` and `stream` (an image, the second augmented), `draw` (a view, cut and
            resized), `rank` (a pair of items, times log2 of their number), `match` (a floating-point
            operation of a float32 matrix product), `fit` and `predict` (an item, both probes), `crop` (a training
            crop), `learn` (a crop, one head), `score` (a validation image, one head).
        subject: for `encode` the name of the encoder's shape, and precision; for `learn` precision.
        sizes: what its duration depends on.
    """

    kind: str
    subject: str = ""
    sizes: tuple[int, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.kind, *([self.subject] if self.subject else []), *map(str, self.sizes)])

    @classmethod
    def parse(cls, text: str) -> Operation:
        """What `str` made a text of."""
        kind, *words = text.split(" ")
        sizes = [*takewhile(str.isdecimal, reversed(words))][::-1]
        return cls(kind, " ".join(words[: len(words) - len(sizes)]), tuple(map(int, sizes)))


Amounts = defaultdict[Operation, float]
"""Units of each operation."""


def _none() -> Amounts:
    return defaultdict(float)


@dataclass
class Job:
    """Trials that are measured together: one, or those whose segmentation heads train side by side.

    Attributes:
        keys: the trials; a report books the whole time under the first.
        images: files to read, each time counted.
        encoded: images, crops and windows to encode.
        flops: of the encoder.
        steps: amounts of work that follow each other.
        reading: amounts of work of the reading threads, which a GPU does not wait for.
        host_bytes: largest tensors in memory at a time.
        device_bytes: of weights, activations and decoded images, roughly.
        features_bytes: of its entries in the cache of features, which takes none larger than `CACHE_BYTES`.
        checkpoint_bytes: of checkpoints, which stay.
        counted: whether the counts are those of the files.
        devices: GPUs that share the work.
    """

    keys: tuple[Key, ...]
    images: float = 0
    encoded: float = 0
    flops: float = 0
    steps: Amounts = field(default_factory=_none)
    reading: Amounts = field(default_factory=_none)
    host_bytes: float = 0
    device_bytes: float = 0
    features_bytes: float = 0
    checkpoint_bytes: float = 0
    counted: bool = True
    devices: int = 1

    def encode(
        self, shape: Shape, side: int, batch: int, precision: str, count: float, *, filled: float | None = None
    ) -> None:
        """Add forward passes of `count` images of `side` pixels; they take as long as those of `filled`, if given."""
        self.steps[Operation("encode", f"{shape.name} {precision}", (side, batch))] += (
            count if filled is None else filled
        )
        self.encoded += count
        self.flops += count * shape.flops(side)
        tokens = 1 + (side // shape.architecture.patch_size) ** 2
        # of a block at a time: tokens, query, key, value, hidden layer
        activations = batch * tokens * shape.architecture.embed_dim * 4 * 10
        self.device_bytes = max(self.device_bytes, shape.weight_bytes + activations)

    def read(self, files: float, pixels: float) -> None:
        """Add reading and decoding of `files` images of `pixels` on average."""
        self.images += files
        self.reading[Operation("decode", sizes=(about(pixels),))] += files


@dataclass(frozen=True)
class Task:
    """A trial to be planned."""

    request: Request
    experiment: Experiment
    dataset: str
    spec: str
    shape: Shape
    splits: Splits

    @property
    def key(self) -> Key:
        """Where its result is stored."""
        return self.request.key(self.experiment, self.dataset, self.spec)

    @property
    def batch_size(self) -> int:
        """Views a pass (`Context.forward_batch_size`)."""
        size: int = self.request.profile["batch_size"]
        return min(size, self.request.limit or size)

    def filled(self, views: float) -> float:
        """Views that the passes over a set have room for: the last is filled up."""
        return math.ceil(views / self.batch_size) * self.batch_size

    @property
    def precision(self) -> str:
        """Of the encoder's matrix products, where the experiment lowers it on a GPU."""
        return "float32" if self.request.device == "cpu" else _lowered(self.experiment)

    @property
    def settings(self) -> list[str]:
        """The settings that this encoder can be measured in."""
        return [s for s in self.experiment.settings if s != "projected" or self.shape.projected]

    def job(self) -> Job:
        """An empty one."""
        return Job((self.key,), counted=all(split.counted for split in self.splits.values()))


def about(pixels: float) -> int:
    """Pixels to two digits, so that sets of nearly the same images share a rate."""
    return int(float(f"{pixels:.1e}"))


def _lowered(experiment: Experiment) -> str:
    lower = experiment["autocast"]
    return "float32" if lower == "none" else str(lower)
