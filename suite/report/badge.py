"""badge.json: the verdict as an endpoint for a badge of shields.io (https://shields.io/badges/endpoint-badge)."""

from __future__ import annotations

import json

from suite.core.files import Json
from suite.report.labels import label_of_run

COLOURS = {"good": "brightgreen", "bad": "red", "warn": "yellow", "mute": "lightgrey"}
"""By tone of the verdict; only what is reproduced is green."""


def render(report: Json) -> str:
    """Write it, schema version 1.

    Args:
        report: see `suite.report.build.build`.
    """
    verdict, counts = label_of_run(report), report["summary"]
    count, total = counts.get("reproduced", 0), sum(counts.values())
    fields = {
        "schemaVersion": 1,
        "label": f"{report['profile']} study" if report["profile"] == "mini" else "paper's numbers",
        "message": f"{verdict.word}, {count} of {total} cells",
        "color": COLOURS[verdict.tone],
        "isError": verdict.tone == "bad",
    }
    return json.dumps(fields, indent=1) + "\n"
