"""A candidate measured alone is compared with the scores of an earlier run as with encoders measured beside it."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from suite.archive.contents import contents
from suite.archive.verify import verify
from suite.archive.write import zipped
from suite.candidate import beside
from suite.candidate.beside import SHIPPED, archive_among, forget, put_beside, take
from suite.candidate.shipped import shipped
from suite.cells import BASELINES, METHODS
from suite.cli.main import main
from suite.errors import EvidenceError, RequestError
from suite.judge.beside import Made, fitting, made_of, misfit
from suite.judge.standing import METRICS, OBJECTS, PARTS, SETTINGS
from suite.protocol.profiles import load_profile
from suite.reference.select import references
from suite.report.beside import FOLDER
from suite.report.collect import assemble, report
from suite.results.evidence import FLAGS
from suite.results.store import Key, Result, Store
from suite.run.request import Request, make_request
from tests.support.archived_run import alter
from tests.support.candidate_run import FLOORS, LEVELS, MINE, PLACES, store_result, write_record

PROTOCOL = {"profile": "mini", "parameters": {"epochs": 3}, "constants": {}, "variants": {"a": "b"}, "limit": None}
MADE = Made(PROTOCOL, "d", [0])


def result(**changes: Any) -> Result:
    """A result of DINO that was made as `MADE` says."""
    key = Key("part_classification", "cub200", "dino")
    return replace(Result(key, {}, {}, {"data": "d"}, PROTOCOL, {"seeds": [0]}), **changes)


def measure(run: Path, methods: dict[str, float]) -> None:
    for place in PLACES:
        for method, value in methods.items():
            store_result(run, place, method, value)


def packed(run: Path, target: Path) -> Path:
    """Results and items of a run, as an archive has them."""
    files = [path for folder in ("cells", "items") for path in (run / folder).rglob("*") if path.is_file()]
    target.write_bytes(zipped({path.relative_to(run).as_posix(): path.read_bytes() for path in files}))
    return target


def request_of(run: Path, **options: Any) -> Request:
    words = {"encoders": ["timm:test_vit@random"], "experiments": ["part_classification"], "datasets": ["cub200"]}
    return make_request(**(words | options), device="cpu", run=run)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    measure(tmp_path / "seven", LEVELS | FLOORS)
    return packed(tmp_path / "seven", tmp_path / "seven.zip")


def test_the_same_pairs_and_levels_as_with_the_seven_measured(tmp_path: Path, archive: Path) -> None:
    whole, alone = tmp_path / "whole", tmp_path / "alone"
    measure(whole, LEVELS | FLOORS | {MINE: 45.0})
    measure(alone, {MINE: 45.0})
    write_record(whole)
    write_record(alone)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(alone / FOLDER)
    [expected], [found] = assemble(whole)["newcomers"], assemble(alone)["newcomers"]
    assert len(found["pairs"]) == len(PLACES) * len(METHODS)
    assert len(found["floor_pairs"]) == len(PLACES) * len(BASELINES)
    for part in ("pairs", "floor_pairs", "levels", "mean_ranks", "sentence", "better_at", "level_means"):
        assert found[part] == expected[part], part
    sources = {entry["source"] for column in found["columns"] for entry in column["references"].values()}
    assert sources == {"earlier run"}
    assert {str(path.relative_to(alone)) for path in (alone / "cells").rglob("*.json")} == {
        f"cells/{place}/{MINE}.json" for place in PLACES
    }


def test_what_stands_beside_is_packed_and_verified_with_the_run(
    tmp_path: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "alone"
    measure(run, {MINE: 45.0})
    write_record(run)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(run / FOLDER)
    report(run)
    capsys.readouterr()
    names = {f"{FOLDER}/{name}" for name in zipfile.ZipFile(archive).namelist()}
    assert names <= contents(run).keys()
    assert not verify(run).problems
    lost = run / FOLDER / f"cells/{next(iter(PLACES))}/dino.json"
    lost.unlink()
    name = lost.relative_to(run).as_posix()
    assert (
        f"{name}: the report was made with it, and it is missing; restore it, or run make report if it is meant so"
        in (verify(run).problems)
    )


def test_what_does_not_fit_is_left_out_and_the_report_says_why(tmp_path: Path, archive: Path) -> None:
    run = tmp_path / "alone"
    measure(run, {MINE: 45.0})
    write_record(run)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(run / FOLDER)
    for place in PLACES:
        own = Store(run).load(Key(*place.split("/"), MINE))
        assert own is not None
        items = Store(run).items(own)
        facts = {name: value for name, value in own.facts.items() if name != "items"}
        Store(run).save(replace(own, inputs=dict(own.inputs) | {"data": "e" * 64}, facts=facts), items)
    judged = assemble(run)
    assert not judged["newcomers"][0]["pairs"]
    assert (
        "36 results of the earlier run beside this one, image_classification/imagenet1k/beit first, are not compared: "
        "other data (eeeeeeeeeeee here, d there)."
    ) in judged["notes"]


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (result(), None),
        (result(protocol=PROTOCOL | {"settings": ["linear"], "variants": {"of-mae-only": "x"}}), None),
        (result(inputs={"data": "e" * 64}), "other data (d here, eeeeeeeeeeee there)"),
        (result(facts={"seeds": [0, 1]}), "other seeds (0 here, 0, 1 there)"),
        (result(facts={"seeds": []}), None),
        (result(protocol=PROTOCOL | {"limit": 8}), "another protocol (limit: None here, 8 there)"),
        (result(protocol=PROTOCOL | {"profile": "paper"}), "another protocol (profile: mini here, paper there)"),
        (result(protocol=PROTOCOL | {"parameters": {"epochs": 4}}), "another protocol (parameters: epochs)"),
        (result(protocol=PROTOCOL | {"variants": {"a": "c"}}), "another protocol (variant a: b here, c there)"),
    ],
)
def test_scores_fit_where_data_protocol_and_seeds_are_the_same(other: Result, problem: str | None) -> None:
    assert misfit(MADE, other) == problem


def test_data_that_nobody_knows_yet_is_not_held_against_a_result() -> None:
    assert misfit(replace(MADE, data=None), result(inputs={"data": "e"})) is None
    assert made_of(result()) == MADE
    elsewhere = result(key=Key("part_retrieval", "coco", "dino"))
    assert fitting([result(), elsewhere], [result()]) == ([result()], {})


def test_an_archive_is_told_from_encoders(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.touch()
    assert archive_among(["dino", str(path)]) == (["dino"], path)
    assert archive_among(["dino"]) == (["dino"], None)
    with pytest.raises(RequestError) as caught:
        archive_among(["none.zip"])
    assert str(caught.value) == "--encoder none.zip: no such file; expected the archive of a run (make archive)"
    with pytest.raises(RequestError) as caught:
        archive_among([str(path), str(path)])
    assert str(caught.value) == f"--encoder {path},{path}: expected one archive, got 2"


def test_only_what_is_wanted_is_unpacked_and_what_is_there_from_before_goes(tmp_path: Path, archive: Path) -> None:
    run = tmp_path / "run"
    request = request_of(run, encoders=["timm:test_vit@random", "dino"])
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("cells/../../evil.json", "{}")
        opened.writestr("report.json", "{}")
        opened.writestr("cells/part_classification/cub200/other.json", "{}")
    names = [str(found.key) for found in take(archive, request)]
    others = sorted({*METHODS, *BASELINES} - {"dino"})
    assert names == [f"part_classification/cub200/{method}" for method in others]
    files = {path.relative_to(run / FOLDER).parts[0] for path in run.rglob("*") if path.is_file()}
    assert files == {"cells", "items"}
    assert not list(tmp_path.rglob("evil.json"))
    put_beside(None, request, "timm:test_vit@random")
    assert not (run / FOLDER).exists()
    forget(run)


def no_zip(archive: Path) -> str:
    archive.write_text("x")
    return f"{archive}: expected the archive of a run (make archive), got none: File is not a zip file"


def nothing_of_it(archive: Path) -> str:
    archive.write_bytes(zipped({"report.json": b"{}"}))
    return (
        f"{archive}: expected results of the seven in the experiments and datasets that are asked for, as make archive "
        "packs them, got none"
    )


def too_large(archive: Path) -> str:
    name = "cells/part_classification/cub200/dino.json"
    archive.write_bytes(zipped({name: b"0" * (beside._LARGEST + 1)}))
    return f"{archive}: {name}: expected scores, got {beside._LARGEST + 1:,} bytes"


@pytest.mark.parametrize("damage", [no_zip, nothing_of_it, too_large])
def test_what_is_no_archive_of_a_run_is_refused_and_leaves_nothing(
    damage: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "_LARGEST", 1000)
    message = damage(tmp_path / "a.zip")
    with pytest.raises(RequestError) as caught:
        put_beside(tmp_path / "a.zip", request_of(tmp_path / "run"), "timm:test_vit@random")
    assert str(caught.value) == message
    assert not (tmp_path / "run" / FOLDER).exists()


def test_an_edited_result_in_an_archive_is_refused(tmp_path: Path, archive: Path) -> None:
    source = tmp_path / "seven"
    path = source / "cells/part_classification/cub200/beit.json"
    alter(path, lambda cell: cell["values"].update({"linear/accuracy": [99.0]}), sign=True)
    packed(source, archive)
    run = tmp_path / "run"
    with pytest.raises(EvidenceError) as caught:
        put_beside(archive, request_of(run), "timm:test_vit@random")
    start = f"{archive}: {run}/{FOLDER}/cells/part_classification/cub200/beit.json: linear/accuracy of seed 0: expected"
    assert str(caught.value).startswith(start)
    assert not (run / FOLDER).exists()


def test_an_archive_that_does_not_fit_is_refused_before_anything_is_measured(
    tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, spec = tmp_path / "run", "timm:test_vit@random"
    monkeypatch.setattr(beside, "call", lambda function, *arguments: function(*arguments))
    with pytest.raises(RequestError) as caught:
        put_beside(archive, request_of(run), spec)
    assert str(caught.value) == (
        f"{archive}: part_classification/cub200/beit cannot be compared with what is asked for: another protocol "
        "(profile: mini here, None there)"
    )
    assert not (run / FOLDER).exists()
    shutil.copy(SHIPPED, tmp_path / "mini.zip")
    with pytest.raises(RequestError) as caught:
        put_beside(tmp_path / "mini.zip", request_of(run, seeds=(0, 1)), spec)
    assert str(caught.value) == (
        f"{tmp_path}/mini.zip: part_classification/cub200/beit cannot be compared with what is asked for: other seeds "
        "(0, 1 here, 0 there)"
    )
    put_beside(tmp_path / "mini.zip", request_of(run, data=tmp_path), spec)
    assert len(list(Store(run / FOLDER).keys())) == 9


def test_alone_with_other_seeds_the_shipped_scores_are_there_and_nothing_is_refused(tmp_path: Path) -> None:
    put_beside(SHIPPED, request_of(tmp_path / "run", seeds=(0, 1)), "timm:test_vit@random")
    assert len(list(Store(tmp_path / "run" / FOLDER).keys())) == 9
    put_beside(
        SHIPPED,
        request_of(tmp_path / "run", experiments=["learning_rate_sweep"], datasets=["lip"]),
        "timm:test_vit@random",
    )
    assert not (tmp_path / "run" / FOLDER).exists()


def test_the_container_does_not_see_an_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.zip"
    path.touch()
    assert main(["check", "timm:test_vit@random", f"--encoder={path}", "--runtime=container"]) == 3
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith(f"--encoder {path}: the container does not see an archive: pass RUNTIME=venv")
    )


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("shipped")
    with zipfile.ZipFile(SHIPPED) as opened:
        opened.extractall(folder)
    return Store(folder)


def test_what_is_shipped_has_the_recorded_values_of_seed_0_and_every_column_of_a_candidate(unpacked: Store) -> None:
    expected = references("mini", {}, None)
    found = {m.id: m for result in unpacked.results() for m in result.measurements()}
    shown = {
        cell
        for cell in load_profile("mini").cells()
        if cell.experiment in (*OBJECTS, *PARTS) and cell.setting in SETTINGS and cell.metric in METRICS
    }
    assert found.keys() == shown
    for cell, measurement in found.items():
        reference = expected[cell]
        recorded = reference.by_seed[0] if reference.by_seed else reference.value
        assert measurement.values == pytest.approx((recorded,), abs=reference.machine + reference.rounding + 1e-6), cell
    assert SHIPPED.stat().st_size < 2_000_000


def test_what_is_shipped_tells_what_probes_took_items_for(unpacked: Store) -> None:
    for result in unpacked.results():
        items = unpacked.items(result)
        assert items is not None
        for name in items.scores:
            setting, metric = name.split("/")
            if metric in FLAGS:
                predicted = items.evidence[f"{setting}.predicted"] == items.evidence["labels"]
                assert (predicted == items.scores[name]).all(), (result.key, name)


def test_what_is_shipped_is_written_the_same_from_the_same_run(unpacked: Store) -> None:
    assert shipped(unpacked.folder) == shipped(unpacked.folder)
    names = zipfile.ZipFile(SHIPPED).namelist()
    keys = [*unpacked.keys()]
    tables = [name for name in names if name.endswith(".csv")]
    assert len(names) == 2 * len(keys) + len(tables)
    assert {unpacked.folder / table for table in tables} == {
        path for key in keys for path in unpacked.item_files(key) if path.suffix == ".csv"
    }, "items have names, each table once"
