"""By how much a claim holds or fails, and whether other images, or other seeds, could flip it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as student

from suite.cells import METHODS, CellId
from suite.judge.claim_noise import Noise, claim_noise
from suite.judge.claims import Claim
from suite.judge.items import Items
from suite.judge.predicates import parse
from suite.judge.uncertainty import Uncertainty
from suite.results.records import PerItemScores, Result
from suite.results.store import Key, Store

IMAGES = 400
HARD = np.random.default_rng(0).uniform(0.3, 0.7, IMAGES)
"""What an image gives every encoder: it cancels between encoders of the same images."""


def scores_of(method: str, value: float, spread: float = 0.1) -> np.ndarray:
    """APs around what is hard, whose mean is the value."""
    own = np.random.default_rng([*method.encode()]).normal(0, spread, IMAGES)
    scores = HARD + own
    return scores + value / 100 - scores.mean()


def noise_of(
    predicate: str,
    values: Mapping[str, float],
    folder: Path,
    *,
    identities: Mapping[str, str | None] | None = None,
    uncertainty: Uncertainty = Uncertainty(),  # noqa: B008
) -> Noise:
    """The noise of a claim over columns `e/d/s/ap`; of methods whose items are None there are no scores."""
    store, results, measured = Store(folder), [], {}
    for name, value in values.items():
        method, _, setting = name.partition(" ")
        cell = CellId("e", "d", method, setting or "s", "ap")
        measured[cell] = value
    for method in dict.fromkeys(cell.method for cell in measured):
        own = {f"{c.setting}/ap": value for c, value in measured.items() if c.method == method}
        result = Result(Key("e", "d", method), {n: [v] for n, v in own.items()}, {}, {}, {}, {"seeds": []})
        identity = (identities or {}).get(method, "i")
        scores = {n: scores_of(f"{method}{n}", v)[None] for n, v in own.items()}
        store.save(result, PerItemScores(scores, identity, np.arange(IMAGES, dtype=np.int32)) if identity else None)
        loaded = store.load(result.key)
        assert loaded is not None
        results.append(loaded)
    claim = Claim("C1", "1", "a statement", predicate, True, None, (), "", parse(predicate))
    answers = claim_noise([claim], measured, Items(store, results), dict.fromkeys(measured, uncertainty))
    return answers["C1"]


def test_a_narrow_failure_could_be_flipped_by_other_images(tmp_path: Path) -> None:
    noise = noise_of("dino > mae on e/d/s/ap", {"dino": 49.7, "mae": 50.0}, tmp_path)
    [margin] = noise.margins
    assert (margin.cells, margin.amount, margin.margin) == (("e/d/dino/s/ap", "e/d/mae/s/ap"), -0.3, -0.3)
    assert (margin.least, margin.most, margin.unit, margin.is_paired, margin.seeds) == (0, None, "points", True, None)
    interval = margin.images
    assert interval is not None
    assert interval.flips
    error = 100 * np.std(scores_of("dinos/ap", 0) - scores_of("maes/ap", 0)) / np.sqrt(IMAGES)
    assert (interval.low, interval.high) == pytest.approx((-0.3 - 1.96 * error, -0.3 + 1.96 * error), abs=0.15)
    assert noise.sentence == (
        "Fails by up to 0.30 points; other images could flip it; nothing is trained, so seeds play no part."
    )
    assert margin.text == (
        "d/s/ap: dino 49.7 vs mae 50.0, difference -0.30, needs > 0; "
        f"other images {interval.low:+.2f} to {interval.high:+.2f}, could flip it"
    )


def test_a_wide_failure_cannot_be_flipped(tmp_path: Path) -> None:
    noise = noise_of("dino > mae on e/d/s/ap", {"dino": 45.0, "mae": 50.0}, tmp_path)
    assert (noise.images, noise.seeds) == ("cannot flip it", "nothing is trained")
    interval = noise.margins[0].images
    assert interval is not None
    assert (interval.flips, interval.p_value) == (False, pytest.approx(2 / 2_000))
    assert interval.high < 0


@pytest.mark.parametrize(
    ("lead", "answer"), [(0.3, "other images could flip it"), (5.0, "other images cannot flip it")]
)
def test_a_claim_that_holds_says_how_narrowly(tmp_path: Path, lead: float, answer: str) -> None:
    values = {"dino": 50.0 + lead, "mae": 50.0, "cae": 30.0}
    noise = noise_of("dino > {mae,cae} on e/d/s/ap", values, tmp_path)
    assert (
        noise.sentence == f"Holds by {lead:.2f} points at least; {answer}; nothing is trained, so seeds play no part."
    )
    assert [margin.cells for margin in noise.margins] == [("e/d/dino/s/ap", "e/d/mae/s/ap")], "the narrowest"


@pytest.mark.parametrize(
    ("values", "counterexamples", "margin"),
    [({"dino": 50.5, "mae": 50.0}, 1, -0.5), ({"dino": 50.5, "mae": 50.0, "cae": 50.6}, 2, -1.1)],
)
def test_the_margin_that_a_claim_asks_for_counts(
    tmp_path: Path, values: dict[str, float], counterexamples: int, margin: float
) -> None:
    predicate = f"dino > {{{','.join(list(values)[1:])}}} + 1 on e/d/s/ap"
    noise = noise_of(predicate, values, tmp_path)
    assert len(noise.margins) == counterexamples
    assert min(entry.margin for entry in noise.margins) == pytest.approx(margin)
    assert noise.margins[0].text.startswith("d/s/ap: dino 50.5 vs mae 50.0, difference +0.50, needs > 1; other images ")


def test_without_items_of_one_side_other_images_are_unknown(tmp_path: Path) -> None:
    noise = noise_of("dino > mae on e/d/s/ap", {"dino": 45.0, "mae": 50.0}, tmp_path, identities={"mae": None})
    assert noise.sentence == (
        "Fails by up to 5.00 points; whether other images could flip it is unknown; nothing is trained, so seeds play "
        "no part."
    )
    assert noise.margins[0].text == "d/s/ap: dino 45.0 vs mae 50.0, difference -5.00, needs > 0; other images unknown"
    assert (noise.margins[0].images, noise.margins[0].is_paired) == (None, True)


def test_cells_of_other_images_are_drawn_each_for_itself(tmp_path: Path) -> None:
    values = {"dino": 48.0, "mae": 50.0}
    paired = noise_of("dino > mae on e/d/s/ap", values, tmp_path / "a").margins[0]
    apart = noise_of("dino > mae on e/d/s/ap", values, tmp_path / "b", identities={"mae": "j"}).margins[0]
    assert (paired.is_paired, apart.is_paired) == (True, False)
    assert paired.images is not None
    assert apart.images is not None
    widths = [entry.high - entry.low for entry in (paired.images, apart.images)]
    errors = [
        np.hypot(*(np.std(scores_of(f"{m}s/ap", 0)) for m in ("dino", "mae"))),
        np.std(scores_of("dinos/ap", 0) - scores_of("maes/ap", 0)),
    ]
    assert widths[1] == pytest.approx(2 * 1.96 * 100 * errors[0] / np.sqrt(IMAGES), rel=0.08)
    assert widths[0] == pytest.approx(2 * 1.96 * 100 * errors[1] / np.sqrt(IMAGES), rel=0.08)


@pytest.mark.parametrize(("sd", "answer"), [(0.5, "cannot flip it"), (4.0, "could flip it")])
def test_other_seeds_are_drawn_from_the_seed_noise_and_kept_apart(tmp_path: Path, sd: float, answer: str) -> None:
    seeded = Uncertainty(seed_sd=sd, seed_df=28, seeds=2)
    noise = noise_of("dino > mae on e/d/s/ap", {"dino": 45.0, "mae": 50.0}, tmp_path, uncertainty=seeded)
    assert noise.sentence == f"Fails by up to 5.00 points; other images cannot flip it; other seeds {answer}."
    interval = noise.margins[0].seeds
    assert interval is not None
    half = student.ppf(0.975, 28) * sd * np.sqrt(1 / 2 + 1 / 2)
    assert (interval.low, interval.high) == pytest.approx((-5 - half, -5 + half), rel=0.08)
    assert interval.flips == (answer == "could flip it")
    assert noise.margins[0].text.endswith(f"; other seeds {interval.low:+.2f} to {interval.high:+.2f}, {answer}")


def test_a_seed_noise_that_nobody_knows_leaves_other_seeds_unknown(tmp_path: Path) -> None:
    noise = noise_of("dino > mae on e/d/s/ap", {"dino": 55.0, "mae": 50.0}, tmp_path, uncertainty=Uncertainty(seeds=1))
    assert noise.sentence == (
        "Holds by 5.00 points at least; other images cannot flip it; whether other seeds could flip it is unknown."
    )
    assert noise.margins[0].text.endswith(", cannot flip it; other seeds unknown")


def test_a_counterexample_among_many_has_to_stand_out_from_all(tmp_path: Path) -> None:
    """Alone, its interval excludes 0; beside eleven others Holm's procedure does not confirm it."""
    error = 100 * np.std(scores_of("dinos/ap", 0) - scores_of("maes/ap", 0)) / np.sqrt(IMAGES)
    values = {"dino": 50.0 - 2.3 * error, "mae": 50.0}
    alone = noise_of("dino > mae on e/d/s/ap", values, tmp_path / "a")
    assert alone.images == "cannot flip it"
    others = [m for m in METHODS if m not in values]
    many = values | dict.fromkeys(others, 20.0)
    predicate = f"dino > {{mae,{','.join(others)}}} on e/d/s/ap AND mae > {{{','.join(others)}}} on e/d/s/ap"
    noise = noise_of(predicate, many, tmp_path / "b")
    size = f"{2.3 * error:.2f}"
    assert noise.sentence == (
        f"Fails by up to {size} points; by Holm's procedure over its 11 comparisons other images could flip it; "
        "nothing is trained, so seeds play no part."
    )
    assert len(noise.margins) == 1
    assert noise.margins[0].images is not None
    assert not noise.margins[0].images.flips


@pytest.mark.parametrize(
    ("predicate", "values", "text"),
    [
        (
            "count({mae,cae,ibot} > deit) >= 2 on e/d/s/ap",
            {"deit": 50.0, "mae": 55.0, "cae": 47.0, "ibot": 40.0},
            "d/s/ap: 1 (mae), decided by cae 47.0 vs deit 50.0, difference -3.00, needs > 0; other images ",
        ),
        (
            "rank(ibot) <= 2 on e/d/s/ap",
            dict(zip(METHODS, (60.0, 58.0, 30.0, 30.0, 30.0, 30.0, 50.0), strict=True)),
            "d/s/ap: ibot has rank 3, decided by ibot 50.0 vs mocov3 58.0, difference -8.00, needs >= 0; other images ",
        ),
        (
            "dino = mae + 2 on e/d/s/ap",
            {"dino": 55.0, "mae": 50.0},
            "d/s/ap: dino 55.0 vs mae 50.0, difference +5.00, needs 1.95 to 2.05; other images ",
        ),
        (
            "abs(dino - mae) <= 2 on e/d/s/ap",
            {"dino": 45.0, "mae": 50.0},
            "d/s/ap: dino 45.0 vs mae 50.0, difference -5.00, needs -2 to 2; other images ",
        ),
        (
            "dino: s > t + 2 on e/d/*/ap",
            {"dino": 50.0, "dino t": 52.0},
            "d/s/ap: dino s 50.0 vs t 52.0, difference -2.00, needs > 2; other images ",
        ),
    ],
)
def test_every_form_says_what_decides_it(tmp_path: Path, predicate: str, values: dict[str, float], text: str) -> None:
    noise = noise_of(predicate, values, tmp_path)
    assert noise.margins[0].text.startswith(text)
    assert noise.images == "cannot flip it"


def test_a_rank_correlation_is_drawn_again_over_both_columns(tmp_path: Path) -> None:
    rising = dict(zip(METHODS, (20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0), strict=True))
    close = dict(zip(METHODS, (50.0, 50.1, 50.2, 50.3, 50.4, 50.5, 50.6), strict=True))
    values = rising | {f"{method} t": value for method, value in close.items()}
    noise = noise_of("spearman(e/d/s/ap, e/d/t/ap) >= 0.5", values, tmp_path)
    [margin] = noise.margins
    assert (margin.unit, margin.amount, margin.margin, margin.least) == ("rank correlation", 1.0, 0.5, 0.5)
    assert len(margin.cells) == 14
    assert margin.images is not None
    assert margin.images.low < 0.5 < margin.images.high <= 1
    assert noise.sentence == (
        "Holds by 0.50 of a rank correlation at least; other images could flip it; nothing is trained, so seeds play "
        "no part."
    )
    firm = values | {f"{method} t": value for method, value in rising.items()}
    assert noise_of("spearman(e/d/s/ap, e/d/t/ap) >= 0.5", firm, tmp_path / "b").images == "cannot flip it"


def test_the_interval_is_that_of_the_claims_own_cells_whatever_else_is_judged(tmp_path: Path) -> None:
    few = noise_of("dino > mae on e/d/s/ap", {"dino": 49.7, "mae": 50.0}, tmp_path / "a")
    many = noise_of("dino > mae on e/d/s/ap", {"cae": 1.0, "dino": 49.7, "mae": 50.0, "deit": 9.0}, tmp_path / "b")
    assert few == many


def test_a_claim_whose_cells_lack_has_no_noise(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="C1"):
        noise_of("dino > mae on e/d/s/ap", {"dino": 49.7}, tmp_path)
