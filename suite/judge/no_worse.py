"""A one-sided gate: a candidate is no worse than a reference by more than a margin, in every column.

By the paired interval over images (`suite.judge.paired`): a column passes where all of the 95 % interval lies above the
margin, fails where all of it lies below, else it cannot be told: so too where the reference has no scores of the same
items. That all have to pass needs no correction for many
comparisons (an intersection-union test: Berger (1982), Technometrics 24, 295-300); that a single one fails is read at
2.5 % each. Several candidates are held one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suite.cells import BASELINES, METHODS

PASSES, FAILS, OPEN = "no worse", "worse", "cannot tell"
EXIT_CODES = {PASSES: 0, FAILS: 1, OPEN: 2}
_PLACE = ("experiment", "dataset", "setting", "metric")


def no_worse_than(candidate: Mapping[str, Any], reference: str, margin: float) -> dict[str, Any]:
    """Hold a candidate against a reference.

    Args:
        candidate: entry of `suite.judge.standing.standings`.
        reference: a method, a floor, or another candidate.
        margin: points of per cent that it may be worse.

    Returns:
        `reference`, `margin`, `verdict` (`no worse`, `worse`, `cannot tell`), `exit_code`, `sentence`, and `columns`:
        the words of a cell but `method`, `value`, `low`, `high` (None where it was not compared), `verdict`.
    """
    pairs = [
        pair
        for kind in ("pairs", "rival_pairs", "floor_pairs")
        for pair in candidate.get(kind, ())
        if pair["reference"] == reference
    ]
    pair_of = {tuple(pair[word] for word in _PLACE): pair for pair in pairs}
    columns = []
    for column in candidate["columns"]:
        pair = pair_of.get(tuple(column[word] for word in _PLACE))
        numbers = {word: pair[word] if pair else None for word in ("value", "low", "high")}
        verdict = held(pair["low"], pair["high"], margin) if pair else OPEN
        columns.append({word: column[word] for word in _PLACE} | numbers | {"verdict": verdict})
    verdicts = [column["verdict"] for column in columns]
    verdict = FAILS if FAILS in verdicts else PASSES if columns and set(verdicts) == {PASSES} else OPEN
    return {
        "reference": reference,
        "margin": margin,
        "verdict": verdict,
        "exit_code": EXIT_CODES[verdict],
        "sentence": _sentence(candidate["method"], reference, margin, verdicts, is_compared=bool(pairs)),
        "columns": columns,
    }


def held(low: float, high: float, margin: float) -> str:
    """Hold the 95 % interval of a paired difference, in points, against a margin."""
    return PASSES if low >= -margin else FAILS if high < -margin else OPEN


def allowance(margin: float) -> str:
    """Write a margin: `0.5 points allowed`."""
    return f"{margin:g} point{'' if margin == 1 else 's'} allowed"


def sentence_of(gates: Mapping[str, Mapping[str, Any]]) -> str:
    """Say in a sentence what became of the candidates; `gates` has the answer of `no_worse_than` for each."""
    first, *others = gates.values()
    if not others:
        return str(first["sentence"])
    methods = {word: [method for method, gate in gates.items() if gate["verdict"] == word] for word in EXIT_CODES}
    words = "; ".join(f"{word}: {', '.join(names)}" for word, names in methods.items() if names)
    return f"{len(gates)} candidates against {first['reference']}, {allowance(first['margin'])}: {words}."


def _sentence(method: str, reference: str, margin: float, verdicts: Sequence[str], *, is_compared: bool) -> str:
    if not is_compared:
        advice = f": measure it beside (BESIDE={reference})" if reference in (*METHODS, *BASELINES) else ""
        return f"{method} against {reference}: cannot tell: {reference} was not measured on the same items{advice}."
    counts = ", ".join(f"{word} in {verdicts.count(word)}" for word in (PASSES, FAILS, OPEN))
    return f"{method} against {reference}, {allowance(margin)}: {counts} of {len(verdicts)} columns."
