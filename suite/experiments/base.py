"""A page of an experiment: all that the suite asks of one experiment, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from suite.experiments.context import Context, Outcome
from suite.protocol.settings import Settings

if TYPE_CHECKING:
    from suite.datasets.segmentation import SegmentationSet
    from suite.datasets.views import ViewSet
    from suite.experiments.costs.job import Job
    from suite.experiments.costs.task import Task

S = TypeVar("S", bound=Settings)
Items = Literal["objects", "parts", "images", "searched images", "masks"]


@dataclass(frozen=True)
class Page(Generic[S]):
    """An experiment of the paper; its page is `suite/experiments/test_<name>.py`.

    Attributes:
        name: in profiles, results and the registry.
        settings: type of its parameters.
        items: what it uses of a dataset, which published counts go by (`suite.plan.published`).
        splits: dataset -> `train` and `val`, or `all` where nothing is trained -> the dataset's own name of the split.
        read: one of these splits, all of it.
        run: measures one dataset with one encoder.
        cost: of trials that are measured together; most are alone.
        takes_limit: whether a smoke run uses fewer items.
    """

    name: str
    settings: type[S]
    items: Items
    splits: Mapping[str, Mapping[str, str]]
    read: Callable[[Context[S], str], ViewSet | SegmentationSet]
    run: Callable[[Context[S]], Outcome]
    cost: Callable[[Sequence[Task[S]]], Job]
    takes_limit: bool = True


def page_of(experiment: str) -> Page[Any]:
    """Return the page of an experiment."""
    page: Page[Any] = import_module(f"suite.experiments.test_{experiment}").PAGE
    return page
