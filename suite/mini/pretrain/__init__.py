"""Miniatures of the seven pretraining methods: how the embedded mini encoders were made.

Nothing of `make reproduce` imports this package.
"""

import importlib.util

from suite.errors import RequestError

for _needed in ("lightly", "sklearn"):
    if importlib.util.find_spec(_needed) is None:
        raise RequestError(f"pretraining needs the package {_needed}: install the extra, pip install '.[pretrain]'")

from suite.mini.pretrain.train import pretrain  # noqa: E402

__all__ = ["pretrain"]
