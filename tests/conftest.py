"""The process that tests run in, and fixtures that several folders use; what they need is imported when asked for."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.core.signals import hear_signals
from tests.support import tiers
from tests.support.here import do_jobs_here

FOREIGN = ("GIT_", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PIP_DRY_RUN", "PIP_PREFIX", "PIP_TARGET", "PIP_USER", "SUITE_")
"""Beginnings of variables that speak of something else: of a hook's repository, of the make that runs these tests."""
OF_PYTEST = ("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_PLUGINS")
"""Variables that this pytest has followed, and that are not meant for those that tests start."""


def pytest_configure(config: pytest.Config) -> None:
    """Take from this process, and so from those that tests start, what its own parent left behind."""
    hear_signals()
    config.pluginmanager.register(tiers, tiers.__name__)
    for name in list(os.environ):
        if name.startswith(FOREIGN) or name in OF_PYTEST:
            del os.environ[name]


collect_ignore = ["container_real", "report_in_browser", "slurm_real"]
"""Need root and 20 GB of disk, Chromium and npm, or Slurm: collected only where they are named, as `.ci/run` does."""


@pytest.fixture(scope="session")
def drawn_cifar10(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mini study's data folder with CIFAR-10 alone, drawn once: a test that changes it takes a copy."""
    from suite.mini.render import render

    data = tmp_path_factory.mktemp("drawn_cifar10")
    render(data, names=("cifar10",), workers=1, progress=False)
    return data


@pytest.fixture(scope="session")
def lookalike_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with every dataset's look-alike, written once: a test that changes it takes a copy."""
    from tests.support.lookalike_data import write_data

    return write_data(tmp_path_factory.mktemp("lookalikes") / "data")


@pytest.fixture
def nothing_drawn_or_loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the main job take data as they are, and measure here, with each encoder's file read anew."""
    from suite.experiments import context

    do_jobs_here(monkeypatch)
    monkeypatch.setattr("suite.reproduction.measure.prepare_data", lambda *_args, **_kwargs: None)
    context.load.cache_clear()
    yield
    context.load.cache_clear()


@pytest.fixture
def expected_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the repository's references, which the suite reads instead of them."""
    from suite.core.paths import EXPECTED
    from suite.reference import select as references

    copy = Path(shutil.copytree(EXPECTED, tmp_path / "expected"))
    monkeypatch.setattr(references, "EXPECTED", copy)
    references._load.cache_clear()
    yield copy
    references._load.cache_clear()


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two results, judged and reported, which no test changes."""
    from tests.support.archived_run import write_run

    return write_run(tmp_path_factory.mktemp("pristine") / "run")


@pytest.fixture
def run(pristine: Path, tmp_path: Path) -> Path:
    """A copy of that run, which a test may change."""
    return Path(shutil.copytree(pristine, tmp_path / "run"))
