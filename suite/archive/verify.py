"""`suite verify RUN`: does a report still say what its results say? Nothing is measured again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from suite.archive import accepted, attempts, environments
from suite.report import files
from suite.report.collect import assemble
from suite.results.digests import run_digest
from suite.results.records import WITHOUT_EVIDENCE
from suite.results.store import Store

COMPARED = ("measured", "values", "seeds", "expected", "tolerance", "verdict")
"""What of a cell is held against the report; the sentences around it may be worded anew."""


def verify(run: Path, *, cited: str | None = None, strict: bool = False) -> tuple[list[str], str | None]:
    """Judge a run's results again and hold everything against its report.

    Args:
        run: a run folder with report.json; an unpacked archive is one.
        cited: the digest somebody else wrote down, whole or its first digits.
        strict: whether the report was made so.

    Returns:
        One line per thing that differs; the digest of the results that are there now, None where there are none or
        some of them were altered since they were stored.

    Raises:
        RequestError: the folder holds no run or no report.
    """
    reported = files.load(run)
    altered = [str(error) for _, error in Store(run).altered()]
    if altered:  # what they would be judged as is no news
        return altered, None
    found = assemble(run, strict=strict, claims_gate=bool(reported.get("claims_gate")))
    problems = [*_results(reported, found), *_cells(reported, found), *_claims(reported, found)]
    problems += environments.disagreements(reported, found)
    problems += attempts.disagreements(reported, found)
    problems += accepted.disagreements(reported, found)
    if reported["verdict"] != found["verdict"]:
        problems.append(f"verdict: reported {reported['verdict']!r}, judged again {found['verdict']!r}")
    if strict:
        problems += without_evidence(run)
    digest: str | None = found["digest"]
    if reported.get("digest") != digest:
        problems.append(f"digest: reported {reported.get('digest')}, its results have {digest}")
    if cited is not None and not (digest or "").startswith(cited.removeprefix("sha256:").lower()):
        problems.append(f"digest: cited {cited}, the results have {digest}")
    return problems, digest


def without_evidence(run: Path) -> list[str]:
    """One line per result of an older version, whose values cannot be held against anything."""
    store = Store(run)
    return [
        f"{store.path(result.key).relative_to(run)}: made by an older version, carries no evidence: cannot be checked"
        for result in store.results()
        if result.schema == WITHOUT_EVIDENCE
    ]


def _results(reported: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """Results that are gone, are new, or are not what the report was made from."""
    before, now = reported.get("results", {}), found["results"]
    for name in sorted(before | now):
        place = f"cells/{name}.json"
        if name not in now:
            yield f"{place}: the report was made from it, and it is missing or cannot be read"
        elif name not in before:
            yield f"{place}: the report knows no such result"
        elif before[name] != now[name]:
            yield f"{place}: altered: the report was made from {before[name][:12]}, this is {now[name][:12]}"
    if reported.get("digest") not in {None, run_digest(before)}:
        yield "report.json: its digest is not that of the results it lists"


def _cells(reported: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    before = {cell["id"]: cell for cell in reported["cells"]}
    now = {cell["id"]: cell for cell in found["cells"]}
    for name in sorted(before.keys() ^ now.keys()):
        yield f"{name}: {'not in the report' if name in now else 'in the report, but no cell of the profile'}"
    for name in sorted(before.keys() & now.keys()):
        for field in COMPARED:
            if before[name][field] != now[name][field]:
                yield f"{name}: {field}: reported {before[name][field]!r}, judged again {now[name][field]!r}"


def _claims(reported: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    before, now = ({claim["id"]: claim["verdict"] for claim in report["claims"]} for report in (reported, found))
    for name in sorted(before | now):
        if before.get(name) != now.get(name):
            yield f"claim {name}: reported {before.get(name)!r}, judged again {now.get(name)!r}"
