"""Fixtures of the tests of the report."""

from typing import Any

import pytest

from tests.support import report_sample


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """The sample of a report, which no test changes."""
    return report_sample.report()
