"""`load_encoder`: from a word on the command line to a frozen encoder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from suite.encoders.architecture import MINI, Architecture
from suite.encoders.baselines import random_init, raw_pixels
from suite.encoders.catalogue import CATALOGUE
from suite.encoders.checkpoint import load_exactly, select, strip, undrawn
from suite.encoders.encoder import Encoder
from suite.encoders.files import find_file, read_file
from suite.encoders.method import Method
from suite.encoders.projectors import build_projector, merge_weight_norm
from suite.encoders.user import factory_encoder, timm_encoder
from suite.encoders.vit import build_vit, vit_encoder
from suite.errors import RequestError, unknown

_BASELINES = {"random_init": random_init, "raw_pixels": raw_pixels}


def load_encoder(
    spec: str,
    *,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    branch: str | None = None,
    architecture: Architecture = MINI,
) -> Encoder:
    """Load a frozen encoder.

    Args:
        spec: `dino` (a method; its file is looked up in `weights`), `dino@file.pth` (that file, in DINO's
            layout), `random_init`, `raw_pixels`, `timm:<name>`, `timm:<name>@<file>` or
            `package.module:factory`, a function that returns an `Encoder`.
        weights: a method's file, or the folder that holds `<method>.pth` or the official file; `weights/`
            if not given.
        device: where it is to run.
        dtype: of its tensors, whatever the file has.
        branch: "teacher" or "student" where the release holds both (the paper compares teachers).
        architecture: of the two baselines, which have no file to tell it.

    Returns:
        The encoder, frozen. The global random state is left as it was.

    Raises:
        RequestError: an unknown encoder or branch, or a device this machine does not have.
        CheckpointError: the file is missing, damaged, unsafe or not in the method's layout.
    """
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise RequestError(f"device {str(device)!r}: no CUDA device here; use cpu")
    name, _, file = spec.partition("@")
    with torch.random.fork_rng(devices=[]):
        if name in CATALOGUE:
            path = Path(file) if file else find_file(CATALOGUE[name], weights or Path("weights"))
            encoder = _release(CATALOGUE[name], path, branch)
        elif spec in _BASELINES:
            encoder = _BASELINES[spec](architecture)
        elif spec.startswith("timm:"):
            encoder = timm_encoder(spec)
        elif ":" in spec:
            encoder = factory_encoder(spec)
        else:
            forms = ("METHOD@FILE", "timm:NAME", "package.module:factory")
            raise unknown("encoder", spec, [*CATALOGUE, *_BASELINES, *forms])
    return encoder.to(device=device, dtype=dtype)


def _release(method: Method, path: Path, branch: str | None) -> Encoder:
    """The encoder in a file of `method`'s layout, with its projector where the file has one."""
    where = str(path)
    found = select(read_file(path), method, branch, where)
    layout = found.layout
    sizes = Architecture.of(strip(found.trunk, layout.trunk), where)
    vit = undrawn(partial(build_vit, method, sizes))
    load_exactly(vit, found.trunk, where, layout.trunk)
    projector = None
    if layout.head and method.projector:
        tensors = merge_weight_norm(strip(found.head, layout.head))
        projector = undrawn(partial(build_projector, method.projector, tensors, where))
        load_exactly(projector, {layout.head + name: value for name, value in tensors.items()}, where, layout.head)
    return vit_encoder(method.name, method, vit, sizes, projector)
