"""The seal of the recorded references, `expected/mini/SHA256SUMS`: by `make record`, checked when they are read.

In the format of `sha256sum`, over every file of `expected/mini` and the measured slack beside it; the first line holds
the digest of the others, so that no line can be dropped or added either. It keeps honest hands from slipping, and shows
any change of a reference as a change of two files; what it says can be made anew, so history is the judge of intent.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from suite.core.files import write_atomically
from suite.errors import ExpectedError
from suite.reference.slack import FILE as SLACK

FILE = "SHA256SUMS"
ADVICE = "restore it (git checkout expected), or record anew (make record)"
_TITLE = "# Written by make record, check with sha256sum -c; SHA-256 of the lines below: "


def seal(folder: Path) -> None:
    """Write the digests of a folder of references as they are now.

    Raises:
        StorageError: the file cannot be written.
    """
    lines = "".join(f"{digest}  {name}\n" for name, digest in _digests(folder))
    write_atomically(folder / FILE, f"{_TITLE}{sha256(lines.encode()).hexdigest()}\n{lines}".encode())


def check_seal(folder: Path) -> None:
    """Compare a folder of references with its seal.

    Raises:
        ExpectedError: a file was altered, removed or added since, or the seal itself; the message names it.
    """
    digests = dict(_digests(folder))
    path = folder / FILE
    if not path.exists():
        if any(folder.glob("*.toml")):
            raise ExpectedError(f"{path}: missing: expected the digests of the references beside it: {ADVICE}")
        return
    title, _, lines = path.read_text().partition("\n")
    lines_digest = sha256(lines.encode()).hexdigest()
    if title != _TITLE + lines_digest:
        raise ExpectedError(
            f"{path}: altered: its first line is not the digest of the others, {lines_digest[:12]}: {ADVICE}"
        )
    sealed_digests = {name: digest for digest, _, name in (line.partition("  ") for line in lines.splitlines())}
    for name in sorted(sealed_digests.keys() | digests.keys()):
        place = folder.parent / SLACK if name.startswith("../") else folder / name
        if name not in digests:
            raise ExpectedError(f"{place}: missing: {path} lists it: {ADVICE}")
        if name not in sealed_digests:
            raise ExpectedError(f"{place}: added: {path} does not list it: remove it, or record anew (make record)")
        if sealed_digests[name] != digests[name]:
            raise ExpectedError(
                f"{place}: altered since it was recorded: expected SHA-256 {sealed_digests[name][:12]}, "
                f"got {digests[name][:12]}: {ADVICE}"
            )


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield names as seen from the folder, each with its SHA-256."""
    places = [*sorted(folder.glob("*.toml")), folder.parent / SLACK]
    for path in places:
        if path.exists():
            name = path.name if path.parent == folder else f"../{path.name}"
            yield name, sha256(path.read_bytes()).hexdigest()
