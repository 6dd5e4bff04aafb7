"""What is accepted with --at-least is kept item by item, and later runs are held against it by the paired interval."""

from __future__ import annotations

import lzma
import tomllib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from suite.candidate.accept import accept
from suite.cells import CellId, Measurement
from suite.cli.main import main
from suite.errors import ExpectedError
from suite.judge.at_least import against_accepted
from suite.judge.cell_verdict import MORE_IMAGES, judge_cell
from suite.judge.paired import Difference
from suite.reference.accepted_items import AcceptedItems, pack, unpack
from suite.reference.candidates import load_accepted
from suite.reference.expected import Expected
from suite.report.collect import assemble
from suite.results.noise import Spread
from suite.results.store import Key, PerItemScores, Store
from tests.support.candidate_run import MINE, PLACES, of_older_version

PLACE = "part_retrieval/cub200"
CELL = f"{PLACE}/{MINE}/encoded/ap"
WORSE = "differs by -1.00 from its lower bound, tolerance 0.05; "


@pytest.fixture
def accepted(run: Path, folder: Path) -> Path:
    """The file of scores of a run that was accepted."""
    assert accept(run, reason="first", at_least=True, folder=folder) == 0
    return folder / f"{MINE}.mini.items.xz"


def cell(run: Path) -> tuple[str, str]:
    """Verdict and reason of one cell of the candidate."""
    return next((c["verdict"], c["reason"]) for c in assemble(run)["cells"] if c["id"] == CELL)


def change_items(run: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Store the candidate's AP with other scores of the same items."""
    store = Store(run)
    result = store.load(Key(*PLACE.split("/"), MINE))
    items = store.items(result)
    scores = change(items.scores["encoded/ap"])
    values = {"encoded/ap": [100 * float(scores[~np.isnan(scores)].mean())]}
    store.save(replace(result, values=values), replace(items, scores={"encoded/ap": scores}))


def spread(points: float, noise: float) -> Callable[[np.ndarray], np.ndarray]:
    """Shift every item by points of per cent, and half of the images up and half of them down."""
    signs = np.where(np.arange(120) // 3 % 2, 1, -1)
    return lambda scores: scores + (points + noise * signs) / 100


def test_the_scores_lie_beside_the_values_which_name_them(run: Path, folder: Path, capsys) -> None:
    accept(run, reason="first", at_least=True, folder=folder)
    accepted = folder / f"{MINE}.mini.items.xz"
    kept = accepted.read_bytes()
    section = tomllib.loads((accepted.parent / f"{MINE}.toml").read_text())["mini"]
    assert section["items"] == sha256(kept).hexdigest()
    assert f"kept the scores of single items in {accepted}: {len(kept):,} bytes\n" in capsys.readouterr().out
    scores = unpack(AcceptedItems(accepted, section["items"]))
    assert scores is not None
    assert sorted(scores) == sorted(PLACES)
    stored = Store(run).items(Store(run).load(Key(*PLACE.split("/"), MINE)))
    assert (scores[PLACE].identity, scores[PLACE].groups.tolist()) == (stored.identity, stored.groups.tolist())
    assert np.array_equal(scores[PLACE].scores["encoded/ap"], stored.scores["encoded/ap"].astype(np.float32))
    assert accept(run, reason="again", at_least=True, folder=accepted.parent) == 0
    assert accepted.read_bytes() == kept, "the same scores are the same bytes"


def test_what_is_accepted_from_both_sides_keeps_no_items_and_removes_older_ones(run: Path, accepted: Path) -> None:
    folder = accepted.parent
    assert accepted.exists()
    accept(run, reason="both sides", folder=folder)
    assert [path.name for path in folder.iterdir()] == [f"{MINE}.toml"]
    assert "items" not in (folder / f"{MINE}.toml").read_text()


def test_what_cannot_be_removed_or_read_is_one_line(run: Path, accepted: Path, capsys) -> None:
    accepted.unlink()
    accepted.mkdir()
    capsys.readouterr()
    assert main(["report", str(run)]) == 3
    assert capsys.readouterr().err == f"error: {accepted}: cannot be read: Is a directory\n"
    assert main(["accept", str(run), "--reason", "both sides", "--accepted", str(accepted.parents[1])]) == 3
    assert capsys.readouterr().err == f"error: {accepted}: cannot be removed: Is a directory; remove it\n"


def test_a_difference_says_what_would_change_and_keeps_nothing(run: Path, folder: Path) -> None:
    assert accept(run, reason="", at_least=True, diff=True, folder=folder) == 1
    assert not folder.exists()


@pytest.mark.usefixtures("accepted")
@pytest.mark.parametrize(
    ("points", "noise", "verdict", "answer", "code"),
    [
        (0.0, 0.0, "reproduced", "no worse", 0),
        (-0.04, 0.0, "reproduced", "no worse", 0),
        (-1.0, 0.5, "deviates", "worse", 1),
        (-0.1, 3.0, "inconclusive", "cannot tell", 2),
        (+0.1, 3.0, "inconclusive", "cannot tell", 2),
        (+2.0, 3.0, "reproduced", "no worse", 0),
    ],
)
def test_a_later_run_is_held_by_the_paired_interval(
    run: Path, points: float, noise: float, verdict: str, answer: str, code: int
) -> None:
    change_items(run, spread(points, noise))
    report = assemble(run)
    entry = next(c for c in report["cells"] if c["id"] == CELL)
    assert entry["verdict"] == verdict
    start = f"differs by {points:+.2f} from its lower bound, 120 items of 40 images paired: 95 % interval "
    assert entry["reason"].startswith(start)
    assert entry["reason"].endswith(f", 0.05 points allowed: {answer}")
    assert report["exit_code"] == code
    assert report["deciding"] == [], "no number of seeds decides"


def test_where_items_are_others_the_tolerance_holds_and_says_so(run: Path, accepted: Path) -> None:
    change_items(run, spread(-1.0, 3.0))
    answers = []
    store = Store(run)
    result = store.load(Key(*PLACE.split("/"), MINE))
    items = store.items(result)
    for other in (
        replace(items, identity="others"),
        replace(items, groups=np.arange(120, dtype=np.int32)),
    ):
        store.save(result, other)
        answers.append(cell(run))
    assert answers == [("deviates", f"{WORSE}the accepted scores are of other items")] * 2
    store.save(result, items)
    values = accepted.parent / f"{MINE}.toml"
    accepted.unlink()
    assert cell(run) == (
        "deviates",
        f"{WORSE}{MINE}.mini.items.xz, the accepted scores of single items, is not there",
    )
    values.write_text("".join(line for line in values.read_text().splitlines(True) if not line.startswith("items")))
    assert cell(run) == ("deviates", f"{WORSE}no scores of single items were accepted")


def test_a_result_without_items_is_held_by_the_tolerance(run: Path, folder: Path, accepted: Path) -> None:
    del accepted
    result = Store(run).load(Key(*PLACE.split("/"), MINE))
    of_older_version(run, result)
    bare = Store(run).load(result.key)
    answer = against_accepted(Store(run), [bare], load_accepted("mini", folder))
    assert answer == {CellId.parse(CELL): "this run has no scores of its single items"}


def test_a_ratio_of_sums_is_no_mean_of_items(run: Path, folder: Path, accepted: Path) -> None:
    del accepted
    result = Store(run).load(Key(*PLACE.split("/"), MINE))
    other = replace(result, values={"encoded/miou": [1.0]})
    [cell_id] = [m.id for m in other.measurements()]
    reference = replace(load_accepted("mini", folder)[CellId.parse(CELL)], cell=cell_id)
    answer = against_accepted(Store(run), [other], {cell_id: reference})
    assert answer == {cell_id: "miou is no mean of single items' scores"}


def test_items_without_a_score_are_left_out(run: Path, folder: Path) -> None:
    def blank(scores: np.ndarray) -> np.ndarray:
        return np.where(np.arange(120) < 6, np.nan, scores)

    change_items(run, blank)
    accept(run, reason="first", at_least=True, folder=folder)
    change_items(run, spread(1.0, 0.0))
    assert cell(run)[1] == (
        "differs by +1.00 from its lower bound, 114 items of 38 images paired: 95 % interval +1.00 to +1.00, "
        "0.05 points allowed: no worse"
    )


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:40] + bytes([b[40] ^ 1]) + b[41:], lambda _: b""])
def test_altered_scores_are_one_line(run: Path, accepted: Path, capsys, damage: Callable[[bytes], bytes]) -> None:
    before = sha256(accepted.read_bytes()).hexdigest()[:12]
    accepted.write_bytes(damage(accepted.read_bytes()))
    after = sha256(accepted.read_bytes()).hexdigest()[:12]
    capsys.readouterr()
    assert main(["report", str(run)]) == 3
    assert capsys.readouterr().err == (
        f"error: {accepted}: altered: expected SHA-256 {before}, as accepted, got {after}: restore it, or accept the "
        "run again\n"
    )
    assert accept(run, reason="again", at_least=True, folder=accepted.parent) == 0
    assert main(["report", str(run)]) == 0


SCORES = PerItemScores({"encoded/ap": np.zeros((1, 3))}, "x", np.zeros(3, np.int32))


@pytest.mark.parametrize(
    "content",
    [
        b"no xz",
        lzma.compress(b"no safetensors"),
        pack([("a/b", replace(SCORES, groups=np.zeros(2, np.int32)))]),
        pack([("a/b", replace(SCORES, scores={"encoded/ap": np.zeros(3)}))]),
    ],
)
def test_what_is_no_file_of_scores_is_one_line(tmp_path: Path, content: bytes) -> None:
    file = AcceptedItems(tmp_path / "mine.mini.items.xz", sha256(content).hexdigest())
    assert unpack(file) is None
    file.path.write_bytes(content)
    assert refusal(lambda: unpack(file)).startswith(f"{file.path}: expected scores of single items, got none: ")


def refusal(act: Callable[[], object]) -> str:
    """The one line that is said of a wrong file."""
    with pytest.raises(ExpectedError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("sd", "margin"), [(0.4, 1.39), (4.0, 3.0)])
def test_the_margin_is_the_tolerance_and_never_wider_than_the_cap(sd: float, margin: float) -> None:
    place = CellId("part_classification", "cub200", MINE, "linear", "accuracy")
    reference = Expected(
        place, 50.0, "percent", 0.0, None, "us", False, 0.25, 3.0, "why", seed_sd=sd, seed_df=36, side="lower"
    )
    measured = Measurement(place, (49.0,), (7,))
    pair = Difference(-1.0, -margin - 0.1, 0.5, 0.1, 9, 3)
    verdict = judge_cell(measured, reference, Spread(sd, 36), pair)
    assert (verdict.verdict, verdict.tolerance, verdict.to_decide) == (
        "inconclusive",
        pytest.approx(margin, abs=0.01),
        MORE_IMAGES,
    )
    assert judge_cell(measured, reference, None, replace(pair, low=-margin + 0.1)).verdict == "reproduced"
    failed = judge_cell(measured, reference, None, replace(pair, low=-9.0, high=-margin - 0.1))
    assert (failed.verdict, failed.p_value) == ("deviates", 0.0)
