"""The segmentation sets whose masks the paper's authors processed, made again from the original releases.

The authors share theirs (see `suite.datasets.DATASETS`); the readers take those as they are. Where they cannot be
had, `prepare` makes sets by the rules of this package, a file per set, and records what is ours beside the result.
"""

from __future__ import annotations

from suite.errors import unknown

__all__ = ["PREPARED", "needs"]

PREPARED: dict[str, tuple[str, ...]] = {
    "pascal_part": ("voc2010", "pascal_part"),
    "pascal_object": ("voc2010", "pascal_part"),
    "ade20k_object": ("ade20k",),
    "ade20k_part": ("ade20k_full",),
    "lip": ("lip",),
}
"""Dataset -> the original releases it is made from, by their names in `originals.ORIGINALS`."""


def needs(name: str) -> list[str]:
    """Return the original releases that dataset `name` is made from; none for a dataset that is read as published."""
    return list(PREPARED.get(name, ()))


def require_prepared(name: str) -> str:
    """Return `name` if it can be prepared.

    Raises:
        RequestError: it is no such dataset.
    """
    if name not in PREPARED:
        raise unknown("dataset to prepare", name, list(PREPARED))
    return name
