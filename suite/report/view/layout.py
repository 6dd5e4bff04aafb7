"""The paper's tables without their values: which columns, in which order, under which caption."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from suite.registry import title_of

SEGMENTATION = tuple(product(("linear_head",), ("miou", "macc", "aacc")))
RETRIEVAL = (("encoded", "ap"), ("projected", "ap"))
PROBES = (("linear", "accuracy"), ("attentive", "accuracy"))


@dataclass(frozen=True)
class Column:
    """A column of a table: a cell's name without its method."""

    experiment: str
    dataset: str
    setting: str
    metric: str

    @property
    def leaf(self) -> str:
        """Lowest header: `encoded AP`, `linear accuracy`, `mIoU`."""
        setting = "" if self.setting == "linear_head" else title_of(self.setting)
        return f"{setting} {title_of(self.metric)}".strip()

    @property
    def head(self) -> str:
        """All levels in one line, for formats without spanning headers."""
        return f"{title_of(self.experiment)}, {title_of(self.dataset)}: {self.leaf}"


def _columns(experiment: str, datasets: str, settings: Iterable[tuple[str, str]]) -> list[Column]:
    return [Column(experiment, d, *setting) for d, setting in product(datasets.split(), settings)]


LAYOUT: tuple[tuple[str, str, list[Column]], ...] = (
    (
        "Table 1",
        "Image classification on ImageNet-1K with frozen encoders: top-1 accuracy (%).",
        _columns("image_classification", "imagenet1k", (("linear", "top1"), ("attentive", "top1"))),
    ),
    (
        "Table 2",
        "Semantic segmentation of objects on ADE20K with frozen encoders (%).",
        _columns("object_segmentation", "ade20k", SEGMENTATION),
    ),
    (
        "Table 3",
        "Parts: retrieval by the encoder's output and by the projector's (AP, %), and probing accuracy (%).",
        _columns("part_retrieval", "cub200 coco", RETRIEVAL) + _columns("part_classification", "cub200 coco", PROBES),
    ),
    (
        "Table 4",
        "Semantic segmentation of parts with frozen encoders (%).",
        _columns("part_segmentation", "ade20k_part pascal_part lip", SEGMENTATION),
    ),
    (
        "Object retrieval",
        "Whole-image retrieval by the encoder's output and by the projector's (AP, %).",
        _columns("object_retrieval", "cifar10 coco", RETRIEVAL),
    ),
    (
        "Figure 6",
        "Semantic segmentation of objects on the sets the paper compares with their part versions (%).",
        _columns("object_segmentation", "ade20k_object pascal_object", SEGMENTATION),
    ),
)
