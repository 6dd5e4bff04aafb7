"""A run's folder: one command at a time writes into it, or several runs of the same request that say so (`--join`)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from suite.cells import method_names
from suite.core.digests import digest_of
from suite.core.files import write_json
from suite.core.locks import HeldError, acquire, waited_for
from suite.core.text import now
from suite.errors import BusyError, RequestError
from suite.results.store import Store
from suite.run.request import Request
from suite.run.run_file import FILE, read_run

LOCK = ".lock"
"""File that a command at work in the folder locks; like all whose names begin with a dot it is no evidence."""
TURN = ".turn.lock"
"""File that one of several runs in the folder locks while it writes what is of the whole."""
GROUPS = ".groups"
"""Folder of files that processes lock while they run a group of trials."""
_OF_A_MACHINE = ("command", "data", "weights", "cache", "run", "processes_per_probe")
"""Facts of a request that two machines may spell differently, and that change no value."""


@contextmanager
def at_work(
    run: Path, *, join: bool = False, quiet: bool = False, advice: str = ", or choose another folder (--run)"
) -> Iterator[None]:
    """Be the only command that writes into a run folder, or one of several that join.

    Args:
        run: the folder; made where it is missing.
        join: work beside others that join too.
        quiet: do not warn of a disk without locks, as whoever works there does without.
        advice: to whoever finds another command there, besides waiting.

    Raises:
        BusyError: another command is at work there; nothing was touched.
    """
    try:
        lock = acquire(run / LOCK, shared=join, quiet=quiet)
    except HeldError as error:
        advice = ", or start both with --join" if join else advice
        raise BusyError(f"{run}: {error.holders} is at work in it: wait for it to end{advice}") from error
    try:
        yield
    finally:
        lock.close()


def at_work_again(run: Path) -> AbstractContextManager[None]:
    """Be the only command that writes into the folder of a run that was measured; one that is not there is not made.

    Raises:
        BusyError: another command is at work there; nothing was touched.
    """
    return at_work(run, advice="") if run.is_dir() else nullcontext()


def turn(run: Path, *, join: bool) -> AbstractContextManager[None]:
    """Write what is of the whole run when no other run in the folder does; alone it need not wait for any."""
    return waited_for(run / TURN, f"{run}", quiet=True) if join else nullcontext()


def check_encoders(request: Request) -> None:
    """Check that a run folder holds no results of another encoder under the name of one that is asked for.

    Raises:
        RequestError: it does; they would be replaced.
    """
    try:
        specs = read_run(request.run)["asked"]["encoders"]
    except RequestError:  # no run, or a damaged note, which the new one replaces
        return
    others = {name: spec for spec, name in method_names(specs).items()}
    for spec, name in request.names.items():
        if others.get(name, spec) != spec:
            raise RequestError(
                f"{request.run}: holds a run of {others[name]!r}, which {spec!r} would replace under the same name "
                f"{name!r}: choose another folder, e.g. RUN={request.run}-2, or remove this one"
            )


def check_weights(request: Request, spec: str, weights: str) -> None:
    """Check that a run folder holds no results of other weights than an encoder's.

    Args:
        request: what is asked for.
        spec: of the encoder.
        weights: digest of those it has now.

    Raises:
        RequestError: it does; they would be replaced.
    """
    method = request.names[spec]
    for result in Store(request.run).results():
        if result.key.method == method and result.inputs.get("weights", weights) != weights:
            raise RequestError(
                f"{request.run}: holds results of {spec!r} with other weights, {result.inputs['weights'][:12]}, where "
                f"it now has {weights[:12]}: choose another folder, e.g. RUN={request.run}-{weights[:8]}, or remove "
                "this one"
            )


def lock_of(run: Path, group: Sequence[str]) -> Path:
    """Return the file that a process locks while it runs a group of trials: no other run that joins runs it then."""
    return run / GROUPS / f"{digest_of(sorted(group))[:20]}.lock"


def join_request(request: Request, *, option: str = "--join") -> None:
    """Take part in a run: note in its folder what is asked for and its groups, or see that it is the same.

    Args:
        request: what is asked for.
        option: by which it takes part, for messages.

    Raises:
        RequestError: the folder is another request's, or its note is damaged: whose run it is, nobody can tell.
    """
    from suite.run.groups import ordered_groups  # it brings pytest along, and reports need none

    path = request.run / FILE
    with turn(request.run, join=True):
        if not os.path.lexists(path):
            times = {"started": now(), "finished": None}
            write_json(path, {"asked": request.record(), **times, "reused": [], "groups": ordered_groups(request)})
            return
        record = read_run(request.run)
        names = differing(request.record(), record["asked"])
        if not names and "groups" not in record:  # one command has finished it before
            write_json(path, record | {"finished": None, "groups": ordered_groups(request)})
    if names:
        raise RequestError(
            f"{path}: {option}: expected a run of the same request, got another {', '.join(names)}: "
            "ask for the same, or choose another folder (--run)"
        )


def differing(record: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the names of what two requests ask for differently, wherever each has its folders."""
    record, other = (json.loads(json.dumps(request)) for request in (record, other))
    return [name for name in {**record, **other} if name not in _OF_A_MACHINE and record.get(name) != other.get(name)]
