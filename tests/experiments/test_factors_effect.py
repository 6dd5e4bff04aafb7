"""Every diagnostic factor changes what an experiment of its list computes: none is tried and does nothing.

Each experiment is measured in small on look-alike data, once as it is and once per choice: as few steps as show a
change. One of each kind stands for the others, whose code is the same.
"""

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest

from suite.core.digests import digest_of
from suite.experiments.judge import Trial
from suite.protocol.factors import load_factors
from suite.protocol.tables import Parameter
from tests.support.small_trials import of, small, small_data, small_trial

DATASETS = {
    "object_retrieval": "cifar10",
    "part_classification": "cub200",
    "image_classification": "imagenet1k",
    "part_segmentation": "lip",  # which has the fewest classes
}
PLACES = {
    "encoder": ("object_retrieval", "part_segmentation"),
    "pixels": ("object_retrieval", "part_classification", "part_segmentation", "image_classification"),
    "labels": ("part_classification", "part_segmentation"),
    "splits": ("part_classification", "image_classification"),  # the masks' look-alikes are alike in both splits
}
"""Where a factor acts -> experiments that ask for it in different code."""
SHORT = {"epochs": 20, "evaluations": 1}
UNSEEN = {("precision", "float16"), ("precision", "float64")}
"""Move tokens by their last digits, which need not show in a value; `tests/encoders` looks at tokens."""
OF_MAE = {("normalisation", "imagenet"), ("positions", "bicubic")}
"""What the encoder here has anyway."""
Measure = Callable[..., str]


def cases() -> list[tuple[str, str, str]]:
    """(factor, choice, experiment): every choice once, and in all other code the last one that is none of its own."""
    found = []
    for factor in load_factors().values():
        first, *others = (e for e in PLACES[factor.acts] if e in factor.experiments)
        found += [(factor.name, choice, first) for choice in factor.choices if (factor.name, choice) not in UNSEEN]
        if factor.acts != "encoder":
            found += [(factor.name, factor.mistakes(experiment)[-1], experiment) for experiment in others]
    return found


@pytest.fixture(scope="module")
def measure(tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """(experiment, factors) -> digest of all that was measured; each is measured once."""
    folder = tmp_path_factory.mktemp("factors")
    data = small_data(folder / "data")

    @functools.cache
    def measured(name: str, *factors: tuple[str, str]) -> str:
        plain = small_trial(name, DATASETS[name], "mae", data=data, folder=folder)
        limit = 3 if name == "part_segmentation" else plain.request.limit
        request = replace(plain.request, factors=dict(factors), limit=limit)
        experiment = small(request.profile.experiment(name))
        short = {key: Parameter(value, "this test") for key, value in SHORT.items() if key in experiment.parameters}
        trial = Trial(request, replace(experiment, parameters=experiment.parameters | short), DATASETS[name], "mae")
        outcome = of(name)(trial)
        items = {key: scores.tolist() for key, scores in outcome.items.scores.items()} if outcome.items else {}
        return digest_of([outcome.values, items])

    return measured


@pytest.mark.slow
@pytest.mark.parametrize(("name", "choice", "experiment"), cases())
def test_a_factor_changes_what_is_measured_unless_it_is_the_protocols_own(
    measure: Measure, name: str, choice: str, experiment: str
) -> None:
    is_own = choice not in load_factors()[name].mistakes(experiment) or (name, choice) in OF_MAE
    assert (measure(experiment, (name, choice)) == measure(experiment)) == is_own
