"""Every variant changes what every experiment of its list computes: none is recorded in a cell and does nothing.

Each experiment is measured in small on look-alike data, once as it is and once per choice. Variants of the encoder's
weights are left to `test_variants.py`: all experiments take the encoder from one place.
"""

import functools
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from suite.experiments.trial import Outcome, Trial

from suite.core.digests import digest_of
from suite.experiments.segmenting import segment
from suite.protocol.profiles import Experiment, load_profile
from suite.protocol.tables import Parameter
from suite.protocol.variants import load_variants
from suite.reproduction import reproduce
from suite.run.request import make_request
from tests.lookalike_data import write_data

WEIGHTS = Path(reproduce.__file__).parent / "mini" / "weights"
OF_WEIGHTS = {"dino-weights", "deit-weights", "ibot-weights", "cae-epsilon"}
SEGMENTATION = ("object_segmentation", "part_segmentation", "learning_rate_sweep")
# so that two steps show a decay, and an evaluation in between is better than the last
VIOLENT: Mapping[str, Any] = {"lr": 1.0, "weight_decay": 0.5, "warmup_iterations": 1, "evaluations": 4}
ONE_IMAGE: Mapping[str, Any] = {"queries": ["13660:19"], "numbers_below": 0, "numbers_also": [13660]}
Measure = Callable[..., str]


def cases() -> list[tuple[str, str, str]]:
    """(variant, choice, experiment)."""
    known = [variant for name, variant in load_variants().items() if name not in OF_WEIGHTS]
    return [(v.name, choice, experiment) for v in known for choice in v.choices[1:] for experiment in v.experiments]


def small(experiment: Experiment) -> Experiment:
    """The experiment with what shows in a few steps, and is over soon."""
    settings = ("lr_1",) if experiment.name == "learning_rate_sweep" else experiment.settings
    values = VIOLENT if experiment.name in SEGMENTATION else ONE_IMAGE if experiment.name == "patch_search" else {}
    changed = {name: Parameter(value, "this test") for name, value in values.items()}
    return replace(experiment, settings=settings, parameters={**experiment.parameters, **changed})


@pytest.fixture(scope="module")
def measure(tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """(experiment, dataset, encoder, variant) -> digest of all that was measured; each is measured once."""
    folder = tmp_path_factory.mktemp("variants")
    data = write_data(folder / "data")
    for path in (data / "coco" / "annotations").glob("person_keypoints*.json"):
        content = json.loads(path.read_text())
        for number, person in enumerate(content["annotations"]):  # so close that they count as a third coordinate
            person["id"] = number
        path.write_text(json.dumps(content))

    @functools.cache
    def measured(name: str, dataset: str, spec: str, *variants: str) -> str:
        limit = 6 if name in SEGMENTATION else 16
        request = make_request(
            encoders=[spec], experiments=[name, "part_retrieval"],  # a request of pictures alone is none
            variants=variants, data=data, weights=WEIGHTS, device="cpu",
            cache=folder / "cache", run=folder / "run", limit=limit,
        )  # fmt: skip
        trial = Trial(request, small(request.profile.experiment(name)), dataset, spec)
        found: Outcome = of(name)(trial)
        items = {key: scores.tolist() for key, scores in found.items.scores.items()} if found.items else {}
        return digest_of([found.values, found.summaries, items])

    return measured


def of(experiment: str) -> Callable[[Trial], Outcome]:
    """What measures an experiment."""
    if experiment in SEGMENTATION:
        return segment
    page = importlib.import_module(f"suite.experiments.test_{experiment}")
    function: Callable[[Trial], Outcome] = getattr(page, experiment)
    return function


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(("name", "choice", "experiment"), cases())
def test_a_variant_changes_what_is_measured(measure: Measure, name: str, choice: str, experiment: str) -> None:
    variant = load_variants()[name]
    spec = (variant.methods or ("dino",))[0]
    datasets = load_profile("mini").experiment(experiment).datasets
    dataset = next(each for each in datasets if variant.applies(experiment, each, spec))
    assert measure(experiment, dataset, spec, f"{name}={choice}") != measure(experiment, dataset, spec)
