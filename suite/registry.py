"""Display names and families of methods, datasets, experiments, settings and metrics."""

from __future__ import annotations

from suite.cells import BASELINES, METHODS

METHOD_NAMES = {
    "deit": "DeiT",
    "mocov3": "MoCo v3",
    "dino": "DINO",
    "beit": "BEiT",
    "mae": "MAE",
    "cae": "CAE",
    "ibot": "iBOT",
    "random_init": "random init",
    "raw_pixels": "raw pixels",
}
# paper, Section 2: contrastive learning, masked image modeling (MIM), and iBOT that joins both
FAMILIES = {
    "deit": "supervised",
    "mocov3": "contrastive",
    "dino": "contrastive",
    "beit": "MIM",
    "mae": "MIM",
    "cae": "MIM",
    "ibot": "contrastive + MIM",
    "random_init": "baseline",
    "raw_pixels": "baseline",
}
NAMES = {
    "object_retrieval": "Object retrieval",
    "image_classification": "Image classification",
    "object_segmentation": "Object segmentation",
    "part_retrieval": "Part retrieval",
    "part_classification": "Part classification",
    "part_segmentation": "Part segmentation",
    "learning_rate_sweep": "Learning-rate sweep",
    "patch_search": "Patch search",
    "cifar10": "CIFAR10",
    "coco": "COCO",
    "cub200": "CUB-200-2011",
    "imagenet1k": "ImageNet-1K",
    "ade20k": "ADE20K",
    "ade20k_object": "ADE20K-Object",
    "ade20k_part": "ADE20K-Part",
    "pascal_object": "Pascal-Object",
    "pascal_part": "Pascal-Part",
    "lip": "LIP",
    "cls": "class token",
    "linear_head": "linear head",
    "ap": "AP",
    "map": "mAP",
    "ap_excluding_self": "AP without the query",
    "top1": "top-1",
    "miou": "mIoU",
    "macc": "mAcc",
    "aacc": "aAcc",
}


def name(word: str) -> str:
    """Display name of an experiment, dataset, setting, metric or method; the word itself if unknown."""
    return METHOD_NAMES.get(word) or NAMES.get(word) or word


def family(method: str) -> str:
    """Family of pretraining; anything that is not the paper's is an encoder under test."""
    return FAMILIES.get(method, "under test")


def method_order(method: str) -> tuple[int, int, str]:
    """Sort key: the paper's rows in the paper's order, then encoders under test, then baselines."""
    if method in METHODS:
        return 0, METHODS.index(method), method
    if method in BASELINES:
        return 2, BASELINES.index(method), method
    return 1, 0, method
