"""After pip has ended well: is what was locked there?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from suite.core.paths import ROOT
from suite.verification import installed

DEMO = {"demo/__init__.py": b"", "demo/code.py": b"VALUE = 1\n"}


def write_wheel(folder: Path, version: str = "1.0") -> Path:
    """A wheel of a package that needs nothing."""
    files = DEMO | {
        f"demo-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: demo\nVersion: {version}\n".encode(),
        f"demo-{version}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"demo-{version}.dist-info/RECORD"
    lines = [
        f"{name},sha256={urlsafe_b64encode(sha256(content).digest()).rstrip(b'=').decode()},{len(content)}"
        for name, content in files.items()
    ]
    path = folder / f"demo-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (files | {record: "\n".join([*lines, f"{record},,"]).encode()}).items():
            archive.writestr(name, content)
    return path


def install(prefix: Path) -> Path:
    """What pip makes of the wheel, in a folder that `importlib.metadata` is told to look into."""
    prefix.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(write_wheel(prefix)) as archive:
        archive.extractall(prefix)
    return prefix


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = install(tmp_path / "environment")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_what_is_as_locked_is_fine(prefix: Path) -> None:
    lock = "demo==1.0 \\\n    --hash=sha256:ab\nabsent==2 ; sys_platform == 'win32' \\\n    --hash=sha256:cd\n"
    assert list(installed.missing(lock, prefix)) == []


def test_what_is_not_as_locked_is_named(prefix: Path, tmp_path: Path) -> None:
    lock = "demo[extra]==2.0 ; python_version >= '3' \\\n    --hash=sha256:ab\nabsent==2 \\\n    --hash=sha256:cd\n"
    assert list(installed.missing(lock, prefix)) == ["demo: expected 2.0, found 1.0", "absent: expected 2, found none"]
    elsewhere = tmp_path / "another"
    assert list(installed.missing("demo==1.0\n", elsewhere)) == [
        f"demo: expected 1.0 in {elsewhere}, found it elsewhere"
    ]
    (prefix / "demo/code.py").unlink()
    assert list(installed.missing("demo==1.0\n", prefix)) == ["demo 1.0: 1 of its 5 files are not there, e.g. code.py"]


def test_the_lock_is_read_as_pip_reads_it() -> None:
    wanted = installed.wanted((ROOT / "requirements.lock").read_text())
    assert {"torch", "numpy", "contourpy"} <= wanted.keys()
    assert "colorama" not in wanted, "for Windows"


class Project:
    """The Makefile in a folder of its own, with a lock of one small package and no index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "Makefile", folder)
        for name in ("suite/run/options.mk", "suite/verification/installed.py"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        digest = sha256(write_wheel(folder).read_bytes()).hexdigest()
        (folder / "requirements.lock").write_text(f"demo==1.0 \\\n    --hash=sha256:{digest}\n")

    def setup(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `make setup`; packages come from this folder only."""
        packages = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.folder)}
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        command = ["make", "setup", f"PYTHON={sys.executable}"]
        return subprocess.run(
            command, cwd=self.folder, env=plain | packages | environment, check=False, capture_output=True, text=True
        )

    @property
    def stamp(self) -> Path:
        """What says that everything is installed."""
        return self.folder / ".venv/.installed"

    def imports(self) -> bool:
        """Whether the environment's Python finds the package."""
        python = self.folder / ".venv/bin/python"
        command = [python, "-I", "-c", "import demo.code"]
        return python.exists() and subprocess.run(command, check=False, capture_output=True).returncode == 0

    def begin_again(self) -> None:
        shutil.rmtree(self.folder / ".venv", ignore_errors=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"))


@pytest.mark.slow
def test_set_up_heeds_no_setting_that_is_meant_for_other_projects(project: Project, tmp_path: Path) -> None:
    (tmp_path / "constraint").write_text("demo==2.0\n")
    project.begin_again()
    done = project.setup(
        PIP_TARGET=str(tmp_path / "target"), PIP_PREFIX=str(tmp_path / "prefix"), PIP_ROOT=str(tmp_path / "root"),
        PIP_DRY_RUN="1", PIP_USER="1", PIP_CONSTRAINT=str(tmp_path / "constraint"), PIP_PYTHON="/no/python",
        PIP_NO_BINARY=":all:", PYTHONPATH=str(install(tmp_path / "path")), PYTHONHOME="/no/home", PYTHONOPTIMIZE="2",
        PYTHONSAFEPATH="1", PYTHONWARNINGS="error", VENV=str(tmp_path / "venv"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert project.imports()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["constraint", "path"]
    assert project.setup(PIP_TARGET=str(tmp_path / "target")).stdout == "make: Nothing to be done for 'setup'.\n"


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["gone", "another's"])
def test_an_environment_whose_python_is_gone_is_mended(project: Project, loss: str) -> None:
    if not project.stamp.exists():
        assert project.setup().returncode == 0
    environment = project.folder / ".venv"
    if loss == "gone":
        (environment / "bin/python").unlink()
        (environment / "bin/python").symlink_to("/no/such/python")
    else:  # the system's Python has become another, which looks for packages elsewhere
        shutil.rmtree(environment / "lib")
    assert not project.imports()
    done = project.setup()
    assert done.returncode == 0, done.stderr
    assert project.imports()


@pytest.mark.slow
def test_packages_that_pip_s_configuration_sends_elsewhere_are_missed(project: Project, tmp_path: Path) -> None:
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[install]\ntarget = {tmp_path / 'target'}\n")
    project.begin_again()
    done = project.setup(PIP_CONFIG_FILE=str(configuration))
    environment = project.folder / ".venv"
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        f"error: {environment} is not as requirements.lock says: demo: expected 1.0, found none; does a setting of pip "
        f"send packages elsewhere ({environment}/bin/python -m pip config list: target, prefix, root)? Else remove "
        f"{environment}; then run make setup again"
    )
    assert not project.stamp.exists()
    configuration.write_text("[install]\nuser = true\ndry-run = true\n")
    assert project.setup(PIP_CONFIG_FILE=str(configuration)).returncode == 0
    assert project.imports()
