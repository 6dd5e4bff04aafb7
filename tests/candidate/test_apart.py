"""An encoder that ends its process fails the conformance check that it was at, and the others are not reached."""

from __future__ import annotations

import pytest

from suite.candidate.apart import conformance_of
from suite.conformance import Check
from suite.conformance.record import FAILED, NOT_REACHED, require
from suite.errors import RequestError
from suite.protocol.variants import choose_variants


@pytest.mark.parametrize(
    ("factory", "passes"), [("killed_when_made", []), ("killed", []), ("killed_by_a_batch", ["loads", "normalisation"])]
)
def test_a_death_is_the_answer_to_the_check_that_was_asked(factory: str, passes: list[str]) -> None:
    told: list[Check] = []
    spec = f"tests.support.deadly:{factory}"
    conformance = conformance_of(spec, "cpu", choose_variants([], "mini"), needs_other_sizes=False, tell=told.append)
    assert list(conformance.checks) == told
    assert [check.name for check in told if check.status == "passed"] == passes
    failure = conformance.failure
    assert failure is not None
    assert failure.detail == "its process was killed (SIGKILL)"
    assert {check.status for check in told[len(passes) :]} == {FAILED, NOT_REACHED}
    with pytest.raises(RequestError, match=r"its process was killed \(SIGKILL\)"):
        require(conformance)
