"""Nested facts as lines of text, what was asked for, and the lines by which a report is made again and cited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from suite.core.files import Json
from suite.report.labels import tally


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Flatten nested facts to lines: `experiments.part_retrieval.crop`, its text, and its source where it has one."""
    if isinstance(value, Mapping) and value.keys() == {"value", "source"}:
        yield prefix, f"{_text(value['value'])}  ({value['source']})"
    elif isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flatten(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, _text(value)


def _text(value: Any) -> str:
    if value is None or value in ({}, []):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)


def request(report: Json) -> Json:
    """Write the request for a person: of the list of cells, its length."""
    cells = report["asked"].get("cells")
    return report["asked"] | ({} if cells is None else {"cells": len(cells)})


def citation(report: Json) -> str | None:
    """Write a line to cite the report by, and check it later; None where nothing was measured."""
    if not report.get("digest"):
        return None
    suite = report["environment"].get("code", {}).get("suite") or "of unknown version"
    counts = ", ".join(f"{count} {verdict}" for verdict, count in tally(report["cells"]).items() if count)
    return (
        f"part-aware-repro {suite}, run {report['run']}, profile {report['profile']}, {report['finished'][:10]}: "
        f"{report['verdict']} ({counts}); results sha256:{report['digest']}"
    )


def rerun_commands(report: Json) -> list[str]:
    """Write shell lines that make this report again."""
    commit = report["environment"].get("code", {}).get("commit")
    checkout = [f"git checkout {commit}"] if commit else []
    seeds = ",".join(map(str, report["asked"].get("seeds") or ()))
    default_command = f"make reproduce PROFILE={report['profile']}" + (f" SEED={seeds}" if seeds else "")
    command = report["asked"].get("command") or default_command
    return [*checkout, "make setup", command, f"make compare A=runs/{report['run']} B=runs/<the new run>"]


def verify_command(report: Json) -> str:
    """Write the shell line that holds the run's folder against its citation."""
    return f"python -m suite verify runs/{report['run']} --digest {report['digest']}"
