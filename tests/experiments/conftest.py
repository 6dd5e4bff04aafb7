"""A trial that is quick to make."""

from pathlib import Path

import pytest

from suite.experiments.judge import Trial
from suite.run.request import make_request


@pytest.fixture
def trial(tmp_path: Path, drawn_cifar10: Path) -> Trial:
    """Return a trial of object retrieval on a drawn CIFAR-10, with nothing measured yet."""
    request = make_request(
        encoders=["mae"], experiments=["object_retrieval"], datasets=["cifar10"], device="cpu",
        data=drawn_cifar10, cache=tmp_path / "cache", run=tmp_path / "run",
    )  # fmt: skip
    return Trial(request, *next(request.tasks()))
