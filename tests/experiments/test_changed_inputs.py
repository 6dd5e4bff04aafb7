"""What a result is made from is told as it was when it was used; what changed meanwhile is an error, and no result."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.core import source_code
from suite.core.paths import SUITE
from suite.core.source_code import check_unchanged, trial_code
from suite.errors import ChangedError
from suite.experiments.context import Outcome
from suite.experiments.judge import NotStoredError, Trial

RETRIEVAL = SUITE / "experiments" / "retrieval.py"


def edit(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Have a source file read as if it had been edited after it was imported."""
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda file: read(file) + b"# edited" * (file == path))


def outcome(_: object) -> Outcome:
    return Outcome({"encoded/ap": [50.0]})


def test_a_digest_is_of_the_code_that_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    before = trial_code("object_retrieval")
    edit(monkeypatch, RETRIEVAL)
    source_code.code_digest.cache_clear()
    assert trial_code("object_retrieval") == before


def test_source_that_was_edited_since_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    check_unchanged("object_retrieval")
    edit(monkeypatch, RETRIEVAL)
    with pytest.raises(ChangedError) as error:
        check_unchanged("object_retrieval")
    assert str(error.value) == (
        "suite/experiments/retrieval.py: changed since this process imported it: expected the code that the run began "
        "with: start the run again, which keeps what was finished before"
    )
    check_unchanged("part_segmentation")


def test_a_trial_that_follows_an_edit_is_not_measured(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(monkeypatch, RETRIEVAL)
    with pytest.raises(ChangedError, match=r"^suite/experiments/retrieval\.py: changed"):
        trial.measure(outcome)
    assert not trial.store.path(trial.key).exists()


def test_a_trial_during_which_source_is_edited_is_not_stored(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def edited(context: object) -> Outcome:
        edit(monkeypatch, RETRIEVAL)
        return outcome(context)

    with pytest.raises(ChangedError, match=r"^suite/experiments/retrieval\.py: changed"):
        trial.measure(edited)
    assert not trial.store.path(trial.key).exists()


def test_a_trial_during_which_data_change_is_not_stored(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = iter(["before", "after"])
    monkeypatch.setattr("suite.experiments.context.datasets.digest", lambda _: next(digests))
    with pytest.raises(ChangedError) as error:
        trial.measure(outcome)
    assert str(error.value) == (
        "object_retrieval/cifar10/mae: expected the same data before and after it was measured, found other: nothing "
        "was stored: leave it unchanged while a run uses it, and start the run again"
    )
    assert not trial.store.path(trial.key).exists()


def test_what_is_only_looked_for_is_not_measured(trial: Trial) -> None:
    object.__setattr__(trial.request, "stored_only", True)
    with pytest.raises(NotStoredError, match="no stored result holds"):
        trial.measure(outcome)


def test_the_commit_is_that_of_the_beginning(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    trial.measure(outcome)
    result = trial.store.load(trial.key)
    assert result is not None
    first = result.facts["code_state"]
    monkeypatch.setattr("suite.experiments.judge.code_state", lambda: {"commit": "other"})
    assert trial._facts(Outcome(), seconds=1.0, taken={}, less=[])["code_state"] == first


def test_a_result_that_is_reused_is_no_longer_noted_as_not_run(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    trial.measure(outcome)
    trial.store.mark_not_run(trial.key, "a while ago")
    monkeypatch.setattr(Trial, "stored", lambda self, _inputs: self.store.load(self.key))
    assert trial.measure(outcome)[1]
    assert trial.store.reasons() == {}
