"""Run folders as shards leave them, of made-up results of three encoders, a group each."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suite.core.environment import capture
from suite.core.files import plain, write_json
from suite.results.store import Key, Store
from suite.run.attempts.attempt import attempt, begin
from suite.run.folder import join_request
from suite.run.request import Request, make_request
from suite.run.shards import Shard
from tests.support.archived_run import items, result

NAMES = ("deit", "dino", "mae")
VALUES = {"deit": 12.25, "dino": 19.25, "mae": 10.5}
NUMERICS = {"device": {"kind": "cpu", "model": "Small CPU"}, "packages": {"torch": "2.14.1"}}
TRIALS = tuple(f"object_retrieval/cifar10/{name}" for name in NAMES)


def request_of(run: Path, **changes: Any) -> Request:
    asked: dict[str, Any] = {
        "encoders": list(NAMES),
        "datasets": ["cifar10"],
        "experiments": ["object_retrieval"],
        "device": "cpu",
        "limit": 64,  # nothing is judged, so that what lacks decides
        **changes,
    }
    return make_request(run=run, **asked)


@functools.cache
def _environment() -> dict[str, Any]:
    content: dict[str, Any] = plain(capture("cpu") | {"numerics": NUMERICS})
    content["cpu"]["model"] = "Small CPU"
    content["code"] |= {"commit": "a" * 40, "dirty": False}
    return content


def write_shard(
    run: Path,
    text: str,
    *,
    ended: bool = True,
    exit_code: int = 0,
    environment: Mapping[str, Mapping[str, Any]] | None = None,
    values: Mapping[str, float] | None = None,
    inputs: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Write what the shard `K/N` leaves, and return its folder.

    Args:
        run: the run folder, in which others may have been.
        text: K/N.
        ended: whether its attempt came to its end.
        exit_code: of the attempt; with 2 nothing is stored.
        environment: facts of its machine that differ, by group.
        values: method -> value, where it is another.
        inputs: of its results that differ.
        changes: of the request.
    """
    request = request_of(run, **changes)
    join_request(request)
    shard = Shard(int(text.partition("/")[2]), int(text.partition("/")[0]))
    folder, names = shard.folder(run), shard.part(NAMES)
    facts = {name: dict(group) if isinstance(group, Mapping) else group for name, group in _environment().items()}
    for name, group in (environment or {}).items():
        facts[name] = {**facts[name], **group}
    write_json(folder / "environment.json", facts)
    if not ended:
        begin(request, verb="reproduce", environment=NUMERICS, folder=folder)
        return folder
    for name in names if exit_code == 0 else ():
        value = (values or VALUES)[name]
        made = result(Key("object_retrieval", "cifar10", name), value)
        content = {**vars(made), "inputs": {**made.inputs, **(inputs or {})}}
        Store(run).save(type(made)(**content), items(value))
    with attempt(request, environment=NUMERICS, folder=folder) as attempt_log:
        trials = [f"object_retrieval/cifar10/{name}" for name in names]
        attempt_log.measured, attempt_log.lost = (trials, []) if exit_code == 0 else ([], trials)
        attempt_log.end("finished", exit_code=exit_code)
    return folder
