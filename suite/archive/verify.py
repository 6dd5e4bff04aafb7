"""Verification, `suite verify RUN`: a report is held against its results; nothing is measured again."""

from __future__ import annotations

from pathlib import Path

from suite.archive.disagreements import disagreements
from suite.report import files
from suite.report.collect import assemble
from suite.results.records import WITHOUT_EVIDENCE
from suite.results.store import Store


def verify(run: Path, *, citation: str | None = None, strict: bool = False) -> tuple[list[str], str | None]:
    """Judge a run's results again and hold everything against its report.

    Args:
        run: a run folder with report.json; an unpacked archive is one.
        citation: the digest somebody else wrote down, whole or its first digits.
        strict: whether the report was made so.

    Returns:
        One line per thing that differs; the digest of the results that are there now, None where there are none or
        some of them were altered since they were stored.

    Raises:
        RequestError: the folder holds no run or no report.
    """
    stored_report = files.load(run)
    alterations = [str(error) for _, error in Store(run).altered()]
    if alterations:  # what they would be judged as is no news
        return alterations, None
    new_report = assemble(run, strict=strict, claims_gate=bool(stored_report.get("claims_gate")))
    problems = disagreements(stored_report, new_report)
    if stored_report["verdict"] != new_report["verdict"]:
        problems.append(f"verdict: reported {stored_report['verdict']!r}, judged again {new_report['verdict']!r}")
    if strict:
        problems += without_evidence(run)
    digest: str | None = new_report["digest"]
    if stored_report.get("digest") != digest:
        problems.append(f"digest: reported {stored_report.get('digest')}, its results have {digest}")
    if citation is not None and not (digest or "").startswith(citation.removeprefix("sha256:").lower()):
        problems.append(f"digest: cited {citation}, the results have {digest}")
    return problems, digest


def without_evidence(run: Path) -> list[str]:
    """Return one line per result of an older version, whose values cannot be held against anything."""
    store = Store(run)
    return [
        f"{store.path(result.key).relative_to(run)}: made by an older version, carries no evidence: cannot be checked"
        for result in store.results()
        if result.schema == WITHOUT_EVIDENCE
    ]
