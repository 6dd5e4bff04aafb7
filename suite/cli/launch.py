"""Runs on a cluster, handed to its scheduler shard by shard."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from suite.cli.options import add_request, to_request
from suite.cli.plan import add_rates
from suite.cli.verb import Verb
from suite.container.image import IMAGE
from suite.core.values import count, image, line, reader

if TYPE_CHECKING:
    from suite.run.request import Request


def add_launch(parser: argparse.ArgumentParser) -> None:
    """Add an engine each, with its arguments."""
    engines = parser.add_subparsers(title="engines", metavar="slurm|kubernetes", required=True)
    slurm = engines.add_parser("slurm", help="submit an array of shards and a report job behind it")
    slurm.set_defaults(engine=_slurm)
    _add_common(slurm)
    add_rates(slurm)
    slurm.add_argument(
        "--gpus-per-probe",
        type=reader(count, "--gpus-per-probe"),
        default=1,
        metavar="N",
        help="GPUs of a node that share the probes of image classification, in an array of their own (default: 1)",
    )
    slurm.add_argument("--dry-run", action="store_true", help="print the scripts; write and submit nothing")
    slurm.add_argument(
        "--sbatch",
        action="append",
        default=[],
        type=reader(line, "--sbatch"),
        metavar="OPTION",
        help="passed on to sbatch, e.g. --sbatch=--time=12:00:00 --sbatch=--partition=gpu",
    )
    slurm.add_argument(
        "--setup",
        action="append",
        default=[],
        type=reader(line, "--setup"),
        metavar="LINE",
        help="line of shell before the command, e.g. 'module load cuda'",
    )
    slurm.add_argument(
        "--wrapper",
        default="",
        metavar="WORDS",
        help="words before the command, e.g. 'srun --container-image=suite.sqsh' or 'apptainer exec --nv suite.sif'",
    )
    slurm.add_argument(
        "--python", default=sys.executable, help="the interpreter on the nodes, or in the wrapper (default: this one)"
    )
    kubernetes = engines.add_parser("kubernetes", help="print an Indexed Job of shards and a report Job, as YAML")
    kubernetes.set_defaults(engine=_kubernetes)
    _add_common(kubernetes)
    kubernetes.add_argument(
        "--image", type=reader(image, "--image"), default=IMAGE, help=f"best pinned by digest (default: {IMAGE})"
    )
    kubernetes.add_argument(
        "--claim", required=True, help="persistent volume claim that all nodes can write (ReadWriteMany)"
    )
    kubernetes.add_argument("--memory", default="64Gi", help="of a pod (default: 64Gi)")
    kubernetes.add_argument("--cpus", type=reader(count, "--cpus"), default=8, help="of a pod (default: 8)")


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_request(parser)
    parser.add_argument(
        "--shards",
        type=reader(count, "--shards"),
        metavar="N",
        help="jobs (default: one for each group of trials, 100 at most)",
    )
    parser.add_argument(
        "--at-once", type=reader(count, "--at-once"), metavar="M", help="jobs at the same time, at most (default: all)"
    )


def run_launch(options: argparse.Namespace) -> int:
    """Hand a run to a cluster's scheduler: its shards, and then its report.

    `launch slurm` looks first whether the request, the folders and the data hold, without a GPU: `--device cuda` asks
    for the nodes' GPUs. `launch kubernetes` prints what `kubectl apply` takes. The same command again measures only
    what lacks. docs/scaling.md says what each failure looks like.
    """
    engine: int = options.engine(options)
    return engine


def _slurm(options: argparse.Namespace) -> int:
    from suite.launch import shared, slurm

    if not options.dry_run:
        slurm.require_sbatch()
    request = _request(options)
    number = shared.shard_count(request, options.shards)
    submission = slurm.Submission(
        count=number,
        at_once=options.at_once,
        gpus_per_probe=options.gpus_per_probe,
        options=options.sbatch,
        setup=options.setup,
        wrapper=options.wrapper,
        python=options.python,
        execution=_execution(options),
    )
    arrays, report = slurm.scripts(request, submission)
    if options.dry_run:
        print("\n".join([*arrays, report]), end="")
        return 0
    shared.prepare(request, number, workers=options.workers)
    if options.rates is not None:
        print(_forecast(request, options))
    numbers, last = slurm.submit(arrays, report)
    jobs = " and ".join(f"{array}" for array in numbers)
    print(f"submitted: {number} shards as array {jobs}; job {last} reports when they have ended")
    print(f"see how far it is: python -m suite status {request.run}")
    return 0


def _kubernetes(options: argparse.Namespace) -> int:
    from suite.launch import kubernetes, shared

    request = _request(options)
    job = kubernetes.Job(
        image=options.image,
        claim=options.claim,
        count=shared.shard_count(request, options.shards),
        at_once=options.at_once,
        memory=options.memory,
        cpus=options.cpus,
        execution=_execution(options),
    )
    print(kubernetes.manifest(request, job), end="")
    return 0


def _request(options: argparse.Namespace) -> Request:
    """Return what is asked for, and say so where the nodes' GPUs are not."""
    request = to_request(options, here=False)
    if options.device == "auto":
        print(
            f"note: --device {request.device}, as this host would: pass --device cpu or cuda for the nodes'",
            file=sys.stderr,
        )
    return request


def _execution(options: argparse.Namespace) -> list[str]:
    """Return the options of `reproduce` that are no part of a request."""
    values = {"--workers": options.workers, "--max-crashes": options.max_crashes}
    return [f"{flag}={value}" for flag, value in values.items() if value is not None]


def _forecast(request: Request, options: argparse.Namespace) -> str:
    from suite.plan.cards import CARDS, render_cards
    from suite.plan.forecast import forecast

    cards = (options.at_once,) if options.at_once else CARDS
    return render_cards(forecast(request, digests=False, elsewhere=options.rates), cards) + "\n"


VERBS = (Verb("launch", add_launch, run_launch),)
