"""Every experiment that exists runs on every one of its datasets, through the native files, by the paper's protocol."""

import json
from pathlib import Path

import pytest

from suite.cells import method_name
from suite.cli.main import main
from suite.core.paths import MINI_WEIGHTS as WEIGHTS
from suite.experiments import context
from suite.protocol.profiles import load_profile
from tests.support.lookalike_data import write_data
from tests.support.small_trials import SEGMENTATION

TINY = "timm:test_vit@random"  # patches of 16, and cheap at crops of 512
EXPERIMENTS = ("object_retrieval", "image_classification", "part_retrieval", "part_classification", "patch_search")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A run of the paper profile with a small checkpoint of an official layout."""
    # a limit keeps the published values from being held against it
    return run(tmp_path_factory.mktemp("look_alikes"), EXPERIMENTS, encoder="dino", limit=16)


@pytest.fixture(scope="module")
def segmentation_report(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The same for segmentation; the limit is also that of its iterations."""
    return run(tmp_path_factory.mktemp("look_alikes"), SEGMENTATION, encoder=TINY, limit=1)


def run(folder: Path, experiments: tuple[str, ...], *, encoder: str, limit: int) -> dict:
    context.load.cache_clear()
    places = {"data": write_data(folder / "data"), "weights": WEIGHTS, "run": folder / "run", "cache": folder / "cache"}
    request = [f"--{name}={path}" for name, path in places.items()]
    request += ["--profile=paper", f"--encoder={encoder}", f"--experiment={','.join(experiments)}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "os.sched_getaffinity", lambda _pid: {0}
        )  # threads of several tests at once only wait for one another
        assert main(["reproduce", *request, "--device=cpu", f"--limit={limit}", "--workers=1"]) == 0
    return json.loads((folder / "run" / "report.json").read_text())


PROFILE = load_profile("paper")


def trials(experiments: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, dataset) for name in experiments for dataset in PROFILE.experiment(name).datasets]


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "dataset"), trials(SEGMENTATION))
def test_every_cell_of_segmentation_is_measured(segmentation_report: dict, experiment: str, dataset: str) -> None:
    values = {cell["id"]: cell["measured"] for cell in segmentation_report["cells"]}
    assert all(
        values[str(cell)] is not None for cell in PROFILE.experiment(experiment).cells(dataset, method_name(TINY))
    )


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "dataset"), trials(EXPERIMENTS))
def test_every_cell_is_measured(report: dict, experiment: str, dataset: str) -> None:
    values = {cell["id"]: cell["measured"] for cell in report["cells"]}
    wanted = [str(cell) for cell in PROFILE.experiment(experiment).cells(dataset, "dino")]
    assert all(values[cell] is not None for cell in wanted)
    assert wanted or experiment == "patch_search"


@pytest.mark.slow
def test_every_strip_of_the_patch_search_is_drawn(report: dict) -> None:
    queries = {figure["query"] for figure in report["figures"]}
    assert queries == set(PROFILE.experiment("patch_search").settings.queries)
    assert {figure["setting"] for figure in report["figures"]} == {"encoded", "projected"}
