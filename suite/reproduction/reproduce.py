"""The main job: data, experiments, then verdicts and report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from suite.core.files import write_json
from suite.core.numerics import device_model, environment_of
from suite.core.paths import EXPECTED
from suite.core.signals import terminated
from suite.core.text import now
from suite.experiments.forked import PRELOADED
from suite.judge.claims import load_claims
from suite.reference.accepted import FOLDER, load
from suite.reference.expected import places
from suite.reference.select import accepted_folder, known_deviations, references
from suite.report.collect import assemble, publish
from suite.reproduction.settled import settled
from suite.run.attempts.attempt import Attempt, attempt, interruption
from suite.run.attempts.history import history
from suite.run.execution import BY_DEFAULT, Execution
from suite.run.folder import at_work, check_encoders, join_request, turn
from suite.run.networks import forget_networks
from suite.run.processes import start_server
from suite.run.request import Request
from suite.run.steps import Steps, expected_seconds
from suite.verification.record import take_along


def reproduce(request: Request, execution: Execution = BY_DEFAULT) -> int:
    """Run what was asked for, judge it, write the report.

    Where nothing is left to measure, no torch is loaded: that takes longer than all the rest.

    Returns:
        The exit code of the verdict (see `suite.judge.verdict`), 130 if interrupted, 143 if terminated.

    Raises:
        ExpectedError: references that were altered, or lack a cell.
        StorageError: the run folder cannot be written or the disk is full; finished cells are kept.
        BusyError: another command is at work in the run folder; nothing there was touched.
    """
    with at_work(request.run, join=execution.join):
        if not execution.join:
            forget_networks(request.run)
        return reproduce_here(request, execution)


def reproduce_here(request: Request, execution: Execution = BY_DEFAULT) -> int:
    """Do what `reproduce` does, for a caller that holds the run folder."""
    start, steps = now(), Steps()
    check_encoders(request)
    if execution.join:
        join_request(request)
    settled_environment = settled(request)
    if settled_environment is None:
        start_server(*PRELOADED)  # it imports what trials need while this process does
    environment = numerics(request) if settled_environment is None else settled_environment
    check_expected(request, environment)
    steps.begin("set-up", "done, and the expected values are in order")  # what is wrong until here is one line alone
    with attempt(request, environment=environment) as attempt_log:
        interrupted = (
            _measure(request, execution, attempt_log, steps)
            if settled_environment is None
            else _reuse(request, attempt_log, start, steps)
        )
        steps.begin("judging", "what was measured against what was expected")
        with turn(request.run, join=execution.join):
            report = assemble(request.run)  # how strictly is on record with what was asked for
            outcome, code = interruption() if interrupted or terminated() else ("finished", report["exit_code"])
            attempt_log.end(outcome, exit_code=code, verdict=report["verdict"])
            steps.begin("report", f"{request.run}/report.html")
            publish(request.run, report | {"attempts": history(request.run)})
    if interrupted:
        print("interrupted: finished results are kept; the same command goes on from here", file=sys.stderr)
    return code


def numerics(request: Request) -> Mapping[str, Any]:
    """Return what the experiments' numbers will depend on, of which precision is a part."""
    from suite.core.precision import exact_convolutions

    exact_convolutions()
    return environment_of(request.device)


def _measure(request: Request, execution: Execution, attempt_log: Attempt, steps: Steps) -> bool:
    from suite.reproduction.measure import measure

    return measure(request, execution, attempt_log=attempt_log, steps=steps)


def _reuse(request: Request, attempt_log: Attempt, start: str, steps: Steps) -> bool:
    """Take every result as it is stored."""
    steps.expect(expected_seconds(0, 1))
    take_along(request.data, request.run, request.datasets)
    keys = sorted(str(request.key(*task)) for task in request.tasks())
    record = {"asked": request.record(), "started": start, "finished": now(), "reused": keys}
    write_json(request.run / "run.json", record)
    attempt_log.reused = keys
    print(f"nothing to measure: all {len(keys)} trials are stored, and nothing that they depend on has changed")
    return False


def check_expected(request: Request, environment: Mapping[str, Any]) -> None:
    """Say what is wrong with the values that the run will be held against now, not after hours of work.

    Args:
        request: what is asked for.
        environment: that it is measured in.

    Raises:
        ExpectedError: claims, references or known deviations that break their schema, were altered, or lack a cell; an
            accepted run that is another device's, breaks its schema or contradicts itself.
    """
    load_claims(EXPECTED / "claims.toml")
    places(EXPECTED)
    references(request.profile.name, request.variants, request.limit, request.encoders, request.accepted)
    if request.limit is None:
        known_deviations(request.profile.name, request.variants)
        load(accepted_folder(request.accepted) / FOLDER, request.profile.name, device_model(environment))
