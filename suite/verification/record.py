"""The outcome as a file: written by `verify` and by `pytest checks`, taken into a run, read by its report."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from suite.core.files import write_json
from suite.core.forms import Each, Entries, Form, OneOf, Tell, read_if_whole, shown, warn
from suite.datasets import digest, require
from suite.errors import DatasetError
from suite.verification.outcome import STATUSES, Check
from suite.verification.subject import Subject

FILE = "verification.json"
SCHEMA = 1
_CHECK: Form = {
    "subject": "a text",
    "name": "a text",
    "status": OneOf(STATUSES),
    "detail": "any text",
    "problems": "a list of texts",
    "count": "a whole number >= 0",
}
FORM: Form = {
    "schema": "a whole number >= 0",
    "subjects": Entries(
        {
            "finished": "a text",
            "how": {"sample?": "a whole number >= 0 or null"},
            "digest": "a text or null",
            "checks": Each(_CHECK),
        }
    ),
}


def digests_of(subjects: Sequence[Subject]) -> dict[str, str]:
    """Map dataset to the digest by which results know their data, so that a report can tell whether it is still so."""
    digests = {}
    for subject in subjects:
        with contextlib.suppress(DatasetError):  # a folder or file that cannot be read is for a check to say
            digests[subject.name] = digest(require(subject.root, subject.name))
    return digests


def save(path: Path, checks: Sequence[Check], data: Mapping[str, str], settings: Mapping[str, Any]) -> None:
    """Write the outcome; what the file says of other subjects stays.

    Args:
        path: the file.
        checks: what was found.
        data: dataset -> digest of what was checked.
        settings: profile, sample, seed.

    Raises:
        StorageError: it cannot be written.
    """
    record = read(path) or {"schema": SCHEMA, "subjects": {}}
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    for name in dict.fromkeys(check.subject for check in checks):
        record["subjects"][name] = {
            "finished": finished,
            "how": dict(settings),
            "digest": data.get(name),
            "checks": [check.record() for check in checks if check.subject == name],
        }
    write_json(path, record)


def read(path: Path, tell: Tell = warn, *, place: str | None = None) -> dict[str, Any] | None:
    """Read the outcome in a file; None where there is none, or it is damaged or newer, which is told.

    Args:
        path: the file.
        tell: receives what is wrong with it.
        place: its name in that sentence; default: its path.
    """
    record: dict[str, Any] | None = read_if_whole(path, FORM, "what checks found", tell, place=place)
    if record is not None and record["schema"] != SCHEMA:
        tell(f"{place or path}: expected what checks found in schema {SCHEMA}, got schema {shown(record['schema'])}")
        return None
    return record


def take_along(data: Path, run: Path, names: Sequence[str]) -> None:
    """Copy what is known of a run's datasets from the data folder into the run, so that the run explains itself.

    Raises:
        StorageError: the run folder cannot be written.
    """
    data_record, run_record = read(data / FILE), read(run / FILE)
    record = run_record or {"schema": SCHEMA, "subjects": {}}
    fresh = {name: s for name, s in (data_record or {"subjects": {}})["subjects"].items() if name in names}
    if fresh:
        write_json(run / FILE, record | {"subjects": record["subjects"] | fresh})


def verified(run: Path, digests: Mapping[str, str], tell: Tell = warn) -> dict[str, str]:
    """Map dataset to a sentence about its verification, for datasets whose results were made from other data too.

    Args:
        run: a run folder.
        digests: dataset -> digest of the data that the results were made from.
        tell: receives what is wrong with the run's file.
    """
    subjects = (read(run / FILE, tell, place=FILE) or {"subjects": {}})["subjects"]
    return {name: _sentence(subjects[name], data) for name, data in sorted(digests.items()) if name in subjects}


def sayings(path: Path) -> dict[str, str]:
    """Map dataset to what its verification came to, whatever has happened to it since."""
    subjects = (read(path) or {"subjects": {}})["subjects"]
    return {name: _sentence(subject, subject["digest"]) for name, subject in subjects.items()}


def _sentence(subject: Mapping[str, Any], data: str) -> str:
    checks = list(map(Check.parse, subject["checks"]))
    unacceptable = [check for check in checks if not check.acceptable]
    day = subject["finished"][:10]
    if subject["digest"] != data:
        return f"checked on {day}, but the data were others then"
    if unacceptable:
        return f"checked on {day}: {unacceptable[0].name}: {unacceptable[0].detail}"
    sample = subject["how"].get("sample")
    return f"verified on {day}, {'every image' if sample is None else f'a sample of {sample}'} opened"
