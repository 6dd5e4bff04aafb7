"""A server's content and a download from it that does not wait, for the tests of downloads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suite.errors import FetchError
from suite.fetch.download import download
from suite.fetch.remote import Remote
from tests.support.hostile_server import Server

CONTENT = np.random.default_rng(0).bytes(300_000)
HALF = 120_000


class Fetcher:
    """`download` into one folder, without waiting."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder, self.waits = server, folder, list[float]()
        self.target, self.part = folder / "file.bin", folder / "file.bin.part"

    def __call__(self, *digests: str, path: str = "/file.bin", **facts: Any) -> str:
        remote = Remote("file.bin", self.server.url + path, digests, **facts)
        return download(remote, self.folder, timeout=0.3, sleep=self.waits.append)

    def fails(self, *digests: str, **facts: Any) -> str:
        with pytest.raises(FetchError) as caught:
            self(*digests, **facts)
        assert not self.target.exists()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("."))
