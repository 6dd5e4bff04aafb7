"""Progress of a run in the terminal: a bar with time left, and a line per experiment as it finishes."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
from tqdm import tqdm

from suite.results.store import Key


@dataclass
class Tally:
    """Trials of an attempt and what became of them, by their names.

    Attributes:
        names: of all trials asked for.
        measured: by this attempt.
        reused: from an earlier one.
    """

    names: set[str]
    measured: set[str] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)

    @property
    def lost(self) -> set[str]:
        """Trials without a result."""
        return self.names - self.measured - self.reused

    def note(self, report: pytest.TestReport) -> None:
        """Take in the report of a test; a trial that deviates was measured, too."""
        facts = {str(key): value for key, value in report.user_properties}
        if "trial" in facts and "seconds" in facts:
            (self.reused if facts.get("reused") else self.measured).add(str(facts["trial"]))


@dataclass
class _Group:
    """The trials of one experiment on one dataset."""

    remaining: int
    verdicts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    reused: int = 0


class Progress:
    """pytest plugin: follows the trials, however many processes run them."""

    def __init__(self, keys: list[Key]) -> None:
        self.groups: dict[str, _Group] = {}
        for key in keys:
            self.groups.setdefault(f"{key.experiment} {key.dataset}", _Group(0)).remaining += 1
        self.bar = tqdm(total=len(keys), unit="trial", file=sys.stderr, dynamic_ncols=True, smoothing=0.1)
        self.started = time.monotonic()
        self.tally = Tally({str(key) for key in keys})
        self.storage_error: str | None = None
        self.interrupted = False
        self.stopped = False
        self.session: pytest.Session | None = None
        self.warned: set[str] = set()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Remember the session, to stop it on a full disk."""
        self.session = session

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """End the run early on Ctrl-C, and say so; pytest's own reasons to stop come through here too."""
        self.stopped = isinstance(excinfo.value, pytest.Session.Interrupted)
        self.interrupted = not self.stopped

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a trial once, when it ends; xdist sends the reports of its workers through here too."""
        if report.when != "call" and not (report.when == "setup" and not report.passed):
            return
        facts = {str(k): v for k, v in report.user_properties}
        name = str(facts.get("trial", report.nodeid.split("[")[-1].split("]")[0]))
        experiment, dataset, _ = name.split("/", 2)
        self.tally.note(report)
        self.bar.set_postfix_str(name, refresh=False)
        self.bar.update()
        group = self.groups[f"{experiment} {dataset}"]
        group.remaining -= 1
        group.seconds += float(str(facts.get("seconds", 0)))
        if facts.get("reused"):
            group.reused += 1
        verdicts = [str(v) for k, v in report.user_properties if str(k).endswith("#verdict")]
        group.verdicts.update(verdicts or (["not run"] if not report.passed else []))
        for warning in warnings_of(report):
            if warning not in self.warned:  # each process says it
                self.warned.add(warning)
                self.bar.write(f"warning: {warning}", file=sys.stderr)
        if group.remaining == 0:
            self.bar.write(_line(f"{experiment} on {dataset}", group), file=sys.stderr)
        if "storage_error" in facts and self.session is not None:
            self.storage_error = str(facts["storage_error"])
            self.session.shouldstop = "the disk refuses writes"

    def close(self) -> None:
        """End the bar."""
        self.bar.close()


def warnings_of(report: pytest.TestReport) -> list[str]:
    """Return what a trial had to say that fails nothing; pytest shows no output of a test that passes."""
    return [str(text) for name, text in report.user_properties if name == "warning"]


def _line(title: str, group: _Group) -> str:
    counts = ", ".join(f"{n} {verdict}" for verdict, n in group.verdicts.most_common()) or "nothing judged"
    reused = f", {group.reused} reused" if group.reused else ""
    return f"{title:<34} {counts}  ({group.seconds:.1f} s{reused})"
