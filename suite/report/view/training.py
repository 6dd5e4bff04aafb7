"""Was it trained to the end: which heads had not converged, and what their best learning rate reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suite.core.files import Json
from suite.core.text import number, signed
from suite.registry import method_order, title_of

RULE = (
    "Not converged: in the last tenth of its training the loss of a head still fell, by more than twice the standard "
    "error of that fall and by more than 5 % of its whole fall, which is half its average pace. Where noise hides so "
    "much, it cannot be told. The tenth is of the learning rate spent, since a rate that decays to nothing makes every "
    "loss flat in the end. More steps would lower the loss; what they do to the accuracy on the evaluation data is "
    "another question. The mark changes no verdict: a run repeats its reference, which was trained for as long."
)
"""What the mark says (`suite.judge.converged`)."""


@dataclass(frozen=True)
class HeadsLine:
    """Heads of one kind on one dataset, an encoder each.

    Attributes:
        trained: how many.
        not_converged: encoders whose head had not, with the fall of its loss in the last tenth, the largest first.
        unknown: how many of which nobody can tell.
        rates: where several rates were tried, encoders with a better one than the stated, and what it reaches.
    """

    title: str
    trained: int
    not_converged: tuple[str, ...]
    unknown: int
    rates: tuple[str, ...]


def heads(cells: Sequence[Json]) -> tuple[HeadsLine, ...]:
    """Sum up the trained heads of a report, in the order of its cells."""
    groups: dict[tuple[str, str, str], dict[str, Json]] = {}
    for cell in cells:
        if cell.get("training"):
            place = (cell["experiment"], cell["dataset"], cell["setting"])
            known = groups.setdefault(place, {}).get(cell["method"])
            # the cell of the metric that rates were compared by tells more than the others of its head
            if known is None or cell["training"]["rates"]:
                groups[place][cell["method"]] = cell["training"]
    return tuple(_line(place, group) for place, group in groups.items())


def _line(place: tuple[str, str, str], group: Mapping[str, Json]) -> HeadsLine:
    experiment, dataset, setting = map(title_of, place)
    marked = {method: training for method, training in group.items() if training["not_converged"]}
    by_share = sorted(marked, key=lambda method: (-(marked[method]["share"] or 1), method_order(method)))
    is_sweep = place[0] == "learning_rate_sweep"  # none of whose rates is the stated one
    better = [m for m in sorted(group, key=method_order) if not is_sweep and _is_better(group[m]["rates"])]
    return HeadsLine(
        title=f"{experiment}, {dataset}, {setting}",
        trained=len(group),
        not_converged=tuple(f"{title_of(m)} {_share(marked[m])}" for m in by_share),
        unknown=sum(training["not_converged"] is None for training in group.values()),
        rates=tuple(f"{title_of(m)} {_better(group[m]['rates'])}" for m in better),
    )


def _is_better(rates: Mapping[str, Any] | None) -> bool:
    return bool(rates) and rates["best_value"] > rates["value"]  # type: ignore[index]


def _better(rates: Mapping[str, Any]) -> str:
    gain = signed(rates["best_value"] - rates["value"])
    return f"{number(rates['best_value'], 2)} at {rates['best']:g} ({gain})"


def _share(training: Json) -> str:
    return "" if training["share"] is None else f"{100 * training['share']:.0f} %"


def rates_text(rates: Mapping[str, Any]) -> str:
    """Hold the best of several learning rates against a cell's own, in words."""
    value = number(rates["value"], 2)
    if rates["best"] == rates["stated"]:
        return f"{value} at this rate, {rates['stated']:g}, the best of {rates['count']}"
    gain = signed(rates["best_value"] - rates["value"])
    best = number(rates["best_value"], 2)
    return (
        f"{best} at {rates['best']:g}, the best of {rates['count']}; {value} at this rate, {rates['stated']:g} ({gain})"
    )


def sentence(training: Json | None) -> str:
    """Say of a cell how its head was trained; nothing where none was."""
    if not training:
        return ""
    ends = [
        f"{number(value, 2)} {where}"
        for value, where in (
            (training["train"], "on training batches"),
            (training["evaluation"], "on evaluation data"),
        )
        if value is not None
    ]
    word = {True: "Not converged: ", False: "Converged: ", None: "Whether it converged "}[training["not_converged"]]
    texts = [f"{word}{training['reason']}", *([f"accuracy {', '.join(ends)}"] if ends else [])]
    if training["rates"]:
        texts.append(f"learning rates: {rates_text(training['rates'])}")
    return "; ".join(texts) + "."
