"""A test file has one subject, a fixture stands once, and no test file imports another."""

import ast
import re
from collections import defaultdict

import pytest

from suite.core.paths import ROOT

FILES = sorted((ROOT / "tests").rglob("*.py"))
LONGEST = 400
"""Lines of a test file: a longer one has several subjects."""


def repeated_fixtures(sources: dict[str, str]) -> list[list[str]]:
    """Return the places, `file::fixture`, of each fixture whose statements stand more than once, docstrings aside."""
    places = defaultdict(list)
    for name, source in sources.items():
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and any("fixture" in ast.unparse(d) for d in node.decorator_list):
                statements = node.body[1:] if ast.get_docstring(node) else node.body
                places["\n".join(map(ast.unparse, statements))].append(f"{name}::{node.name}")
    return [repeated for repeated in places.values() if len(repeated) > 1]


def imported_tests(source: str) -> list[str]:
    """Return the test files that a file imports, also in code that it hands to another process."""
    return re.findall(r"\bfrom (tests[.\w]*\.test_\w+) import", source)


def test_a_test_file_has_400_lines_at_most() -> None:
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in FILES}
    too_long = {name: count for name, count in lines.items() if count > LONGEST and "/test_" in name}
    assert too_long == {}, "split it by subject"


def test_a_fixture_that_two_files_use_stands_once() -> None:
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in FILES}
    assert repeated_fixtures(sources) == [], "move it to the conftest.py of the folder, or of tests/"


def test_no_test_file_imports_another() -> None:
    importing = {path.relative_to(ROOT).as_posix(): imported_tests(path.read_text()) for path in FILES}
    assert {name: tests for name, tests in importing.items() if tests} == {}, "move what they share to tests/support"


def test_a_repeated_fixture_is_seen_under_another_name() -> None:
    first = "@pytest.fixture\ndef run(tmp_path):\n    return tmp_path / 'run'\n"
    second = "@pytest.fixture(scope='module')\ndef place(tmp_path):\n    'A folder.'\n    return tmp_path / 'run'\n"
    other = "def helper(tmp_path):\n    return tmp_path / 'run'\n"
    assert repeated_fixtures({"a.py": first, "b.py": second, "c.py": other}) == [["a.py::run", "b.py::place"]]
    assert repeated_fixtures({"a.py": first, "c.py": other}) == []


@pytest.mark.parametrize("source", ["from {} import write_tar\n", 'CODE = """\nfrom {} import write_tar\n"""\n'])
def test_an_imported_test_file_is_seen(source: str) -> None:
    assert imported_tests(source.format("tests.fetch.test_archives")) == ["tests.fetch.test_archives"]
    assert imported_tests(source.format("tests.support.archives")) == []
