"""The conformance checks in a process of their own: an encoder that ends its process fails the check that it was at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from suite.conformance import Check, Conformance
from suite.conformance.record import FAILED, NOT_REACHED, QUESTIONS
from suite.run.calls import ProcessDiedError, call


def conformance_of(spec: str, device: str, *, needs_other_sizes: bool, tell: Callable[[Check], None]) -> Conformance:
    """Run the conformance checks on an encoder.

    Args:
        spec: of the encoder.
        device: that it is to run on.
        needs_other_sizes: whether what was asked for needs images of other sizes.
        tell: called with each check as it is answered.
    """
    checks: list[Check] = []

    def hear(check: Any) -> None:
        checks.append(check)
        tell(check)

    try:
        return call(_run_checks, spec, device, needs_other_sizes, hear=hear)
    except ProcessDiedError as error:
        deadly, *others = (name for name in QUESTIONS if name not in {check.name for check in checks})
        hear(Check(deadly, QUESTIONS[deadly], FAILED, error.cause))
        for name in others:
            hear(Check(name, QUESTIONS[name], NOT_REACHED))
        return Conformance(spec, tuple(checks))


def _run_checks(spec: str, device: str, needs_other_sizes: bool, *, tell: Callable[[Check], None]) -> Conformance:
    from suite.conformance.checks import run_checks
    from suite.encoders import load_encoder

    return run_checks(spec, lambda: load_encoder(spec, device=device), needs_other_sizes=needs_other_sizes, tell=tell)
