"""Every experiment in small: a few steps on look-alike data, over in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from suite.core.paths import MINI_WEIGHTS
from suite.experiments.base import page_of
from suite.experiments.context import Context, Outcome
from suite.experiments.judge import Trial
from suite.protocol.profiles import Experiment
from suite.protocol.tables import Parameter
from suite.run.request import make_request
from tests.support.lookalike_data import write_data

SEGMENTATION = ("object_segmentation", "part_segmentation", "learning_rate_sweep")
# so that two steps show a decay, and an evaluation in between is better than the last
VIOLENT: Mapping[str, Any] = {"lr": 1.0, "weight_decay": 0.5, "warmup_iterations": 1, "evaluations": 4}
ONE_IMAGE: Mapping[str, Any] = {"queries": ["13660:19"], "numbers_below": 0, "numbers_also": [13660]}


def small(experiment: Experiment) -> Experiment:
    """The experiment with what shows in a few steps, and is over soon."""
    settings = ("lr_1",) if experiment.name == "learning_rate_sweep" else experiment.cell_settings
    values = VIOLENT if experiment.name in SEGMENTATION else ONE_IMAGE if experiment.name == "patch_search" else {}
    changed = {name: Parameter(value, "this test") for name, value in values.items()}
    return replace(experiment, cell_settings=settings, parameters={**experiment.parameters, **changed})


def small_data(folder: Path) -> Path:
    """Look-alike data in which every variant shows."""
    data = write_data(folder)
    for path in (data / "coco" / "annotations").glob("person_keypoints*.json"):
        content = json.loads(path.read_text())
        for number, person in enumerate(content["annotations"]):  # so close that they count as a third coordinate
            person["id"] = number
        path.write_text(json.dumps(content))
    return data


def small_trial(name: str, dataset: str, spec: str, *variants: str, data: Path, folder: Path) -> Trial:
    """A trial of an experiment that is over soon; `of(name)` measures it."""
    request = make_request(
        encoders=[spec], experiments=[*dict.fromkeys((name, "part_retrieval"))],  # a request of pictures alone is none
        variants=variants, data=data, weights=MINI_WEIGHTS, device="cpu",
        cache=folder / "cache", run=folder / "run", limit=6 if name in SEGMENTATION else 16,
    )  # fmt: skip
    return Trial(request, small(request.profile.experiment(name)), dataset, spec)


def lip(folder: Path, *variants: str, experiment: str = "part_segmentation") -> Trial:
    """A trial of the mini study on four images of look-alike LIP; `segment` measures it."""
    places = {"data": write_data(folder / "data"), "cache": folder / "cache", "run": folder / "run"}
    selection = {"encoders": ["dino"], "datasets": ["lip"], "experiments": [experiment], "variants": variants}
    request = make_request(**selection, **places, device="cpu", limit=4)
    [task] = request.tasks()
    return Trial(request, *task)


def of(experiment: str) -> Callable[[Context[Any]], Outcome]:
    """What measures an experiment."""
    return page_of(experiment).run
