"""Crops of patch search: cut from images, compared and drawn."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from suite.core.files import write_atomically
from suite.datasets import imagenet1k
from suite.datasets.pixels import imagenet_eval, read_rgb
from suite.datasets.views import View, ViewSet
from suite.errors import DatasetError
from suite.experiments.context import Context, Outcome
from suite.experiments.retrieval import compared
from suite.metrics.ranking import EPSILON
from suite.protocol.settings import SearchSettings
from suite.results.store import strip_path
from suite.run.request import Request

TILE_PX = 56
GAP_PX = 4
SPLITS = {"imagenet1k": {"all": "val"}}
CHUNK = 64
"""Images whose crops are encoded together: 3,136 crops, 0.8 GB of the widest projections."""
SearchTrial = Context[SearchSettings]


def searched(trial: SearchTrial, split: str) -> ViewSet:
    """Return the images of a split that are searched, by the number in their names."""
    settings, images = trial.settings, imagenet1k.images(trial.root, split)
    numbers = enumerate(map(_number, images.views))
    return images.subset([i for i, n in numbers if n < settings.numbers_below or n in settings.numbers_also])


def searched_files(trial: SearchTrial) -> dict[int, Path]:
    """Return the searched images' files by these numbers, in that order."""
    files = {_number(view): Path(str(view.image)) for view in searched(trial, SPLITS[trial.dataset]["all"]).views}
    return dict(sorted(files.items()))


def _number(view: View) -> int:
    return int(re.findall(r"\d+", Path(str(view.image)).stem)[-1])


def crop_px(request: Request) -> int:
    """Return a crop's side: the size of the paper's encoders, also for one that sees it at a size of its own."""
    return request.profile.settings.image_size


def corners(settings: SearchSettings, size: int) -> list[tuple[int, int]]:
    """Return (top, left) of the crops of `size` pixels in the enlarged view, row by row."""
    steps = range(0, settings.enlarged_px - size + 1, settings.stride_px)
    return list(itertools.product(steps, steps))


def enlarged(trial: SearchTrial, path: Path) -> Image.Image:
    """Crop the centre of an image, as classification sees it, enlarged."""
    view = imagenet_eval(read_rgb(path), trial.settings.view_px)
    return view.resize((trial.settings.enlarged_px, trial.settings.enlarged_px), Image.Resampling.BICUBIC)


def crops(trial: SearchTrial, paths: list[Path]) -> ViewSet:
    """Return all crops of some images."""
    size = crop_px(trial.request)
    return _crops(
        View(picture, (left, top, left + size, top + size))
        for picture in (np.asarray(enlarged(trial, path)) for path in paths)
        for top, left in corners(trial.settings, size)
    )


def _crops(views: Iterable[View]) -> ViewSet:
    crop_views = list(views)
    return ViewSet(crop_views, np.zeros(len(crop_views), np.int64), ("crop",))


def embed(trial: SearchTrial, views: ViewSet) -> dict[str, Tensor]:
    """Return (N, D) unit vectors of N crops for every setting."""
    vectors = compared(trial.cell_settings, trial.choice("encoder-token"))
    features = trial.extract(views, "square", set(vectors.values()), cached=False)
    return {setting: normalize(features.setting(name), dim=1, eps=EPSILON) for setting, name in vectors.items()}


def similarities(vectors: Tensor, query: Tensor) -> Tensor:
    """Return (N,) cosines of (N, D) unit vectors and one of (D,).

    Each is a sum over its own row: a matrix product would round by the number of rows, so by the size of a chunk.
    """
    return (vectors * query).sum(dim=1)


def query_scores(trial: SearchTrial, paths: list[Path], queries: list[tuple[int, int]]) -> dict[str, Tensor]:
    """Map a setting to the (Q, N) similarity of all crops to each query; vectors are held a chunk at a time.

    Args:
        trial: what to search with.
        paths: the images.
        queries: (position among the images, crop) of each.
    """
    query_vectors = embed(trial, _crops(crops(trial, [paths[image]]).views[crop] for image, crop in queries))
    scores: dict[str, list[Tensor]] = {setting: [] for setting in trial.cell_settings}
    for start in range(0, len(paths), CHUNK):
        for setting, vectors in embed(trial, crops(trial, paths[start : start + CHUNK])).items():
            scores[setting].append(torch.stack([similarities(vectors, query) for query in query_vectors[setting]]))
    return {setting: torch.cat(chunks, dim=1) for setting, chunks in scores.items()}


def place(query: str, numbers: list[int]) -> tuple[int, int]:
    """Return position of a query's image among those of these numbers, and its crop.

    Raises:
        DatasetError: the image is not there.
    """
    number, crop = map(int, query.split(":"))
    if number not in numbers:
        raise DatasetError(f"patch search: expected validation image {number}, which holds a query, got none; fetch it")
    return numbers.index(number), crop


def patch_search(trial: SearchTrial) -> Outcome:
    """Find the nearest patches of every query, as data and as a strip of pictures."""
    files = searched_files(trial)
    numbers, paths = list(files), list(files.values())
    queries = [place(query, numbers) for query in trial.settings.queries]
    per_image = len(corners(trial.settings, crop_px(trial.request)))
    scores = query_scores(trial, paths, queries)
    outcome = Outcome()
    for row, setting in itertools.product(range(len(queries)), trial.cell_settings):
        query, (image, crop) = trial.settings.queries[row], queries[row]
        scores[setting][row, image * per_image + crop] = -torch.inf
        best = scores[setting][row].topk(trial.settings.neighbours)
        neighbours = [divmod(index, per_image) for index in best.indices.tolist()]
        names = [f"{numbers[index]}:{c}" for index, c in neighbours]
        outcome.summaries[f"{query} {setting}"] = dict(zip(names, best.values.round(decimals=4).tolist(), strict=True))
        strip = draw(trial, paths, [(image, crop), *neighbours])
        write_atomically(trial.request.run / strip_path(trial.key, query, setting), strip)
    return outcome


def draw(trial: SearchTrial, paths: list[Path], patches: list[tuple[int, int]]) -> bytes:
    """Draw the query, set apart, then its neighbours, as PNG."""
    size = crop_px(trial.request)
    places = corners(trial.settings, size)
    width = (TILE_PX + GAP_PX) * len(patches) + 2 * GAP_PX
    strip = Image.new("RGB", (width, TILE_PX), "white")
    for position, (image, crop) in enumerate(patches):
        top, left = places[crop]
        tile = enlarged(trial, paths[image]).crop((left, top, left + size, top + size))
        x = position * (TILE_PX + GAP_PX) + (2 * GAP_PX if position else 0)
        strip.paste(tile.resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC), (x, 0))
    buffer = io.BytesIO()
    strip.quantize(128).save(buffer, "PNG", optimize=True)  # a report carries dozens of these
    return buffer.getvalue()
