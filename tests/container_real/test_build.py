"""The image is built on a bare Debian or Ubuntu, and told from one of other source."""

import shutil
import time
from pathlib import Path

import pytest

from suite.container.image import CONTEXT
from suite.core.paths import ROOT
from tests.support.commands import last_lines, suite
from tests.support.container_image import build
from tests.support.docker_daemon import Daemon

CHANGED = "part-aware-repro:changed"


@pytest.fixture(scope="module")
def seconds_after_a_change(work: Path, image: str) -> float:
    """Return how long it takes to build the image of a checkout with another source."""
    checkout = work / "changed"
    checkout.mkdir()
    for name in ("Dockerfile", ".dockerignore", *CONTEXT):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, checkout / name)
    with (checkout / "suite" / "cells.py").open("a") as file:
        file.write("# changed\n")
    start = time.monotonic()
    done = build(CHANGED, checkout)
    seconds = time.monotonic() - start
    assert done.returncode == 0, last_lines(done.stderr)
    print(f"the build after a change of the source: {seconds:.0f} s")
    return seconds


def test_the_image_is_known_to_be_of_this_checkout(daemon: Daemon, image: str) -> None:
    done = suite("image", "inspect", "--image", image)
    assert (done.returncode, done.stderr) == (0, "")
    layers = [layer for layer in daemon.client.images.get(image).history() if layer["Size"]]
    print("\n".join(f"{layer['Size'] / 1e6:6.0f} MB  {layer['CreatedBy'][:80]}" for layer in layers))


def test_after_a_change_of_the_source_only_the_last_layers_are_built_again(seconds_after_a_change: float) -> None:
    assert seconds_after_a_change <= 30


@pytest.mark.usefixtures("seconds_after_a_change")
def test_an_image_of_other_source_is_told_from_this_checkouts() -> None:
    done = suite("image", "inspect", "--image", CHANGED)
    assert done.returncode == 1
    assert done.stderr == f"{CHANGED} was built from other source code than this checkout's: make image\n"


def test_without_arguments_the_container_helps(daemon: Daemon, image: str) -> None:
    text = daemon.client.containers.run(image, ["--help"], network_mode="none", remove=True).decode()
    assert "usage: python -m suite" in text


def test_the_user_is_not_root_by_default(daemon: Daemon, image: str) -> None:
    text = daemon.client.containers.run(image, ["-u"], entrypoint="id", network_mode="none", remove=True).decode()
    assert text == "10001\n"
