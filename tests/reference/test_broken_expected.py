"""A file of expected values that breaks the schema is refused, by file, key, and what was expected there."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.errors import ExpectedError
from suite.reference.expected import load_expected
from tests.support.refusals import refusal

GOOD = """
[e]
source = "somewhere"
unit = "percent"
rounding = 0.1
deterministic = true
[e.tolerance.ap]
numeric = 0.05
cap = 0.3
reason = "why"
[e.cells.d.encoded.ap]
dino = 48.9
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('unit = "percent"\n', "", "e.unit: missing: expected a text"),
        ('"percent"', '"%"', "e.unit: expected 'percent', got '%'"),
        ('source = "somewhere"\n', "", "e.source: missing: expected a text"),
        ('reason = "why"\n', "", "e.tolerance.ap.reason: missing: expected a text"),
        ('"why"', '" "', "e.tolerance.ap.reason: expected a text, got ' '"),
        ("numeric = 0.05", "numeric = -1", "e.tolerance.ap.numeric: expected a number >= 0, got -1"),
        ("cap = 0.3", "cap = true", "e.tolerance.ap.cap: expected a number >= 0, got True"),
        (
            "cap = 0.3",
            "kap = 0.3\ncap = 0.3",
            "e.tolerance.ap.kap: unknown key: expected one of numeric, cap, reason, gross, gross_reason",
        ),
        (
            "cap = 0.3",
            "cap = 0.3\ngross = 2",
            "e.tolerance.ap.gross: expected it together with gross_reason, got 2 and None",
        ),
        (
            "cap = 0.3",
            'cap = 0.3\ngross = 0.2\ngross_reason = "x"',
            "e.tolerance.ap.gross: expected more than cap, 0.3 points, got 0.2",
        ),
        (
            "dino = 48.9",
            "dino = { lower = 48.9, upper = 40 }",
            "e.cells.d.encoded.ap.dino.upper: expected one of lower and upper, got both: 48.9 and 40",
        ),
        (
            "dino = 48.9",
            "dino = { lower = 48.9, mean = 4 }",
            "e.cells.d.encoded.ap.dino.mean: unknown key: expected one of lower, upper",
        ),
        (
            "rounding",
            "color = 1\nrounding",
            "e.color: unknown key: expected one of table, source, unit, rounding, deterministic, tolerance, cells",
        ),
        ("e.tolerance.ap", "e.tolerance.map", "e.tolerance.ap: missing: needed by e/d/dino/encoded/ap"),
        ("48.9", "489", "e.cells.d.encoded.ap.dino: expected per cent, 0 to 100, got 489"),
        (
            "48.9",
            '"?"',
            "e.cells.d.encoded.ap.dino: expected a number >= 0, 'not transcribed' or a recorded table, got '?'",
        ),
        (
            "48.9",
            "nan",
            "e.cells.d.encoded.ap.dino: expected a number >= 0, 'not transcribed' or a recorded table, got nan",
        ),
        ("[e.cells.d.encoded.ap]", "[e.cells]", "e.cells.dino: expected a table, got 48.9"),
        ("deterministic = true", "deterministic = 1", "e.deterministic: expected true or false, got 1"),
    ],
)
def test_a_broken_file_names_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "paper" / "x.toml"
    path.parent.mkdir()
    path.write_text(GOOD)
    assert len(load_expected("paper", tmp_path)) == 1
    path.write_text(GOOD.replace(old, new, 1))
    assert refusal(load_expected, "paper", tmp_path) == f"{path}: {message}"


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "x.toml").write_text("[e\n")
    with pytest.raises(ExpectedError, match=r"paper/x\.toml: expected a TOML file: .*line 1"):
        load_expected("paper", tmp_path)


def test_a_cell_is_given_once(tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    first, second = tmp_path / "paper" / "a.toml", tmp_path / "paper" / "b.toml"
    first.write_text(GOOD)
    second.write_text(GOOD)
    message = f"{second}: e/d/dino/encoded/ap: already given in {first}: keep one of them"
    assert refusal(load_expected, "paper", tmp_path) == message


def test_a_value_may_be_a_bound_of_one_side(tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "x.toml").write_text(GOOD.replace("dino = 48.9", "dino = { lower = 48.9 }\nmae = 3.0"))
    values = {e.cell.method: (e.value, e.side) for e in load_expected("paper", tmp_path).values()}
    assert values == {"dino": (48.9, "lower"), "mae": (3.0, None)}


def test_what_is_not_trained_has_no_machine_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    path = tmp_path / "paper" / "x.toml"
    path.write_text(GOOD.replace("cap = 0.3", "cap = 0.3\nmachine = 0.1"))
    assert refusal(load_expected, "paper", tmp_path) == (
        f"{path}: e.tolerance.ap.machine: unknown key: expected one of numeric, cap, reason, gross, gross_reason"
    )
