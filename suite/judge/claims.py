"""The paper's claims, `expected/claims.toml`, held against any set of measured cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from suite.cells import CellId
from suite.core.schema import Node, read_toml
from suite.errors import ExpectedError
from suite.judge.comparisons import Comparison
from suite.judge.predicates import parse


@dataclass(frozen=True)
class Claim:
    """A checkable statement of the paper.

    Attributes:
        section: where the paper makes it.
        predicate: the statement in the language of `suite.judge.predicates`.
        holds_in_paper: whether it holds in the paper's own tables; None where these are not transcribed.
        true_comparisons: how many of its comparisons are true there; None where unknown.
        counterexamples: those that are not.
        note: what we had to decide to make it checkable.
        comparisons: the parsed predicate.
    """

    id: str
    section: str
    statement: str
    predicate: str
    holds_in_paper: bool | None
    true_comparisons: int | None
    counterexamples: tuple[str, ...]
    note: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Outcome:
    """A claim held against measured cells.

    Attributes:
        holds: None where a cell is missing.
        true_count: comparisons that are true, of those that could be made.
        counterexamples: the false ones, with their numbers.
        missing_cells: cells that would be needed and are not there.
    """

    holds: bool | None
    true_count: int
    counterexamples: tuple[str, ...]
    missing_cells: tuple[CellId, ...]


@dataclass(frozen=True)
class ClaimVerdict:
    """One claim, in the paper's tables and here.

    Attributes:
        verdict: `holds`, `does not hold` or `not run`.
        untestable: why this profile cannot test it, whatever its cells say; None where it can.
    """

    id: str
    section: str
    statement: str
    predicate: str
    holds_in_paper: bool | None
    holds_here: bool | None
    verdict: str
    detail: str
    untestable: str | None = None

    @property
    def differs(self) -> bool:
        """Return whether it was tested and is not as in the paper's own tables."""
        is_comparable = None not in (self.holds_here, self.holds_in_paper)
        return is_comparable and self.untestable is None and self.holds_here != self.holds_in_paper


def load_claims(path: Path) -> list[Claim]:
    """Read the claims, in the order of the file.

    Raises:
        ExpectedError: the file breaks the schema, repeats an id or holds a predicate that cannot be read;
            the message names the key.
    """
    top = read_toml(path)
    tables = top.take("claims", "a list of tables")
    top.end()
    claims: dict[str, Claim] = {}
    for index, table in enumerate(tables):
        node = Node(f"{path}: claims[{index}]", table)
        claim = _claim(node)
        if claim.id in claims:
            raise node.error("id", f"duplicate: {claim.id!r} is used by an earlier claim")
        claims[claim.id] = claim
    return list(claims.values())


def evaluate(claim: Claim, values: Mapping[CellId, float]) -> Outcome:
    """Hold a claim against values in per cent; undecided as long as one of its cells is missing."""
    missing_cells = dict.fromkeys(cell for c in claim.comparisons for cell in c.cells if cell not in values)
    complete_comparisons = [c for c in claim.comparisons if all(cell in values for cell in c.cells)]
    false_comparisons = [c for c in complete_comparisons if not c.holds(values)]
    return Outcome(
        holds=None if missing_cells else not false_comparisons,
        true_count=len(complete_comparisons) - len(false_comparisons),
        counterexamples=tuple(c.show(values) for c in false_comparisons),
        missing_cells=tuple(missing_cells),
    )


def judge_claims(
    claims: Sequence[Claim],
    values: Mapping[CellId, float],
    untestable_reasons: Mapping[str, str] = MappingProxyType({}),
) -> tuple[ClaimVerdict, ...]:
    """Hold every claim against what was measured, in per cent.

    Args:
        claims: all of them.
        values: of the measured cells.
        untestable_reasons: why a claim, by its id, says nothing here.
    """
    return tuple(_judge(claim, evaluate(claim, values), untestable_reasons.get(claim.id)) for claim in claims)


def _judge(claim: Claim, outcome: Outcome, untestable_reason: str | None) -> ClaimVerdict:
    if outcome.holds is None:
        verdict = "not run"
        detail = f"cells missing: {len(outcome.missing_cells)}, such as {outcome.missing_cells[0]}"
    else:
        verdict = "holds" if outcome.holds else "does not hold"
        tally = f"{outcome.true_count} of {len(claim.comparisons)} comparisons true"
        detail = "; ".join((tally, *outcome.counterexamples))
    return ClaimVerdict(
        id=claim.id,
        section=claim.section,
        statement=claim.statement,
        predicate=claim.predicate,
        holds_in_paper=claim.holds_in_paper,
        holds_here=outcome.holds,
        verdict=verdict,
        detail=detail,
        untestable=untestable_reason,
    )


def _claim(node: Node) -> Claim:
    texts = {key: node.take(key, "a text") for key in ("id", "section", "statement", "predicate")}
    paper_answer = node.take("holds_in_paper", "true, false or 'unknown'")
    true_count = node.take("true_comparisons", "a whole number >= 0", None)
    total = node.take("comparisons", "a whole number >= 0", None)
    counterexamples = node.take("counterexamples", "a list of texts", [])
    note = node.take("note", "a text", "")
    node.end()
    try:
        comparisons = parse(texts["predicate"])
    except ExpectedError as error:
        raise node.error("predicate", str(error)) from error
    if total not in (None, len(comparisons)):
        raise node.error("comparisons", f"expected {len(comparisons)}, as the predicate makes, got {total}")
    return Claim(
        **texts,
        holds_in_paper=None if paper_answer == "unknown" else paper_answer,
        true_comparisons=true_count,
        counterexamples=tuple(counterexamples),
        note=note,
        comparisons=comparisons,
    )
