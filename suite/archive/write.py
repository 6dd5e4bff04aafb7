"""A run folder -> one zip that explains itself: an RO-Crate; the same run gives the same bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from suite.archive.contents import contents
from suite.archive.crate import METADATA, metadata
from suite.archive.verify import NO_RESULTS, verify
from suite.core.environment import LOCK
from suite.core.files import write_atomically
from suite.core.source_code import trial_code
from suite.errors import RequestError
from suite.report import files
from suite.results.store import Store

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: the files' own would differ between copies of a run."""


def archive(run: Path, target: Path, *, licence: str, author: str | None = None) -> int:
    """Write the archive of a run whose results and report agree.

    Args:
        run: a run folder with a report.
        target: the zip, replaced whole or not at all.
        licence: URL of the licence under which it is given.
        author: who gives it.

    Returns:
        Number of files in it.

    Raises:
        RequestError: no report there, or it or a file beside it is not what its results say, or other code made them.
        EvidenceError: a result was altered since it was stored.
        StorageError: the zip cannot be written.
    """
    for _, error in Store(run).altered():
        raise error
    verification = verify(run)
    if verification.digest is None and not verification.problems:
        raise RequestError(f"{run}: {NO_RESULTS}; measure first (make reproduce)")
    problems = verification.problems or verification.incomparable
    if problems:
        raise RequestError(f"{run}: {problems[0]} ({len(problems)} in all); run make report RUN={run} first")
    report = files.load(run)
    refuse_other_source(run, report)
    entries = contents(run)
    entries = {METADATA: metadata(entries, report, licence=licence, author=author), **entries}
    write_atomically(target, zipped(entries))
    return len(entries)


def refuse_other_source(run: Path, report: Mapping[str, Any]) -> None:
    """Refuse source that did not make the results: an archive holds the source as it is now.

    Raises:
        RequestError: the lock or an experiment's code has changed since.
    """
    commit = (report["environment"].get("code") or {}).get("commit") or "of the run"
    advice = f"check out commit {commit}, or make reproduce again"
    lock_digest = (report["environment"].get("lock") or {}).get("sha256")
    if lock_digest not in {None, sha256(LOCK.read_bytes()).hexdigest()}:
        raise RequestError(f"{run}: made with another requirements.lock, {lock_digest[:12]}: {advice}")
    for result in Store(run).results():
        if str(result.key) in report["results"] and result.inputs.get("code") != trial_code(result.key.experiment):
            raise RequestError(f"{run}: {result.key} was made by other code than is here now: {advice}")


def zipped(entries: Mapping[str, bytes]) -> bytes:
    """Zip files, path -> content, in memory: a run is some megabytes, and a zip half written is none."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zip_file:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            zip_file.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
    return stream.getvalue()
