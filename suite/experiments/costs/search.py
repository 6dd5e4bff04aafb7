"""Cost of patch search."""

from __future__ import annotations

from collections.abc import Sequence

from suite.experiments.costs.encoding import attribute_width
from suite.experiments.costs.job import Job, Operation
from suite.experiments.costs.task import Task
from suite.experiments.searching import CHUNK, corners, crop_px
from suite.protocol.settings import SearchSettings


def searching(tasks: Sequence[Task[SearchSettings]]) -> Job:
    """Count every crop of every image and the queries, in one pass, compared in chunks."""
    [task] = tasks
    job, settings, split = task.job(), task.settings, task.splits["all"]
    view, enlarged = settings.view_px, settings.enlarged_px
    per_image = len(corners(settings, crop_px(task.request)))
    crops, queries = split.views * per_image, len(settings.queries)
    chunks = [min(CHUNK, split.views - start) * per_image for start in range(0, split.views, CHUNK)]
    job.read(split.files, split.pixels)
    job.reading[Operation("draw", sizes=(view,))] += split.views
    job.reading[Operation("draw", sizes=(enlarged,))] += split.views
    side = task.shape.architecture.image_size
    job.reading[Operation("draw", sizes=(side,))] += crops
    filled = sum(task.filled(views) for views in [queries, *chunks])
    job.encode(task.shape, side, task.batch_size, "float32", crops + queries, filled=filled)
    widths = [attribute_width(task.shape, setting) for setting in task.cell_settings]
    chunk, scores = min(CHUNK, split.views), crops * queries * len(widths)
    # vectors as they come, of unit length, and the last of the chunk before; scores in chunks, then together
    numbers = chunk * per_image * (2 * sum(widths) + max(widths)) + 2 * scores
    job.host_bytes = 4 * numbers + chunk * 3 * enlarged**2
    return job
