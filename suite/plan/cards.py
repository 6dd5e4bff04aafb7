"""Time that a forecast takes on so many cards: groups of trials side by side, whichever machines the cards are in."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from suite.core.text import duration
from suite.plan.forecast import Forecast
from suite.registry import EXPERIMENTS
from suite.run.groups import groups_of

CARDS = (1, 8, 16, 64)
"""Numbers of cards that `plan --rates` shows."""


def group_seconds(forecast: Forecast) -> dict[str, float]:
    """Return the seconds of each group on one card, the longest first; jobs of unknown duration do not count."""
    group_by_trial = groups_of(forecast.request)
    seconds: dict[str, float] = {}
    for entry in forecast.entries:
        if entry.seconds is not None:
            group = group_by_trial[str(entry.job.keys[0])]
            seconds[group] = seconds.get(group, 0.0) + entry.seconds * entry.job.devices
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def makespan(forecast: Forecast, cards: int, cards_per_probe: int = 1) -> float:
    """Return seconds until the last group has ended: the longest begin first, each on the card that is free first.

    Args:
        forecast: of one card's rates.
        cards: so many.
        cards_per_probe: cards of one machine that share a group of image classification, whose time they divide.
    """
    shared = {
        trial_group
        for trial, trial_group in groups_of(forecast.request).items()
        if EXPERIMENTS[trial.partition("/")[0]].kind == "streamed probing"
    }
    free = [0.0] * cards
    for group, seconds in group_seconds(forecast).items():
        width = min(cards, cards_per_probe) if group in shared else 1
        starts = [(max(free[first : first + width]), first) for first in range(0, cards - width + 1, width)]
        start, first = min(starts)
        free[first : first + width] = [start + seconds / width] * width
    return max(free)


def render_cards(forecast: Forecast, numbers: Sequence[int] = CARDS) -> str:
    """Render what all groups take together, and how long they take on several numbers of cards."""
    groups = group_seconds(forecast)
    rows = [
        (cards, duration(makespan(forecast, cards)), duration(makespan(forecast, cards, 8)) if cards >= 8 else "")
        for cards in numbers
    ]
    headers = ("cards", "time", "8 cards share a probe of image classification")
    basis = (
        "the encoders' arithmetic alone: reading, probes and heads are not counted"
        if forecast.rates.flops_per_s
        else f"the rates of {forecast.rates.path.stem}"
    )
    total = duration(sum(groups.values()))
    longest = f"; the longest takes {duration(next(iter(groups.values())))}" if groups else ""
    lines = [f"{len(groups):,} groups of trials, {total} of one card by {basis}{longest}.", ""]
    return "\n".join([*lines, tabulate(rows, headers, disable_numparse=True, colalign=("right",) * 3)])
