"""Verification, `suite verify RUN`: a report is held against its results; nothing is measured again.

See docs/decisions/0010-evidence-for-people.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from suite.archive.disagreements import disagreements
from suite.core.files import Json
from suite.report import digests, files, maker
from suite.report.collect import assemble
from suite.results.records import WITHOUT_EVIDENCE
from suite.results.store import Store

NO_RESULTS = "expected results to verify, got none: nothing was measured, or its cells are not there"


@dataclass(frozen=True)
class Verification:
    """What came of it.

    Attributes:
        problems: one line per thing that differs.
        incomparable: one line per reason why not everything could be compared.
        digest: of the results that are there now; None where there are none or some of them were altered since they
            were stored.
    """

    problems: tuple[str, ...]
    incomparable: tuple[str, ...]
    digest: str | None

    @property
    def exit_code(self) -> int:
        """1 if something differs, 2 if that cannot be told of everything, else 0."""
        return 1 if self.problems else 2 if self.incomparable else 0


def verify(run: Path, *, citation: str | None = None, strict: bool = False) -> Verification:
    """Judge a run's results again, make its report anew and hold everything against what is there.

    Args:
        run: a run folder with report.json; an unpacked archive is one.
        citation: the digest somebody else wrote down, whole or its first digits.
        strict: results that carry no evidence are wrong; and whether a report that does not say so was made so.

    Raises:
        RequestError: the folder holds no run or no report.
    """
    stored_report = files.load(run)
    alterations = tuple(str(error) for _, error in Store(run).altered())
    if alterations:  # what they would be judged as is no news
        return Verification(alterations, (), None)
    new_report = assemble(
        run,
        strict=stored_report.get("strict", strict),
        allow_inconclusive=stored_report.get("allow_inconclusive", False),
        claims_gate=stored_report.get("claims_gate", False),
        name=stored_report["run"],
    )
    problems = disagreements(stored_report, new_report)
    told_files = {problem.partition(":")[0] for problem in problems}  # by attempt, which says more
    file_problems = digests.altered(run, stored_report["files"]) if "files" in stored_report else ()
    problems = [*(line for line in file_problems if line.partition(":")[0] not in told_files), *problems]
    if stored_report["verdict"] != new_report["verdict"]:
        problems.append(f"verdict: reported {stored_report['verdict']!r}, judged again {new_report['verdict']!r}")
    if strict:
        problems += without_evidence(run)
    digest: str | None = new_report["digest"]
    if stored_report.get("digest") != digest:
        problems.append(f"digest: reported {stored_report.get('digest')}, its results have {digest}")
    incomparable = maker_problem(run, stored_report, new_report)
    if not problems and (altered_names := list(_not_made_anew(run, stored_report, new_report))):
        if not incomparable:
            problems += [f"{name}: altered: it is not what its run gives; {digests.AGAIN}" for name in altered_names]
    elif not problems:
        incomparable = ()  # whatever made it, it is what would be made here
    if digest is None and not problems:
        incomparable = (*incomparable, f"{run}: {NO_RESULTS}")
    if citation is not None and not (digest or "").startswith(citation.removeprefix("sha256:").lower()):
        problems.append(f"digest: cited {citation}, the results have {digest}")
    return Verification(tuple(problems), incomparable, digest)


def maker_problem(run: Path, stored_report: Json, new_report: Json) -> tuple[str, ...]:
    """Return the line that says why a report may differ from one made here although nothing was altered, if it may."""
    stored_maker = stored_report.get("made_by")
    if stored_maker is None or "files" not in stored_report:
        words = ["an older version, which notes neither its code nor the files beside it"]
    else:
        commit = (new_report["environment"].get("code") or {}).get("commit")
        words = list(maker.differences(stored_maker, new_report["made_by"], commit))
    if not words:
        return ()
    advice = f"python -m suite report {run} makes it anew"
    return (f"report.json: made by {', '.join(words)}: its pages cannot be compared with new ones; {advice}",)


def _not_made_anew(run: Path, stored_report: Json, new_report: Json) -> Iterator[str]:
    """Yield the files of a report that are not, byte for byte, what its run gives here."""
    made_by = {"made_by": stored_report["made_by"]} if "made_by" in stored_report else {}
    for name, content in files.contents(run, new_report | made_by).items():
        path = run / name
        if name == digests.JUNIT and digests.is_absent(path):  # an archive leaves it out
            continue
        if not digests.is_own(path) or path.read_bytes() != content:
            yield name


def without_evidence(run: Path) -> list[str]:
    """Return one line per result of an older version, whose values cannot be held against anything."""
    store = Store(run)
    return [
        f"{store.path(result.key).relative_to(run)}: made by an older version, carries no evidence: cannot be checked"
        for result in store.results()
        if result.schema == WITHOUT_EVIDENCE
    ]
