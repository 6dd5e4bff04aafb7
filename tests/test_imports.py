"""Data flows one way: every part of the suite imports only parts that come before it, read from the code."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.core.paths import ROOT, SUITE

ORDER = (
    *("errors", "specs", "registry", "cells", "core", "protocol"),
    *("metrics", "results", "datasets", "encoders", "features"),
    *("training", "imagenet_pipeline", "probes", "segmentation"),
    *("reference", "judge", "run", "experiments"),
    *("fetch", "mini", "verification", "preparation", "conformance", "container", "plan"),
    *("report", "archive", "reproduction", "triage", "launch", "candidate", "acceptance", "cli", "__main__"),
)
"""The parts, each before those that may import it."""
LIGHT = (
    "errors",
    "specs",
    "registry",
    "cells",
    "core",
    "protocol",
    "results",
    "reference",
    "judge",
    "run",
    "report",
    "archive",
)
"""Parts that are told of results and never make one: no torch."""
NEIGHBOURS = {
    "core": {"errors", "specs", "cells", "registry"},
    "metrics": {"errors", "protocol"},
    "datasets": {"errors", "protocol", "registry", "core"},
    "encoders": {"errors", "specs", "protocol", "registry", "core"},
    "fetch": {"errors", "core", "registry", "encoders", "datasets"},
    "mini": {"errors", "core", "metrics", "run"},
    "preparation": {"errors", "core", "datasets"},
    "conformance": {"errors", "encoders"},
    "container": {"errors", "specs", "core", "encoders"},
    "judge": {"errors", "registry", "cells", "core", "protocol", "results", "reference"},
}
"""Parts that know even less than their place allows."""


def part_of(path: Path) -> str:
    return path.relative_to(SUITE).parts[0].removesuffix(".py")


def files(part: str) -> list[Path]:
    return [path for path in sorted(SUITE.rglob("*.py")) if part_of(path) == part]


def imports(path: Path) -> Iterator[str]:
    """The parts that a file imports, wherever in it the statement stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "suite" else [f"suite.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("suite."))


def test_every_part_has_a_place() -> None:
    assert {part_of(path) for path in SUITE.rglob("*.py")} - {"__init__"} == {*ORDER}


@pytest.mark.parametrize("part", ORDER)
def test_a_part_imports_only_what_comes_before_it(part: str) -> None:
    before = {*ORDER[: ORDER.index(part) + 1]}
    for path in files(part):
        assert {*imports(path)} <= before, path


@pytest.mark.parametrize("part", NEIGHBOURS)
def test_some_parts_know_even_less(part: str) -> None:
    for path in files(part):
        assert {*imports(path)} <= NEIGHBOURS[part] | {part}, path


def test_only_the_parts_have_a_door_of_their_own() -> None:
    loose = {path.name for path in SUITE.glob("*.py")}
    assert loose == {"__init__.py", "__main__.py", "cells.py", "errors.py", "registry.py", "specs.py"}


def test_nothing_in_the_suite_imports_tests_or_checks() -> None:
    for path in SUITE.rglob("*.py"):
        text = path.read_text()
        assert "import tests" not in text, path
        assert "from tests" not in text, path
        assert "from checks" not in text, path


def test_who_reads_judges_and_reports_loads_no_torch() -> None:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for part in LIGHT for path in files(part)]
    modules = [name for name in names if name not in {"suite.core.memory", "suite.core.precision"}]  # of a device
    loads = f"import importlib, sys\nfor m in {modules}: importlib.import_module(m)\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loads], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("module", ["suite.cli.main", "suite.report.compare", "suite.report.history"])
def test_who_reads_a_report_back_loads_nothing_that_draws_or_tests(module: str) -> None:
    """Seconds of every command, of `make reproduce` where nothing has changed, and of tests that start one."""
    loads = f"import sys, {module}\nprint(sorted({{'matplotlib', 'scipy.stats', 'timm', 'torch'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", loads], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
