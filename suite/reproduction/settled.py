"""Check, without loading torch, that a run has nothing left to measure, by the content of all it depends on.

When a run has measured everything, what its results were made from is written into its folder, `settled.json`:
digests of code, protocol, data and weights, and the machine as far as it can be told without torch. Where the same
facts hold again and every result follows from its own evidence, there is nothing to do. Anything else, and anything
that this cannot tell (a GPU, an encoder made by a user's code, checkpoints of many gigabytes, a strict request), goes
the long way, where each trial compares its own inputs.
"""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from suite.core.digests import digest_of
from suite.core.environment import THREAD_VARIABLES, package_versions
from suite.core.files import write_json
from suite.core.forms import Entries, Form, read_if_whole
from suite.core.numerics import PACKAGES, VARIABLES, cpu_model
from suite.core.source_code import trial_code
from suite.datasets import dataset_root, digest, require
from suite.errors import EvidenceError, SuiteError
from suite.protocol.constants import constants_digest
from suite.protocol.tables import sourced
from suite.results.store import Store
from suite.run.request import Request
from suite.specs import parse

FILE = "settled.json"
FORM: Form = {
    "facts": "a table",
    "results": Entries("a text"),
    "environment": {"device": {"model?": "any text"}, "packages": Entries("a text")},
}
CHECKPOINT_BYTES = 1 << 30
"""Limit on bytes of checkpoints read for their digests; more would take longer than loading torch does."""


def settle(request: Request, environment: Mapping[str, Any]) -> None:
    """Note that everything asked for is measured.

    Args:
        request: what was asked for.
        environment: that it was measured in (`suite.core.numerics.environment_of`).

    Raises:
        StorageError: the run folder cannot be written.
    """
    facts = _facts(request)
    if facts is not None:
        write_json(request.run / FILE, {"facts": facts, "results": _results(request), "environment": environment})


def unsettle(run: Path) -> None:
    """Forget it, before anything is measured."""
    (run / FILE).unlink(missing_ok=True)


def settled(request: Request) -> dict[str, Any] | None:
    """Return the environment of a run in which nothing is left to do; None where something may be."""
    # a note that is damaged costs a look at every trial, no more
    note = read_if_whole(request.run / FILE, FORM, "what a finished run depends on", lambda _: None)
    if note is None:
        return None
    facts, results, environment = note["facts"], note["results"], dict(note["environment"])
    try:
        unchanged = _is_here(environment) and facts == _facts(request) and results == _results(request)
    except (OSError, EvidenceError):
        return None
    return environment if unchanged and not Store(request.run).reasons() else None


def _is_here(environment: Mapping[str, Any]) -> bool:
    """Tell whether all that can be seen of an environment without torch is so in this process."""
    device, cpu = environment.get("device", {}), cpu_model()
    return (
        environment.get("packages") == package_versions(PACKAGES)
        and environment.get("variables") == {name: os.environ[name] for name in VARIABLES if name in os.environ}
        and {name: device.get(name) for name in cpu} == cpu
    )


def _results(request: Request) -> dict[str, str]:
    """Map trial to SHA-256 of its stored result, each of which follows from its own evidence.

    Raises:
        FileNotFoundError: one is not there.
        EvidenceError: one was altered.
    """
    store = Store(request.run)
    digests = {}
    for task in request.tasks():
        key = request.key(*task)
        store.checked(key)
        digests[str(key)] = sha256(store.path(key).read_bytes()).hexdigest()
    return digests


def _facts(request: Request) -> dict[str, Any] | None:
    """Return what decides the results of a request, as JSON; None where that cannot be told here."""
    if request.device != "cpu" or request.keep_other_environments or request.strict:
        return None  # strict: what is wrong with the environment ends the run, so it has to be checked
    weights = _checkpoints(request)
    if weights is None:
        return None
    try:
        data = {name: digest(require(dataset_root(request.data, name), name)) for name in _datasets(request)}
    except SuiteError:
        return None
    profile = request.profile
    return {
        "trials": sorted(str(request.key(*task)) for task in request.tasks()),
        "encoders": list(request.encoders),
        "variants": request.variants,
        "seeds": list(request.seeds),
        "limit": request.limit,
        "judged": request.judged,
        "code": {name: trial_code(name) for name in request.experiments},
        "protocol": digest_of(
            [
                sourced(profile.parameters),
                {e.name: [e.settings, e.metrics, sourced(e.parameters)] for e in profile.experiments.values()},
                constants_digest(),
            ]
        ),
        "data": data,
        "weights": weights,
        "machine": _machine(),
    }


def _datasets(request: Request) -> list[str]:
    return list(dict.fromkeys(dataset for _, dataset, _ in request.tasks()))


def _checkpoints(request: Request) -> dict[str, str] | None:
    """Map file to SHA-256 of all that encoders may be loaded from; None for a user's code, and for too many bytes."""
    if any(":" in spec for spec in request.encoders):
        return None
    named_files = [Path(parse(spec).file) for spec in request.encoders if "@" in spec]
    folder = [request.weights] if request.weights.is_file() else sorted(request.weights.glob("*"))
    files = [path for path in (*folder, *named_files) if path.is_file()]
    if sum(path.stat().st_size for path in files) > CHECKPOINT_BYTES:
        return None
    digests = {}
    for path in files:
        with path.open("rb") as file:
            digests[str(path)] = file_digest(file, "sha256").hexdigest()
    return digests


def _machine() -> dict[str, Any]:
    """Return what the environment of a result (`suite.core.numerics`) follows from, on a CPU."""
    torch = importlib.util.find_spec("torch")
    build = Path(torch.origin).with_name("version.py") if torch and torch.origin else None
    names = (*VARIABLES, *THREAD_VARIABLES)
    return {
        "python": platform.python_version(),
        "packages": package_versions(PACKAGES),
        "torch_build": sha256(build.read_bytes()).hexdigest() if build and build.exists() else None,
        "cpu": cpu_model(),
        "architecture": platform.machine(),
        "variables": {name: os.environ[name] for name in names if name in os.environ},
    }
