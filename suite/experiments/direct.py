"""A run of the experiments by pytest itself, without `reproduce`: an attempt at the run folder like any other."""

from __future__ import annotations

import pytest

from suite.experiments.forked import facts_of, warnings_of
from suite.run.attempts.attempt import begin
from suite.run.progress import Tally
from suite.run.request import Request


class Direct:
    """pytest plugin: notes the attempt; nothing is judged as a whole, so it has no verdict."""

    def __init__(self, request: Request) -> None:
        """Note that it begins.

        Raises:
            StorageError: the run folder cannot be written.
        """
        self.tally = Tally({str(request.key(*task)) for task in request.tasks()})
        self.attempt = begin(request, verb="pytest")
        self.warnings: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a trial when it ends; xdist sends the reports of its workers through here too."""
        self.tally.note(facts_of(report))
        self.warnings |= dict.fromkeys(warnings_of(report) if report.when == "call" else ())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what trials had to say."""
        for warning in self.warnings:
            terminalreporter.write_line(f"warning: {warning}")

    @pytest.hookimpl(trylast=True)  # the pages' own conftest decides the exit status
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Note how it ended."""
        tally = self.tally
        self.attempt.measured, self.attempt.reused, self.attempt.lost = tally.measured, tally.reused, tally.lost
        outcome = "interrupted" if exitstatus == pytest.ExitCode.INTERRUPTED else "finished"
        self.attempt.end(outcome, exit_code=int(session.exitstatus))
