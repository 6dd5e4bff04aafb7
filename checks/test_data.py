"""The datasets: sizes of splits, digests, images, masks; one test per dataset and kind of check."""

from __future__ import annotations

import pytest

from suite.verification import data, record
from suite.verification.subject import Subject


def test_data(subject: Subject, check: str, hold, data_digests: dict[str, str], pytestconfig: pytest.Config) -> None:
    if subject.name not in data_digests and pytestconfig.getoption("outcome"):
        data_digests.update(record.digests_of([subject]))
    hold(data.run_check(subject, check))
