"""The form of a report.json that is read back: what comparison, verification and archive look at.

All of a report is described in docs/reference/report_schema.md; fields that came later may be missing.
"""

from __future__ import annotations

from suite.core.forms import Each, Entries, Form, OrNull
from suite.report.inputs import ENVIRONMENT_FORM
from suite.results.records import GPU_FORM

_GATE_ANSWER: Form = {"verdict": "a text", "value": "a number or null"}
_UNCERTAINTY: Form = {
    "low": "a number or null",
    "high": "a number or null",
    "images": "a whole number >= 0 or null",
    "seed_sd": "a number or null",
    "seed_df": "a whole number >= 0 or null",
    "seeds": "a whole number >= 0",
}
_CELL: Form = {
    "id": "a text",
    "verdict": "a text",
    "measured": "a number or null",
    "expected": "a number or null",
    "tolerance": "a number or null",
    "values": "a list of numbers or null",
    "seeds": "a list of integers or null",
    "accepted?": OrNull(_GATE_ANSWER),
    "uncertainty?": OrNull(_UNCERTAINTY),
}
_CLAIM: Form = {"id": "a text", "verdict": "a text", "statement": "any text", "holds_here": "true or false or null"}
_ATTEMPT: Form = {
    "attempt": "a text",
    "started": "a text or null",
    "outcome": "a text or null",
    "verdict": "a text or null",
    "exit_code": "an integer or null",
    "shard?": "a text",
}
REPORT_FORM: Form = {
    "schema": "a whole number >= 0",
    "verdict": "a text",
    "sentence": "any text",
    "profile": "a text",
    "run": "any text",
    "started": "a text",
    "finished": "a text",
    "digest?": "a text or null",
    "allow_inconclusive?": "true or false",
    "claims_gate?": "true or false",
    "strict?": "true or false",
    "asked": {"command?": "a text or null", "cells?": "a list of texts or null"},
    "accepted?": OrNull({"verdict": "a text"}),
    "newcomers?": "a list of tables",
    "cells": Each(_CELL),
    "claims": Each(_CLAIM),
    "environment": ENVIRONMENT_FORM,
    "environments?": Each({"digest": "a text", "results": "a list of texts"}),
    "results?": Entries("a text"),
    "attempts?": OrNull({"entries": Each(_ATTEMPT)}),
    "costs": Each(
        {"seconds": "a number >= 0 or null", "images_per_second?": "a number >= 0 or null", "gpu?": OrNull(GPU_FORM)}
    ),
    "protocol": {
        "notice?": "a text or null",
        "digests?": {"data?": Entries("a text"), "weights?": Entries("a text")},
    },
    "made_by?": OrNull({"code": "a text", "expected": "a text", "packages": Entries("a text")}),
    "files?": Entries({"sha256": "a text", "bytes": "a whole number >= 0"}),
}
