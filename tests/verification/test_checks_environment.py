"""The checks of the environment: each is red for what it is there to catch, and never green for what it cannot see."""

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from suite.core.paths import ROOT
from suite.errors import RequestError
from suite.report.variables import variables
from suite.verification import determinism, isolation, machine, packages, quick
from suite.verification.outcome import Check
from tests.support.report_circumstances import environment

PROJECT = '[project]\ndependencies = ["demo>=1", "absent"]\n[project.optional-dependencies]\ndev = ["tool<2"]\n'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment with one package, demo 1.0, of two files."""
    folder = tmp_path / "site"
    (folder / "demo").mkdir(parents=True)
    (folder / "demo-1.0.dist-info").mkdir()
    (folder / "demo-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: Demo\nVersion: 1.0\n")
    lines = ["demo-1.0.dist-info/RECORD,,", "demo/__pycache__/code.pyc,sha256=AAAA,3"]
    for name, content in {"demo/code.py": b"x = 1\n", "demo/large.so": b"\0" * (packages.SMALL + 1)}.items():
        (folder / name).write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}")
    (folder / "demo-1.0.dist-info/RECORD").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(sys, "path", [str(folder)])
    return folder


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(f"demo==1.0 \\\n    --hash=sha256:{'a' * 64}\nabsent==3 \\\n    --hash=sha256:{'b' * 64}\n")
    return path


def test_this_environment_passes_its_own_checks() -> None:
    checks = {check.name: check for check in quick.quick("mini", "cpu")}
    assert {checks[name].status for name in ("python", "lock", "packages", "repeated", "batch size")} <= {
        "passed",
        "warning",
    }, [check.text() for check in checks.values()]


def test_a_package_at_another_version_is_named(site: Path, lock: Path) -> None:
    assert packages.packages(lock).status == "passed"
    lock.write_text(lock.read_text().replace("demo==1.0", "demo==1.1"))
    check = packages.packages(lock)
    assert check.status == "failed"
    assert check.problems == ("demo: installed 1.0, locked 1.1; run make setup",)
    lock.write_text(lock.read_text().replace("demo==1.1", "demo==1.0"))
    (site / "stray-2.0.dist-info").mkdir()
    (site / "stray-2.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: stray\nVersion: 2.0\n")
    check = packages.packages(lock)
    assert (check.status, check.detail.split("; ")[1]) == ("warning", "1 not of the lock: stray")
    assert packages.packages(lock.with_name("none")).status == "missing"


def test_a_build_of_the_locked_version_is_not_the_locked_one(site: Path, lock: Path) -> None:
    place = site / "demo-1.0.dist-info/METADATA"
    place.write_text(place.read_text().replace("Version: 1.0", "Version: 1.0+cpu"))
    assert packages.packages(lock).detail == "1 of another build"


def test_an_altered_or_missing_file_is_named(site: Path, lock: Path) -> None:
    assert packages.installed_files(lock=lock).detail.startswith(
        "1 installed files as their wheels declare them; 1 abo"
    )
    (site / "demo/code.py").write_text("x = 2\n")
    check = packages.installed_files(lock=lock)
    assert (check.status, check.problems) == ("failed", ("demo: code.py: altered; remove the VENV and run make setup",))
    (site / "demo/code.py").unlink()
    assert packages.installed_files(lock=lock).problems[0].startswith("demo: code.py: missing")
    (site / "demo-1.0.dist-info/RECORD").unlink()
    assert packages.installed_files(lock=lock).detail == "1 without record"


def test_large_files_are_read_if_everything_is_asked_for(site: Path, lock: Path) -> None:
    (site / "demo/large.so").write_bytes(b"\1" * (packages.SMALL + 1))
    assert packages.installed_files(lock=lock).status == "passed"
    assert packages.installed_files(lock=lock, full=True).detail == "1 altered"


def test_a_lock_that_does_not_fit_the_project_is_red(tmp_path: Path, lock: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(PROJECT)
    check = packages.lock_fits_project(lock, project)
    assert (check.status, check.problems) == ("failed", ("tool<2: not in requirements.lock; run make lock",))
    lock.write_text(lock.read_text() + "tool==2.1\n")
    assert packages.lock_fits_project(lock, project).problems == (
        "tool<2: locked 2.1; run make lock",
        "tool==2.1: no SHA-256 in requirements.lock; run make lock",
    )
    lock.write_text(lock.read_text().replace("tool==2.1", f"tool==1.9 \\\n    --hash=sha256:{'c' * 64}"))
    assert packages.lock_fits_project(lock, project).status == "passed"


def test_a_python_the_lock_is_not_for_is_red() -> None:
    assert machine.python((3, 13)).status == "passed"
    assert machine.python((3, 14)).status == "failed"


CLOSED = "Uid:\t10001\t10001\nCapEff:\t0\nCapPrm:\t0\nCapBnd:\t0\nNoNewPrivs:\t1\n"
OURS = {
    "SUITE_RUNTIME": "container",
    "SUITE_IMAGE_DIGEST": "sha256:1",
    "SUITE_BASE_IMAGE": "cuda@sha256:2",
    "SUITE_REVISION": "abc",
}


@pytest.mark.parametrize(
    ("status", "interfaces", "read_only", "expected"),
    [
        (CLOSED, ["lo", "tunl0"], True, ("passed", "user 10001, no capability, no network; read-only root")),
        (CLOSED, ["lo"], False, ("warning", "the root can be written to")),
        (CLOSED, ["lo", "eth0"], True, ("failed", "1 network")),
        (CLOSED.replace("10001", "0"), ["lo"], True, ("failed", "1 user")),
        (CLOSED.replace("CapBnd:\t0", "CapBnd:\t1ff"), ["lo"], True, ("failed", "1 capability")),
        (CLOSED.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0"), ["lo"], True, ("failed", "1 privilege")),
    ],
)
def test_an_open_container_is_red(
    status: str,
    interfaces: list[str],
    read_only: bool,
    expected: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "status").write_text(status)
    monkeypatch.setattr("socket.if_nameindex", lambda: list(enumerate(interfaces)))
    flags = os.ST_RDONLY if read_only else 0
    monkeypatch.setattr("os.statvfs", lambda _path: type("Mount", (), {"f_flag": flags}))
    check = isolation.isolation(OURS, tmp_path / "status")
    assert (check.status, expected[1] in check.detail) == (expected[0], True), check


def test_an_unknown_image_is_not_green() -> None:
    assert isolation.image(OURS).status == "passed"
    assert isolation.image({}).status == isolation.isolation({}).status == "no reference"
    for name in ("SUITE_IMAGE_DIGEST", "SUITE_REVISION"):
        assert isolation.image(OURS | {name: "unknown"}).status == "warning"
    assert "not pinned by digest" in isolation.image(OURS | {"SUITE_BASE_IMAGE": "cuda:13"}).detail


def test_an_encoder_that_draws_or_mixes_its_batch_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from suite.encoders import Encoder

    forward = Encoder.forward

    def spoiled(spoil):
        def call(self, images, **options):
            tokens = forward(self, images, **options)
            tokens.patches.add_(spoil(images))
            return tokens

        return call

    monkeypatch.setattr(Encoder, "forward", spoiled(lambda images: 1e-3 * torch.rand(1)))
    assert determinism.determinism()[0].status == "failed"
    monkeypatch.setattr(Encoder, "forward", spoiled(lambda images: images.mean()))
    assert [check.status for check in determinism.determinism()] == ["passed", "failed"]


WRONG = Check("environment", "packages", "failed", "1 at another version", ("torch: installed 1, locked 2",), 1)


def test_a_run_records_its_checks_and_goes_on_unless_strict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(quick, "quick", lambda _profile, _device: [WRONG])
    quick.check_environment(tmp_path, "mini", "cpu")
    assert "warning: environment packages: failed" in capsys.readouterr().err
    assert quick.outcomes(tmp_path) == {"environment packages": "failed: 1 at another version"}
    with pytest.raises(RequestError, match="torch: installed 1, locked 2"):
        quick.check_environment(tmp_path, "mini", "cpu", strict=True)
    assert quick.outcomes(tmp_path / "none") == {}


def test_a_failed_check_of_the_packages_shows_in_the_variables() -> None:
    def software(checks: dict[str, str]) -> dict:
        entries = variables(profile="mini", environment=environment() | {"checks": checks}, protocol={}, request={})
        return next(variable for variable in entries if variable["name"] == "Software versions")

    assert "at another version" not in software({"environment packages": "passed: all"})["evidence"]
    wrong = software({"environment packages": "failed: 1 at another version"})
    assert wrong["status"] == "partial"
    assert "environment packages failed: 1 at another version" in wrong["evidence"]


def test_pytest_checks_skips_what_it_cannot_see_and_strict_makes_that_red() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "checks/test_container.py",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SUITE_")}
    done, strict = (
        subprocess.run([*command, *more], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        for more in ([], ["--strict"])
    )
    assert (done.returncode, "3 skipped" in done.stdout) == (0, True), done.stdout
    assert "container image: no reference: no image" in done.stdout
    assert (strict.returncode, "3 failed" in strict.stdout) == (1, True), strict.stdout
