"""`make test` is quick, and leaves out nothing that CI does not run: what it leaves out has a mark, and a target."""

import re
import subprocess
import sys
import tomllib

import pytest

from suite.core.paths import ROOT
from tests.support.tiers import LIMIT_S, NAME, processor_seconds, unmarked

TIERS = ("make test", "make test-slow")


def recipe(target: str) -> str:
    """What make would run, without the check of the set-up."""
    command = ["make", "--dry-run", "--no-print-directory", "--assume-old=setup", target]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def report(test: str, seconds: float, *, keywords: tuple[str, ...] = (), when: str = "call") -> pytest.TestReport:
    properties = [(NAME, seconds)] if when == "call" else []
    return pytest.TestReport(
        test, ("", 0, ""), dict.fromkeys(keywords, 1), "passed", None, when, user_properties=properties
    )


def test_both_tiers_together_are_all_tests_and_none_twice() -> None:
    quick, slow = recipe("test"), recipe("test-slow")
    assert quick.count("-m 'not slow'") == 1
    assert quick.replace("-m 'not slow'", "-m slow") == slow
    assert recipe("test-all") == quick + slow


@pytest.mark.parametrize("path", [".ci/run", ".github/workflows/ci.yml"])
def test_ci_runs_both(path: str) -> None:
    lines = re.findall(r"^ *(?:run: )?(make test[-\w]*)", (ROOT / path).read_text(), re.MULTILINE)
    assert tuple(lines) == TIERS


def test_the_mark_says_the_limit() -> None:
    (mark,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    assert (
        mark == f"slow: takes more than {LIMIT_S:g} s of a processor; make test leaves it out, make test-slow runs it"
    )


def test_what_takes_long_and_has_no_mark_is_named() -> None:
    reports = [
        report("quick", LIMIT_S),
        report("late", 4.25),
        report("later", 12),
        report("marked", 60, keywords=("slow",)),
        report("late", 0, when="teardown"),
        object(),
    ]
    assert unmarked(reports) == ["12.0 s  later", "4.2 s  late"]


def test_what_a_test_takes_is_noted_with_what_it_starts(request: pytest.FixtureRequest) -> None:
    before = processor_seconds()
    subprocess.run([sys.executable, "-I", "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert processor_seconds() - before >= 0.3
    assert request.config.pluginmanager.has_plugin("tests.support.tiers")
