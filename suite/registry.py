"""The words that names of cells are made of: title, family and what else is the same in every profile.

The only list of methods, datasets, experiments, settings and metrics; it needs nothing else of the suite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["supervised", "contrastive", "MIM", "contrastive + MIM", "baseline", "under test"]
"""Family of pretraining (paper, section 2): contrastive, masked image modelling (MIM), and iBOT that joins both."""


@dataclass(frozen=True, slots=True)
class Method:
    """An encoder of the paper, or a baseline.

    Attributes:
        has_projector: its release holds one: only these have `projected` cells (paper, Table 3).
    """

    title: str
    family: Family
    has_projector: bool = False


METHODS = {
    "deit": Method("DeiT", "supervised"),
    "mocov3": Method("MoCo v3", "contrastive", has_projector=True),
    "dino": Method("DINO", "contrastive", has_projector=True),
    "beit": Method("BEiT", "MIM"),
    "mae": Method("MAE", "MIM"),
    "cae": Method("CAE", "MIM"),
    "ibot": Method("iBOT", "contrastive + MIM", has_projector=True),
    "random_init": Method("random init", "baseline"),
    "raw_pixels": Method("raw pixels", "baseline"),
}
"""Methods in the order of the paper's tables, then the baselines."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset of the paper.

    Attributes:
        url: its home page.
        images: the images that it labels, where several segmentation sets label the same ones (official code,
            `configs_local/_base_/datasets`); whether two folders do hold the same is seen from the files.
    """

    title: str
    url: str
    images: str | None = None


_PROCESSED_MASKS = "https://drive.google.com/drive/folders/1JSNzbxc9MBpNIhMRP8Vd0FFk7K5hC65q"
_ADE20K = "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"

DATASETS = {
    "cifar10": Dataset("CIFAR-10", "https://www.cs.toronto.edu/~kriz/cifar.html"),
    "coco": Dataset("COCO", "https://cocodataset.org"),
    "cub200": Dataset("CUB-200-2011", "https://data.caltech.edu/records/65de6-vp158"),
    "imagenet1k": Dataset("ImageNet-1K", "https://image-net.org/challenges/LSVRC/2012"),
    "ade20k": Dataset("ADE20K", _ADE20K, images="ade20k"),
    "ade20k_object": Dataset("ADE20K-Object", _PROCESSED_MASKS, images="ade20k"),
    "ade20k_part": Dataset("ADE20K-Part", _PROCESSED_MASKS, images="ade20k"),
    "pascal_object": Dataset("Pascal-Object", _PROCESSED_MASKS, images="pascal"),
    "pascal_part": Dataset("Pascal-Part", _PROCESSED_MASKS, images="pascal"),
    "lip": Dataset("LIP", _PROCESSED_MASKS, images="lip"),
}
"""Every dataset of the paper; the last five as masks that its authors processed (official code, README)."""

OTHER_RELEASES = {"deit_vit_in21k": "ViT (ImageNet-21k)", "ibot_block_mask": "iBOT (block masks)"}
"""Encoders that stand in for a method where a variant asks for it."""

Kind = Literal["retrieval", "probing", "streamed probing", "patch search", "segmentation"]
"""Kind of an experiment: those of a kind have the same parameters (`suite.protocol.settings`)."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment of the paper."""

    title: str
    kind: Kind


EXPERIMENTS = {
    "object_retrieval": Experiment("Object retrieval", "retrieval"),
    "image_classification": Experiment("Image classification", "streamed probing"),
    "object_segmentation": Experiment("Object segmentation", "segmentation"),
    "part_retrieval": Experiment("Part retrieval", "retrieval"),
    "part_classification": Experiment("Part classification", "probing"),
    "part_segmentation": Experiment("Part segmentation", "segmentation"),
    "learning_rate_sweep": Experiment("Learning-rate sweep", "segmentation"),
    "patch_search": Experiment("Patch search", "patch search"),
}
SETTINGS = {"cls": "class token", "linear_head": "linear head"}
"""Settings whose title is another word than their name."""
METRICS = {
    "ap": "AP",
    "map": "mAP",
    "ap_excluding_self": "AP without the query",
    "top1": "top-1",
    "miou": "mIoU",
    "macc": "mAcc",
    "aacc": "aAcc",
}
_TITLES: dict[str, str] = {
    **{name: method.title for name, method in METHODS.items()},
    **{name: dataset.title for name, dataset in DATASETS.items()},
    **OTHER_RELEASES,
    **{name: experiment.title for name, experiment in EXPERIMENTS.items()},
    **SETTINGS,
    **METRICS,
}


def title_of(word: str) -> str:
    """Return the title of an experiment, dataset, setting, metric or method; the word itself if unknown."""
    return _TITLES.get(word, word)


def family(method: str) -> Family:
    """Return the family of pretraining; anything that is not the paper's is a candidate."""
    return METHODS[method].family if method in METHODS else "under test"


def method_order(method: str) -> tuple[int, int, str]:
    """Return the sort key: the paper's rows in the paper's order, then candidates, then baselines."""
    if method not in METHODS:
        return 1, 0, method
    return 2 if family(method) == "baseline" else 0, [*METHODS].index(method), method


def images_of(dataset: str) -> str | None:
    """Return the images that a segmentation set labels; None for other datasets."""
    return DATASETS[dataset].images if dataset in DATASETS else None
