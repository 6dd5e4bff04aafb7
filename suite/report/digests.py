"""Digests of the files of a run that people read and that its report is made from, kept in report.json.

Results need none here: a cell file holds its own, and the report one of each result. What they protect against:
docs/decisions/0010-evidence-for-people.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from suite.report.beside import FOLDER as BESIDE
from suite.results.store import ALTERED
from suite.run.attempts.lines import FILE as ATTEMPTS
from suite.run.shards import EXIT_CODE, shards_of

RECORDS = (
    *("run.json", "environment.json", "checks.json", "verification.json", "conformance.json", "plan.json"),
    *("bound.json", "triage.json", ATTEMPTS, "sbom.json"),
)
"""What a run noted of itself, beside its results."""
FOLDERS = ("figures", "not_run", BESIDE)
SHARD_RECORDS = ("environment.json", "checks.json", "plan.json", "junit.xml", ATTEMPTS, EXIT_CODE)
"""What a shard noted of itself, in a folder of its own."""
JUNIT = "junit.xml"
PAGES = ("report.html", "report.md", "summary.md", "badge.json", JUNIT)
"""What is written beside report.json, of the same content."""
AGAIN = "run make report"
Digests = Mapping[str, Mapping[str, Any]]
"""Path in the run folder -> `sha256` and `bytes` of the file."""


def listed(run: Path) -> Iterator[Path]:
    """Yield the files beside the results that are a run's own.

    A link may lead out of the folder; what an interrupted write left, or was set aside, is none of it.
    """
    places = [run / name for name in RECORDS]
    places += [shard.folder(run) / name for shard in shards_of(run) for name in SHARD_RECORDS]
    places += [path for folder in FOLDERS for path in sorted((run / folder).rglob("*"))]
    yield from (path for path in places if is_own(path))


def is_own(path: Path) -> bool:
    """Tell whether a path of a run folder is a file of the run."""
    return path.is_file() and not path.is_symlink() and not path.name.startswith(".") and path.suffix != ALTERED


def digests(run: Path) -> dict[str, dict[str, Any]]:
    """Return the digests of the files that are there; what cannot be read is left out, as in the report."""
    entries = {}
    for path in listed(run):
        try:
            entries[path.relative_to(run).as_posix()] = digest(path.read_bytes())
        except OSError:
            continue
    return entries


def digest(content: bytes) -> dict[str, Any]:
    """Return SHA-256 and size of a file."""
    return {"sha256": sha256(content).hexdigest(), "bytes": len(content)}


def altered(run: Path, stored_digests: Digests) -> Iterator[str]:
    """Yield one line for each file that is gone, is new, or is not what the report names; see `changes`."""
    for name, change in changes(run, stored_digests):
        advice = f"{AGAIN}, which writes it anew" if name in PAGES else f"restore it, or {AGAIN} if it is meant so"
        yield f"{name}: {change}; {advice}"


def changes(run: Path, stored_digests: Digests) -> Iterator[tuple[str, str]]:
    """Yield name and change of each file that is not as the report names it.

    Args:
        run: its folder.
        stored_digests: of its report.json.
    """
    for name, entry in stored_digests.items():
        path = run / name
        if name == JUNIT and is_absent(path):
            continue
        try:
            content = path.read_bytes() if is_own(path) else None
        except OSError as error:
            yield name, f"cannot be read: {error.strerror or error}"
            continue
        if content is None:
            yield name, "the report was made with it, and it is missing"
        elif digest(content) != entry and not _has_grown(name, content, entry):
            actual_digest = sha256(content).hexdigest()
            yield (
                name,
                f"altered: expected SHA-256 {entry['sha256'][:12]}, as report.json names it, got {actual_digest[:12]}",
            )
    for path in listed(run):
        name = path.relative_to(run).as_posix()
        if name not in stored_digests and path.name != ATTEMPTS:  # the report's own attempts tell of a new one
            yield name, "the report knows no such file"


def is_absent(path: Path) -> bool:
    """Tell whether nothing at all is there, as where an archive left a file out."""
    return not path.exists() and not path.is_symlink()


def _has_grown(name: str, content: bytes, entry: Mapping[str, Any]) -> bool:
    """Tell whether attempts were only added since, which is told by attempt."""
    return Path(name).name == ATTEMPTS and digest(content[: entry["bytes"]]) == entry
