"""The image: what it was made from, and whether that is this checkout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from suite.container.engine import explained
from suite.core.paths import ROOT
from suite.errors import ContainerError

if TYPE_CHECKING:
    from docker import DockerClient

IMAGE = "part-aware-repro:latest"
LOCK = ROOT / "requirements.lock"
LABEL = "part-aware-repro"
CONTEXT = ("LICENSE", "requirements.lock", "pyproject.toml", "suite", "expected", "checks", "sbom.json")
"""Paths that .dockerignore lets into the image."""


@dataclass(frozen=True)
class Image:
    """A built image.

    Attributes:
        name: as it was asked for.
        id: digest of its configuration, which every image has.
        pulled_from: `repository@digest`, where it came from a registry or went there; else None.
        size: bytes on disk.
        labels: see the Dockerfile.
    """

    name: str
    id: str
    pulled_from: str | None
    size: int
    labels: dict[str, str]

    @property
    def stale(self) -> str | None:
        """Part of this checkout that differs from what the image was built from; None if nothing does."""
        for part, digest in digests().items():
            if self.labels.get(f"{LABEL}.{part}.sha256") != digest:
                return {"lock": "another requirements.lock", "source": "other source code"}[part]
        return None


def find(client: DockerClient, name: str = IMAGE) -> Image:
    """Return the image of this name.

    Raises:
        ContainerError: it has not been built or pulled.
    """
    import docker

    with explained(f"image {name}"):
        try:
            docker_image = client.images.get(name)
        except docker.errors.ImageNotFound as error:
            raise ContainerError(f"no image {name}: build it with make image, or pass RUNTIME=venv") from error
    digests = docker_image.attrs.get("RepoDigests") or []
    return Image(
        name,
        str(docker_image.id),
        next(iter(digests), None),
        int(docker_image.attrs["Size"]),
        dict(docker_image.labels),
    )


def digests() -> dict[str, str]:
    """Return the SHA-256 of the lock and of all that an image is built from, by the names of the image's labels."""
    source = hashlib.sha256()
    for path in _context():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        source.update(f"{path.relative_to(ROOT).as_posix()} {content}\n".encode())
    return {"lock": hashlib.sha256(LOCK.read_bytes()).hexdigest(), "source": source.hexdigest()}


def _context() -> Iterator[Path]:
    for name in CONTEXT:
        for path in sorted((ROOT / name).rglob("*")) or [ROOT / name]:
            hidden = any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(ROOT).parts)
            if path.is_file() and not hidden:
                yield path
