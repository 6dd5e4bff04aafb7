"""Results of the mini study, for people: every task beside its baselines, and who does not stand above them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tabulate import tabulate

from suite.cells import METHODS, CellId, Measurement
from suite.protocol.profiles import Experiment, Profile
from suite.reference.recording import Recording
from suite.results.noise import Spread, pool_of, pooled_sd

_READOUTS = (
    *("encoded/ap", "projected/ap"),
    *("linear/top1", "attentive/top1", "linear/accuracy", "attentive/accuracy"),
    "linear_head/miou",
)
_RATE = "lr_"
"""Prefix of settings of the learning-rate sweep: their readout is mIoU."""
NOISES = 3.0
"""Standard deviations over seeds by which an encoder must exceed both baselines, so that its number tells something."""

Task = tuple[Experiment, str, str, str]
"""Experiment, dataset, setting, metric."""


def results_page(profile: Profile, measurements: Sequence[Measurement], recording: Recording) -> str:
    """Write docs/evidence/mini_results.md.

    Args:
        profile: the mini profile.
        measurements: every recorded cell, with all its seeds.
        recording: how they came about.
    """
    means = {m.id: m.mean for m in measurements}
    noise = pooled_sd(measurements)
    tasks = list(_tasks(profile))
    rows = [
        [experiment.title, dataset, setting, metric]
        + [means.get(CellId(experiment.name, dataset, method, setting, metric)) for method in profile.methods]
        for experiment, dataset, setting, metric in tasks
    ]
    table = tabulate(rows, ["task", "data", "readout", "metric", *profile.methods], tablefmt="github", floatfmt=".1f")
    low_rows = [row for task in tasks if (row := _not_above(task, profile, means, noise))]
    low_table = tabulate(
        low_rows,
        ["task", "data", "readout", "higher baseline", "seed noise", "not above"],
        tablefmt="github",
        floatfmt=".2f",
    )
    return f"""# What the mini study measures

Per cent, means over the seeds of the probes; written by `{recording.command}` at commit {recording.commit},
{recording.date}, on {recording.machine}.
The last two columns are the baselines: an untrained encoder, and the image at 12 x 12 pixels. Every part is
drawn in a random colour of its own, so that colour solves no task. Where raw pixels stand above an encoder,
as they do above several in retrieval from COCO, its cosine similarity says less than a thumbnail does.

{table}

## Which numbers tell nothing

Where something is trained, an encoder's number tells something about it if it exceeds both baselines by {NOISES:g}
standard deviations over seeds (pooled over encoders). These do not:

{low_table}

Why, as far as it is known:

- **BEiT** learned least of the seven ([how they were made](mini_encoders.md)): its held-out retrieval hardly rose above
  its beginning, and what it has beyond an untrained encoder is little in most tasks. Attentive probes of an untrained
  encoder are good besides, since attention over all tokens is itself what is trained.
- **CAE's segmentation** stands above the untrained encoder's, by less than three times a noise that is pooled over all
  encoders and is that of those with larger numbers.
- **Linear probes on parts of people**: a thumbnail of a patch has 432 numbers, a class token 96, and where a hand, a
  head or a foot lies in its patch is plain to see in a thumbnail. DINO's class tokens are nearly the same for all
  patches; its attentive probe, which reads all tokens, does better.
- **The sweep's smallest rate** belongs to the paper's 160,000 iterations: in a hundred steps of at most 1e-5 a head
  hardly leaves its first weights. It is there so that the sweep is the paper's.
"""


def _tasks(profile: Profile) -> Iterator[Task]:
    for experiment in profile.experiments.values():
        for dataset in experiment.datasets:
            for setting, metric in (readout.split("/") for readout in _READOUTS):
                if setting in experiment.cell_settings and metric in experiment.metrics:
                    yield experiment, dataset, setting, metric
            for setting in experiment.cell_settings:
                if setting.startswith(_RATE):
                    yield experiment, dataset, setting, experiment.metrics[0]


def _not_above(
    task: Task, profile: Profile, means: Mapping[CellId, float], noise: Mapping[CellId, Spread]
) -> list[object] | None:
    """Return the row of a task; None where nothing is trained or every encoder stands above both baselines."""
    experiment, dataset, setting, metric = task

    def cell(method: str) -> CellId:
        return CellId(experiment.name, dataset, method, setting, metric)

    spread = noise.get(pool_of(cell(METHODS[0])))
    if spread is None:
        return None
    baseline = max(means[cell(method)] for method in profile.baselines if cell(method) in means)
    low_methods = [method for method in METHODS if means[cell(method)] < baseline + NOISES * spread.sd]
    return [experiment.title, dataset, setting, baseline, spread.sd, ", ".join(low_methods)] if low_methods else None
