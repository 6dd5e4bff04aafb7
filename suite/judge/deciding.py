"""Cost of deciding the cells that cannot be told: how many seeds, and their time here.

More seeds are measured together, as one result, so that what they cost is the time of all of them and not of the
further ones alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import count, islice
from typing import Any

from suite.judge.cell_verdict import MORE_IMAGES, CellVerdict

AT_LEAST = 2
"""Seeds that tell something about seed noise."""


@dataclass(frozen=True)
class Deciding:
    """The inconclusive cells of an experiment on a dataset.

    Attributes:
        methods: whose cells they are.
        cells: how many.
        undecidable: those of them that no number of seeds decides.
        certain: the seed noise is known; else `seeds` is the least that tell it.
        seeds: to be run; empty where no number decides any of the cells.
        seconds: what these take here; None where unknown.
    """

    experiment: str
    dataset: str
    methods: tuple[str, ...]
    cells: int
    undecidable: int
    certain: bool
    seeds: tuple[int, ...]
    seconds: float | None

    @property
    def sentence(self) -> str:
        """Advice on what to do, for a person."""
        if not self.seeds:
            return "no number of seeds: the reference's own noise alone is wider than the cap"
        number = f"{len(self.seeds)} seeds" if self.certain else "unknown: two at least"
        remainder = f"; {self.undecidable} of {self.cells} by no number" if self.undecidable else ""
        cost = "time unknown" if self.seconds is None else f"about {self.seconds / 3600:.2g} h here"
        return f"{number}{remainder}: SEED={','.join(map(str, self.seeds))}, {cost}"

    def record(self) -> dict[str, Any]:
        """Return a record for the report."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"sentence": self.sentence}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Deciding:
        """Make it from a report's record."""
        values = {field.name: record[field.name] for field in fields(cls)}
        return cls(**values | {"methods": tuple(record["methods"]), "seeds": tuple(record["seeds"])})

    def lasting(self, seconds: float | None) -> Deciding:
        """Return the same with another duration, if one is known."""
        return self if seconds is None else replace(self, seconds=seconds)


def deciding(
    cells: Iterable[CellVerdict], costs: Sequence[Mapping[str, Any]], run_seeds: Sequence[int]
) -> list[Deciding]:
    """Group the inconclusive cells by what measures them.

    Args:
        cells: judged.
        costs: experiment, dataset, method and seconds of every result.
        run_seeds: the run's seeds.
    """
    groups: dict[tuple[str, str], list[CellVerdict]] = {}
    for cell in cells:
        if cell.verdict == "inconclusive" and cell.to_decide != MORE_IMAGES:
            groups.setdefault((cell.id.experiment, cell.id.dataset), []).append(cell)
    seconds_by_trial = {(c["experiment"], c["dataset"], c["method"]): c["seconds"] for c in costs}
    entries = []
    for (experiment, dataset), group in groups.items():
        methods = tuple(dict.fromkeys(cell.id.method for cell in group))
        is_noise_unknown = any(cell.tolerance is None for cell in group)
        seed_counts = [cell.seeds_needed for cell in group if cell.seeds_needed is not None]
        number = max([*seed_counts, *([AT_LEAST] if is_noise_unknown else [])], default=0)
        undecidable_count = sum(cell.tolerance is not None and cell.seeds_needed is None for cell in group)
        durations = [seconds_by_trial.get((experiment, dataset, method)) for method in methods]
        known_durations = [seconds for seconds in durations if seconds is not None]
        seconds = (
            sum(known_durations) / max(1, len(run_seeds)) * number
            if len(known_durations) == len(durations) and number
            else None
        )
        seeds = tuple(seeds_from(run_seeds, number))
        entries.append(
            Deciding(experiment, dataset, methods, len(group), undecidable_count, not is_noise_unknown, seeds, seconds)
        )
    return entries


def seeds_from(first_seeds: Sequence[int], number: int) -> list[int]:
    """Return so many seeds, those that were asked for first, then the smallest others."""
    further_seeds = (seed for seed in count() if seed not in first_seeds)
    return list(islice([*first_seeds, *islice(further_seeds, number)], number))
