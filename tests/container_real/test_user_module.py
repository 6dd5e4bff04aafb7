"""A module of the user's comes along: from any folder of PYTHONPATH, with what it imports from another."""

from pathlib import Path

import pytest

from suite.core.paths import DOCS
from tests.support.commands import last_lines, suite


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
    image: str, work: Path, folders: tuple[Path, Path]
) -> None:
    container = ["--runtime", "container", "--image", image]
    places = ["--data", work / "data", "--cache", work / "cache", "--run", work / "check"]
    options = ["--conformance-only", "--device", "cpu"]
    path = ":".join(map(str, folders))
    done = suite("check", "zoo:build", *options, *container, *places, variables={"PYTHONPATH": path})
    assert done.returncode == 0, last_lines(done.stderr)
    assert "ok   batch-invariant" in done.stdout


def test_what_lies_outside_is_told(image: str, work: Path, folders: tuple[Path, Path]) -> None:
    container = ["--runtime", "container", "--image", image]
    places = ["--data", work / "data", "--cache", work / "cache", "--run", work / "check"]
    mine, _ = folders
    variables = {"PYTHONPATH": str(mine)}
    done = suite("check", "zoo:build", "--conformance-only", *container, *places, variables=variables)
    assert done.returncode == 3
    assert last_lines(done.stderr, 1) == (
        "error: encoder 'zoo:build': loads: no module 'my_encoder', which zoo imports; the container has the "
        "image's packages and the folders of PYTHONPATH; nothing was measured"
    )
