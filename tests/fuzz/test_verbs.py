"""`verify`, `plan` and `reproduce --limit 2` on damaged data: one line for each fault, and a code that says what it is.

A fault of the suite, 4, and an error of Python, 1 without a verdict, are what this looks for.
"""

import gc
import os
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.core.paths import MINI_WEIGHTS
from suite.verification.outcome import Check
from suite.verification.quick import quick
from tests.support.fuzzing import LIMIT_S, at_least, watched
from tests.support.mutations import Mutation, cases, in_bytes, in_head, in_json, in_words

PEOPLE, THINGS = (f"coco/annotations/{kind}_val2017.json" for kind in ("person_keypoints", "instances"))
CUB = "cub200/CUB_200_2011"
FILES: dict[str, tuple[Mutation, ...]] = {
    PEOPLE: (in_json, in_json, in_bytes),
    THINGS: (in_json, in_json, in_bytes),
    f"{CUB}/images.txt": (in_words, in_bytes),
    f"{CUB}/parts/part_locs.txt": (in_words, in_bytes),
    "cifar10/cifar-10-batches-py/batches.meta": (in_bytes,),
    "imagenet1k/val/n01440764/ILSVRC2012_val_00000001.JPEG": (in_head, in_bytes),
    "lip/ann/val/val_1.png": (in_head, in_bytes),
    "lip/img/val/val_1.jpg": (in_head, in_bytes),
    "weights/dino.pth": (in_head, in_bytes),
}
CHECKPOINT = "weights/dino.pth"
EXPERIMENTS = {
    PEOPLE: "part_classification",
    THINGS: "object_retrieval",
    f"{CUB}/parts/part_locs.txt": "part_retrieval",
    "cifar10/cifar-10-batches-py/batches.meta": "object_retrieval",
    "lip/ann/val/val_1.png": "part_segmentation",
    CHECKPOINT: "part_retrieval",
}
"""Experiment that reads a file, of those that take a second."""
ALLOWED = ("opens", "takes", "subprocess.Popen ('git', ")
"""A verb writes into its folders, and asks git which commit it is of; for its time see below."""
IN_A_RUN = at_least(2)
"""Cases of each file that go through a whole run, seconds each: the readers of `test_tables.py` see more."""


@pytest.fixture
def data(lookalike_data: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(lookalike_data, tmp_path / "place/data"))
    (copy / CHECKPOINT).parent.mkdir()
    shutil.copy(MINI_WEIGHTS / Path(CHECKPOINT).name, copy / CHECKPOINT)
    return copy


@pytest.fixture(scope="module", autouse=True)
def loaded(lookalike_data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load, before anything is watched, what the verbs load once in a process: it takes seconds, starts programs."""
    place = tmp_path_factory.mktemp("loaded")
    assert main(plan(lookalike_data, place, "cifar10")) == 0


def plan(data: Path, place: Path, dataset: str) -> list[str]:
    ask = ["plan", "--profile=paper", f"--data={data}", f"--dataset={dataset}", "--encoder=dino", "--no-calibrate"]
    weights = data / "weights" if (data / CHECKPOINT).exists() else MINI_WEIGHTS
    return [*ask, f"--weights={weights}", f"--run={place / 'run'}", f"--cache={place / 'cache'}"]


def dataset_of(name: str) -> str:
    return "cub200" if name == CHECKPOINT else name.partition("/")[0]


def told(
    data: Path, name: str, arguments: list[str], codes: set[int], count: int, capsys: pytest.CaptureFixture
) -> Iterator[str]:
    """Yield what is wrong with what a verb says of each damaged content of a file."""
    path = data / name
    for number, content in enumerate(cases(path.read_bytes(), f"verb {name}", count, *FILES[name])):
        path.write_bytes(content)
        with watched(data.parent) as misdeeds:
            code = main(arguments)
        out, err = capsys.readouterr()
        where = f"{arguments[0]} {name}, case {number}"
        yield from (f"{where}: {misdeed}" for misdeed in misdeeds if not misdeed.startswith(ALLOWED))
        if code not in codes or "Traceback" in out + err or "fault of the suite" in out + err:
            yield f"{where}: exit code {code}: {(err or out)[-300:]}"
        if any(misdeed.startswith("takes") for misdeed in misdeeds) and arguments[0] != "reproduce":
            yield f"{where}: above {LIMIT_S} s"


@pytest.mark.parametrize("name", [name for name in FILES if name != CHECKPOINT])
def test_verify(data: Path, name: str, capsys: pytest.CaptureFixture) -> None:
    dataset = name.partition("/")[0]
    ask = ["verify", "data", dataset, "--profile", "paper", f"--data={data}", "--full"]
    faults = [*told(data, name, ask, {0, 2, 3}, at_least(15), capsys)]
    assert not faults, "\n".join(faults[:10])


@pytest.mark.parametrize("name", FILES)
def test_plan(data: Path, name: str, capsys: pytest.CaptureFixture) -> None:
    ask = plan(data, data.parent, dataset_of(name))
    faults = [*told(data, name, ask, {0, 2, 3}, IN_A_RUN, capsys)]
    assert not faults, "\n".join(faults[:10])


@pytest.fixture
def made_once(checks_of_this_environment: list[Check], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What no file of a dataset changes, and takes most of a run of seconds.

    Checks of packages and determinism, a look of the garbage collector at all that is loaded.
    """
    monkeypatch.setattr("suite.verification.quick.quick", lambda *_: checks_of_this_environment)
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def checks_of_this_environment() -> list[Check]:
    return quick("paper", "cpu")


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_drawn_or_loaded", "made_once")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_reproduce(data: Path, name: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, place = dataset_of(name), data.parent
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    from suite.experiments import context  # and torch with it

    monkeypatch.setattr(context, "load", lru_cache(0)(context.load.__wrapped__))  # reads each case of a checkpoint
    ask = ["reproduce", "--profile=paper", f"--data={data}", f"--dataset={dataset}", "--encoder=dino", "--limit=2"]
    ask += [f"--experiment={EXPERIMENTS[name]}", f"--weights={data / 'weights'}", "--device=cpu", "--workers=1"]
    ask += [f"--run={place / 'run'}", f"--cache={place / 'cache'}"]
    faults = [*told(data, name, ask, {0, 2, 3}, IN_A_RUN, capsys)]
    assert not faults, "\n".join(faults[:10])
