"""sbom.json lists the packages of the lock, all of them, and a run takes it along only if it is of this lock."""

import json
import re
from pathlib import Path

import pytest

from suite.archive import sbom
from suite.archive.licences import ABSENT, NVIDIA, READ
from suite.core.environment import LOCK, suite_version
from suite.errors import RequestError

SMALL = b"""# made by hand
numpy==1.0 ; python_version < '3.12' \\
    --hash=sha256:%(a)s \\
    --hash=sha256:%(b)s
    # via
    #   part-aware-repro (pyproject.toml)
    #   torch
torch==2.14.1 \\
    --hash=sha256:%(c)s
    # via part-aware-repro (pyproject.toml)
typing-extensions==4.0 \\
    --hash=sha256:%(c)s
    # via torch
""" % {b"a": b"a" * 64, b"b": b"b" * 64, b"c": b"c" * 64}


@pytest.fixture(autouse=True)
def no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sbom.EPOCH, raising=False)


def test_the_shipped_list_is_that_of_the_lock() -> None:
    content = sbom.sbom(LOCK.read_bytes(), suite_version() or "")
    assert sbom.SBOM.read_bytes() == content, "run make lock"


def test_it_has_every_package_and_every_hash_of_the_lock() -> None:
    content = json.loads(sbom.SBOM.read_text())
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.6")
    lines = LOCK.read_text().splitlines()
    package_urls = {component["purl"] for component in content["components"]}
    assert package_urls == {
        f"pkg:pypi/{match[1]}@{match[2]}" for line in lines if (match := re.match(r"([\w.-]+)==([^\s;]+)", line))
    }
    hashes = {entry["content"] for component in content["components"] for entry in component["hashes"]}
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", LOCK.read_text()))


def test_it_names_the_licence_of_every_package() -> None:
    content = json.loads(sbom.SBOM.read_text())
    named = {c["name"]: (c["licenses"][0], c["licenses"][0].get("license", {})) for c in content["components"]}
    assert not [name for name, (_, one) in named.items() if one.get("name") == ABSENT], "add it to licences.READ"
    proprietary = [name for name, (_, one) in named.items() if one.get("name") == NVIDIA]
    assert len(proprietary) == 14
    assert all(name.startswith("nvidia-") for name in proprietary)
    assert named["pytest"][1] == {"acknowledgement": "declared", "id": "MIT"}
    assert named["nvidia-nvtx"][0] == {"acknowledgement": "concluded", "expression": READ["nvidia-nvtx"]}
    assert content["metadata"]["component"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]


def test_its_time_is_that_of_the_source_where_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sbom.EPOCH, "1700000000")
    assert json.loads(sbom.sbom(SMALL, "9"))["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


@pytest.mark.parametrize("seconds", ["yesterday", "9" * 30])
def test_a_time_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    monkeypatch.setenv(sbom.EPOCH, seconds)
    with pytest.raises(RequestError) as refused:
        sbom.sbom(SMALL, "9")
    assert str(refused.value) == f"SOURCE_DATE_EPOCH: expected seconds since 1970, e.g. 1700000000, got '{seconds}'"


def test_a_small_lock_worked_by_hand() -> None:
    content = json.loads(sbom.sbom(SMALL, "9"))
    numpy, torch, _ = content["components"]
    assert [entry["content"] for entry in numpy["hashes"]] == ["a" * 64, "b" * 64]
    assert numpy["properties"] == [{"name": "part-aware-repro:marker", "value": "python_version < '3.12'"}]
    assert "properties" not in torch
    assert {entry["ref"]: entry.get("dependsOn", []) for entry in content["dependencies"]} == {
        "part-aware-repro": ["numpy==1.0", "torch==2.14.1"],
        "numpy==1.0": [],
        "torch==2.14.1": ["numpy==1.0", "typing-extensions==4.0"],
        "typing-extensions==4.0": [],
    }
    assert content["metadata"]["component"]["version"] == "9"
    assert "serialNumber" not in content
    assert "timestamp" not in content["metadata"]


def test_a_package_with_a_version_for_each_python_is_listed_twice() -> None:
    content = json.loads(sbom.sbom(SMALL.replace(b"torch==2.14.1", b"numpy==2.0 ; python_version >= '3.12'", 1), "9"))
    assert [component["bom-ref"] for component in content["components"]][:2] == ["numpy==1.0", "numpy==2.0"]
    (project,) = [entry for entry in content["dependencies"] if entry["ref"] == "part-aware-repro"]
    assert project["dependsOn"] == ["numpy==1.0", "numpy==2.0"]


def test_a_package_without_hash_is_refused() -> None:
    with pytest.raises(RequestError, match="numpy: expected the SHA-256 of its files, got none"):
        sbom.sbom(b"numpy==1.0\n    # via torch\n", "9")


def test_a_run_takes_along_the_list_of_its_own_lock_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sbom.take_along(tmp_path)
    assert (tmp_path / "sbom.json").read_bytes() == sbom.SBOM.read_bytes()
    lock = tmp_path / "lock"
    lock.write_bytes(SMALL)
    assert sbom.for_lock(lock) is None, "the list of another lock"
    assert sbom.for_lock(LOCK, tmp_path / "absent") is None
    monkeypatch.setattr(sbom, "for_lock", lambda: None)
    sbom.take_along(tmp_path)
    assert not (tmp_path / "sbom.json").exists(), "an older list would tell of other packages"
