"""What a report shows of a run's circumstances, read back: its environment, and how a candidate answered the checks."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from suite.core.forms import Each, Entries, Form, FormError, OneOf, Tell, check_form, read_if_whole
from suite.report.labels import STATUSES
from suite.run.shards import shards_of

ENVIRONMENT = "environment.json"
CONFORMANCE = "conformance.json"
ENVIRONMENT_FORM: Form = {
    "code?": {
        "suite?": "a text or null",
        "commit?": "a text or null",
        "dirty?": "true or false or null",
        "reason?": "any text or null",
    },
    "python?": {"version?": "a text or null"},
    "packages?": Entries("any text"),
    "lock?": {"sha256?": "a text or null", "differ?": Entries("any text")},
    "cpu?": {
        "model?": "any text or null",
        "usable_cores?": "a whole number >= 0 or null",
        "logical_cores?": "a whole number >= 0 or null",
    },
    "memory?": {"total_mib?": "a number >= 0 or null"},
    "os?": "a table",
    "gpu?": {"name?": "a text or null", "reason?": "any text or null"},
    "container?": {"image?": "a text or null", "image_digest?": "a text or null"},
    "threads?": "a table",
    "numerics?": {"packages": Entries("a text"), "device": {"model?": "any text"}},
}
"""Form of what a run noted of its environment (`suite.core.environment.capture`); a group that could not be had holds
its reason."""
CONFORMANCE_FORM: Form = {
    "encoder": "a text",
    "rungs": Each({"name": "a text", "question": "a text", "status": OneOf((*STATUSES,)), "detail": "any text"}),
    "facts": "a table",
    "fingerprint": "a table",
}
SEVERAL = "candidates"
"""Where the answers of several candidates stand, each in the form of one."""
FACTS_FORM: Form = {
    "weights": "a text",
    **dict.fromkeys(("patch_size", "image_size", "embed_dim", "depth"), "a whole number >= 0"),
}
BOUND = "bound.json"
BOUND_FORM: Form = {"reference": "a text", "margin": "a number >= 0"}
FINGERPRINT_FORM: Form = {"hash": "a text", "probe": "a list of numbers"}


def environment(run: Path, tell: Tell, *, folder: Path | None = None) -> dict[str, Any]:
    """Return what the run noted of its environment; empty where it did not: this machine's is none of its facts.

    Args:
        run: its folder.
        tell: receives what is wrong with the file.
        folder: where it lies, if that is a shard's; None for the run's own.
    """
    path = (folder or run) / ENVIRONMENT
    place = path.relative_to(run).as_posix()
    content = read_if_whole(path, ENVIRONMENT_FORM, "a run's environment", tell, place=place)
    return content or {}


def home(run: Path) -> Path:
    """Return the folder of the environment that a report is of: the run's, or where it has none its first shard's."""
    folders = [run, *(shard.folder(run) for shard in shards_of(run))]
    return next((folder for folder in folders if os.path.lexists(folder / ENVIRONMENT)), run)


def conformances(run: Path, encoders: Collection[str], tell: Tell) -> list[dict[str, Any]]:
    """Return the candidates' answers to the conformance checks, of those of these encoders that were asked in this run.

    Args:
        run: its folder.
        encoders: specs that this run was asked for.
        tell: receives what is wrong with the file.
    """
    content = read_if_whole(run / CONFORMANCE, "a table", "answers to the conformance checks", tell, place=CONFORMANCE)
    if content is None:
        return []
    try:
        if SEVERAL in content:
            check_form(content, {SEVERAL: Each(CONFORMANCE_FORM)}, CONFORMANCE)
        else:
            check_form(content, CONFORMANCE_FORM, CONFORMANCE)
        answers = [entry for entry in content.get(SEVERAL, [content]) if entry["encoder"] in encoders]
        for entry in answers:
            for name, form in (("facts", FACTS_FORM), ("fingerprint", FINGERPRINT_FORM)):
                if entry[name]:  # a check that was not reached has none
                    check_form(entry[name], form, f"{CONFORMANCE}: {name}")
    except FormError as error:
        tell(str(error))
        return []
    return answers


def bound(run: Path, tell: Tell) -> dict[str, Any] | None:
    """Return the reference that candidates may not be worse than, and the margin; None where none was asked for."""
    return read_if_whole(run / BOUND, BOUND_FORM, "the bound of a one-sided gate", tell, place=BOUND)
