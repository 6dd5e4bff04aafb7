"""The conformance checks in a process of their own: an encoder that ends its process fails the check that it was at.

Nothing here loads PyTorch: the processes do, while this one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from suite.conformance import Check, Conformance, require
from suite.conformance.record import FAILED, NOT_REACHED, QUESTIONS
from suite.errors import RequestError
from suite.registry import EXPERIMENTS
from suite.run.calls import ProcessDiedError, call
from suite.run.processes import start_server
from suite.run.request import Request

_NEEDED = ("suite.conformance.checks",)
"""What a process imports that only asks."""


def check_conformance(specs: Sequence[str], request: Request) -> int:
    """Run the conformance checks only, and write nothing.

    Returns:
        0.

    Raises:
        RequestError: an encoder fails one.
    """
    start_server(*_NEEDED)
    require_all(conformances_of(specs, request))
    return 0


def conformances_of(specs: Sequence[str], request: Request) -> list[Conformance]:
    """Ask every candidate every question, whatever the others answer, so that a user sees all faults at once."""
    segments = any(EXPERIMENTS[experiment.name].kind == "segmentation" for experiment, _, _ in request.tasks())
    answers = []
    for spec in specs:
        print(f"conformance of {spec}", flush=True)
        answers.append(
            conformance_of(spec, request.device, request.variants, needs_other_sizes=segments, tell=_print_check)
        )
    return answers


def conformance_of(
    spec: str, device: str, variants: Mapping[str, str], *, needs_other_sizes: bool, tell: Callable[[Check], None]
) -> Conformance:
    """Run the conformance checks on an encoder.

    Args:
        spec: of the encoder.
        device: that it is to run on.
        variants: the choice of every variant: of a file that holds several networks, they say which one is measured.
        needs_other_sizes: whether what was asked for needs images of other sizes.
        tell: called with each check as it is answered.
    """
    checks: list[Check] = []

    def hear(check: Any) -> None:
        checks.append(check)
        tell(check)

    try:
        return call(_run_checks, spec, device, dict(variants), needs_other_sizes, hear=hear)
    except ProcessDiedError as error:
        deadly, *others = (name for name in QUESTIONS if name not in {check.name for check in checks})
        hear(Check(deadly, QUESTIONS[deadly], FAILED, error.cause))
        for name in others:
            hear(Check(name, QUESTIONS[name], NOT_REACHED))
        return Conformance(spec, tuple(checks))


def require_all(conformances: Sequence[Conformance]) -> None:
    """Stop where a candidate failed a check.

    Raises:
        RequestError: names each that did, the check, and what was found.
    """
    if len(conformances) == 1:
        require(conformances[0])
        return
    failures = [(conformance.encoder, conformance.failure) for conformance in conformances]
    faults = [f"{name!r}: {failure.name}: {failure.detail}" for name, failure in failures if failure is not None]
    if faults:
        count = f"{len(faults)} of {len(conformances)} encoders fail the conformance checks"
        raise RequestError(f"{count}: {'; '.join(faults)}; nothing was measured")


def _run_checks(
    spec: str, device: str, variants: dict[str, str], needs_other_sizes: bool, *, tell: Callable[[Check], None]
) -> Conformance:
    from suite.conformance.checks import run_checks
    from suite.encoders import load_encoder
    from suite.encoders.choices import chosen

    def load() -> Any:
        choice = chosen(spec, variants)
        return load_encoder(choice.spec, device=device, branch=choice.branch, norm_eps=choice.norm_eps)

    return run_checks(spec, load, needs_other_sizes=needs_other_sizes, tell=tell)


def _print_check(check: Check) -> None:
    from suite.report.labels import STATUSES  # takes a second to load, which the first check takes longer than

    print(f"  {STATUSES[check.status].mark:<4} {check.name:<16} {check.detail or check.status}", flush=True)
