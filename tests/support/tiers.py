"""pytest plugin: what takes long is marked `slow`, so that `make test` has minutes; what lacks the mark is named.

`make test` and `make test-slow` run each test once between them: one leaves out what the other takes.
"""

import resource
from collections.abc import Generator, Iterable

import pytest

LIMIT_S = 3.0
"""Seconds of a processor that a test may take, with what it starts and waits for, without being marked `slow`."""
NAME = "processor_s"


def processor_seconds() -> float:
    """Seconds of a processor that this process has used, and those that it has started and waited for."""
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Note what a test takes; fixtures are not counted, which others may share."""
    start = processor_seconds()
    try:
        return (yield)
    finally:
        item.user_properties.append((NAME, processor_seconds() - start))


def unmarked(reports: Iterable[object]) -> list[str]:
    """Name the tests that take too long to have no mark, with their seconds, the longest first."""
    calls = [report for report in reports if isinstance(report, pytest.TestReport) and report.when == "call"]
    seconds = {report.nodeid: dict(report.user_properties).get(NAME, 0.0) for report in calls}
    late = [report.nodeid for report in calls if "slow" not in report.keywords and seconds[report.nodeid] > LIMIT_S]
    return [f"{seconds[test]:.1f} s  {test}" for test in sorted(late, key=lambda test: -seconds[test])]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them after the tests."""
    lines = unmarked(report for reports in terminalreporter.stats.values() for report in reports)
    if lines:
        terminalreporter.section(f"more than {LIMIT_S:g} s of a processor: to be marked slow")
        for line in lines:
            terminalreporter.line(line)
