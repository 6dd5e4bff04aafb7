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
from tests.support.archived_run import CELLS, KEY, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = write_run(tmp_path_factory.mktemp("archive") / "run")
    (run / "figures/a").mkdir(parents=True)
    (run / "figures/a/strip.png").write_bytes(b"\x89PNG")
    (run / "junit.xml").write_text('<testsuites hostname="somebodys-laptop"/>')
    (run / ".report.json.x1").write_text("an interrupted write")
    (run / "cells/object_retrieval/cifar10/deit.json.altered").write_text("{}")
    (run / "figures/a/link.png").symlink_to(Path("/etc/hostname"))
    return run


@pytest.fixture(scope="module")
def zipped(run: Path) -> Path:
    assert main(["archive", str(run), "--author", "A. N. Other"]) == 0
    return run.with_name("run.crate.zip")


@pytest.fixture(scope="module")
def unpacked(zipped: Path) -> Path:
    with zipfile.ZipFile(zipped) as archive:
        assert archive.testzip() is None
        archive.extractall(zipped.with_name("unpacked"))
    return zipped.with_name("unpacked")


def test_it_holds_the_run_its_source_and_nothing_of_the_machine(unpacked: Path) -> None:
    found = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert {"report.html", "report.json", "run.json", "environment.json", CELLS, f"items/{KEY}.safetensors"} <= found
    assert {"source/requirements.lock", "source/suite/protocol/mini.toml", "figures/a/strip.png"} <= found
    assert not {name for name in found if "junit" in name or "link" in name or "/." in f"/{name}"}
    assert json.loads((unpacked / "environment.json").read_text())["packages"]["torch"]


def test_unpacked_it_is_a_run_that_verifies(unpacked: Path) -> None:
    assert main(["verify", str(unpacked)]) == 0
    (unpacked.with_name("altered")).mkdir()
    altered = unpacked.with_name("altered")
    for name in ("run.json", "report.json", CELLS, CELLS.replace("deit", "mae")):
        (altered / name).parent.mkdir(parents=True, exist_ok=True)
        (altered / name).write_text((unpacked / name).read_text().replace("12.25", "13.25"))
    assert main(["verify", str(altered)]) == 1


def test_its_description_is_a_process_run_crate(unpacked: Path) -> None:
    crate = ROCrate(unpacked)
    reported = json.loads((unpacked / "report.json").read_text())
    root, action = crate.root_dataset, crate.get("#run")
    assert root["conformsTo"].id == "https://w3id.org/ro/wfrun/process/0.5"
    assert (root["datePublished"], root["identifier"]) == (reported["finished"], f"sha256:{reported['digest']}")
    assert root["mentions"].id == "#run"
    assert action.type == "CreateAction"
    assert action["instrument"]["softwareVersion"].startswith("0.")
    assert (action["startTime"], action["endTime"]) == (reported["started"], reported["finished"])
    assert action["agent"]["name"] == "A. N. Other"
    assert {entity.id for entity in action["result"]} >= {CELLS, "report.html"}
    assert {entity["identifier"] for entity in action["object"] if "identifier" in entity} == {
        f"sha256:{'a' * 64}",
        f"sha256:{'b' * 64}",
    }


def test_every_file_is_described_with_its_digest(unpacked: Path) -> None:
    graph = json.loads((unpacked / METADATA).read_text())["@graph"]
    described = {entity["@id"]: entity for entity in graph if entity["@type"] == "File"}
    files = {path.relative_to(unpacked).as_posix(): path for path in unpacked.rglob("*") if path.is_file()}
    assert described.keys() == files.keys() - {METADATA}
    for name, entity in described.items():
        content = files[name].read_bytes()
        assert (entity["sha256"], entity["contentSize"]) == (sha256(content).hexdigest(), str(len(content))), name


def test_the_same_run_gives_the_same_bytes(run: Path, zipped: Path, tmp_path: Path) -> None:
    assert main(["archive", str(run), "--author", "A. N. Other", "-o", str(tmp_path / "again.zip")]) == 0
    assert (tmp_path / "again.zip").read_bytes() == zipped.read_bytes()


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
