"""What a probe took every item for is kept beside whether that was right."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from suite.core.paths import DOCS
from suite.experiments.judge import Trial
from suite.results.records import PerItemScores, Result
from suite.results.store import Store
from tests.support.small_trials import of, small, small_data, small_trial


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    folder = tmp_path_factory.mktemp("predictions")
    return small_trial("part_classification", "coco", "mae", data=small_data(folder / "data"), folder=folder)


def measured(trial: Trial, **factors: str) -> PerItemScores:
    request = replace(trial.request, factors=factors)
    again = Trial(request, small(trial.experiment), trial.dataset, trial.spec)
    items = of("part_classification")(again).items
    assert items is not None
    return items


def test_predicted_classes_stand_beside_the_flags_and_agree_with_them(trial: Trial) -> None:
    items = measured(trial)
    labels = items.evidence["labels"]
    assert labels.dtype == np.uint8
    for setting in trial.cell_settings:
        predicted, flags = items.evidence[f"{setting}.predicted"], items.scores[f"{setting}/accuracy"]
        assert (predicted.dtype, predicted.shape) == (np.uint8, flags.shape)
        np.testing.assert_array_equal(predicted == labels, flags)
    names = dict(zip(labels.tolist(), items.names["label"], strict=True))
    assert [names[label] for label in labels.tolist()] == items.names["label"], "a number has one name"


def test_labels_are_those_that_answers_were_held_against(trial: Trial) -> None:
    plain, moved = measured(trial), measured(trial, **{"label-map": "plus-one"})
    classes = 1 + int(plain.evidence["labels"].max())
    np.testing.assert_array_equal(moved.evidence["labels"], (plain.evidence["labels"] + 1) % classes)
    np.testing.assert_array_equal(moved.evidence["linear.predicted"], plain.evidence["linear.predicted"])
    np.testing.assert_array_equal(
        moved.evidence["linear.predicted"] == moved.evidence["labels"], moved.scores["linear/accuracy"]
    )


def test_the_arrays_that_the_page_opens_are_those_of_a_file(trial: Trial, tmp_path: Path) -> None:
    facts = {"seeds": list(trial.seeds)}
    Store(tmp_path).save(Result(trial.key, {}, {}, {}, {}, facts), measured(trial))
    arrays = load_file(Store(tmp_path).items_path(trial.key))
    code = "".join(re.findall(r"```python\n(.*?)```", (DOCS / "how-to" / "items.md").read_text(), re.DOTALL))
    opened = {*re.findall(r'"([a-z.]+[./][a-z]+)"', code)}
    assert opened == {"linear/accuracy", "evidence.labels", "evidence.linear.predicted"}
    assert opened <= arrays.keys()
