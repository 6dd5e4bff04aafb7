"""Every variant changes what every experiment of its list computes: none is recorded in a cell and does nothing.

Each experiment is measured in small on look-alike data, once as it is and once per choice. Variants of the encoder's
weights are left to `test_variants.py`: all experiments take the encoder from one place.
"""

import functools
from collections.abc import Callable

import pytest

from suite.core.digests import digest_of
from suite.experiments.context import Outcome
from suite.protocol.profiles import load_profile
from suite.protocol.variants import load_variants
from tests.support.small_trials import of, small_data, small_trial

OF_WEIGHTS = {"dino-weights", "deit-weights", "ibot-weights", "cae-epsilon"}
Measure = Callable[..., str]


def cases() -> list[tuple[str, str, str]]:
    """(variant, choice, experiment)."""
    variants = [variant for name, variant in load_variants().items() if name not in OF_WEIGHTS]
    return [(v.name, choice, experiment) for v in variants for choice in v.choices[1:] for experiment in v.experiments]


@pytest.fixture(scope="module")
def measure(tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """(experiment, dataset, encoder, variant) -> digest of all that was measured; each is measured once."""
    folder = tmp_path_factory.mktemp("variants")
    data = small_data(folder / "data")

    @functools.cache
    def measured(name: str, dataset: str, spec: str, *variants: str) -> str:
        trial = small_trial(name, dataset, spec, *variants, data=data, folder=folder)
        outcome: Outcome = of(name)(trial)
        items = {key: scores.tolist() for key, scores in outcome.items.scores.items()} if outcome.items else {}
        return digest_of([outcome.values, outcome.summaries, items])

    return measured


@pytest.mark.slow
@pytest.mark.parametrize(("name", "choice", "experiment"), cases())
def test_a_variant_changes_what_is_measured(measure: Measure, name: str, choice: str, experiment: str) -> None:
    variant = load_variants()[name]
    spec = (variant.methods or ("dino",))[0]
    datasets = load_profile("mini").experiment(experiment).datasets
    dataset = next(candidate for candidate in datasets if variant.applies(experiment, candidate, spec))
    assert measure(experiment, dataset, spec, f"{name}={choice}") != measure(experiment, dataset, spec)
