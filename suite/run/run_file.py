"""What was asked of a run, and when, read back: `run.json` of its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from suite.cells import CellId
from suite.core.forms import Each, Entries, Form, FormError, in_place_of, read_form, shown
from suite.errors import RequestError
from suite.protocol.profiles import load_profile
from suite.protocol.variants import choose_variants

FILE = "run.json"
FORM: Form = {
    "asked": {
        "profile": "a text",
        "encoders": "a list of texts",
        "datasets": "a list of texts",
        "experiments": "a list of texts",
        "variants": Entries("a text"),
        "seeds": "a list of integers",
        "limit": "a whole number >= 0 or null",
        "strict": "true or false",
        "cells": "a list of texts",
        "command": "a text",
        # what older runs could not be asked
        "allow_inconclusive?": "true or false",
        "claims_gate?": "true or false",
        "keep_other_environments?": "true or false",
        "accepted?": "a text or null",
    },
    "started": "a text",
    "finished": "a text or null",
    "reused": "a list of texts",
    "groups?": Each("a list of texts"),  # of runs that several join: in their order, see `suite.run.shards`
}
ADVICE = "restore it, or measure again (make reproduce)"


def read_run(run: Path) -> dict[str, Any]:
    """Read what was asked of a run, and when.

    Returns:
        A table of `FORM`.

    Raises:
        RequestError: the folder holds no run, or its file is not of that form, or names what does not exist.
    """
    path = run / FILE
    try:
        record: dict[str, Any] = read_form(path, FORM, "what was asked of a run")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RequestError(
            f"{run}: expected a run folder with {FILE}, got {in_place_of(run)}; make one with make reproduce"
        ) from error
    except FormError as error:
        raise RequestError(f"{error}; {ADVICE}") from error
    request = record["asked"]
    try:
        profile = load_profile(request["profile"])
        for name in request["experiments"]:
            profile.experiment(name)
        choose_variants([f"{name}={choice}" for name, choice in request["variants"].items()], profile.name)
        for text in request["cells"]:
            CellId.parse(text)
    except RequestError as error:
        raise RequestError(f"{path}: asked: {error}; {ADVICE}") from error
    for trial in (trial for trials in record.get("groups", ()) for trial in trials):
        if not all(trial.split("/", 2)) or trial.count("/") < 2:
            raise RequestError(f"{path}: groups: expected experiment/dataset/method, got {shown(trial)}; {ADVICE}")
    return record
