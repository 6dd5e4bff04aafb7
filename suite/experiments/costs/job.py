"""Units of a plan: operations whose duration a calibration knows, and jobs made of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import takewhile

from suite.experiments.costs.shape import Shape
from suite.results.store import Key


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
        """Parse a text that `str` made."""
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
        features_bytes: of its entries in the cache of features, which takes none larger than itself may be.
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


def about(pixels: float) -> int:
    """Round pixels to two digits, so that sets of nearly the same images share a rate."""
    return int(float(f"{pixels:.1e}"))
