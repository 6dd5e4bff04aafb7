"""A stored value is held against its own evidence: what was edited by hand is named, whichever verb sees it first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from suite.cli.main import main
from suite.errors import EvidenceError
from suite.metrics import SegmentationCounts, mean_ap, mean_class_ap
from suite.report.collect import NO_EVIDENCE, assemble
from suite.reproduction.measure import set_altered_aside
from suite.results.evidence import recompute
from suite.results.image_counts import ImageCounts, pack
from suite.results.records import Key, PerItemScores, Result, digest_of_record
from suite.results.store import Store
from tests.support.archived_run import CELLS, KEY, alter, items, result
from tests.support.here import do_jobs_here

ADVICE = "restore the file, or measure again (make reproduce)"
ITEMS = f"items/{KEY}.safetensors"
OTHER = "object_retrieval/cifar10/mae"


def stated_digest(run: Path, name: str = CELLS) -> str:
    return json.loads((run / name).read_text())["digest"][:12]


def digest_of(run: Path, name: str = CELLS) -> str:
    return digest_of_record(json.loads((run / name).read_text()))[:12]


def set_value(run: Path, *, sign: bool) -> None:
    alter(run / CELLS, lambda cell: cell["values"].update({"encoded/ap": [13.5]}), sign=sign)


def edit_value(run: Path) -> str:
    set_value(run, sign=False)
    digests = f"SHA-256 {stated_digest(run)}, as it says itself, got {digest_of(run)}"
    return f"{run / CELLS}: altered: expected content of {digests}"


def edit_value_and_digest(run: Path) -> str:
    set_value(run, sign=True)
    return f"{run / CELLS}: encoded/ap: expected 12.250000, as the items of {run / ITEMS} score, got 13.5"


def edit_summaries(run: Path) -> str:
    alter(run / CELLS, lambda cell: cell["summaries"].update(split="none"))
    return edit_value(run)


def replace_evidence(run: Path) -> str:
    shutil.copy(run / f"items/{OTHER}.safetensors", run / ITEMS)
    digest, other_digest = (
        json.loads((run / f"cells/{key}.json").read_text())["items"]["sha256"][:12] for key in (KEY, OTHER)
    )
    return f"{run / ITEMS}: altered: expected SHA-256 {digest}, as {run / CELLS} names it, got {other_digest}"


def remove_evidence(run: Path) -> str:
    (run / ITEMS).unlink()
    return f"{run / ITEMS}: expected the scores of {run / CELLS}, got none: No such file or directory"


def disown_evidence(run: Path) -> str:
    alter(run / CELLS, lambda cell: cell.pop("items"), sign=True)
    return f"{run / CELLS}: encoded/ap: expected scores of single items in {run / ITEMS}, got none"


def edit_seeds(run: Path) -> str:
    alter(run / CELLS, lambda cell: cell.update(seeds=[7]))
    digests = f"SHA-256 {stated_digest(run)}, as it says itself, got {digest_of(run)}"
    return f"{run / CELLS}: altered: expected content of {digests}"


def edit_seeds_and_digest(run: Path) -> str:
    alter(run / CELLS, lambda cell: cell.update(seeds=[7]), sign=True)
    return f"{run / CELLS}: seeds: expected [], of which {run / ITEMS} is, got [7]"


def more_seeds_than_values(run: Path) -> str:
    alter(run / CELLS, lambda cell: cell.update(seeds=[0, 1]), sign=True)
    return f"{run / CELLS}: encoded/ap: expected a value for each of the seeds [0, 1], got 1: [12.25]"


def more_values_than_one(run: Path) -> str:
    alter(run / CELLS, lambda cell: cell["values"].update({"encoded/ap": [12.25, 12.25]}), sign=True)
    return f"{run / CELLS}: encoded/ap: expected a single value, since nothing is random, got 2: [12.25, 12.25]"


def copy_another_over(run: Path) -> str:
    shutil.copy(run / f"cells/{OTHER}.json", run / CELLS)
    return f"{run / CELLS}: expected the result of {KEY}, got that of {OTHER}"


def a_text_for_a_value(run: Path) -> str:
    alter(run / CELLS, lambda cell: cell["values"].update({"encoded/ap": ["12.25"]}), sign=True)
    return f"{run / CELLS}: encoded/ap: expected numbers from 0 to 100, got ['12.25']"


def a_name_of_one_word(run: Path) -> str:
    alter(run / CELLS, lambda cell: cell["values"].update(ap=[12.25]), sign=True)
    return f"{run / CELLS}: values: expected setting/metric, got 'ap'"


EDITS = [
    edit_value,
    edit_value_and_digest,
    edit_summaries,
    replace_evidence,
    remove_evidence,
    disown_evidence,
    edit_seeds,
    edit_seeds_and_digest,
    more_seeds_than_values,
    more_values_than_one,
    copy_another_over,
    a_text_for_a_value,
    a_name_of_one_word,
]
every_edit = pytest.mark.parametrize("edit", EDITS, ids=[edit.__name__ for edit in EDITS])


@every_edit
def test_verbs_that_only_read_end_in_one_line(
    edit: Callable[[Path], str], run: Path, pristine: Path, capsys: pytest.CaptureFixture
) -> None:
    message = edit(run)
    capsys.readouterr()
    for verb in (["report", f"{run}"], ["archive", f"{run}"], ["compare", f"{pristine}", f"{run}"]):
        assert main(verb) == 3, verb
        assert capsys.readouterr().err == f"error: {message}: {ADVICE}\n", verb
    assert main(["verify", str(run)]) == 1
    assert capsys.readouterr().out == f"{message}: {ADVICE}\n"


@every_edit
@pytest.mark.parametrize("encoders", [["mine:build"], ["deit", "mae"]], ids=["of an encoder", "of a device"])
def test_to_accept_an_edited_value_is_refused(
    edit: Callable[[Path], str], encoders: list[str], run: Path, capsys: pytest.CaptureFixture
) -> None:
    message = edit(run)
    alter(run / "run.json", lambda record: record["asked"].update(encoders=encoders))
    assert main(["accept", str(run), "--reason", "why"]) == 3
    assert capsys.readouterr().err == f"error: {message}: {ADVICE}\n"


@every_edit
def test_reproduce_names_the_file_keeps_it_and_measures_again(
    edit: Callable[[Path], str], run: Path, capsys: pytest.CaptureFixture
) -> None:
    message = edit(run)
    content = (run / CELLS).read_bytes()
    store = Store(run)
    set_altered_aside(store)
    assert capsys.readouterr().err == f"warning: {message}: kept as deit.json.altered, to be measured again\n"
    assert (run / f"{CELLS}.altered").read_bytes() == content
    assert not (run / ITEMS).exists(), "nor is what it scored believed"
    assert [str(stored_result.key) for stored_result in store.results()] == [OTHER]
    assert store.load(KEY) is None
    set_altered_aside(store)
    assert capsys.readouterr().err == "", "once"


@every_edit
def test_no_edited_result_is_reused(edit: Callable[[Path], str], run: Path) -> None:
    inputs = result().inputs
    assert Store(run).load_if_valid(KEY, inputs) is not None
    edit(run)
    assert Store(run).load_if_valid(KEY, inputs) is None


@pytest.mark.slow
def test_an_edited_value_is_measured_again_by_the_whole_verb(
    run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    message = edit_value(run)
    monkeypatch.setattr("suite.reproduction.measure.prepare_data", lambda *_, **__: None)
    monkeypatch.setattr("suite.reproduction.measure.write_plan", lambda *_, **__: None)
    monkeypatch.setattr("suite.reproduction.measure.take_along", lambda *_: None)

    def run_experiments(_: object) -> None:
        assert not (run / CELLS).exists(), "the experiments do not see it"
        Store(run).save(result(), items())

    do_jobs_here(monkeypatch)
    monkeypatch.setattr("suite.reproduction.measure.Trials.run", run_experiments)
    options = ["--encoder=deit", "--dataset=cifar10", "--experiment=object_retrieval", "--device=cpu", "--runtime=venv"]
    main(["reproduce", *options, f"--run={run}", f"--cache={tmp_path / 'cache'}"])
    assert f"warning: {message}: kept as deit.json.altered, to be measured again\n" in capsys.readouterr().err
    assert main(["verify", str(run)]) == 0


def older(run: Path) -> None:
    """Both results as they were before files held digests."""
    for path in (run / "cells").rglob("*.json"):
        record = json.loads(path.read_text())
        del record["digest"]
        path.write_text(json.dumps(record | {"schema": 1}))


def test_results_of_an_older_version_open_and_say_that_they_carry_no_evidence(
    run: Path, capsys: pytest.CaptureFixture
) -> None:
    older(run)
    content = assemble(run)
    assert content["notes"] == [
        f"{NO_EVIDENCE}: 2 of 2 results, {KEY} first.",
        "The environment of 2 of 2 results (environment 1) is not noted. The next make reproduce measures them again.",
    ]
    assert {c["measured"] for c in content["cells"] if c["measured"] is not None} == {12.25, 10.5}
    main(["report", str(run)])
    capsys.readouterr()
    for name in ("report.html", "report.md"):
        assert NO_EVIDENCE in (run / name).read_text(), name
    assert main(["verify", str(run)]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        f"note: cells/{key}.json: made by an older version, carries no evidence: cannot be checked"
        for key in (KEY, OTHER)
    ]
    assert main(["verify", str(run), "--strict"]) == 1
    assert Store(run).load_if_valid(KEY, result().inputs) is None, "reproduce measures it again"


def test_a_value_too_many_in_an_older_file_is_one_line(run: Path, capsys: pytest.CaptureFixture) -> None:
    older(run)
    alter(run / CELLS, lambda cell: cell.update(seeds=[0, 1, 2]))
    assert main(["report", str(run)]) == 3
    message = f"{run / CELLS}: encoded/ap: expected a value for each of the seeds [0, 1, 2], got 1: [12.25]"
    assert capsys.readouterr().err == f"error: {message}: {ADVICE}\n"


# each kind of evidence

LABELS = np.array([0, 0, 0, 1, 1, 2], np.int32)
APS = np.array([[0.9, 0.8, 0.7, 0.25, 0.5, 1.0]])
WITHOUT = np.array([[0.8, 0.7, 0.6, 0.125, 0.25, np.nan]])
FLAGS = np.array([[True, True, False, True, False, True], [True, False, False, False, False, False]])


def counts(seed: int) -> tuple[ImageCounts, SegmentationCounts]:
    """Four images of 30 pixels and five classes, the last never there; and the whole confusion."""
    draw = np.random.default_rng(seed)
    images, confusion = ImageCounts.zeros(4, 5), SegmentationCounts(5)
    for image in range(4):
        truth, prediction = draw.integers(0, 4, 30), draw.integers(0, 4, 30)
        confusion.update(prediction, truth)
        for c in range(4):
            images.labelled[image, c] = (truth == c).sum()
            images.predicted[image, c] = (prediction == c).sum()
            images.correct[image, c] = ((truth == c) & (prediction == c)).sum()
    return images, confusion


def all_kinds() -> PerItemScores:
    scores = {"encoded/ap": APS, "encoded/ap_excluding_self": WITHOUT, "linear/top1": FLAGS, "linear/accuracy": FLAGS}
    packed = {f"linear_head.{part}": a for part, a in pack([counts(0)[0], counts(1)[0]]).items()}
    return PerItemScores(scores, "x", np.arange(6, dtype=np.int32), {"labels": LABELS, **packed})


TRUE = {
    "encoded/ap": [100 * mean_ap(APS[0])],
    "encoded/ap_excluding_self": [100 * mean_ap(WITHOUT[0])],
    "encoded/map": [100 * mean_class_ap(APS[0], LABELS)],
    "linear/top1": [100 * 4 / 6, 100 / 6],
    "linear/accuracy": [100 * 4 / 6, 100 / 6],
    "linear_head/miou": [100 * counts(seed)[1].mean_iou for seed in (0, 1)],
    "linear_head/macc": [100 * counts(seed)[1].mean_accuracy for seed in (0, 1)],
    "linear_head/aacc": [100 * counts(seed)[1].pixel_accuracy for seed in (0, 1)],
}


def store_with(tmp_path: Path, name: str, values: list[float]) -> Store:
    store = Store(tmp_path)
    seeds = list(range(len(values))) if len(values) > 1 else []
    store.save(Result(KEY, {name: values}, {}, {}, {}, {"seeds": seeds}), all_kinds())
    return store


@pytest.mark.parametrize("name", TRUE)
def test_what_the_metrics_say_follows_from_the_stored_items(tmp_path: Path, name: str) -> None:
    assert recompute(all_kinds(), name) == pytest.approx(TRUE[name], abs=1e-12)
    assert store_with(tmp_path, name, TRUE[name]).checked(KEY)


@pytest.mark.parametrize("name", TRUE)
@pytest.mark.parametrize("factor", [1.01, 1 + 1e-7])
def test_a_value_a_little_off_its_items_is_named(tmp_path: Path, name: str, factor: float) -> None:
    values = [*TRUE[name][:-1], TRUE[name][-1] * factor]
    store = store_with(tmp_path, name, values)
    seed_text = f" of seed {len(values) - 1}" if len(values) > 1 else ""
    with pytest.raises(EvidenceError) as error:
        store.checked(KEY)
    assert str(error.value) == (
        f"{store.path(KEY)}: {name}{seed_text}: expected {TRUE[name][-1]:.6f}, as the items of "
        f"{store.items_path(KEY)} score, got {values[-1]!r}: {ADVICE}"
    )


def test_a_metric_that_nothing_tells_of_has_no_evidence(tmp_path: Path) -> None:
    store = store_with(tmp_path, "attentive/top1", [50.0])
    with pytest.raises(EvidenceError) as error:
        store.checked(KEY)
    message = f"attentive/top1: expected scores of single items in {store.items_path(KEY)}, got none"
    assert str(error.value) == f"{store.path(KEY)}: {message}: {ADVICE}"


def test_counts_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    scores = all_kinds()
    cut_scores = replace(
        scores, evidence=scores.evidence | {"linear_head.classes": scores.evidence["linear_head.classes"][:-1]}
    )
    store.save(Result(KEY, {"linear_head/miou": [1.0, 2.0]}, {}, {}, {}, {"seeds": [0, 1]}), cut_scores)
    with pytest.raises(EvidenceError, match="expected the evidence of linear_head/miou, got counts: expected"):
        store.checked(KEY)


@pytest.mark.parametrize("predicted", [[[0, 0, 1, 1, 0, 1]], [[0, 0, 1, 1, 0]]])
def test_predicted_classes_that_contradict_what_was_right_are_named(tmp_path: Path, predicted: list[list[int]]) -> None:
    evidence = {"labels": LABELS, "linear.predicted": np.array(predicted, np.uint8)}
    items = PerItemScores({"linear/top1": FLAGS[:1]}, "x", np.arange(6, dtype=np.int32), evidence)
    store = Store(tmp_path)
    store.save(Result(KEY, {"linear/top1": TRUE["linear/top1"][:1]}, {}, {}, {}, {"seeds": [0]}), items)
    with pytest.raises(EvidenceError) as error:
        store.checked(KEY)
    assert str(error.value) == (
        f"{store.items_path(KEY)}: expected the evidence of linear/top1, got items that are said to be right although "
        f"another class was predicted, or wrong although theirs was: {ADVICE}"
    )
    right = replace(items, evidence=evidence | {"linear.predicted": np.array([[0, 0, 1, 1, 0, 2]], np.uint8)})
    store.save(Result(KEY, {"linear/top1": TRUE["linear/top1"][:1]}, {}, {}, {}, {"seeds": [0]}), right)
    assert store.checked(KEY)


def test_results_without_values_need_no_evidence(tmp_path: Path) -> None:
    key = Key("patch_search", "imagenet1k", "mae")
    Store(tmp_path).save(Result(key, {}, {"1:2 encoded": {}}, {"weights": "a"}, {}, {"seeds": []}))
    assert Store(tmp_path).load_if_valid(key, {"weights": "a"}) is not None
