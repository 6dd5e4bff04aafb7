"""The cost side of a plan, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from suite.core.text import duration
from suite.plan.budget import Choice, commands
from suite.plan.forecast import Entry, Forecast
from suite.run.request import Request


def render_costs(forecast: Forecast, *, here: bool = True) -> str:
    """Render what is to be done, per experiment and in all, and what it takes `here`, or on a device of other rates."""
    by_experiment = {
        name: [entry for entry in forecast.entries if entry.experiment == name] for name in forecast.request.experiments
    }
    rows = [_row(name, entries, forecast) for name, entries in by_experiment.items() if entries]
    if len(rows) > 1:
        rows.append(_row("all", forecast.entries, forecast))
    headers = ("to do", "trials", "images read", "encoded", "TFLOP", "memory", "on disk", "process time")
    lines = [
        f"{len(forecast.measured):,} of {_trials(forecast):,} trials are measured already: their results are kept.",
        "",
    ]
    if rows:
        lines += [tabulate(rows, headers, disable_numparse=True, colalign=("left", *["right"] * 7)), ""]
    return "\n".join([*lines, *_notes(forecast, here=here)])


def render_budget(request: Request, choice: Choice, budget_s: float) -> str:
    """Render what fits, and how to run it."""
    lines = [
        f"Within {duration(budget_s)}: {len(choice.chosen):,} trials, {duration(choice.seconds)} planned; "
        f"{len(choice.left_out):,} left out. Taken by seconds a cell, cheapest first, all encoders of an experiment "
        "and dataset together while they fit."
    ]
    command_lines = commands(request, choice.chosen)
    if len(command_lines) > 1:
        lines.append(
            f"{len(command_lines)} commands run exactly those, one after the other; each writes the report of its own:"
        )
    return "\n".join([*lines, *(f"  {command}" for command in command_lines)])


def _row(name: str, entries: Sequence[Entry], forecast: Forecast) -> tuple[str, ...]:
    jobs = [entry.job for entry in entries]
    durations = [entry.seconds for entry in entries if entry.seconds is not None]
    time = duration(sum(durations)) if durations else "unknown"
    return (
        name,
        f"{sum(len(job.keys) for job in jobs):,}",
        f"{sum(job.images for job in jobs):,.0f}",
        f"{sum(job.encoded for job in jobs):,.0f}",
        f"{sum(job.flops for job in jobs) / 1e12:,.1f}",
        _size(max(job.host_bytes for job in jobs)),
        _size(sum(job.features_bytes + job.checkpoint_bytes for job in jobs)),
        f"more than {time}" if durations and len(durations) < len(entries) else time,
    )


def _notes(forecast: Forecast, *, here: bool) -> list[str]:
    if not forecast.entries and not forecast.unplanned:
        return ["Nothing is left to do."]
    lines = []
    if here and forecast.seconds is not None and forecast.entries:
        device = forecast.request.device
        side_by_side = f", {forecast.processes} processes side by side" if forecast.processes > 1 else ""
        time = duration(forecast.until_done(forecast.entries))
        lines.append(f"{time} on this {device.upper()} by its measured rates{side_by_side}.")
    lines.append(
        f"Memory is the largest tensors of one trial, of {forecast.processes} at a time, beside about 1 GB a process; "
        f"{_size(forecast.disk_bytes)} of disk stay in the cache."
    )
    if forecast.request.device == "cuda":
        lines.append(f"On the device about {_size(max((e.job.device_bytes for e in forecast.entries), default=0))}.")
    derived = forecast.rates.derived & {str(operation) for operation in forecast.operations()}
    if derived:
        lines.append(f"{len(derived)} rates follow from measured ones in proportion: --calibrate measures anew.")
    similar = sum(entry.basis == "similar work" for entry in forecast.entries)
    if similar:
        lines.append(f"{similar} durations follow from those of similar work: without --no-calibrate it is measured.")
    earlier = sum(entry.basis == "earlier run" for entry in forecast.entries)
    if earlier:
        lines.append(f"{earlier} durations are those of an earlier run in {forecast.request.run}.")
    if forecast.unknown:
        lines.append(f"{forecast.unknown:,} trials of unknown duration: calibrate, or bring their data and encoders.")
    if any(not entry.job.counted for entry in forecast.entries):
        lines.append("Counts of data that are not there are published ones, or estimates (suite/plan/published.py).")
    if any(len(entry.job.keys) > 1 for entry in forecast.entries):
        lines.append("What trains together (heads on the same images, encoders on one stream) stands under the first.")
    return lines


def _trials(forecast: Forecast) -> int:
    return len(forecast.measured) + len(forecast.unplanned) + sum(len(entry.job.keys) for entry in forecast.entries)


def _size(size: float) -> str:
    """Format `1_150_585_339` as `1.2 GB`."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
