"""An archive holds the whole run and says what it is, without a machine's name; the same run gives the same bytes."""

import json
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from suite.archive.crate import METADATA
from suite.cli.main import main
from suite.errors import StorageError
from suite.report.collect import report
from tests.support.archived_run import CELLS, KEY, write_run

TRIED = ("triage/measured-again/cells/a/b/c.json", "triage/measured-again/items/a/b/c.safetensors")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = write_run(tmp_path_factory.mktemp("archive") / "run")
    (run / "figures/a").mkdir(parents=True)
    (run / "figures/a/strip.png").write_bytes(b"\x89PNG")
    report(run)
    (run / "pytest.log").write_text("somebodys-laptop")
    (run / ".report.json.x1").write_text("an interrupted write")
    (run / "cells/object_retrieval/cifar10/deit.json.altered").write_text("{}")
    (run / "figures/a/link.png").symlink_to(Path("/etc/hostname"))
    for name in (*TRIED, "triage/measured-again/cache/probes/x.safetensors", "triage/measured-again/run.json"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("{}")
    return run


@pytest.fixture(scope="module")
def archive_path(run: Path) -> Path:
    assert main(["archive", str(run), "--author", "A. N. Other"]) == 0
    return run.with_name("run.crate.zip")


@pytest.fixture(scope="module")
def unpacked_run(archive_path: Path) -> Path:
    with zipfile.ZipFile(archive_path) as archive:
        assert archive.testzip() is None
        archive.extractall(archive_path.with_name("unpacked"))
    return archive_path.with_name("unpacked")


def test_it_holds_the_run_its_source_and_nothing_of_the_machine(unpacked_run: Path) -> None:
    names = {path.relative_to(unpacked_run).as_posix() for path in unpacked_run.rglob("*") if path.is_file()}
    assert {"report.html", "report.json", "run.json", "environment.json", CELLS, f"items/{KEY}.safetensors"} <= names
    assert {"source/requirements.lock", "source/suite/protocol/mini.toml", "figures/a/strip.png"} <= names
    assert not {name for name in names if "junit" in name or "log" in name or "link" in name or "/." in f"/{name}"}
    assert json.loads((unpacked_run / "environment.json").read_text())["packages"]["torch"]


def test_it_holds_the_results_of_what_triage_tried_and_no_cache_of_theirs(unpacked_run: Path) -> None:
    paths = (unpacked_run / "triage").rglob("*")
    assert {path.relative_to(unpacked_run).as_posix() for path in paths if path.is_file()} == {*TRIED}


def test_unpacked_it_is_a_run_that_verifies(unpacked_run: Path) -> None:
    assert main(["verify", str(unpacked_run)]) == 0
    (unpacked_run.with_name("altered")).mkdir()
    altered_run = unpacked_run.with_name("altered")
    for name in ("run.json", "report.json", CELLS, CELLS.replace("deit", "mae")):
        (altered_run / name).parent.mkdir(parents=True, exist_ok=True)
        (altered_run / name).write_text((unpacked_run / name).read_text().replace("12.25", "13.25"))
    assert main(["verify", str(altered_run)]) == 1


def test_its_description_is_a_process_run_crate(unpacked_run: Path) -> None:
    crate = ROCrate(unpacked_run)
    report = json.loads((unpacked_run / "report.json").read_text())
    root, action = crate.root_dataset, crate.get("#run")
    assert root["conformsTo"].id == "https://w3id.org/ro/wfrun/process/0.5"
    assert (root["datePublished"], root["identifier"]) == (report["finished"], f"sha256:{report['digest']}")
    assert root["mentions"].id == "#run"
    assert action.type == "CreateAction"
    assert action["instrument"]["softwareVersion"].startswith("0.")
    assert (action["startTime"], action["endTime"]) == (report["started"], report["finished"])
    assert action["agent"]["name"] == "A. N. Other"
    assert {entity.id for entity in action["result"]} >= {CELLS, "report.html"}
    assert {entity["identifier"] for entity in action["object"] if "identifier" in entity} == {
        f"sha256:{'a' * 64}",
        f"sha256:{'b' * 64}",
    }


def test_every_file_is_described_with_its_digest(unpacked_run: Path) -> None:
    graph = json.loads((unpacked_run / METADATA).read_text())["@graph"]
    described = {entity["@id"]: entity for entity in graph if entity["@type"] == "File"}
    files = {path.relative_to(unpacked_run).as_posix(): path for path in unpacked_run.rglob("*") if path.is_file()}
    assert described.keys() == files.keys() - {METADATA}
    for name, entity in described.items():
        content = files[name].read_bytes()
        assert (entity["sha256"], entity["contentSize"]) == (sha256(content).hexdigest(), str(len(content))), name


def test_the_same_run_gives_the_same_bytes(run: Path, archive_path: Path, tmp_path: Path) -> None:
    assert main(["archive", str(run), "--author", "A. N. Other", "-o", str(tmp_path / "again.zip")]) == 0
    assert (tmp_path / "again.zip").read_bytes() == archive_path.read_bytes()


def test_what_does_not_verify_or_has_other_source_is_not_archived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run = write_run(tmp_path / "run")
    monkeypatch.setattr("suite.archive.write.trial_code", lambda _: "other")
    assert main(["archive", str(run)]) == 3
    assert f"{KEY} was made by other code than is here now: check out commit" in capsys.readouterr().err
    (run / CELLS).write_text((run / CELLS).read_text().replace("12.25", "13.25"))
    assert main(["archive", str(run)]) == 3
    error = capsys.readouterr().err
    assert error.startswith(f"error: {run / CELLS}: altered: expected content of SHA-256 ")
    assert error.endswith(": restore the file, or measure again (make reproduce)\n")
    (run / CELLS).write_text((run / CELLS).read_text().replace("13.25", "12.25"))
    monkeypatch.undo()
    assert main(["archive", str(run), "-o", str(run / "run.json" / "x.zip")]) == StorageError.exit_code
    assert not list(tmp_path.glob("*.zip"))
