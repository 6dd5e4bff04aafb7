"""Names of items travel in a table beside the scores, which says in any program what row is what score of."""

from __future__ import annotations

import csv
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from suite.archive.contents import contents
from suite.candidate.check import adopt
from suite.datasets.digests import array_key
from suite.datasets.views import View, ViewSet
from suite.errors import EvidenceError
from suite.experiments.items import items_of
from suite.report.collect import report
from suite.results.item_names import COLUMNS, from_csv, to_csv
from suite.results.store import PerItemScores, Store
from suite.run.request import make_request
from tests.support.archived_run import KEY, items, result, write_run

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
NAMES = {"image": ["a/1.jpg", 'b/"x",\ny.jpg', "c/\udcff.jpg"], "label": ["wing", "", "tête"]}


def named(**changes: object) -> PerItemScores:
    return replace(items(), names={"image": ["a/1.jpg", "a/2.jpg", "a/3.jpg"]}, **changes)


def names_file(run: Path) -> Path:
    [path] = (run / "items" / KEY.experiment / KEY.dataset).glob("names-*.csv")
    return path


def test_views_are_named_by_file_box_and_label_wherever_the_data_lie(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    file = tmp_path / "val" / "1.png"
    file.write_bytes(b"x")
    views = ViewSet([View(file, (-1, 2, 30, 40)), View(PIXELS), View(file)], np.array([1, 0, 1]), ("bird", "wing"))
    found = items_of(views, {"encoded/ap": [np.array([0.1, 0.2, 0.3])]})
    assert found.names == {
        "image": ["val/1.png", f"sha256:{array_key(PIXELS)[:16]}", "val/1.png"],
        "left": ["-1", "", ""],
        "top": ["2", "", ""],
        "right": ["30", "", ""],
        "bottom": ["40", "", ""],
        "label": ["wing", "bird", "wing"],
    }
    assert (*found.names,) == COLUMNS
    found.check_shapes()


def test_a_table_is_read_back_whatever_stands_in_it() -> None:
    content = to_csv(NAMES)
    assert content.startswith(b"item,image,label\n0,a/1.jpg,wing\n")
    back = from_csv(content)
    assert back["image"] == ["a/1.jpg", 'b/"x",\ny.jpg', "c/\\udcff.jpg"]
    assert back["label"] == NAMES["label"]
    assert to_csv(back) == content
    for bad in (b"", b"\xff\xfe"):
        with pytest.raises(ValueError, match="expected a table of names"):
            from_csv(bad)


def test_encoders_share_one_table_that_every_cell_file_names(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result(), named())
    store.save(result(replace(KEY, method="mae"), 10.5), replace(named(), scores=items(10.5).scores))
    path = names_file(tmp_path)
    digest = sha256(path.read_bytes()).hexdigest()
    assert path.name == f"names-{digest[:12]}.csv"
    for stored in store.results():
        assert stored.facts["items"]["names"] == digest
        assert store.item_files(stored.key) == [path, store.items_path(stored.key)]
        found = store.items(stored)
        assert found is not None
        assert found.names == named().names


def test_a_result_without_names_is_read_as_before(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result(), items())
    [stored] = store.results()
    found = store.items(stored)
    assert found is not None
    assert not found.names
    assert "names" not in stored.facts["items"]
    assert store.item_files(KEY) == [store.items_path(KEY)]


def test_names_that_are_not_those_of_the_scores_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result(), named())
    path = names_file(tmp_path)
    stated = path.stem.removeprefix("names-")
    path.write_text("item,image\n0,other\n")
    actual = sha256(path.read_bytes()).hexdigest()[:12]
    with pytest.raises(EvidenceError) as caught:
        store.checked(KEY)
    assert caught.value.problem == (
        f"{path}: altered: expected SHA-256 {stated}, as {store.path(KEY)} names it, got {actual}"
    )
    path.unlink()
    with pytest.raises(EvidenceError) as caught:
        store.checked(KEY)
    assert caught.value.problem == (
        f"{path}: expected the names of the items of {store.path(KEY)}: No such file or directory"
    )
    store.save(result(), replace(items(), names={"image": ["one"]}))
    with pytest.raises(EvidenceError, match="names: image: expected 3, got 1"):
        store.checked(KEY)


def test_names_are_packed_and_taken_over_with_the_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    Store(run).save(result(), named())
    report(run)
    capsys.readouterr()
    place = names_file(run).relative_to(run)
    assert contents(run)[place.as_posix()] == names_file(run).read_bytes()
    request = make_request(
        encoders=["deit"], datasets=["cifar10"], experiments=["object_retrieval"], device="cpu", run=tmp_path / "new"
    )
    adopt(run, request)
    assert (request.run / place).read_bytes() == names_file(run).read_bytes()
    assert Store(request.run).checked(KEY).facts["items"]["names"]


def test_the_page_s_way_to_open_them_works_without_the_suite(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result(), named())
    scores = load_file(store.items_path(KEY))
    with names_file(tmp_path).open(newline="") as file:
        rows = [row | {"ap": scores["encoded/ap"][0, int(row["item"])]} for row in csv.DictReader(file)]
    assert [row["image"] for row in rows] == ["a/1.jpg", "a/2.jpg", "a/3.jpg"]
    assert 100 * np.mean([row["ap"] for row in rows]) == pytest.approx(12.25)
