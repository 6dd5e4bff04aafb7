"""The run that is triaged: what was asked of it, and whether its results are of the code and the data that are here."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from suite.core.precision import exact_convolutions
from suite.encoders import load_encoder
from suite.encoders.altered import why_not
from suite.encoders.files import read_file
from suite.encoders.unwrap import dictionaries
from suite.errors import RequestError, SuiteError
from suite.experiments.context import Context
from suite.protocol.factors import load_factors
from suite.results.store import Key
from suite.run.options import OPTIONS, request_arguments
from suite.run.request import Request, make_request
from suite.run.run_file import read_run
from suite.specs import parse


def request_of(run: Path) -> Request:
    """Return the request that a run folder is of, as the command in its `run.json` says.

    Raises:
        RequestError: the folder holds no run, or what was asked for does not exist here.
    """
    command = read_run(run)["asked"]["command"]
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    for option in OPTIONS:
        parser.add_argument(option.flag, **option.settings(reads=True))
    options, _ = parser.parse_known_args(shlex.split(command)[4:])  # after python -m suite reproduce
    request = make_request(**request_arguments(lambda option: getattr(options, option.attribute), seed="0"))
    return replace(request, run=run, judged=False)


@dataclass
class Findings:
    """What a look at the run's encoders, data and code has found.

    Attributes:
        outdated: trial -> the inputs of its stored result that are others here.
        idle: (encoder spec, `factor=choice`) -> why it cannot change what the encoder computes.
        networks: encoder spec -> specs of the other networks in its file.
    """

    outdated: dict[Key, list[str]] = field(default_factory=dict)
    idle: dict[tuple[str, str], str] = field(default_factory=dict)
    networks: dict[str, list[str]] = field(default_factory=dict)


def look(request: Request, keys: Sequence[Key]) -> Findings:
    """Look at what trials were made from; loads encoders and digests data, so it is called in a process of its own.

    Args:
        request: of the run.
        keys: trials with a stored result.

    Raises:
        SuiteError: data or an encoder's file are missing.
    """
    exact_convolutions()
    findings = Findings()
    for task in request.tasks():
        key = request.key(*task)
        if key not in keys:
            continue
        context: Context[object] = Context(request, *task)  # type: ignore[type-var]
        result, inputs = context.store.checked(key), context.inputs()
        others = [name for name, value in inputs.items() if result.inputs.get(name) != value]
        others = [name for name in others if name != "environment" or not request.keep_other_environments]
        if others:
            findings.outdated[key] = others
        spec = task[2]
        if spec not in findings.networks:
            findings.networks[spec] = _networks(spec, context.encoder.digest)
            findings.idle |= {
                (spec, f"{factor.name}={choice}"): reason
                for factor in load_factors().values()
                for choice in factor.choices
                if (reason := why_not(context.encoder, factor.name, choice))
            }
    return findings


def check_outdated(run: Path, findings: Findings) -> None:
    """Refuse a run whose results are not of what is here: a trial would differ from them by more than its factor.

    Raises:
        RequestError: one is.
    """
    for key, names in findings.outdated.items():
        raise RequestError(
            f"{run}: {key}: expected a result of what is here, got one of other {' and '.join(names)}: a trial would "
            f"differ from it by more than its factor: measure the run again (make reproduce RUN={run})"
        )


def _networks(spec: str, digest: str) -> list[str]:
    """Return specs of the other networks in the file of `timm:NAME@FILE`, such as a moving average of the weights."""
    words = parse(spec)
    if not (words.name.startswith("timm:") and words.file and Path(words.file).is_file()):
        return []
    options = {name: value for name, value in words.options.items() if name not in {"group", "prefix"}}
    specs = []
    for group, _ in dictionaries(read_file(Path(words.file))):
        chosen = "&".join(f"{name}={value}" for name, value in (options | {"group": group}).items())
        other = f"{words.name}@{words.file}?{chosen}"
        try:
            if group and load_encoder(other).digest != digest:
                specs.append(other)
        except SuiteError:
            continue
    return specs
