"""Outcome of a check: its status, its sentence, and every problem counted, the first few of each kind listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Status = Literal["passed", "warning", "no reference", "missing", "failed"]
"""Status, from best to worst. `no reference`: nothing is published to compare with; `missing`: nothing to check."""

STATUSES: tuple[Status, ...] = get_args(Status)
LISTED = 10
"""Problems of one kind that are listed; the others are counted."""


@dataclass(frozen=True)
class Check:
    """One check of one subject.

    Attributes:
        subject: what was checked: a dataset, `environment`, ...
        name: what about it, e.g. `splits`.
        status: see `Status`.
        detail: one sentence.
        problems: the first ones of each kind, each naming its file.
        count: how many problems there are in all.
    """

    subject: str
    name: str
    status: Status
    detail: str
    problems: tuple[str, ...] = ()
    count: int = 0

    @property
    def acceptable(self) -> bool:
        """Tell whether nothing is wrong and nothing is missing; a warning is acceptable unless the user is strict."""
        return self.status in {"passed", "warning", "no reference"}

    def text(self) -> str:
        """Write the check in lines of text, its problems below it."""
        lines = [f"{self.subject} {self.name}: {self.status}: {self.detail}", *(f"  {p}" for p in self.problems)]
        hidden = self.count - len(self.problems)
        return "\n".join([*lines, f"  ... and {hidden:,} more"] if hidden else lines)

    def record(self) -> dict[str, Any]:
        """Return the check as JSON."""
        return asdict(self)

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Check:
        """Parse what `record` made.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        if record["status"] not in STATUSES:
            raise ValueError(record["status"])
        fields = {name: record[name] for name in ("subject", "name", "status", "detail", "count")}
        return cls(**fields, problems=tuple(record["problems"]))


@dataclass
class Findings:
    """Findings of one check; `check` sums them up."""

    sentences: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    warned: bool = False
    without_reference: bool = False

    def say(self, sentence: str) -> None:
        """Say what was looked at, for the line of a check that passed too."""
        self.sentences.append(sentence)

    def problem(self, kind: str, text: str) -> None:
        """Note in one line that something is wrong; of each kind `LISTED` are listed, and all are counted."""
        self.kinds[kind] += 1
        if self.kinds[kind] <= LISTED:
            self.problems.append(" ".join(text.splitlines()))  # a file's name may hold line breaks

    def warn(self, text: str) -> None:
        """Note something a reader should know, and that need not be wrong."""
        self.warned = True
        self.sentences.append(text)

    def no_reference(self, text: str) -> None:
        """Note that there is nothing to compare with."""
        self.without_reference = True
        self.sentences.append(text)

    def check(self, subject: str, name: str) -> Check:
        """Return the check, `failed` if there is a problem; to have looked at nothing is one."""
        if not self.kinds and not self.sentences:
            self.problem("empty checks", "it looked at nothing")
        count = self.kinds.total()
        if count:
            kinds = ", ".join(f"{n:,} {kind}" for kind, n in self.kinds.items())
            return Check(subject, name, "failed", kinds, tuple(self.problems), count)
        status: Status = "warning" if self.warned else "no reference" if self.without_reference else "passed"
        return Check(subject, name, status, "; ".join(self.sentences))


def is_wrong(check: Check, *, strict: bool = False) -> bool:
    """Tell whether something is wrong; if strict, a warning and nothing to compare with are wrong, too."""
    return check.status == "failed" or (strict and check.status in {"warning", "no reference"})


def exit_code(checks: Iterable[Check], *, strict: bool = False) -> int:
    """Return 2 if something is wrong or missing, so that what needs it would not run or not hold; 0 otherwise."""
    return 2 if any(is_wrong(check, strict=strict) or check.status == "missing" for check in checks) else 0


def summary(checks: Sequence[Check]) -> str:
    """Count checks by how they came out, worst first."""
    counts = Counter(check.status for check in checks)
    worst_first = [f"{counts[status]} {status}" for status in reversed(STATUSES) if counts[status]]
    return f"{len(checks)} checks: {', '.join(worst_first)}"
