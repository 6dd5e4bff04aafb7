"""Uncertainty of a cell: over images from its items, over seeds from its protocol; never a part of a verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from suite.cells import CellId
from suite.judge import uncertainty
from suite.judge.items import Items
from suite.judge.uncertainty import Uncertainty, uncertainties
from suite.report import collect
from suite.report.collect import assemble
from suite.report.view.cells import cell_line
from suite.results.store import Store
from tests.support.candidate_run import EXPECTED_OF_THE_SEVEN, of_older_version, store_result, write_record
from tests.support.fabricated import mini_probe

RETRIEVAL = CellId.parse("part_retrieval/cub200/dino/encoded/ap")
PROBE = CellId.parse("part_classification/cub200/dino/linear/accuracy")


def run(folder: Path) -> Store:
    for place, value in (("part_retrieval/cub200", 40.0), ("part_classification/cub200", 60.0)):
        store_result(folder, place, "dino", value)
    write_record(folder, ())
    return Store(folder)


def answers(store: Store) -> dict[CellId, Uncertainty]:
    results = list(store.results())
    return uncertainties(results, Items(store, results), {e.cell: e for e in EXPECTED_OF_THE_SEVEN.values()})


def test_an_interval_is_that_of_the_images_and_seed_noise_that_of_the_reference(tmp_path: Path) -> None:
    store = run(tmp_path)
    found = answers(store)
    [result] = [result for result in store.results() if result.key.experiment == "part_retrieval"]
    scores = store.items(result)
    assert scores is not None
    of_images = 100 * scores.scores["encoded/ap"][0].reshape(40, 3).mean(axis=1)
    half = 1.96 * of_images.std() / np.sqrt(40)
    retrieval, probe = found[RETRIEVAL], found[PROBE]
    assert retrieval.low == pytest.approx(40.0 - half, abs=0.15)
    assert retrieval.high == pytest.approx(40.0 + half, abs=0.15)
    assert (retrieval.images, retrieval.seed_sd, retrieval.seed_df, retrieval.seeds) == (40, None, None, 0)
    assert (probe.images, probe.seed_sd, probe.seed_df, probe.seeds) == (40, 0.4, 36, 1)


def test_without_a_recorded_noise_that_of_the_run_is_pooled_and_without_items_there_is_no_interval(
    tmp_path: Path,
) -> None:
    store = Store(mini_probe(tmp_path, seeds=(0, 1, 2)))
    [result] = store.results()
    found = uncertainties([result], Items(store, [result]), {})
    values = result.values["linear/accuracy"]
    assert found[PROBE] == Uncertainty(seed_sd=round(float(np.std(values, ddof=1)), 6), seed_df=2, seeds=3)
    one = Store(mini_probe(tmp_path / "one"))
    [result] = one.results()
    assert uncertainties([result], Items(one, [result]), {})[PROBE] == Uncertainty(seeds=1)


def test_an_older_result_has_no_interval(tmp_path: Path) -> None:
    store = run(tmp_path)
    for result in list(store.results()):
        of_older_version(tmp_path, result)
    assert {answer.low for answer in answers(store).values()} == {None}


def test_it_changes_no_verdict_and_nothing_else_of_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path)
    with_it = assemble(tmp_path)
    assert {cell["uncertainty"] is None for cell in with_it["cells"] if cell["measured"] is not None} == {False}
    monkeypatch.setattr(collect, "uncertainties", lambda *_: {})
    without = assemble(tmp_path)
    for report in (with_it, without):
        for cell in report["cells"]:
            del cell["uncertainty"]
    assert with_it == without


def test_the_same_results_have_the_same_interval_to_the_last_digit_that_is_kept(tmp_path: Path) -> None:
    store = run(tmp_path)
    assert answers(store) == answers(store)
    ends = [end for answer in answers(store).values() for end in (answer.low, answer.high) if end is not None]
    assert ends == [round(end, 4) for end in ends]
    assert len(ends) == 4


def test_the_report_says_both_in_words_apart(tmp_path: Path) -> None:
    run(tmp_path)
    lines = {cell["id"]: cell_line(cell) for cell in assemble(tmp_path)["cells"]}
    found = answers(Store(tmp_path))[RETRIEVAL]
    assert lines[str(RETRIEVAL)].other_images == f"{found.low:.2f} to {found.high:.2f} (40)"
    assert lines[str(RETRIEVAL)].other_seeds == "none"
    nothing = lines["part_retrieval/cub200/mae/encoded/ap"]
    assert (nothing.other_images, nothing.other_seeds) == ("–", "–")
    assert uncertainty.DRAWS == 1_999
