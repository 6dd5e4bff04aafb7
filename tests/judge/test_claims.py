"""The paper's claims: the language, and what its own tables say about each."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.cells import METHODS, CellId
from suite.core.paths import EXPECTED as ROOT
from suite.errors import ExpectedError
from suite.judge.claims import Claim, evaluate, judge_claims, load_claims
from suite.judge.predicates import parse
from suite.reference.expected import load_expected

CLAIMS = load_claims(ROOT / "claims.toml")
PAPER = {cell: e.value for cell, e in load_expected("paper", ROOT).items() if e.value is not None}


def test_all_52_claims_are_there() -> None:
    assert [claim.id for claim in CLAIMS] == [f"C{number:02}" for number in range(1, 53)]
    answers = [claim.holds_in_paper for claim in CLAIMS]
    assert (answers.count(True), answers.count(False), answers.count(None)) == (33, 17, 2)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_the_papers_own_tables_decide_as_listed(claim: Claim) -> None:
    outcome = evaluate(claim, PAPER)
    assert outcome.holds is claim.holds_in_paper
    if outcome.holds is not None:
        assert (outcome.true_count, outcome.counterexamples) == (claim.true_comparisons, claim.counterexamples)


def test_claims_speak_of_cells_that_the_paper_has() -> None:
    paper_cells = load_expected("paper", ROOT).keys()
    assert [cell for claim in CLAIMS for c in claim.comparisons for cell in c.cells if cell not in paper_cells] == []


def test_a_flipped_value_flips_the_claim() -> None:
    claim = next(claim for claim in CLAIMS if claim.id == "C22")
    values = PAPER | {CellId.parse("part_retrieval/coco/cae/encoded/ap"): 44.0}
    outcome = evaluate(claim, values)
    assert (outcome.holds, outcome.counterexamples) == (False, ("coco/encoded/ap: cae 44.0 vs deit 44.1",))


COLUMN = "e/d/s/m"


def cells(column: str = COLUMN, **values: float) -> dict[CellId, float]:
    experiment, dataset, setting, metric = column.split("/")
    return {CellId(experiment, dataset, method, setting, metric): value for method, value in values.items()}


ASCENDING = dict(zip(METHODS, (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0), strict=True))


@pytest.mark.parametrize(
    ("predicate", "values", "answer", "text"),
    [
        ("dino > mae on e/d/s/m", {"dino": 50.1, "mae": 50.0}, True, "d/s/m: dino 50.1 vs mae 50.0"),
        ("dino > mae on e/d/s/m", {"dino": 50.0, "mae": 50.0}, False, "d/s/m: dino 50.0 vs mae 50.0"),
        ("dino > mae + 2 on e/d/s/m", {"dino": 52.5, "mae": 50.0}, True, "d/s/m: dino 52.5 vs mae 50.0"),
        # 0.8 - 0.7 is 0.10000000000000009 in binary: a lead of 0.1, and no more
        ("dino > mae + 0.1 on e/d/s/m", {"dino": 0.8, "mae": 0.7}, False, "d/s/m: dino 0.8 vs mae 0.7"),
        ("dino > mae - 2 on e/d/s/m", {"dino": 48.5, "mae": 50.0}, True, "d/s/m: dino 48.5 vs mae 50.0"),
        ("dino > mae - 2 on e/d/s/m", {"dino": 48.0, "mae": 50.0}, False, "d/s/m: dino 48.0 vs mae 50.0"),
        ("dino = mae + 1.6 on e/d/s/m", {"dino": 51.64, "mae": 50.0}, True, "d/s/m: dino 51.64 vs mae 50.0"),
        ("dino = mae + 1.6 on e/d/s/m", {"dino": 51.66, "mae": 50.0}, False, "d/s/m: dino 51.66 vs mae 50.0"),
        ("abs(dino - mae) <= 1 on e/d/s/m", {"dino": 49.0, "mae": 50.0}, True, "d/s/m: dino 49.0 vs mae 50.0"),
        ("abs(dino - mae) <= 1 on e/d/s/m", {"dino": 51.5, "mae": 50.0}, False, "d/s/m: dino 51.5 vs mae 50.0"),
        ("count({mae,cae,ibot} > deit) >= 3 on e/d/s/m", ASCENDING, True, "d/s/m: 3 (mae+cae+ibot)"),
        ("count({deit,ibot} > mae) >= 2 on e/d/s/m", ASCENDING, False, "d/s/m: 1 (ibot)"),
        ("count({deit,dino} > mae) >= 1 on e/d/s/m", ASCENDING, False, "d/s/m: 0 (none)"),
        ("rank(cae) <= 2 on e/d/s/m", ASCENDING, True, "d/s/m: cae has rank 2"),
        ("rank(cae) <= 1 on e/d/s/m", ASCENDING, False, "d/s/m: cae has rank 2"),
        ("rank(cae) <= 1 on e/d/s/m", ASCENDING | {"ibot": 60.0}, True, "d/s/m: cae has rank 1"),
    ],
)
def test_the_language(predicate: str, values: dict[str, float], answer: bool, text: str) -> None:
    (comparison,) = parse(predicate)
    assert comparison.holds(cells(**values)) is answer
    assert comparison.show(cells(**values)) == text


def test_braces_mean_every_combination_and_clauses_add_up() -> None:
    comparisons = parse("{dino,ibot} > {mae,cae} on e/{c,d}/s/{m,n} AND rank(mae) <= 3 on e/d/s/m")
    assert len(comparisons) == 2 * 2 * 4 + 1
    assert [str(cell) for cell in comparisons[0].cells] == ["e/c/dino/s/m", "e/c/mae/s/m"]


def test_settings_are_compared_within_a_method() -> None:
    (comparison,) = parse("dino: encoded > projected + 10 on e/d/*/ap")
    values = cells("e/d/encoded/ap", dino=41.0) | cells("e/d/projected/ap", dino=30.0)
    assert comparison.holds(values)
    assert comparison.show(values) == "d/encoded/ap: dino encoded 41.0 vs projected 30.0"
    assert not comparison.holds(values | cells("e/d/projected/ap", dino=31.0))


def test_spearman_is_the_rank_correlation() -> None:
    (comparison,) = parse("spearman(e/d/s/m, e/d/s/n) >= 0.5")
    # ranks 1..7 against 2 1 4 3 6 5 7: squared differences sum to 6, rho = 1 - 6 * 6 / (7 * 48)
    swapped = dict(zip(METHODS, (2, 1, 4, 3, 6, 5, 7), strict=True))
    values = cells(**ASCENDING) | cells("e/d/s/n", **swapped)
    assert comparison.holds(values)
    assert comparison.show(values) == "d/s/m with d/s/n: rho 0.89"
    assert not comparison.holds(cells(**ASCENDING) | cells("e/d/s/n", **dict.fromkeys(METHODS, 1.0)))


def test_spearman_shares_ranks_between_equals() -> None:
    (comparison,) = parse("spearman(e/d/s/m, e/d/s/n) >= 0.5")
    # 0 0 0 0 1 1 1 has ranks 2.5 (four times) and 6: covariance 21, variances 28 and 21, rho = 21 / sqrt(588)
    tied = dict(zip(METHODS, (0, 0, 0, 0, 1, 1, 1), strict=True))
    assert comparison.show(cells(**ASCENDING) | cells("e/d/s/n", **tied)) == "d/s/m with d/s/n: rho 0.87"


def test_a_missing_cell_leaves_a_claim_undecided() -> None:
    claim = next(claim for claim in CLAIMS if claim.id == "C27")
    column = "image_classification/imagenet1k/linear/top1"
    outcome = evaluate(claim, cells(column, deit=80.0, cae=75.0))
    assert (outcome.holds, outcome.true_count, len(outcome.missing_cells)) == (None, 0, 1)
    (verdict,) = judge_claims([claim], cells(column, deit=80.0, cae=75.0))
    assert (verdict.holds_here, verdict.verdict) == (None, "not run")
    assert verdict.detail == "cells missing: 1, such as image_classification/imagenet1k/mae/linear/top1"


@pytest.mark.parametrize(
    ("mae", "verdict", "detail"),
    [
        (60.0, "holds", "2 of 2 comparisons true"),
        (75.0, "does not hold", "1 of 2 comparisons true; imagenet1k/linear/top1: deit 80.0 vs mae 75.0"),
    ],
)
def test_a_decided_claim_shows_its_numbers(mae: float, verdict: str, detail: str) -> None:
    claim = next(claim for claim in CLAIMS if claim.id == "C27")
    values = cells("image_classification/imagenet1k/linear/top1", deit=80.0, cae=65.0, mae=mae)
    (claim_verdict,) = judge_claims([claim], values)
    assert (claim_verdict.verdict, claim_verdict.detail, claim_verdict.holds_in_paper) == (verdict, detail, True)


GOOD = """
[[claims]]
id = "C1"
section = "section 1"
statement = "DINO beats MAE."
predicate = "dino > mae on e/d/s/m"
holds_in_paper = true
comparisons = 1
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('section = "section 1"\n', "", "claims[0].section: missing: expected a text"),
        ("= true", "= 1", "claims[0].holds_in_paper: expected true, false or 'unknown', got 1"),
        ("comparisons = 1", "comparisons = 2", "claims[0].comparisons: expected 1, as the predicate makes, got 2"),
        (
            "comparisons",
            "x = 1\ncomparisons",
            "claims[0].x: unknown key: expected one of id, section, statement, predicate, holds_in_paper, "
            "true_comparisons, comparisons, counterexamples, note",
        ),
        (
            "dino >",
            "dino >=",
            "claims[0].predicate: cannot read 'dino >= mae on e/d/s/m': "
            "expected a form such as 'A > B + 2 on experiment/dataset/setting/metric'",
        ),
        (
            "dino >",
            "dingo >",
            "claims[0].predicate: unknown method 'dingo': expected one of deit, mocov3, dino, beit, mae, cae, ibot",
        ),
        ("e/d/s/m", "d/s/m", "claims[0].predicate: cannot read 'd/s/m': expected experiment/dataset/setting/metric"),
        (
            "dino > mae on",
            "rank(dino) <= 7 on",
            "claims[0].predicate: count or rank: expected a number from 1 to 6, got 7",
        ),
        (
            "dino > mae on",
            "count({mae,cae} > dino) >= 3 on",
            "claims[0].predicate: count or rank: expected a number from 1 to 2, got 3",
        ),
    ],
)
def test_a_broken_claim_names_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(GOOD)
    assert len(load_claims(path)) == 1
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ExpectedError) as error:
        load_claims(path)
    assert str(error.value) == f"{path}: {message}"


def test_an_id_names_one_claim(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(GOOD + GOOD)
    with pytest.raises(ExpectedError) as error:
        load_claims(path)
    assert str(error.value) == f"{path}: claims[1].id: duplicate: 'C1' is used by an earlier claim"
