"""Plots are the same bytes whatever the user has told matplotlib."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from suite.core.paths import ROOT

DRAWS = """
from suite.report.plot import _draw
print(_draw("key", {"dino": (1.0, 2.0), "mae": (2.0, 1.0)}, "object", "part"))
"""


def drawn(folder: Path, **environment: str) -> str:
    """The plot as a process draws it that is started in a folder."""
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    command = [sys.executable, "-c", DRAWS]
    done = subprocess.run(command, cwd=folder, env=variables, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    return drawn(tmp_path_factory.mktemp("empty"))


@pytest.mark.parametrize("backend", ["Qt4Agg", "module://no_such_notebook", "TkAgg"])
def test_the_backend_of_a_notebook_or_desktop_is_not_asked_for(plain: str, tmp_path: Path, backend: str) -> None:
    assert drawn(tmp_path, MPLBACKEND=backend) == plain


def test_a_matplotlibrc_in_the_folder_changes_nothing(plain: str, tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 30\nsvg.fonttype: none\n")
    assert drawn(tmp_path) == plain
