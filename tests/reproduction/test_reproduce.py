"""The main job, run for real on a small request: it turns red for every mistake that matters, and for no other."""

import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from suite.cli.main import VERBS, main
from suite.core import files
from suite.core.paths import EXPECTED
from suite.core.paths import MINI_WEIGHTS as WEIGHTS
from suite.errors import StorageError
from suite.experiments import context, retrieval
from suite.run.steps import STEPS

CELL = "object_retrieval/cifar10/deit/encoded/ap"


# these tests change weights and normalisation under the same names
pytestmark = pytest.mark.usefixtures("nothing_drawn_or_loaded")


@pytest.fixture
def data(drawn_cifar10: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(drawn_cifar10, tmp_path / "data"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def ask(run: Path, data: Path, *more: str, encoder: str = "deit") -> int:
    """`python -m suite reproduce` for one experiment, dataset and encoder, in this process."""
    request = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--encoder", encoder, "--workers", "1"]
    places = ["--run", str(run), "--data", str(data), "--cache", str(run.parent / "cache")]
    return main(["reproduce", *request, *places, *more])


def cells(run: Path) -> dict[str, dict]:
    return {cell["id"]: cell for cell in json.loads((run / "report.json").read_text())["cells"]}


def test_untouched_it_reproduces_and_writes_every_file(run: Path, data: Path, capsys: pytest.CaptureFixture) -> None:
    assert ask(run, data) == 0
    assert cells(run)[CELL]["verdict"] == "reproduced"
    out, err = capsys.readouterr()
    assert "REPRODUCED" in out
    steps = [line for line in err.splitlines() if line.startswith("[step ")]
    assert [line.partition(":")[0] for line in steps] == [f"[step {n} of 6] {name}" for n, name in enumerate(STEPS, 1)]
    assert re.fullmatch(r"\[step 4 of 6\] measuring: 1 of 1 trials; about .* left", steps[3])
    for name in (
        "report.html",
        "report.md",
        "summary.md",
        "badge.json",
        "report.json",
        "junit.xml",
        "run.json",
        "pytest.log",
    ):
        assert (run / name).stat().st_size > 0, name
    assert f'name="{CELL}"' in (run / "junit.xml").read_text(), "test cases carry the cells as properties"


@pytest.mark.slow
def test_a_second_run_reuses_every_cell_and_changes_no_value(
    run: Path, data: Path, capsys: pytest.CaptureFixture
) -> None:
    ask(run, data)
    path = run / "cells" / "object_retrieval" / "cifar10" / "deit.json"
    first = path.read_bytes()
    reused = lambda: [cost["reused"] for cost in json.loads((run / "report.json").read_text())["costs"]]  # noqa: E731
    assert reused() == [False]
    assert ask(run, data) == 0
    assert reused() == [True]
    assert path.read_bytes() == first
    out, err = capsys.readouterr()
    assert "nothing to measure: all 1 trials are stored" in out
    again = [line for line in err.splitlines() if line.startswith("[step ")][len(STEPS) :]
    assert [line[:13] for line in again] == ["[step 1 of 6]", "[step 5 of 6]", "[step 6 of 6]"]


@pytest.mark.slow
def test_two_runs_and_other_threads_give_identical_values(run: Path, data: Path) -> None:
    ask(run, data)
    other = run.with_name("other")
    ask(other, data, "--workers", "2")
    one, two = (
        json.loads((r / "cells/object_retrieval/cifar10/deit.json").read_text())["values"] for r in (run, other)
    )
    assert one == two


@pytest.mark.slow
def test_wrong_weights_turn_it_red(run: Path, data: Path, tmp_path: Path) -> None:
    content = torch.load(WEIGHTS / "deit.pth", weights_only=True)
    tensor = content["model"]["blocks.1.mlp.fc1.weight"]
    content["model"]["blocks.1.mlp.fc1.weight"] = tensor.roll(1, 0)
    torch.save(content, tmp_path / "deit.pth")
    assert ask(run, data, "--weights", str(tmp_path)) == 1
    assert cells(run)[CELL]["verdict"] == "deviates"


@pytest.mark.slow
def test_swapped_normalisation_turns_it_red(run: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = context.load_encoder

    def swapped(*args: object, **options: object) -> object:
        encoder = load(*args, **options)
        encoder.mean, encoder.std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
        return encoder

    monkeypatch.setattr(context, "load_encoder", swapped)
    assert ask(run, data) == 1
    assert cells(run)[CELL]["verdict"] == "deviates"


def test_shuffled_labels_turn_it_red(run: Path, data: Path) -> None:
    path = data / "cifar10" / "cifar-10-batches-py" / "test_batch"
    batch = pickle.loads(path.read_bytes(), encoding="latin1")
    batch["labels"] = np.random.default_rng(0).permutation(batch["labels"]).tolist()
    path.write_bytes(pickle.dumps(batch, protocol=2))
    assert ask(run, data) == 1
    assert cells(run)[CELL]["verdict"] == "deviates"


def test_a_limited_run_is_not_judged(run: Path, data: Path) -> None:
    assert ask(run, data, "--limit", "40") == 0
    assert cells(run)[CELL]["verdict"] == "no reference"


@pytest.mark.slow
def test_a_variant_is_measured_but_not_held_against_the_default_s_values(run: Path, data: Path) -> None:
    ask(run, data)
    other = run.with_name("cls")
    assert ask(other, data, "--variant", "encoder-token=cls") == 0
    changed, default = cells(other)[CELL], cells(run)
    assert changed["verdict"] == "no reference"
    assert changed["measured"] == default["object_retrieval/cifar10/deit/cls/ap"]["measured"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda d: shutil.rmtree(d / "cifar10"), "expected the folder of CIFAR-10, found nothing"),
        (lambda d: [shutil.rmtree(d / "cifar10"), (d / "cifar10").mkdir()], "found an empty folder"),
        (lambda d: (d / "cifar10/cifar-10-batches-py/test_batch").unlink(), "test_batch"),
        (lambda d: (d / "cifar10/cifar-10-batches-py/test_batch").write_bytes(b"\x80\x02}q"), "test_batch"),
    ],
    ids=["missing", "empty", "no batch", "cut batch"],
)
def test_damaged_data_is_said_and_never_green(run: Path, data: Path, damage: object, reason: str) -> None:
    damage(data)
    assert ask(run, data) == 2
    cell = cells(run)[CELL]
    assert cell["verdict"] == "not run"
    assert reason in cell["reason"]


def test_a_checkpoint_with_a_missing_tensor_is_named(run: Path, data: Path, tmp_path: Path) -> None:
    content = torch.load(WEIGHTS / "deit.pth", weights_only=True)
    del content["model"]["norm.weight"]
    torch.save(content, tmp_path / "deit.pth")
    assert ask(run, data, "--weights", str(tmp_path)) == 2
    assert "norm.weight" in cells(run)[CELL]["reason"]


@pytest.mark.slow
def test_what_did_not_run_runs_when_it_can_and_keeps_what_had_finished(run: Path, data: Path) -> None:
    batch = data / "cifar10" / "cifar-10-batches-py" / "test_batch"
    kept = batch.read_bytes()
    batch.unlink()
    assert ask(run, data) == 2
    batch.write_bytes(kept)
    assert ask(run, data) == 0
    assert cells(run)[CELL]["verdict"] == "reproduced"


@pytest.mark.slow
def test_ctrl_c_keeps_finished_cells(run: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores, calls = retrieval.retrieval_scores, []

    def interrupted(*args: object) -> object:
        calls.append(1)
        if len(calls) > 2:  # deit has two settings: stop in the second encoder
            raise KeyboardInterrupt
        return scores(*args)

    monkeypatch.setattr(retrieval, "retrieval_scores", interrupted)
    assert ask(run, data, encoder="deit,mae") == 130
    entries = cells(run)
    assert entries[CELL]["verdict"] == "reproduced"
    assert entries[CELL.replace("deit", "mae")]["verdict"] == "not run"
    monkeypatch.undo()


@pytest.mark.slow
def test_a_full_disk_ends_in_one_line(run: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    write = files.write_atomically

    def full(path: Path, content: bytes) -> None:
        if path.name == "deit.json":
            raise StorageError(f"{path}: cannot be written: No space left on device; free space")
        write(path, content)

    monkeypatch.setattr(files, "write_atomically", full)
    assert ask(run, data) == 3
    assert capsys.readouterr().err.strip().endswith("No space left on device; free space")
    assert not list(run.glob("cells/**/*.json"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reproduce", "--encoder", "dinov9"], "error: unknown encoder 'dinov9': expected one of deit, mocov3, "),
        (["reproduce", "--profile", "big"], "error: unknown profile 'big': expected one of mini, paper"),
        (
            ["reproduce", "--seed", "one"],
            "error: --seed 'one': expected whole numbers from 0 to 4294967295, e.g. 0 ",
        ),
        (["reproduce", "--wrong"], "error: unrecognized arguments: --wrong; see python -m suite --help"),
        (["paint"], "error: argument VERB: invalid choice: 'paint'"),
        (["report", "no/such/run"], "error: no/such/run: expected a run folder with run.json"),
        (["record", "--encoder", "mae"], "error: record: expected the whole mini profile"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_3(arguments: list[str], message: str, capsys) -> None:
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 3
    line = capsys.readouterr().err.strip()
    assert line.startswith(message)
    assert "\n" not in line


def test_every_verb_explains_itself(capsys: pytest.CaptureFixture) -> None:
    for verb in (entry.name for entry in VERBS):
        with pytest.raises(SystemExit) as stop:
            main([verb, "--help"])
        assert stop.value.code == 0
    assert main([]) == 3
    assert "reproduce" in capsys.readouterr().out


def test_the_mini_references_cover_every_cell_that_can_be_measured() -> None:
    from suite.protocol.profiles import load_profile
    from suite.reference.expected import load_expected

    profile = load_profile("mini")
    measurable = set(profile.cells())
    assert set(load_expected("mini", EXPECTED)) == measurable


def test_an_unreadable_image_is_named(drawn_cifar10: Path, tmp_path: Path) -> None:
    from suite.datasets.pixels import read_rgb
    from suite.errors import DatasetError

    Image.new("RGB", (64, 64)).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"cut\.jpg"):
        read_rgb(tmp_path / "cut.jpg")
