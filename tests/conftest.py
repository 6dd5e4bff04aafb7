"""Fixtures that tests of several folders use; what they need is imported when they are asked for."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

collect_ignore = ["container_real"]
"""Needs root and 20 GB of disk: collected only where it is named, as `make image-test` and `.ci/run` do."""


@pytest.fixture(scope="session")
def drawn_cifar10(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mini study's data folder with CIFAR-10 alone, drawn once: a test that changes it takes a copy."""
    from suite.mini.render import render

    data = tmp_path_factory.mktemp("drawn_cifar10")
    render(data, names=("cifar10",), workers=1, progress=False)
    return data


@pytest.fixture
def nothing_drawn_or_loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the main job take data as they are, and read each encoder's file anew, also in the test after."""
    from suite.experiments import context

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
