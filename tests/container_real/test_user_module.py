"""A module of the user's comes along: from any folder of PYTHONPATH, with what it imports from another."""

import json
import sys
from pathlib import Path

import pytest

from suite.core.paths import DOCS, ROOT
from tests.support.commands import last_lines, run, suite
from tests.support.container_image import AS_USER


@pytest.fixture(scope="module")
def folders(work: Path) -> tuple[Path, Path]:
    """Return a folder with an encoder, and one with what it is built of."""
    mine, theirs = work / "mine", work / "theirs"
    for folder in (mine, theirs):
        folder.mkdir()
    (theirs / "my_encoder.py").write_text((DOCS / "examples" / "my_encoder.py").read_text())
    (mine / "zoo.py").write_text(
        "import torch\n"
        "import my_encoder\n"
        "def build():\n"
        "    torch.manual_seed(0)\n"
        "    facts = {'patch_size': my_encoder.PATCH, 'image_size': my_encoder.IMAGE}\n"
        "    return my_encoder.wrap(my_encoder.MyViT(), mean=(0, 0, 0), std=(1, 1, 1), prefix_tokens=5, **facts)\n"
    )
    return mine, theirs


def test_a_module_of_the_callers_path_passes_the_conformance_checks(
    image: str, home: Path, folders: tuple[Path, Path]
) -> None:
    container = ["--runtime", "container", "--image", image]
    places = ["--data", home / "data", "--cache", home / "cache", "--run", home / "check"]
    options = ["--conformance-only", "--device", "cpu"]
    path = ":".join(map(str, folders))
    done = suite("check", "zoo:build", *options, *container, *places, variables={"PYTHONPATH": path}, prefix=AS_USER)
    assert done.returncode == 0, last_lines(done.stderr)
    assert "ok   batch-invariant" in done.stdout


def test_it_is_measured_beside_the_seven_and_has_the_bits_that_it_has_in_the_virtual_environment(
    image: str, home: Path, folders: tuple[Path, Path]
) -> None:
    request = ["--encoder", "mae,deit", "--experiment", "object_retrieval", "--dataset", "cifar10", "--device", "cpu"]
    variables = {"PYTHONPATH": ":".join(map(str, folders))}
    runs = []
    for name, runtime in (("container", ["--runtime", "container", "--image", image]), ("venv", ["--runtime", "venv"])):
        runs.append(home / "beside" / name)
        places = ["--data", home / "data", "--cache", home / f"cache.{name}", "--run", runs[-1]]
        done = suite("check", "zoo:build", *request, *runtime, *places, variables=variables, prefix=AS_USER)
        assert done.returncode == 0, last_lines(done.stderr)
    report = json.loads((runs[0] / "report.json").read_text())
    assert report["environment"]["container"]["runtime"] == "container"
    assert {cell["method"] for cell in report["cells"] if cell["measured"] is not None} == {"deit", "mae", "zoo-build"}
    done = run([sys.executable, ROOT / ".ci" / "same_cells.py", *runs])
    assert (done.returncode, done.stderr) == (0, "")


def test_what_lies_outside_is_told(image: str, home: Path, folders: tuple[Path, Path]) -> None:
    container = ["--runtime", "container", "--image", image]
    places = ["--data", home / "data", "--cache", home / "cache", "--run", home / "check"]
    mine, _ = folders
    variables = {"PYTHONPATH": str(mine)}
    done = suite("check", "zoo:build", "--conformance-only", *container, *places, variables=variables, prefix=AS_USER)
    assert done.returncode == 3
    assert last_lines(done.stderr, 1) == (
        "error: encoder 'zoo:build': loads: no module 'my_encoder', which zoo imports; the container has the "
        "image's packages and the folders of PYTHONPATH; nothing was measured"
    )
