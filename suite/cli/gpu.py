"""The verb that tries a GPU."""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.cli.runtime import add_runtime
from suite.cli.verb import Verb
from suite.core.values import path, reader, seconds


def add_gpu_acceptance(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: where to, how long, and in which runtime."""
    parser.add_argument(
        "--out", type=reader(path, "--out"), default=Path("benchmarks/results"), help="default: benchmarks/results"
    )
    parser.add_argument(
        "--budget",
        type=reader(seconds, "--budget"),
        metavar="DURATION",
        help="begin no step after so long, e.g. 20m (default)",
    )
    add_runtime(parser)


def run_gpu_acceptance(options: argparse.Namespace) -> int:
    """Try this machine's GPU: every path of the suite that needs one, with bounds fixed beforehand, 20 minutes at most.

    Writes gpu_<model>_<date>.json and a page. Exit code 0 if all that this machine allows has passed, 1 if something
    failed, 2 if there is no card or something could not be run.
    """
    from suite.acceptance.needs import no_card
    from suite.container.choice import choose, run_inside
    from suite.container.mounts import mount
    from suite.core.nvidia import no_gpu

    if why := no_gpu():
        raise no_card(why)
    setup = choose(
        options.runtime,
        folders=lambda: [mount(options.out, writable=True)],
        device="cuda",
        image=options.image,
        read_only=options.read_only,
    )
    if setup is not None:
        budget = [] if options.budget is None else [f"--budget={options.budget:.0f}s"]
        return run_inside(setup, ["gpu-acceptance", f"--out={options.out}", *budget, "--runtime=venv"])
    from suite.acceptance.run import MINUTES, accept

    return accept(options.out, minutes=MINUTES if options.budget is None else options.budget / 60)


VERBS = (Verb("gpu-acceptance", add_gpu_acceptance, run_gpu_acceptance),)
