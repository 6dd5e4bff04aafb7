"""Acceptance as a whole: is there a card, every step in order, the record."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from suite.acceptance.needs import no_card
from suite.acceptance.record import write
from suite.acceptance.site import Answer, Site, run_suite
from suite.acceptance.steps import STEPS, Step
from suite.core.environment import code_state
from suite.core.faults import description
from suite.core.nvidia import driver_version, unusable
from suite.core.precision import exact_convolutions
from suite.errors import StorageError

COMMAND = "make gpu-acceptance"
MINUTES = 20.0


def require_card() -> None:
    """Refuse a machine without a card that PyTorch can use.

    Raises:
        DeviceError: there is none; see `no_card`.
    """
    if why := unusable():
        raise no_card(why)


def accept(out: Path, *, minutes: float = MINUTES) -> int:
    """Try this machine's card, and write what came of it.

    Args:
        out: folder of the record.
        minutes: after so many no step begins, and what runs the study is ended.

    Returns:
        0 if every step that this machine allows has passed, 1 if one failed, 2 if one could not be run.

    Raises:
        DeviceError: there is no card.
        StorageError: the folder cannot be written.
    """
    require_card()
    try:
        out.mkdir(parents=True, exist_ok=True)
        # not below /tmp: in the container that holds 1 GB
        with tempfile.TemporaryDirectory(dir=out, prefix=".gpu-acceptance-", ignore_cleanup_errors=True) as folder:
            until = time.monotonic() + 60 * minutes
            site = Site("cuda", torch.cuda.device_count(), Path(folder), until, run_suite)
            record = try_out(site, STEPS, torch.cuda.get_device_name())
    except OSError as error:
        raise StorageError(f"{out}: expected a folder to write to: {error.strerror or error}") from error
    paths = write(out, record)
    print(f"wrote {paths[0]} and {paths[1]}")
    return exit_code(record)


def try_out(site: Site, steps: Sequence[Step], model: str) -> dict[str, Any]:
    """Take every step, and print each answer; a step that raises has failed, and the next one begins.

    Returns:
        The record, as JSON.
    """
    exact_convolutions()  # as every measuring process
    began, started, code = time.perf_counter(), datetime.now(UTC), code_state()
    entries = []
    for number, step in enumerate(steps, 1):
        print(f"[{number}/{len(steps)}] {step.name} ...", file=sys.stderr, flush=True)
        start = time.perf_counter()
        answer = _answer(site, step)
        seconds = round(time.perf_counter() - start, 2)
        print(f"{answer.status:<14} {step.name}: {answer.detail}", flush=True)
        facts = {"status": answer.status, "detail": answer.detail, "facts": dict(answer.facts)}
        entries.append({"name": step.name, "question": step.question, "seconds": seconds} | facts)
    return {
        "model": model,
        "driver": driver_version(),
        "cards": site.cards,
        "command": COMMAND,
        "commit": code["commit"],
        "dirty": code["dirty"],
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - began, 1),
        "steps": entries,
    }


def _answer(site: Site, step: Step) -> Answer:
    if site.seconds_left <= 0:
        return Answer("not run", "no time was left")
    try:
        return step.run(site)
    except Exception as error:
        return Answer("failed", f"stopped by {' '.join(description(error).split())}")


def exit_code(record: dict[str, Any]) -> int:
    """Return 1 where a step failed, 2 where one did not run, else 0."""
    statuses = {step["status"] for step in record["steps"]}
    return 1 if "failed" in statuses else 2 if "not run" in statuses else 0
