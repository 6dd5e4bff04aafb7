"""The cost side of a plan, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from suite.core.text import duration
from suite.plan.budget import Choice, commands
from suite.plan.forecast import Entry, Forecast
from suite.run.request import Request


def render_costs(made: Forecast) -> str:
    """Render what is to be done, per experiment and in all, and what it takes."""
    by_experiment = {
        name: [entry for entry in made.entries if entry.experiment == name] for name in made.request.experiments
    }
    rows = [_row(name, entries, made) for name, entries in by_experiment.items() if entries]
    if len(rows) > 1:
        rows.append(_row("all", made.entries, made))
    headers = ("to do", "trials", "images read", "encoded", "TFLOP", "memory", "on disk", "process time")
    lines = [f"{len(made.measured):,} of {_trials(made):,} trials are measured already: their results are kept.", ""]
    if rows:
        lines += [tabulate(rows, headers, disable_numparse=True, colalign=("left", *["right"] * 7)), ""]
    return "\n".join([*lines, *_notes(made)])


def render_budget(request: Request, choice: Choice, budget_s: float) -> str:
    """Render what fits, and how to run it."""
    lines = [
        f"Within {duration(budget_s)}: {len(choice.chosen):,} trials, {duration(choice.seconds)} planned; "
        f"{len(choice.left_out):,} left out. Taken by seconds a cell, cheapest first, all encoders of an experiment "
        "and dataset together while they fit."
    ]
    found = commands(request, choice.chosen)
    if len(found) > 1:
        lines.append(
            f"{len(found)} commands run exactly those, one after the other; each writes the report of its own:"
        )
    return "\n".join([*lines, *(f"  {command}" for command in found)])


def _row(name: str, entries: Sequence[Entry], made: Forecast) -> tuple[str, ...]:
    jobs = [entry.job for entry in entries]
    known = [entry.seconds for entry in entries if entry.seconds is not None]
    time = duration(sum(known)) if known else "unknown"
    return (
        name,
        f"{sum(len(job.keys) for job in jobs):,}",
        f"{sum(job.images for job in jobs):,.0f}",
        f"{sum(job.encoded for job in jobs):,.0f}",
        f"{sum(job.flops for job in jobs) / 1e12:,.1f}",
        _size(max(job.host_bytes for job in jobs)),
        _size(sum(job.features_bytes + job.checkpoint_bytes for job in jobs)),
        f"more than {time}" if known and len(known) < len(entries) else time,
    )


def _notes(made: Forecast) -> list[str]:
    if not made.entries and not made.unplanned:
        return ["Nothing is left to do."]
    lines = []
    if made.seconds is not None and made.entries:
        device = made.request.device
        where = f", {made.processes} processes side by side" if made.processes > 1 else ""
        taken = duration(made.until_done(made.entries))
        lines.append(f"{taken} on this {device.upper()} by its measured rates{where}.")
    lines.append(
        f"Memory is the largest tensors of one trial, of {made.processes} at a time, beside about 1 GB a process; "
        f"{_size(made.disk_bytes)} of disk stay in the cache."
    )
    if made.request.device == "cuda":
        lines.append(f"On the device about {_size(max((e.job.device_bytes for e in made.entries), default=0))}.")
    derived = made.rates.derived & {str(each) for each in made.operations()}
    if derived:
        lines.append(f"{len(derived)} rates follow from measured ones in proportion: --calibrate measures anew.")
    similar = sum(entry.basis == "similar work" for entry in made.entries)
    if similar:
        lines.append(f"{similar} durations follow from those of similar work: without --no-calibrate it is measured.")
    earlier = sum(entry.basis == "earlier run" for entry in made.entries)
    if earlier:
        lines.append(f"{earlier} durations are those of an earlier run in {made.request.run}.")
    if made.unknown:
        lines.append(f"{made.unknown:,} trials of unknown duration: calibrate, or bring their data and encoders.")
    if any(not entry.job.counted for entry in made.entries):
        lines.append("Counts of data that are not there are published ones, or estimates (suite/plan/published.py).")
    if any(len(entry.job.keys) > 1 for entry in made.entries):
        lines.append("What trains together (heads on the same images, encoders on one stream) stands under the first.")
    return lines


def _trials(made: Forecast) -> int:
    return len(made.measured) + len(made.unplanned) + sum(len(entry.job.keys) for entry in made.entries)


def _size(size: float) -> str:
    """Format `1_150_585_339` as `1.2 GB`."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
