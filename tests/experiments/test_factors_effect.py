"""Every diagnostic factor changes what an experiment of its list computes: none is tried and does nothing.

Each experiment is measured in small on look-alike data, once as it is and once per choice; one of each kind stands for
the others, whose code is the same.
"""

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest

from suite.core.digests import digest_of
from suite.experiments.judge import Trial
from suite.protocol.factors import load_factors
from suite.protocol.profiles import load_profile
from tests.support.small_trials import of, small, small_data, small_trial

PLACES = {
    "encoder": ("object_retrieval", "part_segmentation"),
    "pixels": ("object_retrieval", "part_classification"),
    "labels": ("part_classification", "part_segmentation"),
    "splits": ("part_classification", "image_classification"),  # the masks' look-alikes are alike in both splits
}
"""Where a factor acts -> experiments that ask for it in different code."""
UNSEEN = {("precision", "float16"), ("precision", "float64")}
"""Move tokens by their last digits, which need not show in a value; `tests/encoders` looks at tokens."""
Measure = Callable[..., str]


def cases() -> list[tuple[str, str, str]]:
    """(factor, choice, experiment)."""
    return [
        (factor.name, choice, next(e for e in PLACES[factor.acts] if e in factor.experiments))
        for factor in load_factors().values()
        for choice in factor.choices
        if (factor.name, choice) not in UNSEEN
    ] + [
        (factor.name, factor.choices[-1], experiment)
        for factor in load_factors().values()
        if factor.acts in {"labels", "splits"}
        for experiment in PLACES[factor.acts][1:]
    ]


@pytest.fixture(scope="module")
def measure(tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """(experiment, factors) -> digest of all that was measured; each is measured once."""
    folder = tmp_path_factory.mktemp("factors")
    data = small_data(folder / "data")

    @functools.cache
    def measured(name: str, *factors: tuple[str, str]) -> str:
        dataset = load_profile("mini").experiment(name).datasets[0]
        plain = small_trial(name, dataset, "mae", data=data, folder=folder)
        request = replace(plain.request, factors=dict(factors))
        trial = Trial(request, small(request.profile.experiment(name)), dataset, "mae")
        outcome = of(name)(trial)
        items = {key: scores.tolist() for key, scores in outcome.items.scores.items()} if outcome.items else {}
        return digest_of([outcome.values, items])

    return measured


@pytest.mark.parametrize(("name", "choice", "experiment"), cases())
def test_a_factor_changes_what_is_measured(measure: Measure, name: str, choice: str, experiment: str) -> None:
    if (name, choice) in {("normalisation", "imagenet"), ("positions", "bicubic")}:
        assert measure(experiment, (name, choice)) == measure(experiment)  # MAE's own
    else:
        assert measure(experiment, (name, choice)) != measure(experiment)
