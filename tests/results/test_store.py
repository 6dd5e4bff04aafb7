"""The run folder keeps finished cells, whole, and only while their inputs agree."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from suite.core.files import write_atomically, write_json
from suite.errors import EvidenceError, StorageError
from suite.results.store import Key, PerItemScores, Result, Store

KEY = Key("part_retrieval", "cub200", "dino")


def result(**inputs: str) -> Result:
    return Result(
        key=KEY,
        values={"linear/accuracy": [25.0, 75.0]},
        summaries={"encoded": {"queries": 10}},
        inputs=inputs or {"weights": "a"},
        protocol={"profile": "mini"},
        facts={"seeds": [0, 1], "seconds": 1.5},
    )


def test_a_saved_result_loads_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result(), items())
    stored_result = store.load(KEY)
    assert stored_result is not None
    items_entry = stored_result.facts["items"]
    assert stored_result == replace(result(), facts={**result().facts, "items": items_entry})
    assert list(store.results()) == [stored_result]
    [measurement] = result().measurements()
    assert str(measurement.id) == "part_retrieval/cub200/dino/linear/accuracy"
    assert (measurement.mean, measurement.seeds, measurement.deterministic) == (50.0, (0, 1), False)


def test_values_are_stored_to_the_last_bit(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 100 / 3, 5e-324, 99.99999999999999]
    wide = replace(result(), values={"linear/accuracy": values}, facts={"seeds": [0, 1, 2, 3]})
    Store(tmp_path).save(wide)
    assert Store(tmp_path).load(KEY) == wide


def test_a_result_is_fresh_only_if_every_input_agrees(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result(weights="a", data="b"), items())
    assert store.load_if_valid(KEY, {"weights": "a", "data": "b"}) is not None
    assert store.load_if_valid(KEY, {"weights": "a", "data": "c"}) is None
    assert store.load_if_valid(KEY, {"weights": "a"}) is None


HOLLOW = '{"schema": 1, "values": {}, "summaries": {}, "inputs": {}}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a result as JSON, got none: Expecting value: line 1 column 1 (char 0)"),
        (
            "{",
            "expected a result as JSON, got none: Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)",
        ),
        ("[]", "expected a table, got []"),
        ('{"schema": []}', "expected a result of schema 2, got []"),
        (
            '{"schema": 99}',
            "expected a result of schema 2, got 99, which a newer version of the suite writes: use that one",
        ),
        (HOLLOW, "protocol: missing: expected a table"),
        ("[" * 100_000, "expected a result as JSON, got none: tables and lists in each other, more than 32 deep"),
    ],
    ids=["empty", "cut", "a list", "of a list of schemas", "newer", "hollow", "deep"],
)
def test_a_damaged_cell_file_counts_as_none_and_is_named(tmp_path: Path, content: str, message: str) -> None:
    store = Store(tmp_path)
    store.save(result(), items())
    store.path(KEY).write_text(content)
    assert store.load(KEY) is None
    assert store.load_if_valid(KEY, result().inputs) is None
    with pytest.raises(EvidenceError) as error:
        list(store.results())
    assert str(error.value) == f"{store.path(KEY)}: {message}: restore the file, or measure again (make reproduce)"


def test_a_reason_outranks_an_older_result_and_a_newer_result_the_reason(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result(), items())
    stored_result = store.load(KEY)
    store.mark_not_run(KEY, "data missing")
    assert store.reasons() == {KEY: "data missing"}
    assert list(store.results()) == []
    assert store.load(KEY) == stored_result, "the older result is not lost"
    store.save(result(), items())
    assert store.reasons() == {}
    assert list(store.results()) == [stored_result]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = tmp_path / "cell.json"
    write_atomically(path, b"old")

    def refuse(*_: object) -> None:
        raise OSError(code, "No space left on device")

    monkeypatch.setattr("suite.core.files.os.fsync", refuse)
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


def items() -> PerItemScores:
    flags = np.array([[True, False, False, False], [True, True, True, False]])
    return PerItemScores({"linear/accuracy": flags}, "a digest of the items", np.array([0, 0, 1, 1], np.int32))


def test_scores_of_items_are_stored_beside_their_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(result(), items())
    stored_result = store.load_if_valid(KEY, result().inputs)
    assert stored_result is not None
    stored_items = store.items(stored_result)
    assert stored_items is not None
    assert stored_items.identity == "a digest of the items"
    np.testing.assert_array_equal(stored_items.scores["linear/accuracy"], items().scores["linear/accuracy"])
    np.testing.assert_array_equal(stored_items.groups, [0, 0, 1, 1])
    assert stored_items.scores["linear/accuracy"].dtype == np.bool_
    assert stored_items.evidence["seeds"].tolist() == [0, 1]
    assert store.items(result()) is None, "a result that names no scores has none"


def test_scores_are_stored_in_their_order_however_memory_holds_them(tmp_path: Path) -> None:
    wide = np.array([[1, 0, 0, 0, 1], [1, 1, 1, 0, 1]], np.bool_)
    subset = wide[:, [0, 1, 2, 3]]
    transposed = np.asfortranarray(subset)
    assert not transposed.flags.c_contiguous
    store = Store(tmp_path)
    store.save(result(), replace(items(), scores={"linear/accuracy": transposed}))
    stored_items = store.items(store.checked(KEY))
    assert stored_items is not None
    np.testing.assert_array_equal(stored_items.scores["linear/accuracy"], subset)


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
        other_store = Store(tmp_path / "other")
        other_store.save(result(), PerItemScores({"linear/accuracy": np.zeros((2, 4), np.bool_)}, "x", items().groups))
        path.write_bytes(other_store.items_path(KEY).read_bytes())
    stored_result = store.load(KEY)
    assert stored_result is not None
    assert store.items(stored_result) is None
    assert store.load_if_valid(KEY, result().inputs) is None
