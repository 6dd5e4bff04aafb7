"""What a single test of an experiment says of its cells: passed, failed, or neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from suite.cells import CellId
from suite.core.text import day_of as day
from suite.experiments.context import Outcome
from suite.experiments.judge import Trial
from suite.reference import select as references
from suite.reference.known import KnownDeviation
from suite.results.store import Result
from suite.run.request import make_request

PLACE = "image_classification/imagenet1k/dino"
LINEAR = CellId.parse(f"{PLACE}/linear/top1")
ENTRY = KnownDeviation(
    *("paper", str(LINEAR), 74.0, 73.5, 74.5),
    *("they trained longer", "https://example.org/1", day("2026-01-01"), day("2999-12-31")),
)


def check(tmp_path: Path, values: Sequence[float], **options: object) -> Trial:
    """A trial that measured these values of a linear probe (77.3 is published), whatever it is asked to measure."""
    places = {name: tmp_path / name for name in ("data", "weights", "cache", "run")}
    names = {"encoders": ["dino"], "experiments": ["image_classification"], "profile": "paper", "device": "cpu"}
    request = make_request(**names, **places, **options)
    trial = Trial(request, *next(request.tasks()))
    facts = {"seeds": list(range(len(values))), "seconds": 1.0}
    result = Result(trial.key, {"linear/top1": list(values)}, {}, {}, {}, facts)
    trial.measure = lambda _measurement: (result, False)  # type: ignore[method-assign]
    trial.check(lambda _trial: Outcome())
    return trial


def test_what_agrees_passes(tmp_path: Path) -> None:
    assert (f"{LINEAR}#verdict", "reproduced") in check(tmp_path, [77.3]).properties


def test_a_gross_deviation_fails(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception) as error:
        check(tmp_path, [57.3])
    assert str(error.value) == (
        f"{LINEAR}: differs by -20.00: beyond 2 points, which no seed noise of such a probe explains"
    )


def test_what_cannot_be_told_is_skipped_unless_that_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception) as error:
        check(tmp_path, [77.0])
    assert str(error.value) == (
        f"inconclusive: 1 of 1 cells, {LINEAR} first: a single seed, and the seed noise is unknown: run SEED=0,1,2"
    )
    check(tmp_path, [77.0], allow_inconclusive=True)


def test_a_known_deviation_is_an_expected_failure_until_it_expires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deviations = {LINEAR: ENTRY}
    monkeypatch.setattr("suite.experiments.judge.known_deviations", lambda *_: deviations)
    with pytest.raises(pytest.xfail.Exception, match=r"within 73\.5 to 74\.5, as known since 2026-01-01: they trained"):
        check(tmp_path, [74.0])
    deviations[LINEAR] = replace(ENTRY, expires=day("2026-01-31"))
    with pytest.raises(pytest.fail.Exception, match="as a known deviation it expired on 2026-01-31: they trained"):
        check(tmp_path, [74.0])


def test_the_shipped_expected_values_excuse_nothing() -> None:
    assert references.known_deviations("paper", {}) == {}
