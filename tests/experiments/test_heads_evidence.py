"""A segmentation value's evidence is that of the evaluation which made it, also of the best one, also after a stop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from suite.errors import StorageError
from suite.experiments import head_history, head_training
from suite.experiments.head_history import History
from suite.experiments.heads import label_set
from suite.experiments.judge import Trial
from suite.experiments.segmenting import segment
from suite.metrics import SegmentationCounts
from suite.mini.render import render
from suite.protocol.tables import Parameter
from suite.results.image_counts import ImageCounts
from suite.results.store import Store
from suite.run.request import make_request
from suite.segmentation.evaluate import HeadScores


def scores(right: int) -> HeadScores:
    """Two images of ten pixels and two classes, `right` of each class found."""
    whole = SegmentationCounts(2)
    whole.confusion[:] = 2 * np.array([[right, 5 - right], [5 - right, right]])
    return HeadScores(whole, ImageCounts(*(np.full((2, 2), n, np.int64) for n in (right, 5, 5))))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            "{",
            "expected the evaluations of a head as JSON, got none: Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)",
        ),
        ("[1]", "expected a table, got [1]"),
        ('{"10": {"miou": "high"}}', "10.miou: expected a number, got 'high'"),
        ('{"ten": {"miou": 1, "macc": 1, "aacc": 1}}', "invalid literal for int() with base 10: 'ten'"),
    ],
)
def test_a_damaged_history_is_an_error_and_no_other_best_evaluation(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "abc.json"
    History(path).add(10, scores(4), last=False)
    path.write_text(content)
    with pytest.raises(StorageError) as error:
        History(path).add(20, scores(3), last=True)
    assert str(error.value) == f"{path}: {problem}: remove {tmp_path} and measure again"


def test_the_counts_of_the_best_evaluation_outlive_a_stop(tmp_path: Path) -> None:
    path = tmp_path / "abc.json"
    for done, right in ((10, 2), (20, 4), (30, 4)):
        History(path).add(done, scores(right), last=False)  # a new one each time: as after a stop
    History(path).add(40, scores(3), last=True)
    history = History(path)
    assert [done for done, _ in history.entries()] == [10, 20, 30, 40]
    assert history.best()[0] == 20, "the first of equal ones"
    np.testing.assert_array_equal(history.counts(20).correct, scores(4).images.correct)
    assert history.counts(20).percent() == pytest.approx(history.best()[1])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["abc-20.safetensors", "abc.json"], "of the others nothing"


def test_an_evaluation_that_comes_again_keeps_an_earlier_best(tmp_path: Path) -> None:
    path = tmp_path / "abc.json"
    for done, right in ((10, 2), (20, 4), (30, 3), (20, 1)):  # killed after 30, gone on from before 20
        History(path).add(done, scores(right), last=False)
    assert [done for done, _ in History(path).entries()] == [10, 20]
    assert History(path).best()[0] == 10
    np.testing.assert_array_equal(History(path).counts(10).correct, scores(2).images.correct)


def test_lost_counts_are_named(tmp_path: Path) -> None:
    path = tmp_path / "abc.json"
    History(path).add(10, scores(4), last=False)
    History(path).add(20, scores(3), last=True)
    lost = tmp_path / "abc-10.safetensors"
    lost.write_bytes(b"x")
    with pytest.raises(StorageError) as error:
        History(path).counts(10)
    message = str(error.value)
    assert message.startswith(f"{lost}: expected what was counted after 10 iterations, the best evaluation, got ")
    assert message.endswith(f": remove {tmp_path} and measure again")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    render(root, names=("pascal_part",), workers=1, progress=False)
    return root


@pytest.fixture(autouse=True)
def nothing_trained() -> Iterator[None]:
    head_training._FITTED.clear()
    yield
    head_training._FITTED.clear()


def trial(data: Path, folder: Path, choice: str) -> Trial:
    """Six steps on six images, evaluated thrice."""
    request = make_request(
        encoders=["mae"],
        experiments=["part_segmentation"],
        datasets=["pascal_part"],
        variants=[f"probe-epoch={choice}"] if choice == "best" else [],
        seeds=(0, 1),
        device="cpu",
        data=data,
        cache=folder / "cache",
        run=folder / "run",
        limit=6,
    )
    [(experiment, dataset, spec)] = request.tasks()
    parameters = {**experiment.parameters, "evaluations": Parameter(3, "this test")}
    return Trial(request, replace(experiment, parameters=parameters), dataset, spec)


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["last", "best"])
def test_values_follow_from_their_own_evaluation_and_do_so_again_after_a_stop(
    data: Path, tmp_path: Path, choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # which evaluation is the best must not hang on so short a training: say that it is the first
    monkeypatch.setattr(head_history, "best_of", lambda history: history[0])
    monkeypatch.setattr("suite.experiments.segmenting.best_of", lambda history: history[0])
    first_trial = trial(data, tmp_path, choice)
    once, _ = first_trial.measure(segment)
    history = head_training.fit(first_trial, 0)["linear_head"].history
    assert [done for done, _ in history] == [2, 4, 6]
    first, last = history[0][1], history[-1][1]
    assert first != last, "else the two could not be told apart"
    metrics = {name.split("/")[1]: values[0] for name, values in once.values.items()}
    assert metrics == (first if choice == "best" else last)
    stored = Store(first_trial.request.run).checked(first_trial.key)
    assert stored.values == once.values, "and every one follows from what was counted"

    head_training._FITTED.clear()  # another process, which finds the training done
    again = segment(trial(data, tmp_path, choice))
    assert again.values == once.values
    items = Store(first_trial.request.run).items(stored)
    assert items is not None
    assert again.items is not None
    for name, array in again.items.evidence.items():
        np.testing.assert_array_equal(array, items.evidence[name])
    np.testing.assert_array_equal(again.items.scores["linear_head/miou"], items.scores["linear_head/miou"])
    val = label_set(first_trial, "val")
    assert items.names == {"image": [f"{image.parent.name}/{image.name}" for image, _ in val.records]}
