"""A trial to be planned: what is asked for, the size of its encoder, and how much its dataset holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, cast

from suite.experiments.context import S_co
from suite.experiments.costs.job import Job
from suite.experiments.costs.shape import Shape
from suite.protocol.profiles import Experiment
from suite.protocol.settings import Precision
from suite.results.store import Key
from suite.run.request import Request


@dataclass(frozen=True)
class Split:
    """A split as an experiment uses it.

    Attributes:
        views: items: images, or regions of them.
        files: images to read; 0 where they are no files.
        pixels: mean of an image's, width times height.
        classes: number of classes.
        windows: mean number of an image's sliding windows (segmentation).
        counted: False where the numbers are published or estimated ones, not those of the files.
    """

    views: int
    files: int
    pixels: float
    classes: int
    windows: float = 0.0
    counted: bool = True


@dataclass(frozen=True)
class Task(Generic[S_co]):
    """A trial to be planned; see `Context`, which is what measures it."""

    request: Request
    experiment: Experiment
    dataset: str
    spec: str
    shape: Shape
    splits: Mapping[str, Split]

    @property
    def key(self) -> Key:
        """Key under which its result is stored."""
        return self.request.key(self.experiment, self.dataset, self.spec)

    @property
    def batch_size(self) -> int:
        """Views a pass (`Context.forward_batch_size`)."""
        size = self.request.profile.settings.batch_size
        return min(size, self.request.forward_batch_size or size, self.request.limit or size)

    def filled(self, views: float) -> float:
        """Count the views that the passes over a set have room for: the last is filled up."""
        return math.ceil(views / self.batch_size) * self.batch_size

    def precision(self, lowered: Precision) -> str:
        """Return the precision of the encoder's matrix products, where the experiment lowers it on a GPU."""
        return "float32" if self.request.device == "cpu" or lowered == "none" else lowered

    @property
    def settings(self) -> S_co:
        """The parameters of the experiment in this profile."""
        return cast(S_co, self.experiment.settings)

    @property
    def cell_settings(self) -> list[str]:
        """The settings of cells that this encoder can be measured in."""
        return [s for s in self.experiment.cell_settings if s != "projected" or self.shape.projected]

    def job(self) -> Job:
        """Return an empty one."""
        return Job((self.key,), counted=all(split.counted for split in self.splits.values()))
