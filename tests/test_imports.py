"""Data flows one way: who may import whom, read from the code."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from suite.core.paths import SUITE

BASE = {
    *("errors", "cells", "protocol", "constants", "records", "results", "schema"),
    *("comparisons", "predicates", "intervals"),
}
MAY_IMPORT = {
    "metrics": {"errors", "constants"},
    "encoders": {"errors", "constants"},
    "datasets": {"errors", "constants"},
    "features": BASE | {"encoders", "datasets", "provenance", "numerics"},
    "stream": {"errors", "constants", "datasets", "encoders", "features"},
    "numerics": {"environment", "protocol"},
    "probes": BASE
    | {"metrics", "features", "memory", "provenance", "checkpoints", "distributed", "training", "numerics"},
    "segmentation": {
        "errors",
        "constants",
        "precision",
        "checkpoints",
        "training",
        "memory",
        "protocol",
        "provenance",
        "numerics",
        "results",
        "image_counts",
        "metrics",
        "datasets",
        "encoders",
        "probes",
    },
    "fetch": {"errors", "results", "encoders", "datasets"},
    "mini": {"errors", "results", "metrics"},
    # a plan counts what every stage does, on the stages' own code
    "plan": BASE
    | {"datasets", "encoders", "features", "stream", "probes", "segmentation", "metrics", "experiments"}
    | {"request", "fetch", "verification", "provenance", "report", "memory", "deciding", "expected"}
    | {"numerics", "precision"},
    "verification": {"errors", "results", "datasets", "mini", "encoders", "environment"},
    "preparation": {"errors", "datasets", "results"},
    "attempts": {"errors", "environment", "numerics", "request", "signals"},
    "archive": BASE | {"assemble", "attempts", "environment", "provenance", "report"},
    "container": {"errors", "environment", "encoders"},
    "records": {"errors", "cells"},
    "evidence": {"errors", "records", "image_counts"},
    "results": {"errors", "records", "evidence"},
    "seal": {"errors", "results", "slack"},
    "expected": BASE | {"seal"},
    "claims": BASE,
    "cell_verdict": BASE | {"expected"},
    "family": BASE | {"cell_verdict"},
    "known": BASE | {"expected", "cell_verdict"},
    "testable": BASE | {"expected", "claims"},
    "deciding": BASE | {"cell_verdict"},
    "verdict": BASE | {"expected", "claims", "cell_verdict", "family", "known"},
    "accepted": BASE
    | {"expected", "numerics", "recording", "assemble", "contributions", "newcomer", "references", "request"},
    "report": BASE | {"verdict", "expected", "claims", "attempts", "accepted"},
}


def imports(path: Path) -> set[str]:
    """The parts of the suite that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "suite" else [f"suite.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("suite.")}
    return found


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_comes_before_it(part: str) -> None:
    files = [SUITE / f"{part}.py"] if (SUITE / f"{part}.py").exists() else sorted((SUITE / part).rglob("*.py"))
    assert files
    for path in files:
        assert imports(path) <= MAY_IMPORT[part] | {part}, path


def test_nothing_in_the_suite_imports_tests_or_checks() -> None:
    for path in SUITE.rglob("*.py"):
        text = path.read_text()
        assert "import tests" not in text, path
        assert "from tests" not in text, path
        assert "from checks" not in text, path


def test_verdict_and_report_need_no_torch() -> None:
    for part in ("expected.py", "claims.py", "verdict.py", "cells.py", "results.py", "report"):
        files = [SUITE / part] if part.endswith(".py") else sorted((SUITE / part).rglob("*.py"))
        for path in files:
            assert "import torch" not in path.read_text(), path


def test_reading_references_and_results_loads_no_torch() -> None:
    reads = "import suite.reference.select, suite.results.store, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", reads], cwd=SUITE.parent, check=False).returncode == 0
