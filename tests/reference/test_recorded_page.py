"""docs/evidence/mini_results.md: the table for people, and which of its numbers tell nothing."""

from suite.cells import CellId, Measurement
from suite.protocol.profiles import load_profile
from suite.reference.recorded_page import results_page
from suite.reference.recording import Recording

RECORDING = Recording("make record SEED=0,1,2", "0123abc", "2026-11-27", "x86_64, 2 cores, cpu", "a test")
NOISE = (-1.0, 0.0, 1.0)
"""Standard deviation 1."""


def measurement(cell: CellId, mean: float) -> Measurement:
    if cell.experiment.endswith("retrieval"):
        return Measurement(cell, (mean,))
    return Measurement(cell, tuple(mean + noise for noise in NOISE), (0, 1, 2))


def page(means: dict[str, float]) -> str:
    """The page where every encoder has 50 and every baseline 40, but for some cells."""
    profile = load_profile("mini")
    default_means = {True: 40.0, False: 50.0}
    cells = [measurement(c, means.get(str(c), default_means[c.method in profile.baselines])) for c in profile.cells()]
    return results_page(profile, cells, RECORDING)


def low_rows(text: str) -> list[list[str]]:
    """Rows of the second table."""
    section = text.partition("## Which numbers tell nothing")[2]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[entry.strip() for entry in line.strip("|").split("|")] for line in lines[2:]]


def test_an_encoder_s_number_tells_something_from_three_standard_deviations_above_both_floors_on() -> None:
    task = "part_classification/cub200/{}/linear/accuracy"
    means = {task.format("mae"): 43.01, task.format("cae"): 42.99, task.format("dino"): 38.0}
    assert low_rows(page(means)) == [
        ["Part classification", "cub200", "linear", "40.00", "1.00", "dino, cae"],
    ]
    means[task.format("raw_pixels")] = 45.0  # the higher baseline counts
    assert low_rows(page(means)) == [
        ["Part classification", "cub200", "linear", "45.00", "1.00", "dino, mae, cae"],
    ]


def test_what_nothing_is_trained_for_has_no_noise_and_is_not_listed() -> None:
    assert low_rows(page({"part_retrieval/cub200/mae/encoded/ap": 30.0})) == []


def test_the_table_has_a_row_per_task_and_says_where_it_comes_from() -> None:
    text = page({"object_segmentation/ade20k/deit/linear_head/miou": 61.25})
    assert "`make record SEED=0,1,2` at commit 0123abc,\n2026-11-27, on x86_64, 2 cores, cpu." in text
    row = next(line for line in text.splitlines() if line.startswith("| Object segmentation") and " ade20k " in line)
    assert [entry.strip() for entry in row.strip("|").split("|")][:6] == [
        *("Object segmentation", "ade20k", "linear_head", "miou", "61.2", "50.0"),
    ]
    assert "lr_1e-3" in text
