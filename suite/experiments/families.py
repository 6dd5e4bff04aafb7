"""Segmentation sets that label the same images."""

from __future__ import annotations

FAMILIES = {
    "ade20k": ("ade20k", "ade20k_object", "ade20k_part"),
    "pascal": ("pascal_object", "pascal_part"),
    "lip": ("lip",),
}
"""Official code, configs_local/_base_/datasets; whether two folders hold the same images is seen from the files."""


def family_of(dataset: str) -> str | None:
    """The family that a segmentation set belongs to; None for other datasets."""
    return next((family for family, sets in FAMILIES.items() if dataset in sets), None)
