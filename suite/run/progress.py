"""Progress of a run: a line per experiment as it finishes, and in a terminal a bar with the time left."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

from suite.results.store import Key


@dataclass
class Tally:
    """Trials of an attempt and what became of them, by their names.

    Attributes:
        names: of all trials asked for.
        measured: by this attempt.
        reused: from an earlier one.
    """

    names: set[str]
    measured: set[str] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)

    @property
    def lost(self) -> set[str]:
        """Trials without a result."""
        return self.names - self.measured - self.reused

    def note(self, facts: Mapping[str, str]) -> None:
        """Take in what the test of a trial says of it; a trial that deviates was measured, too."""
        if "trial" in facts and "seconds" in facts:
            (self.reused if facts.get("reused") else self.measured).add(facts["trial"])


@dataclass
class _Column:
    """The trials of one experiment on one dataset."""

    remaining: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    reused: int = 0


class Progress:
    """Follows the trials, however many processes run them."""

    def __init__(self, keys: list[Key]) -> None:
        self.columns: dict[str, _Column] = {}
        for key in keys:
            self.columns.setdefault(f"{key.experiment} on {key.dataset}", _Column()).remaining += 1
        self.bar = tqdm(
            total=len(keys), unit="trial", file=sys.stderr, dynamic_ncols=True, smoothing=0.1,
            disable=None,  # where stderr is no terminal
        )  # fmt: skip
        self.tally = Tally({str(key) for key in keys})
        self.warned: set[str] = set()

    def note(self, trial: str, facts: Mapping[str, str], *, passed: bool, warnings: Sequence[str] = ()) -> None:
        """Count a trial once, when it has ended.

        Args:
            trial: its name.
            facts: what its test says of it, name -> text; none where it was lost.
            passed: whether its test passed.
            warnings: what it had to say that fails nothing.
        """
        experiment, dataset, _ = trial.split("/", 2)
        self.tally.note(facts)
        self.bar.set_postfix_str(trial, refresh=False)
        self.bar.update()
        column = self.columns[f"{experiment} on {dataset}"]
        column.remaining -= 1
        column.seconds += float(facts.get("seconds", 0))
        column.reused += bool(facts.get("reused"))
        verdicts = [text for name, text in facts.items() if name.endswith("#verdict")]
        column.verdicts.update(verdicts or ([] if passed else ["not run"]))
        for warning in warnings:
            if warning not in self.warned:  # each process says it
                self.warned.add(warning)
                self.bar.write(f"warning: {warning}", file=sys.stderr)
        if column.remaining == 0:
            self.bar.write(_line(f"{experiment} on {dataset}", column), file=sys.stderr)

    def say(self, sentence: str) -> None:
        """Write a line above the bar."""
        self.bar.write(sentence, file=sys.stderr)

    def close(self) -> None:
        """End the bar."""
        self.bar.close()


def _line(title: str, column: _Column) -> str:
    counts = ", ".join(f"{n} {verdict}" for verdict, n in column.verdicts.most_common()) or "nothing judged"
    reused = f", {column.reused} reused" if column.reused else ""
    return f"{title:<34} {counts}  ({column.seconds:.1f} s{reused})"
