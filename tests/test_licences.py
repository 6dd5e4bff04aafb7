"""The licences of the lock are those that were agreed to, and another one is named."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from suite.core.paths import ROOT


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(ROOT / ".ci/licences.py"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_locked_package_has_a_licence_that_was_agreed_to() -> None:
    done = checked(ROOT / "sbom.json")
    count = len(json.loads((ROOT / "sbom.json").read_text())["components"])
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(f"{count} of {count} packages have a licence that was agreed to\n")


@pytest.mark.parametrize(
    ("licence", "agreed"),
    [
        ({"license": {"id": "MIT"}}, True),
        ({"license": {"id": "GPL-3.0-only"}}, False),
        ({"license": {"name": "Some Proprietary Software"}}, False),
        ({"expression": "GPL-3.0-only OR MIT"}, True),
        ({"expression": "GPL-3.0-only AND MIT"}, False),
        ({"expression": "Apache-2.0 WITH LLVM-exception"}, True),
        (None, False),
    ],
)
def test_one_that_was_not_agreed_to_is_named(licence: Any, agreed: bool, tmp_path: Path) -> None:
    entry = {"name": "thing", "version": "1.0", "licenses": [licence] if licence else []}
    (tmp_path / "sbom.json").write_text(json.dumps({"components": [entry]}))
    done = checked(tmp_path / "sbom.json")
    assert done.returncode == (0 if agreed else 1)
    assert ("thing 1.0: not agreed to: " in done.stdout) is not agreed


def test_a_list_of_nothing_is_no_agreement(tmp_path: Path) -> None:
    (tmp_path / "sbom.json").write_text('{"components": []}')
    assert checked(tmp_path / "sbom.json").returncode == 1
