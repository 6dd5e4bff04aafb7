"""The lock as a software bill of materials, CycloneDX 1.6: `make lock` writes sbom.json, a run takes a copy along.

It lists every package of requirements.lock with the SHA-256 of all its files, its licence, what asked for it, and the
marker under which it is installed. It holds no serial number, and no time but that of `SOURCE_DATE_EPOCH`, so that the
same lock gives the same bytes.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from suite.archive.licences import READ, licence
from suite.core.environment import LOCK, suite_version
from suite.core.files import write_atomically
from suite.core.paths import ROOT
from suite.core.program import run_program
from suite.errors import RequestError, StorageError

SBOM = ROOT / "sbom.json"
US = "part-aware-repro"
LOCK_DIGEST = f"{US}:lock:sha256"
"""Property of the list that says of which lock it is."""
OURS = "Apache-2.0"
"""Licence of this project."""
EPOCH = "SOURCE_DATE_EPOCH"
"""Variable with the seconds since 1970 that stand for now in what is built (reproducible-builds.org)."""


def sbom(lock: bytes, version: str) -> bytes:
    """Return the list of packages of a lock.

    Args:
        lock: content of requirements.lock, as `uv pip compile --generate-hashes` writes it.
        version: of this project.

    Raises:
        RequestError: `cyclonedx-python-lib` is not installed, the lock holds an entry without hash, or
            SOURCE_DATE_EPOCH is no number of seconds.
    """
    try:
        from cyclonedx.contrib.license.factories import LicenseFactory
        from cyclonedx.model import HashAlgorithm, HashType, Property
        from cyclonedx.model.bom import Bom
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.model.license import LicenseAcknowledgement as Acknowledgement
        from cyclonedx.output.json import JsonV1Dot6
        from packageurl import PackageURL
    except ImportError as error:
        raise RequestError(f"sbom: expected the packages of the extra `provenance`: {error}; run make setup") from error

    make_licence = LicenseFactory().make_from_string
    bom = Bom(version=1, properties=[Property(name=LOCK_DIGEST, value=sha256(lock).hexdigest())])
    bom.metadata.component = Component(
        type=ComponentType.APPLICATION, name=US, version=version, bom_ref=US, licenses=[make_licence(OURS)]
    )
    # one package may have several entries, a version for each Python
    packages: list[tuple[str, Component, set[str]]] = []
    for name, number, marker, body in _entries(lock.decode()):
        files = sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", body))
        if not files:
            raise RequestError(f"requirements.lock: {name}: expected the SHA-256 of its files, got none; run make lock")
        acknowledgement = Acknowledgement.CONCLUDED if name in READ else Acknowledgement.DECLARED
        component = Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=number,
            bom_ref=f"{name}=={number}",
            purl=PackageURL("pypi", None, name, number),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file) for file in files],
            licenses=[make_licence(licence(name), license_acknowledgement=acknowledgement)],
            properties=[Property(name=f"{US}:marker", value=marker)] if marker else [],
        )
        packages.append((name, component, set(re.findall(r"^ +#(?: via)? +([\w.-]+)", body, re.MULTILINE))))
        bom.components.add(component)
    for parent, component in [(US, bom.metadata.component), *((name, component) for name, component, _ in packages)]:
        bom.register_dependency(component, [child for _, child, askers in packages if parent in askers])
    return _without_occasion(JsonV1Dot6(bom).output_as_string())


def _entries(lock: str) -> list[tuple[str, str, str, str]]:
    """Return (name, version, marker or empty, the entry's lines) of every package."""
    pattern = r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)(?: *; *([^\\\n]*?))? *\\?\n(.*?)(?=^\S|\Z)"
    return [match.groups("") for match in re.finditer(pattern, lock, re.MULTILINE | re.DOTALL)]  # type: ignore[misc]


def _epoch() -> str | None:
    """Return the time that SOURCE_DATE_EPOCH names; None where it names none."""
    seconds = os.environ.get(EPOCH)
    if not seconds:
        return None
    try:
        return datetime.fromtimestamp(int(seconds), UTC).isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise RequestError(f"{EPOCH}: expected seconds since 1970, e.g. 1700000000, got {seconds!r}") from error


def _without_occasion(text: str) -> bytes:
    """Drop the time and the random serial number, and sort what the library leaves unsorted."""
    content = json.loads(text)
    del content["serialNumber"], content["metadata"]["timestamp"]
    if epoch := _epoch():
        content["metadata"]["timestamp"] = epoch
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def for_lock(lock: Path = LOCK, sbom_path: Path = SBOM) -> bytes | None:
    """Return sbom.json as it lies beside the lock; None where there is none, or it is that of another lock."""
    try:
        content = sbom_path.read_bytes()
        properties = json.loads(content)["properties"]
        lock_digest = next(entry["value"] for entry in properties if entry["name"] == LOCK_DIGEST)
        return content if lock_digest == sha256(lock.read_bytes()).hexdigest() else None
    except (OSError, ValueError, LookupError, TypeError, StopIteration):
        return None


def take_along(run: Path) -> None:
    """Put the list into a run folder; where there is none of this lock, none stays there either.

    Raises:
        StorageError: the run folder cannot be written.
    """
    content, place = for_lock(), run / SBOM.name
    try:
        if content is None:
            place.unlink(missing_ok=True)
        elif not place.is_file() or place.read_bytes() != content:
            write_atomically(place, content)
    except OSError as error:
        raise StorageError(f"{place}: cannot be replaced: {error.strerror or error}; remove it") from error


if __name__ == "__main__":
    run_program(lambda: write_atomically(SBOM, sbom(LOCK.read_bytes(), suite_version() or "unknown")))
