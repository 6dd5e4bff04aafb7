"""A run is measured as this project says, whatever the caller's environment and folder tell pytest about another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from suite.core.paths import MINI_WEIGHTS, ROOT

ENVIRONMENT = {
    "PYTEST_ADDOPTS": "-k no_such_test -n 3 --no-such-option",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "no_such_module",
}
FILES = {
    "pytest.ini": "[pytest]\naddopts = -k no_such_test\npython_files = none.py\n",
    "tox.ini": "[pytest]\naddopts = --no-such-option\n",
    "setup.cfg": "[tool:pytest]\naddopts = --no-such-option\n",
    "conftest.py": "raise SystemExit('the conftest.py of another project')\n",
}


@pytest.mark.slow
def test_what_is_meant_for_the_pytest_of_another_project_changes_no_run(tmp_path: Path, drawn_cifar10: Path) -> None:
    """Nor the processes that it starts."""
    project = tmp_path / "project"
    project.mkdir()
    for name, text in FILES.items():
        (project / name).write_text(text)
    run = tmp_path / "run"
    command = [
        *(sys.executable, "-m", "suite", "reproduce", "--runtime=venv", "--device=cpu", "--workers=2"),
        *("--experiment=object_retrieval", "--dataset=cifar10", "--encoder=deit,mae"),
        *(f"--run={run}", f"--data={drawn_cifar10}", f"--weights={MINI_WEIGHTS}", f"--cache={tmp_path / 'cache'}"),
    ]
    environment = os.environ | ENVIRONMENT | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=project, env=environment, check=False, capture_output=True, text=True)
    log = (run / "pytest.log").read_text() if (run / "pytest.log").exists() else "no log"
    measured = [path.stem for path in sorted(run.glob("cells/**/*.json"))]
    assert len(measured) == 2, f"{done.stdout}{done.stderr}{log}"
