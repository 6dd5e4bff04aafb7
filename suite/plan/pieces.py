"""The datasets and checkpoints that a request needs, each with its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.datasets import DATASETS, dataset_root, require
from suite.encoders.catalogue import CATALOGUE, releases
from suite.encoders.choices import chosen
from suite.encoders.files import find_file
from suite.encoders.hf_folder import find_folder
from suite.encoders.timm_vit import RANDOM
from suite.errors import CheckpointError, DatasetError, RequestError
from suite.fetch.catalogue import download_size, how_to_get, sources
from suite.run.request import Request
from suite.specs import HF, Spec, parse


@dataclass(frozen=True)
class Piece:
    """A dataset or a checkpoint.

    Attributes:
        kind: `data` or `weights`.
        name: as it is asked for, or that of the release which a variant puts in its place.
        title: for people.
        there: whether it can be used.
        place: where it lies, or where it is expected.
        size: bytes to download; None where unknown, or where nothing is to be downloaded.
        how: how to get it, in one line; empty where it is there.
        cells: the cells that cannot be measured without it.
        experiments: the experiments that they belong to.
    """

    kind: str
    name: str
    title: str
    there: bool
    place: Path
    size: int | None
    how: str
    cells: frozenset[str]
    experiments: tuple[str, ...]


def pieces(request: Request) -> list[Piece]:
    """List everything a request needs, datasets first, in the order of the profile."""
    tasks = list(request.tasks())
    datasets = [name for name in request.profile.datasets if any(task[1] == name for task in tasks)]
    specs = [spec for spec in request.encoders if needs_file(spec)]
    return [*(dataset(request, name) for name in datasets), *(checkpoint(request, spec) for spec in specs)]


def dataset(request: Request, name: str) -> Piece:
    """Return a dataset's state: there if its folder holds something; whether that is right, `verify data` tells."""
    root = dataset_root(request.data, name)
    try:
        require(root, name)
        is_there = True
    except DatasetError:
        is_there = False
    is_drawn = request.profile.name == "mini"
    cells, experiments = _blocked(request, dataset=name)
    size = None if is_there or is_drawn else download_size(name)
    how = "" if is_there else "drawn on the spot by make reproduce" if is_drawn else how_to_get(name)
    return Piece("data", name, DATASETS[name].title, is_there or is_drawn, root, size, how, cells, experiments)


def checkpoint(request: Request, spec: str) -> Piece:
    """Return a checkpoint's state: there if a file of a name looked for is; reading it is for the run."""
    choice = chosen(spec, request.variants)
    parts = parse(choice.spec)
    name, file = parts.name, parts.file
    method = releases().get(name)
    cells, experiments = _blocked(request, spec=spec)
    title = method.title if method else name
    if name.startswith(HF):
        return _folder(parts, cells, experiments)
    if file or method is None:
        path = Path(file)
        how = "" if path.is_file() else "the file that was named does not exist"
        return Piece("weights", spec, title, path.is_file(), path, None, how, cells, experiments)
    try:
        path = find_file(method, request.weights, choice.branch)
    except CheckpointError:
        place = request.weights / method.sources[0].file_name
        return Piece("weights", name, title, False, place, download_size(name), how_to_get(name), cells, experiments)
    return Piece("weights", name, title, True, path, None, "", cells, experiments)


def needs_file(spec: str) -> bool:
    """Tell whether an encoder has files: baselines have none, a factory or a bare timm name sees to itself."""
    return spec in CATALOGUE or spec.startswith(HF) or parse(spec).file not in {"", RANDOM}


def _folder(spec: Spec, cells: frozenset[str], experiments: tuple[str, ...]) -> Piece:
    """Return the state of a folder of transformers, or of a name in the local cache of the hub."""
    try:
        return Piece("weights", spec.text, spec.name, True, find_folder(spec), None, "", cells, experiments)
    except RequestError as error:
        how = str(error).removeprefix(f"encoder {spec.text!r}: ")
        place = Path(spec.name.removeprefix(HF))
        return Piece("weights", spec.text, spec.name, False, place, None, how, cells, experiments)


def total_download(missing: Sequence[Piece]) -> tuple[int, int]:
    """Sum bytes to download, a file that two datasets share counted once; and count files of unstated size."""
    names = [piece.name for piece in missing if piece.size is not None or piece.name in {*DATASETS, *releases()}]
    files = {file for name in names for file in sources(name)}
    return sum(file.size or 0 for file in files), sum(file.size is None for file in files)


def _blocked(request: Request, *, dataset: str = "", spec: str = "") -> tuple[frozenset[str], tuple[str, ...]]:
    """List cells and experiments that need a piece."""
    tasks = [task for task in request.tasks() if dataset in {"", task[1]} and spec in {"", task[2]}]
    cells = {str(cell) for task in tasks for cell in task[0].cells(task[1], request.key(*task).method)}
    return frozenset(cells), tuple(dict.fromkeys(experiment.name for experiment, _, _ in tasks))
