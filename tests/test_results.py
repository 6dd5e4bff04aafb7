"""The run folder keeps finished cells, whole, and only while their inputs agree."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from suite.errors import StorageError
from suite.results import Items, Key, Result, Store, write_atomically, write_json

KEY = Key("part_retrieval", "cub200", "dino")


def result(**inputs: str) -> Result:
    return Result(
        key=KEY,
        values={"encoded/ap": [41.5, 42.5]},
        summaries={"encoded": {"queries": 10}},
        inputs=inputs or {"weights": "a"},
        protocol={"profile": "mini"},
        facts={"seeds": [0, 1], "seconds": 1.5},
    )


def test_a_saved_result_loads_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result())
    assert store.load(KEY) == result()
    assert list(store.results()) == [result()]
    [measurement] = result().measurements()
    assert str(measurement.id) == "part_retrieval/cub200/dino/encoded/ap"
    assert (measurement.mean, measurement.seeds, measurement.deterministic) == (42.0, (0, 1), False)


def test_a_result_is_fresh_only_if_every_input_agrees(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result(weights="a", data="b"))
    assert store.fresh(KEY, {"weights": "a", "data": "b"}) is not None
    assert store.fresh(KEY, {"weights": "a", "data": "c"}) is None
    assert store.fresh(KEY, {"weights": "a"}) is None


@pytest.mark.parametrize(
    "content", ["", "{", '{"schema": 99}', '{"schema": 1}'], ids=["empty", "cut", "newer", "hollow"]
)
def test_a_damaged_cell_file_counts_as_none(tmp_path: Path, content: str) -> None:
    store = Store(tmp_path)
    store.save(result())
    store.path(KEY).write_text(content)
    assert store.load(KEY) is None


def test_a_reason_outranks_an_older_result_and_a_newer_result_the_reason(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result())
    store.save_reason(KEY, "data missing")
    assert store.reasons() == {KEY: "data missing"}
    assert list(store.results()) == []
    assert store.load(KEY) == result(), "the older result is not lost"
    store.save(result())
    assert store.reasons() == {}
    assert list(store.results()) == [result()]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = tmp_path / "cell.json"
    write_atomically(path, b"old")

    def refuse(*_: object) -> None:
        raise OSError(code, "No space left on device")

    monkeypatch.setattr("suite.results.os.fsync", refuse)
    with pytest.raises(StorageError) as caught:
        write_atomically(path, b"new")
    assert str(caught.value) == (
        f"{path}: cannot be written: No space left on device; free space or choose another folder"
    )
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"ap": float("nan")})
    write_json(tmp_path / "x.json", {"ap": None})
    assert json.loads((tmp_path / "x.json").read_text()) == {"ap": None}


def items() -> Items:
    scores = {"encoded/ap": np.array([[0.25, 0.5, 1.0]], np.float32)}
    return Items(scores, "a digest of the items", np.array([0, 0, 1], np.int32))


def test_scores_of_items_are_stored_beside_their_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result(), items())
    stored = store.fresh(KEY, result().inputs)
    assert stored is not None
    found = store.items(stored)
    assert found is not None
    assert found.identity == "a digest of the items"
    np.testing.assert_array_equal(found.scores["encoded/ap"], items().scores["encoded/ap"])
    np.testing.assert_array_equal(found.groups, [0, 0, 1])
    assert store.items(result()) is None, "a result that names no scores has none"


@pytest.mark.parametrize("damage", ["missing", "cut", "of another result"])
def test_a_result_whose_scores_are_not_its_own_is_made_again(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    store.save(result(), items())
    path = store.items_path(KEY)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        other = Store(tmp_path / "other")
        other.save(result(), Items({"encoded/ap": np.zeros((1, 3), np.float32)}, "x", items().groups))
        path.write_bytes(other.items_path(KEY).read_bytes())
    stored = store.load(KEY)
    assert stored is not None
    assert store.items(stored) is None
    assert store.fresh(KEY, result().inputs) is None
