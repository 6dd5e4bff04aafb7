"""All seven ViT-B encoders, from files in their official layouts, through every experiment of the paper.

Weights are random and the datasets are tiny look-alikes in their native formats. Of the protocol only segmentation is
made smaller: one step of two crops. So this shows that every experiment runs at full size, not what it measures.
About an hour on two cores and 4 GB of disk, so only on request:

    PAPER_SCALE=1 python -m pytest tests/experiments/test_paper_scale.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suite.cells import METHODS
from suite.cli.main import main
from suite.encoders.catalogue import CATALOGUE
from suite.protocol import profiles as protocol
from suite.protocol.profiles import load_profile
from tests.support.checkpoints import VIT_B, write
from tests.support.lookalike_data import write_data
from tests.support.small_trials import SEGMENTATION
from tests.support.switches import is_on

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_on("PAPER_SCALE"), reason="about an hour; set PAPER_SCALE=1"),
]
EXPERIMENTS = load_profile("paper").experiments
LIMITS = dict.fromkeys(SEGMENTATION, 1) | {"image_classification": 2}
"""Views of each split, and how many an encoder sees at once; of segmentation it is the number of steps, too."""
OTHERS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and what the tests share: weights, features, runs."""
    folder = tmp_path_factory.mktemp("paper_scale")
    write_data(folder / "data")
    return folder


@pytest.fixture
def few_crops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The paper's protocol with two crops a step in place of 16."""
    for path in protocol.PROTOCOLS.glob("*.toml"):
        text = path.read_text().replace("batch_size = { value = 16,", "batch_size = { value = 2,")
        (tmp_path / path.name).write_text(text)
    monkeypatch.setattr(protocol, "PROTOCOLS", tmp_path)
    assert all(load_profile("paper").experiment(name).settings.batch_size == 2 for name in SEGMENTATION)


@pytest.mark.usefixtures("few_crops")
@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize("method", METHODS)
def test_every_cell_is_measured(folder: Path, method: str, experiment: str) -> None:
    official = CATALOGUE[method].sources[0]
    # under its official name a file with a published digest has to be that very file
    file = folder / "weights" / (f"{method}.pth" if official.digest else official.file_name)
    if not file.exists():
        write(method, file, sizes=VIT_B, seed=METHODS.index(method))
    run = folder / method / experiment
    limit = LIMITS.get(experiment, OTHERS)
    request = [f"--data={folder / 'data'}", f"--weights={file.parent}", f"--cache={folder / 'cache'}", f"--run={run}"]
    request += ["--profile=paper", f"--encoder={method}", f"--limit={limit}", f"--experiment={experiment}"]
    if experiment == "patch_search":  # which has no cell, so it comes beside one that has
        request += ["--experiment=object_retrieval", "--dataset=imagenet1k,cifar10"]
    code = main(["reproduce", *request, "--device=cpu", "--workers=1"])
    assert code == 0, (run / "pytest.log").read_text()

    report = json.loads((run / "report.json").read_text())
    settings = set(EXPERIMENTS[experiment].cell_settings)
    if CATALOGUE[method].projector is None:
        settings -= {"projected"}
    places = {
        (d, s, m) for d in EXPERIMENTS[experiment].datasets for s in settings for m in EXPERIMENTS[experiment].metrics
    }
    cells = [cell for cell in report["cells"] if cell["experiment"] == experiment and cell["measured"] is not None]
    assert {(cell["dataset"], cell["setting"], cell["metric"]) for cell in cells} == places
    if experiment == "patch_search":
        assert {figure["setting"] for figure in report["figures"]} == settings
