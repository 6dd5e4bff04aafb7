"""`load_encoder`: from a word on the command line to a frozen encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from suite.encoders.architecture import MINI, Architecture
from suite.encoders.baselines import random_init, raw_pixels
from suite.encoders.catalogue import CATALOGUE, releases
from suite.encoders.checkpoint import load_exactly, shown, strip, undrawn
from suite.encoders.digests import check_digest
from suite.encoders.encoder import Encoder
from suite.encoders.files import Flat, find_file, owned, read_file
from suite.encoders.hf_vit import hf_encoder
from suite.encoders.identity import tokens_digest
from suite.encoders.layouts import Network, head_names, places_of, recognise, select
from suite.encoders.method import Method
from suite.encoders.projectors import build_projector, merge_weight_norm
from suite.encoders.timm_vit import timm_encoder
from suite.encoders.user import factory_encoder
from suite.encoders.vit import build_vit, vit_encoder
from suite.errors import CheckpointError, RequestError
from suite.specs import HF, check_options, parse, unknown_encoder

_BASELINES = {"random_init": random_init, "raw_pixels": raw_pixels}


def load_encoder(
    spec: str,
    *,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    branch: str | None = None,
    norm_eps: float | None = None,
    architecture: Architecture = MINI,
) -> Encoder:
    """Load a frozen encoder.

    Args:
        spec: `dino` (a method; its file is looked up in `weights`), `dino@file.pth` (that file, in DINO's
            layout), `random_init`, `raw_pixels`, `timm:<name>`, `timm:<name>@<file>`, `hf:<folder>` or
            `package.module:factory`, a function that returns an `Encoder`; the last four with options,
            `?name=value&...` (`suite.specs`).
        weights: a method's file, or the folder that holds `<method>.pth` or the official file; `weights/`
            if not given.
        device: where it is to run.
        dtype: of its tensors, whatever the file has.
        branch: "teacher" or "student" where the release holds both (the paper compares teachers).
        norm_eps: of every LayerNorm of a method, where it is not to be the release's.
        architecture: of the two baselines, which have no file to tell it.

    Returns:
        The encoder, frozen. The global random state is left as it was.

    Raises:
        RequestError: an unknown encoder or branch, or a device this machine does not have.
        CheckpointError: the file is missing, damaged, unsafe or not in the method's layout.
    """
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise RequestError(f"device {str(device)!r}: no CUDA device here; use cpu")
    words = parse(spec)
    name, file = words.name, words.file
    is_transformers = name.startswith(HF)
    if ":" not in name:
        check_options(words, ())
    with torch.random.fork_rng(devices=[]):
        if name in releases():
            method = releases()[name]
            path = Path(file) if file else _looked_up(method, weights or Path("weights"), branch)
            encoder = _release(method if norm_eps is None else replace(method, norm_eps=norm_eps), path, branch)
        elif spec in _BASELINES:
            encoder = _BASELINES[spec](architecture)
        elif name.startswith("timm:"):
            encoder = timm_encoder(words)
        elif is_transformers:
            encoder = hf_encoder(words)
        elif words.is_factory:
            encoder = factory_encoder(words)
        else:
            raise unknown_encoder(spec, [*CATALOGUE, *_BASELINES])
    encoder = encoder.to(device=device, dtype=dtype)
    if words.is_factory or is_transformers:  # what makes its tokens is neither this suite's code nor pinned by it
        encoder.tokens = tokens_digest(encoder)
    return encoder


def _looked_up(method: Method, weights: Path, branch: str | None) -> Path:
    """Return the file of a method in a folder, known to be the published one where a digest was published or pinned."""
    path = find_file(method, weights, branch)
    if path != weights:
        check_digest(path, method)
    return path


def _release(method: Method, path: Path, branch: str | None) -> Encoder:
    """Load the encoder in a file of `method`'s layout; the error for another method's file says whose it looks like."""
    try:
        return _assembled(method, _network(method, path, branch), str(path))
    except CheckpointError as error:
        hint, release = _origin(method, read_file(path))
        advice = f": try {release}@{path}" if release else ""
        raise CheckpointError(f"{error}{hint}{advice}") from error


def fault_of(path: Path, method: Method, branches: Iterable[str] = ()) -> str:
    """Return why a file is not one of `method`'s releases, without its name; "" if every network in it can be loaded.

    Args:
        path: the file.
        method: whose.
        branches: networks that it should hold; without any, all that the method has.
    """
    for branch in tuple(branches) or method.branches or (None,):
        try:
            _assembled(method, _network(method, path, branch), str(path))
        except CheckpointError as error:
            try:
                hint, _ = _origin(method, read_file(path))
            except CheckpointError:
                hint = ""
            return f"{error}{hint}".removeprefix(f"{path}: ")
    return ""


def _origin(method: Method, content: Mapping[str, object]) -> tuple[str, str]:
    """Return what a file's names tell of where it comes from, if it is not `method`'s, and the one release they fit."""
    methods = recognise(content, CATALOGUE.values())
    if any(candidate.layouts == method.layouts for candidate in methods):
        return "", ""
    if methods == recognise(content, CATALOGUE.values(), with_classifier=True) and methods:
        names = " or ".join(f"{candidate.title}'s" for candidate in methods)
        return f"; it looks like {names}", methods[0].name if len(methods) == 1 else ""
    own_classifier = any(f"{layout.trunk}head.weight" in layout.ignore for layout in method.layouts)
    if places_of("head.weight", content) and not own_classifier:
        return "; it has a classifier, as DeiT's and all fine-tuned files have: nothing in it tells whose it is", ""
    places = places_of("patch_embed.proj.weight", content)
    expected = {f"{layout.top}/{layout.trunk}".lstrip("/") for layout in method.layouts}
    if places and not (isinstance(content, Flat) or expected.intersection(places)):
        return f"; its patch_embed.proj.weight lies in {shown([place or 'no dictionary' for place in places])}", ""
    return "", ""


def _network(method: Method, path: Path, branch: str | None) -> Network:
    """Return the tensors of `method`'s network in a file, in memory of their own."""

    def read_network() -> Network:
        return select(read_file(path), method, branch, str(path))

    network = read_network()
    return Network(network.layout, owned(path, network.tensors, lambda: read_network().tensors))


def _assembled(method: Method, network: Network, location: str) -> Encoder:
    """Return the encoder with its projector, where the file has one."""
    layout = network.layout
    sizes = Architecture.of(strip(network.trunk, layout.trunk), location)
    method = replace(method, positions=layout.positions or method.positions)
    vit = undrawn(partial(build_vit, method, sizes, layer_scale=layout.layer_scale))
    load_exactly(vit, network.trunk, location, layout.trunk)
    projector = None
    if layout.head and method.projector:
        tensors = merge_weight_norm(head_names(network.head, layout))
        projector = undrawn(partial(build_projector, method.projector, tensors, location))
        load_exactly(projector, {layout.head + name: value for name, value in tensors.items()}, location, layout.head)
    return vit_encoder(method.name, method, vit, sizes, projector)
