"""Options that every measuring verb shares: in the container, or here."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from suite.container.choice import RUNTIMES, choose, run_inside
from suite.container.image import IMAGE
from suite.container.mounts import Mount, folders
from suite.core.values import image, reader, specs
from suite.protocol.profiles import load_profile

_OURS = {"run_verb", "runtime", "image", "read_only"}


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """Add `--runtime`, `--image`, `--no-read-only`."""
    parser.add_argument(
        "--runtime", default="auto", help=f"one of {', '.join(RUNTIMES)}: container where it can have a GPU, else venv"
    )
    parser.add_argument(
        "--image", type=reader(image, "--image"), default=IMAGE, help=f"for the container (default: {IMAGE})"
    )
    parser.add_argument(
        "--no-read-only", dest="read_only", action="store_false", help="let the container write to its own root"
    )


def elsewhere(
    options: argparse.Namespace, verb: str, *, positional: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> int | None:
    """Run a verb in the container, if that is the runtime.

    Args:
        options: as `add_request` and `add_runtime` define them.
        verb: its name.
        positional: names of the verb's arguments without a flag, e.g. `spec` of `check`, each with its encoder specs.

    Returns:
        Its exit code; None to go on here.

    Raises:
        ContainerError: the container was asked for and cannot be had.
    """
    options.encoder = specs("--encoder", options.encoder)
    candidates = [spec for specs in positional.values() for spec in specs]
    setup = choose(
        options.runtime,
        folders=lambda: _mounts(options, candidates),
        device=options.device,
        image=options.image,
        read_only=options.read_only,
    )
    if setup is None:
        return None
    words = [",".join(specs) for specs in positional.values()]
    return run_inside(setup, [verb, *words, *as_arguments(options, excluded=[*positional]), "--runtime=venv"])


def _mounts(options: argparse.Namespace, candidates: Sequence[str]) -> list[Mount]:
    profile = load_profile(options.profile)
    mini = profile.name == "mini"  # draws its data where it is missing; its weights are part of the source
    return folders(
        data=options.data or profile.data,
        draws=mini,
        weights=options.weights or (None if mini else profile.weights),
        cache=options.cache,
        run=options.run or Path("runs"),
        encoders=[*options.encoder, *candidates],
        accepted=options.accepted,
    )


def as_arguments(options: argparse.Namespace, *, excluded: Sequence[str] = ()) -> list[str]:
    """Return parsed options as the command line they came from, without the `excluded` names."""
    arguments = []
    for name, value in vars(options).items():
        flag = "--" + name.replace("_", "-")
        if name in {*_OURS, *excluded} or value is None or value is False:
            continue
        if value is True:
            arguments.append(flag)
        else:
            arguments += [f"{flag}={item}" for item in (value if isinstance(value, list) else [value])]
    return arguments
