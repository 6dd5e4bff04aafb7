"""Fixtures of the tests of downloads."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fetching import CONTENT, Fetcher
from tests.support.hostile_server import Server, serving
from tests.support.served_weights import Weights, serving_weights


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def fetch(server: Server, tmp_path: Path) -> Fetcher:
    return Fetcher(server, tmp_path / "made" / "on demand")


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[Weights]:
    with serving_weights(monkeypatch) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "weights"
