"""Run folders of shards without a common disk: joined whole or not at all, if they belong together."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from suite.archive.verify import verify
from suite.cli.main import main
from suite.errors import RequestError, StorageError
from suite.report.collect import report
from suite.reproduction import merge as merging
from suite.reproduction.merge import merge
from suite.results.store import Key, PerItemScores, Store
from tests.support.shard_runs import TRIALS, VALUES, write_shard

KEYS = [Key(*trial.split("/")) for trial in TRIALS]


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """Three run folders, of a shard each."""
    folders = [tmp_path / "parts" / number for number in "123"]
    for folder in folders:
        write_shard(folder, f"{folder.name}/3")
    return folders


def refusal(out: Path, *parts: Path) -> str:
    """Message of a refusal, after which nothing was made."""
    before = sorted(out.parent.iterdir())
    with pytest.raises(RequestError) as caught:
        merge(out, parts)
    assert sorted(out.parent.iterdir()) == before
    return str(caught.value)


def test_merged_parts_are_the_run_that_one_folder_would_have_been(tmp_path: Path, parts: list[Path]) -> None:
    together = tmp_path / "together"
    for number in "123":
        write_shard(together, f"{number}/3")
    (parts[1] / "shards" / "2-of-3" / "exit_code").write_text("0\n")
    (parts[1] / "shards" / "2-of-3" / "pytest.log").write_text("log\n")
    code = main(["merge", str(tmp_path / "out"), *map(str, parts)])
    assert code == report(together)
    merged, shared = (json.loads((run / "report.json").read_text()) for run in (tmp_path / "out", together))
    assert merged["digest"] == shared["digest"]
    assert merged["shards"]["sentence"] == shared["shards"]["sentence"]
    assert verify(tmp_path / "out").problems == ()
    assert sorted(path.name for path in (tmp_path / "out" / "shards" / "2-of-3").iterdir()) == [
        *("attempts.jsonl", "environment.json", "exit_code", "pytest.log")
    ]
    note = json.loads((tmp_path / "out" / "run.json").read_text())
    assert note["started"] == min(json.loads((part / "run.json").read_text())["started"] for part in parts)


def test_a_part_that_is_missing_makes_the_run_incomplete(
    tmp_path: Path, parts: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["merge", str(tmp_path / "out"), str(parts[0]), str(parts[2])]) == 2
    assert capsys.readouterr().out.startswith(f"{tmp_path}/out: 2 results of 2 parts\n")
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["verdict"] == "incomplete"
    told = {cell["reason"] for cell in content["cells"] if cell["id"].startswith(f"{TRIALS[1]}/")}
    assert told == {"shard 2 of 3: nothing on record: it has not begun, or its machine was lost"}


def test_merged_runs_merge_again(tmp_path: Path, parts: list[Path]) -> None:
    assert merge(tmp_path / "two", parts[:2]) == 2
    assert merge(tmp_path / "all", [tmp_path / "two", parts[2]]) == 3


def test_a_result_goes_before_the_note_of_another_part(tmp_path: Path, parts: list[Path]) -> None:
    other = tmp_path / "parts" / "2 of 2"
    write_shard(other, "2/2", exit_code=2)
    for key in KEYS[:2]:
        Store(other).mark_not_run(key, "its weights are missing")
    merge(tmp_path / "out", [other, parts[1]])
    assert [str(result.key) for result in Store(tmp_path / "out").results()] == [TRIALS[1]]
    assert Store(tmp_path / "out").reasons() == {KEYS[0]: "its weights are missing"}


def test_the_same_result_in_two_parts_is_taken_once(tmp_path: Path, parts: list[Path]) -> None:
    other = tmp_path / "parts" / "1 of 2"
    write_shard(other, "1/2")
    assert merge(tmp_path / "out", [*parts, other]) == 3


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"seeds": (1,)}, "seeds"), ({"limit": 32}, "limit"), ({"encoders": ["deit", "dino"]}, "encoders, cells")],
)
def test_parts_of_another_request_are_refused(
    tmp_path: Path, parts: list[Path], changes: dict[str, object], named: str
) -> None:
    other = tmp_path / "parts" / "other"
    write_shard(other, "2/3", **changes)  # type: ignore[arg-type]
    assert refusal(tmp_path / "out", parts[0], other) == (
        f"{other}/run.json: merge: expected a run of the same request as {parts[0]}, got another {named}: "
        "merge the parts of one request"
    )


def test_a_part_twice_is_refused(tmp_path: Path, parts: list[Path]) -> None:
    copy = Path(shutil.copytree(parts[0], tmp_path / "parts" / "copy"))
    for twice in (parts[0], copy):
        assert refusal(tmp_path / "out", *parts, twice) == (
            f"{twice}: merge: shard 1/3 is in {parts[0]} too: name each part once"
        )


def test_other_values_from_the_same_inputs_are_refused(tmp_path: Path, parts: list[Path]) -> None:
    other = tmp_path / "parts" / "1 of 2"
    write_shard(other, "1/2", values=VALUES | {"mae": 11.5})
    assert refusal(tmp_path / "out", *parts, other) == (
        f"{other}: merge: {TRIALS[2]}: encoded/ap: other values than in {parts[2]}, from the same inputs: "
        "find out why before either is believed"
    )


def test_other_inputs_of_one_trial_are_named(tmp_path: Path, parts: list[Path]) -> None:
    other = tmp_path / "parts" / "1 of 2"
    write_shard(other, "1/2", inputs={"data": "c" * 64, "code": "d" * 64}, values=VALUES | {"deit": 13.0})
    assert refusal(tmp_path / "out", *parts, other) == (
        f"{other}: merge: {TRIALS[0]}: made from other data, code than in {parts[0]}: leave one of them out"
    )


def test_a_run_without_shards_is_no_part(tmp_path: Path, run: Path, parts: list[Path]) -> None:
    assert refusal(tmp_path / "out", parts[0], run) == (
        f"{run}: merge: expected a run of shards (reproduce --shard K/N), got one without"
    )
    assert refusal(tmp_path / "out", tmp_path / "parts").startswith(
        f"{tmp_path}/parts: expected a run folder with run.json"
    )


def test_what_is_there_already_is_never_merged_into(tmp_path: Path, parts: list[Path]) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert refusal(parts[1], parts[0]) == (
        f"{parts[1]}: merge: expected a new or empty folder, got a folder that is not empty: name another"
    )
    for name in ("file", "link"):
        assert refusal(tmp_path / name, parts[0]) == (
            f"{tmp_path}/{name}: merge: expected a new or empty folder, got a file or a link to nothing: name another"
        )
    (tmp_path / "empty").mkdir()
    assert merge(tmp_path / "empty", parts) == 3
    (tmp_path / "seen" / "@eaDir").mkdir(parents=True)  # by a storage system
    assert merge(tmp_path / "seen", parts) == 3
    assert (tmp_path / "seen" / "@eaDir").is_dir()


def test_nothing_half_written_stays_where_the_disk_fills(
    tmp_path: Path, parts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, left = merging.write_atomically, iter(range(4))

    def full(path: Path, content: bytes) -> None:
        if next(left, None) is None:
            raise StorageError(f"{path}: cannot be written: No space left on device")
        write(path, content)

    monkeypatch.setattr(merging, "write_atomically", full)
    with pytest.raises(StorageError, match="No space left on device"):
        merge(tmp_path / "out", parts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts"]


def test_an_altered_result_is_refused(tmp_path: Path, parts: list[Path]) -> None:
    path = Store(parts[0]).path(KEYS[0])
    path.write_text(path.read_text().replace("12.25", "99.25"))
    assert main(["merge", str(tmp_path / "out"), *map(str, parts)]) == 3
    assert not (tmp_path / "out").exists()


def test_two_networks_under_a_candidate_s_name_are_refused(tmp_path: Path, parts: list[Path]) -> None:
    for part, weights in zip(parts[:2], ("a" * 64, "b" * 64), strict=True):
        store = Store(part)
        [result] = store.results()
        changed = replace(
            result, facts={**result.facts, "encoder": "my:build"}, inputs={**result.inputs, "weights": weights}
        )
        store.save(changed, store.items(result))
    [key] = Store(parts[1]).keys()
    assert refusal(tmp_path / "out", *parts) == (
        f"{parts[1]}: merge: {key}: of other weights (bbbbbbbbbbbb) than 'my:build' has in {parts[0]} (aaaaaaaaaaaa): "
        "measure both parts with the same"
    )


def test_names_of_items_that_encoders_share_are_merged_once(tmp_path: Path, parts: list[Path]) -> None:
    names = {"image": ["a/1.png", "a/2.png"]}
    for key, part in zip(KEYS, parts, strict=True):
        store = Store(part)
        result = store.load(key)
        items = PerItemScores({"encoded/ap": np.array([[0.5, 0.5]])}, "i", np.arange(2, dtype=np.int32), names=names)
        facts = {name: value for name, value in result.facts.items() if name != "items"}
        store.save(replace(result, values={"encoded/ap": [50.0]}, facts=facts), items)
    merge(tmp_path / "out", parts)
    merged = Store(tmp_path / "out")
    assert [merged.items(merged.checked(key)).names for key in KEYS] == [names] * 3
