"""Every experiment that exists runs on every one of its datasets, through the native files, by the paper's protocol."""

import json
from pathlib import Path

import pytest

from suite import reproduce
from suite.cli import main
from suite.experiments import trial
from suite.protocol import load_profile
from tests.lookalike_data import write_data

WEIGHTS = Path(reproduce.__file__).parent / "mini" / "weights"
EXPERIMENTS = ("object_retrieval", "image_classification", "part_retrieval", "part_classification", "patch_search")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A run of the paper profile with a small checkpoint of an official layout."""
    trial.load.cache_clear()
    folder = tmp_path_factory.mktemp("look_alikes")
    places = {"data": write_data(folder / "data"), "weights": WEIGHTS, "run": folder / "run", "cache": folder / "cache"}
    request = [f"--{name}={path}" for name, path in places.items()]
    request += ["--profile=paper", "--encoder=dino", f"--experiment={','.join(EXPERIMENTS)}"]
    # a limit keeps the published values from being held against it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)  # threads of several tests at once only wait for one another
        assert main(["reproduce", *request, "--device=cpu", "--limit=100000", "--workers=1"]) == 0
    return json.loads((folder / "run" / "report.json").read_text())


PROFILE = load_profile("paper")
TRIALS = [(name, dataset) for name in EXPERIMENTS for dataset in PROFILE.experiment(name).datasets]


@pytest.mark.parametrize(("experiment", "dataset"), TRIALS)
def test_every_cell_is_measured(report: dict, experiment: str, dataset: str) -> None:
    found = {cell["id"]: cell["measured"] for cell in report["cells"]}
    wanted = [str(cell) for cell in PROFILE.experiment(experiment).cells(dataset, "dino")]
    assert all(found[cell] is not None for cell in wanted)
    assert wanted or experiment == "patch_search"


def test_every_strip_of_the_patch_search_is_drawn(report: dict) -> None:
    queries = {figure["query"] for figure in report["figures"]}
    assert queries == set(PROFILE.experiment("patch_search")["queries"])
    assert {figure["setting"] for figure in report["figures"]} == {"encoded", "projected"}
