"""Published facts of the real datasets: sizes of splits, digests of index files, counts of annotations.

Sizes are those of each dataset's home page or paper and of the study (its appendix on datasets); MD5 digests are those
that the dataset's owners or torchvision publish (CIFAR-10), or were computed from the released files (CUB-200-2011).
"""

from __future__ import annotations

from collections.abc import Mapping

SPLITS: Mapping[str, Mapping[str, int]] = {
    "cifar10": {"train": 50_000, "test": 10_000},
    "coco": {"train2017": 118_287, "val2017": 5_000},
    "cub200": {"train": 5_994, "test": 5_794},
    "imagenet1k": {"train": 1_281_167, "val": 50_000},
    "ade20k": {"train": 20_210, "val": 2_000},
    "ade20k_object": {"train": 20_210, "val": 2_000},
    "ade20k_part": {},
    "pascal_object": {"train": 4_998, "val": 5_105},
    "pascal_part": {"train": 4_998, "val": 5_105},
    "lip": {"train": 30_462, "val": 10_000},
}
"""Images by split; the study does not say how many images ADE20K-Part has."""

AT_MOST = frozenset({"ade20k_object", "pascal_object", "pascal_part"})
"""Sets whose processed masks may leave out images without any class: fewer images are a warning, not an error."""

CIFAR10_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}

CUB200_MD5 = {
    "images.txt": "619b5c21b05008767b6d09160bdfba38",
    "train_test_split.txt": "f4e2dc5d3ef7e13b510f88d55c9d9807",
    "image_class_labels.txt": "3d8c4b071f61d8491ca681918115d7f1",
    "classes.txt": "5030a19bb88899c92f2c00787283c2ab",
    "bounding_boxes.txt": "63c4f739e1a27588f84fb2a1b8a62598",
    "parts/parts.txt": "5eff610d9d95bfd36f1d555dc641e238",
    "parts/part_locs.txt": "fe89f64681029aaea1241adde8613d49",
}

CUB200_PATCHES = {"right eye": 5_828, "right leg": 8_032, "left wing": 6_235, "tail": 10_448}
"""Part patches of all 11,788 images by the rule of the official code (moco/loader.py): 30,543."""

COCO_PEOPLE = {"train2017": (262_465, 149_813), "val2017": (11_004, 6_352)}
"""Annotations of people, and those of them with at least one keypoint, by split."""

COCO_OBJECTS = (36_781, 80)
"""Annotated objects of val2017, and categories."""

IMAGENET_CLASSES = 1_000
IMAGENET_CLASS_SIZES = {"train": (732, 1_300), "val": (50, 50)}
"""Fewest and most images of a class, by split."""

IMAGENET_VAL_FOLDERS = {
    "ILSVRC2012_val_00000001.JPEG": "n01751748",
    "ILSVRC2012_val_00000002.JPEG": "n09193705",
    "ILSVRC2012_val_00000003.JPEG": "n02105855",
    "ILSVRC2012_val_00000004.JPEG": "n04263257",
}
"""Folders of the first validation images (valprep.sh, soumith/imagenetloader.torch). The devkit numbers classes in
another order than that of sorted wnids: taken for one another, they put every image into a wrong folder."""
