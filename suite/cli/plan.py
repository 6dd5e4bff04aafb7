"""Needs of a run, told before it starts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from suite.cli.options import add_request, to_request
from suite.cli.verb import Verb
from suite.core.values import line, reader, seconds

if TYPE_CHECKING:
    from suite.judge.deciding import Deciding
    from suite.run.request import Request


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: what is asked for, how durations are found, and what they may add up to."""
    add_request(parser)
    parser.add_argument(
        "--calibrate",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="measure all rates anew, or none (default: those that are not remembered)",
    )
    add_rates(parser)
    parser.add_argument(
        "--budget", type=reader(seconds, "--budget"), metavar="DURATION", help="pick what fits, e.g. 8h, 90m, 1h30m"
    )


def add_rates(parser: argparse.ArgumentParser) -> None:
    """Add `--rates`."""
    parser.add_argument(
        "--rates",
        type=reader(line, "--rates"),
        metavar="CARD|FILE|N",
        help="of a device that is not here: the name of one that was measured, a file like those in cache/plan, or so "
        "many TFLOP/s of the encoders, e.g. 250TFLOP/s",
    )


def run_plan(options: argparse.Namespace) -> int:
    """List what a run needs and what it costs: data, weights, images to encode, hours on this device, memory, disk.

    What is missing is listed with its size and how to get it. Durations come from a calibration of at most a minute,
    remembered in the cache for this device. `--budget 8h` picks whole trials that fit and prints the command for them.
    Cells that cannot be told, of the run in that folder or for want of seeds in the one planned, are listed with the
    number of seeds that would decide them, and their hours. With `--device cuda --rates` the card need not be here: the
    hours are those of 1, 8, 16 and 64 such cards. Exit code 2 if something that was asked for is missing, 0
    if everything is there.
    """
    from suite.plan.budget import choose
    from suite.plan.cards import render_cards
    from suite.plan.costs_text import render_budget, render_costs
    from suite.plan.forecast import forecast, timed
    from suite.plan.pieces import pieces
    from suite.plan.text import render
    from suite.plan.undecided import render_undecided, with_rates
    from suite.verification.machine import gpu
    from suite.verification.record import FILE, sayings

    is_here = options.rates is None
    request = to_request(options, here=is_here)
    if request.device == "cuda" and is_here:
        print(f"{gpu(request.profile.name).text()}\n")
    needs = pieces(request)
    print(render(request, needs, sayings(request.data / FILE)))
    estimate = forecast(request, workers=options.workers, elsewhere=options.rates)
    if options.calibrate is not False and is_here:
        from suite.plan.calibrate import calibrate_forecast

        calibrate_forecast(estimate, anew=options.calibrate is True)
        timed(estimate)
    print()
    print(render_costs(estimate, here=is_here))
    if not is_here:
        print()
        print(render_cards(estimate))
    undecided_text = render_undecided(with_rates(request, undecided(request))) if is_here else ""
    if undecided_text:
        print()
        print(undecided_text)
    if options.budget is not None:
        print()
        print(render_budget(request, choose(estimate, options.budget), options.budget))
    return 0 if all(piece.there for piece in needs) else 2


def undecided(request: Request) -> list[Deciding]:
    """Return what is open in the run that was judged in this folder, and what a single seed will leave open."""
    from suite.cells import CellId
    from suite.judge.deciding import Deciding
    from suite.plan.undecided import unmeasured
    from suite.reference.select import references
    from suite.report.collect import assemble
    from suite.run.run_file import read_run

    methods = {*request.names.values()}
    open_groups: list[Deciding] = []
    measured_cells: list[CellId] = []
    if (request.run / "run.json").exists() and read_run(request.run)["asked"]["profile"] == request.profile.name:
        report = assemble(request.run)
        measured_cells = [CellId.parse(cell["id"]) for cell in report["cells"] if cell["measured"] is not None]
        groups = [Deciding.of_record(record) for record in report["deciding"]]
        open_groups = [
            group
            for group in groups
            if group.experiment in request.experiments and group.dataset in request.datasets
            if methods.issuperset(group.methods)
        ]
    expected = references(request.profile.name, request.variants, request.limit, request.encoders, request.accepted)
    return [*open_groups, *unmeasured(request, measured_cells, expected)]


VERBS = (Verb("plan", add_plan, run_plan),)
