"""Small checkpoints in place of the official ones, on a server of the test's own."""

import dataclasses
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from suite.encoders.catalogue import CATALOGUE
from tests.support.checkpoints import write
from tests.support.hostile_server import Server, serving


@dataclass
class Weights:
    """The server, and what it serves: a file's bytes by its name."""

    server: Server
    files: dict[str, bytes] = field(default_factory=dict)

    def sha256(self, name: str) -> str:
        return hashlib.sha256(self.files[name]).hexdigest()

    def serve(self, method: str, name: str, content: bytes) -> None:
        self.files[name] = self.server.files[f"/{method}/{name}"] = content


@cache
def checkpoint(method: str, variant: str = "", seed: int = 0) -> bytes:
    """A file of this method's, as small as the mini encoders'."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pth"
        write(method, path, variant=variant, seed=seed)
        return path.read_bytes()


@contextmanager
def serving_weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[Weights]:
    """Serve every file of the catalogue, whose digests are made to fit; of no stated size."""
    with serving() as server:
        weights = Weights(server)
        for name, method in CATALOGUE.items():
            sources = []
            for source in method.sources:
                content = checkpoint(name, "backbone" if source.branches or "_teacher" in source.file_name else "")
                weights.serve(name, source.file_name, content)
                kind, _, digits = source.digest.partition(":")
                actual = hashlib.new(kind, content).hexdigest() if digits else ""
                digest = f"{kind}:{actual[: len(digits)]}" if digits else ""
                url = source.url if source.manual else f"{server.url}/{name}/{source.file_name}"
                sources.append(dataclasses.replace(source, url=url, digest=digest, size=None))
            monkeypatch.setitem(CATALOGUE, name, dataclasses.replace(method, sources=tuple(sources)))
        yield weights
