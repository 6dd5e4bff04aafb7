"""Every published number has unit, source and a reasoned tolerance; a file that breaks the schema is refused."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from suite.cells import METHODS, CellId, Measurement
from suite.core.paths import EXPECTED as ROOT
from suite.errors import ExpectedError, RequestError
from suite.reference.expected import Expected, load_expected, places
from suite.reference.recording import Recording, write_mini
from suite.reference.seal import seal
from suite.reference.slack import load_slack

SLACK = {("part_classification", "accuracy"): 0.15}
RECORDING = Recording("make record", "0123abc", "2026-01-31", "two cores", "the first recording")


@pytest.fixture(scope="module")
def paper() -> dict[CellId, Expected]:
    return load_expected("paper", ROOT)


def test_all_146_published_cells_are_there(paper: dict[CellId, Expected]) -> None:
    typed = Counter(e.table for e in paper.values() if e.value is not None)
    # 7 x 2; 7 x 3; 7 x 2 encoded + 3 x 2 projected + 7 x 4; 7 x 9
    assert typed == {"Table 1": 14, "Table 2": 21, "Table 3": 48, "Table 4": 63}


def test_what_our_sources_lack_is_listed(paper: dict[CellId, Expected]) -> None:
    untyped = Counter((c.experiment, c.dataset) for c, e in paper.items() if e.value is None)
    assert untyped == {
        ("object_retrieval", "cifar10"): 7,
        ("object_retrieval", "coco"): 7,
        ("object_segmentation", "ade20k_object"): 7,
        ("object_segmentation", "pascal_object"): 7,
        ("learning_rate_sweep", "lip"): 42,
    }


# read off the paper's tables: corners of each, and every column's sum over its methods
@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("image_classification/imagenet1k/deit/linear/top1", 81.8),
        ("image_classification/imagenet1k/beit/attentive/top1", 51.9),
        ("image_classification/imagenet1k/ibot/attentive/top1", 79.8),
        ("object_segmentation/ade20k/deit/linear_head/miou", 34.9),
        ("object_segmentation/ade20k/ibot/linear_head/aacc", 78.1),
        ("part_retrieval/cub200/dino/encoded/ap", 48.9),
        ("part_retrieval/cub200/mocov3/projected/ap", 28.4),
        ("part_retrieval/coco/ibot/projected/ap", 41.5),
        ("part_classification/cub200/beit/linear/accuracy", 55.4),
        ("part_classification/coco/cae/attentive/accuracy", 95.5),
        ("part_segmentation/ade20k_part/deit/linear_head/macc", 34.7),
        ("part_segmentation/pascal_part/beit/linear_head/miou", 14.8),
        ("part_segmentation/lip/ibot/linear_head/aacc", 76.6),
    ],
)
def test_spot_checks(paper: dict[CellId, Expected], cell: str, value: float) -> None:
    assert paper[CellId.parse(cell)].value == value


@pytest.mark.parametrize(
    ("column", "total"),
    [
        ("image_classification/imagenet1k/linear/top1", 494.8),
        ("image_classification/imagenet1k/attentive/top1", 519.6),
        ("object_segmentation/ade20k/linear_head/miou", 219.9),
        ("part_retrieval/cub200/encoded/ap", 298.4),
        ("part_retrieval/coco/encoded/ap", 336.8),
        ("part_classification/cub200/linear/accuracy", 603.5),
        ("part_classification/coco/attentive/accuracy", 652.2),
        ("part_segmentation/ade20k_part/linear_head/miou", 188.8),
        ("part_segmentation/pascal_part/linear_head/miou", 179.9),
        ("part_segmentation/lip/linear_head/miou", 278.0),
    ],
)
def test_columns_sum_to_what_the_paper_prints(paper: dict[CellId, Expected], column: str, total: float) -> None:
    experiment, dataset, setting, metric = column.split("/")
    cells = [CellId(experiment, dataset, method, setting, metric) for method in METHODS]
    assert sum(paper[cell].value or 0 for cell in cells) == pytest.approx(total)


def test_values_are_printed_digits_in_per_cent(paper: dict[CellId, Expected]) -> None:
    for cell, e in paper.items():
        assert (e.unit, e.rounding, e.seeds, e.spread) == ("percent", 0.1, 1, None), cell
        assert (e.by_seed, e.machine) == ({}, 0.0), cell
        assert e.value is None or e.value == round(e.value, 1), cell


@pytest.mark.parametrize(
    ("experiment", "metric", "deterministic", "numeric", "cap"),
    [
        ("part_retrieval", "ap", True, 0.05, 0.3),
        ("image_classification", "top1", False, 0.05, 0.3),
        ("part_classification", "accuracy", False, 0.0, 0.3),
        ("part_segmentation", "miou", False, 0.0, 0.8),
    ],
)
def test_tolerances(
    paper: dict[CellId, Expected], experiment: str, metric: str, deterministic: bool, numeric: float, cap: float
) -> None:
    references = [e for c, e in paper.items() if (c.experiment, c.metric) == (experiment, metric)]
    assert references
    assert {(e.deterministic, e.numeric, e.cap) for e in references} == {(deterministic, numeric, cap)}


def test_every_published_probe_has_a_gross_bound_with_its_source(paper: dict[CellId, Expected]) -> None:
    bounds = {(e.cell.metric, e.gross) for e in paper.values() if not e.deterministic}
    assert bounds == {("top1", 2.0), ("accuracy", 3.0), ("miou", 5.0), ("macc", 5.0), ("aacc", 3.0)}
    assert all("Set before any run" in (e.gross_reason or "") for e in paper.values() if not e.deterministic)
    assert {e.gross for e in paper.values() if e.deterministic} == {None}, "any deviation of these is one"


def test_places_know_the_tables(paper: dict[CellId, Expected]) -> None:
    assert places(ROOT)[CellId.parse("part_retrieval/coco/cae/encoded/ap")] == "Table 3"
    assert CellId.parse("object_retrieval/coco/cae/encoded/ap") not in places(ROOT)


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
    with pytest.raises(ExpectedError) as error:
        load_expected("paper", tmp_path)
    assert str(error.value) == f"{path}: {message}"


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "x.toml").write_text("[e\n")
    with pytest.raises(ExpectedError, match=r"paper/x\.toml: expected a TOML file: .*line 1"):
        load_expected("paper", tmp_path)


def test_a_cell_is_given_once(tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    a, b = tmp_path / "paper" / "a.toml", tmp_path / "paper" / "b.toml"
    a.write_text(GOOD)
    b.write_text(GOOD)
    with pytest.raises(ExpectedError) as error:
        load_expected("paper", tmp_path)
    assert str(error.value) == f"{b}: e/d/dino/encoded/ap: already given in {a}: keep one of them"


def test_profile_and_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as error:
        load_expected("big", ROOT)
    assert str(error.value) == "unknown profile 'big': expected one of mini, paper"
    with pytest.raises(ExpectedError, match="run from the root of the repository"):
        load_expected("paper", tmp_path / "nowhere")
    assert load_expected("mini", tmp_path) == {}


def probe(method: str, values: tuple[float, ...], experiment: str = "part_classification") -> Measurement:
    return Measurement(CellId(experiment, "coco", method, "linear", "accuracy"), values, tuple(range(len(values))))


def test_a_recording_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "mini" / "part_classification.toml"
    runs = [
        probe("deit", (90.0, 91.0, 92.0, 93.0, 94.0)),  # variance 2.5
        probe("mae", (80.0, 80.0, 80.0, 80.0, 85.0)),  # variance 5
        probe("raw_pixels", (50.0, 50.0, 50.0, 50.0, 50.0)),
    ]
    write_mini(path, runs, recording=RECORDING, slack=SLACK, test_items=400)
    seal(path.parent)
    references = load_expected("mini", tmp_path)
    assert [e.value for e in references.values()] == [92.0, 81.0, 50.0]
    deit, _, pixels = references.values()
    assert (deit.seeds, deit.seed_df, deit.rounding, deit.numeric) == (5, 12, 0.0, 0.25)
    assert deit.seed_sd == pytest.approx(math.sqrt((2.5 + 5 + 0) / 3))
    assert (pixels.seed_sd, pixels.seed_df) == (deit.seed_sd, 12)  # one protocol, one noise
    assert dict(deit.by_seed) == {0: 90.0, 1: 91.0, 2: 92.0, 3: 93.0, 4: 94.0}
    assert [deit.machine, pixels.machine] == [0.15, 0.15]
    assert deit.source == "our own runs: make record, commit 0123abc, 2026-01-31"
    assert "never edited by hand" in path.read_text()
    assert "values = [80.0, 80.0, 80.0, 80.0, 85.0]" in path.read_text()


def test_a_deterministic_recording_reads_back(tmp_path: Path) -> None:
    cell = CellId("part_retrieval", "coco", "mae", "encoded", "ap")
    write_mini(tmp_path / "mini" / "x.toml", [Measurement(cell, (42.1234567,))], recording=RECORDING, slack=SLACK)
    seal(tmp_path / "mini")
    reference = load_expected("mini", tmp_path)[cell]
    assert (reference.value, reference.deterministic, reference.seeds, reference.spread) == (42.123457, True, 1, None)
    assert (reference.rounding, reference.numeric) == (0.0, 0.05)
    assert (reference.by_seed, reference.machine) == ({}, 0.0)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("mean = 92.0", "mean = 91.5", "cells.coco.linear.accuracy.deit.mean"),
        ("values = [90.0", "values = [89.0", "cells.coco.linear.accuracy.deit.mean"),
        ("df = 4", "df = 8", "spread"),
        ("seeds = [0, 1, 2, 3, 4]", "seeds = [0, 1, 2, 3]", "recorded.seeds"),
    ],
)
def test_a_recording_edited_by_hand_is_refused(tmp_path: Path, old: str, new: str, key: str) -> None:
    path = tmp_path / "mini" / "part_classification.toml"
    write_mini(path, [probe("deit", (90.0, 91.0, 92.0, 93.0, 94.0))], recording=RECORDING, slack=SLACK)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    seal(path.parent)
    with pytest.raises(ExpectedError) as error:
        load_expected("mini", tmp_path)
    hint = "does not follow from the raw values: was it edited by hand? Run `make record`"
    assert str(error.value) == f"{path}: part_classification.{key}: {hint}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("machine = 0.15\n", "", "tolerance.accuracy.machine: missing: expected a number >= 0"),
        ("machine = 0.15", "machine = -1", "tolerance.accuracy.machine: expected a number >= 0, got -1"),
        (
            "seeds = [0,",
            "seeds = [0.5,",
            "recorded.seeds: expected a list of whole numbers >= 0, got [0.5, 1, 2, 3, 4]",
        ),
        (
            "deit = { mean = 92.0, values = [90.0, 91.0, 92.0, 93.0, 94.0] }",
            "deit = { mean = 92.0, values = [90.0, 91.0, 92.0, 93.0, 94.0] }\nmae = 3.0",
            "cells: expected a recorded table for every cell, got a bare value for "
            "part_classification/coco/mae/linear/accuracy",
        ),
    ],
)
def test_a_recording_of_probes_says_what_a_machine_may_do(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mini" / "part_classification.toml"
    write_mini(path, [probe("deit", (90.0, 91.0, 92.0, 93.0, 94.0))], recording=RECORDING, slack=SLACK)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    seal(path.parent)
    with pytest.raises(ExpectedError) as error:
        load_expected("mini", tmp_path)
    assert str(error.value) == f"{path}: part_classification.{message}"


def test_a_value_may_be_a_bound_of_one_side(tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "x.toml").write_text(GOOD.replace("dino = 48.9", "dino = { lower = 48.9 }\nmae = 3.0"))
    values = {e.cell.method: (e.value, e.side) for e in load_expected("paper", tmp_path).values()}
    assert values == {"dino": (48.9, "lower"), "mae": (3.0, None)}


def test_what_is_not_trained_has_no_machine_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    path = tmp_path / "paper" / "x.toml"
    path.write_text(GOOD.replace("cap = 0.3", "cap = 0.3\nmachine = 0.1"))
    with pytest.raises(ExpectedError) as error:
        load_expected("paper", tmp_path)
    assert str(error.value) == (
        f"{path}: e.tolerance.ap.machine: unknown key: expected one of numeric, cap, reason, gross, gross_reason"
    )


def test_every_recorded_value_of_a_seed_is_known() -> None:
    for cell, e in load_expected("mini", ROOT).items():
        assert e.deterministic == (not e.by_seed), cell
        if e.by_seed:
            assert list(e.by_seed) == [0, 1, 2, 3, 4], cell
            assert sum(e.by_seed.values()) / 5 == pytest.approx(e.value, abs=1e-6), cell


SLACK_FILE = """
[measured]
how = "threads 1 and 2"
date = "2026-01-31"
commit = "0123abc"
[part_classification.accuracy]
points = 0.3
reason = "two items of 664"
[part_classification.accuracy.apart.cub200.attentive]
random_init = 0.9
[part_segmentation.miou]
points = 0
reason = "none seen"
"""


def test_measured_slack_reads_back(tmp_path: Path) -> None:
    (tmp_path / "machine_slack.toml").write_text(SLACK_FILE)
    assert load_slack(tmp_path) == {
        ("part_classification", "accuracy"): 0.3,
        CellId("part_classification", "cub200", "random_init", "attentive", "accuracy"): 0.9,
        ("part_segmentation", "miou"): 0,
    }


def test_a_cell_that_moves_further_than_others_has_a_slack_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mini" / "part_classification.toml"
    runs = [probe("deit", (90.0, 91.0, 92.0, 93.0, 94.0)), probe("mae", (80.0, 80.0, 80.0, 80.0, 85.0))]
    write_mini(path, runs, recording=RECORDING, slack=SLACK | {runs[1].id: 0.9, CellId(*"abcde"): 5.0})
    seal(path.parent)
    assert [e.machine for e in load_expected("mini", tmp_path).values()] == [0.15, 0.9]
    path.write_text(path.read_text().replace("\nmae = 0.9\n", "\ndino = 0.9\n"))
    seal(path.parent)
    key = ".".join(("part_classification.machine", runs[1].id.dataset, runs[1].id.setting, runs[1].id.metric, "dino"))
    with pytest.raises(ExpectedError) as error:
        load_expected("mini", tmp_path)
    cell = replace(runs[1].id, method="dino")
    assert str(error.value) == f"{path}: {key}: expected a cell that was recorded, got {cell}"


def test_every_trained_metric_has_a_slack() -> None:
    trained_metrics = {(c.experiment, c.metric) for c, e in load_expected("mini", ROOT).items() if e.by_seed}
    assert {key for key in load_slack(ROOT) if not isinstance(key, CellId)} == trained_metrics


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('how = "threads 1 and 2"\n', "", "measured.how: missing: expected a text"),
        ("points = 0.3\n", "", "part_classification.accuracy.points: missing: expected a number >= 0"),
        ("points = 0.3", "points = -0.3", "part_classification.accuracy.points: expected a number >= 0, got -0.3"),
        ('reason = "none seen"', "", "part_segmentation.miou.reason: missing: expected a text"),
        (
            "points = 0.3",
            "points = 0.3\nof = 1",
            "part_classification.accuracy.of: unknown key: expected one of points, reason, apart",
        ),
        ("accuracy", "top1", "part_classification.top1: unknown metric: expected one of accuracy"),
        (
            "part_classification",
            "parts",
            "parts: unknown experiment: expected one of object_retrieval, image_classification, part_retrieval, "
            "part_classification, patch_search, object_segmentation, part_segmentation, learning_rate_sweep",
        ),
    ],
)
def test_a_broken_slack_names_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SLACK_FILE
    (tmp_path / "machine_slack.toml").write_text(SLACK_FILE.replace(old, new, 1))
    with pytest.raises(ExpectedError) as error:
        load_slack(tmp_path)
    assert str(error.value) == f"{tmp_path / 'machine_slack.toml'}: {message}"


def test_without_a_measured_slack_nothing_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "mini" / "part_classification.toml"
    with pytest.raises(ExpectedError) as error:
        write_mini(path, [probe("deit", (1.0,) * 5)], recording=RECORDING, slack={})
    assert str(error.value) == (
        "expected/machine_slack.toml: part_classification.accuracy: missing: expected points and reason for every "
        "trained metric; measure how far its values move from machine to machine"
    )
    assert not path.exists()


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "expected cells of one experiment, got []"),
        (
            [probe("deit", (1.0,) * 5), probe("mae", (1.0,) * 5, "x")],
            "expected cells of one experiment, got ['part_classification', 'x']",
        ),
        ([probe("deit", (1.0,) * 4)], "expected at least 5 different seeds, got [0, 1, 2, 3]"),
        (
            [probe("deit", (1.0,) * 5), probe("mae", (1.0,) * 6)],
            "expected cells of one list of seeds, got [(0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5)]",
        ),
    ],
)
def test_too_little_is_not_recorded(tmp_path: Path, runs: list[Measurement], message: str) -> None:
    path = tmp_path / "x.toml"
    with pytest.raises(ExpectedError) as error:
        write_mini(path, runs, recording=RECORDING, slack=SLACK)
    assert str(error.value) == f"{path}: {message}"
    assert not path.exists()
