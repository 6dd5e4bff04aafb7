"""Steps of a run in the terminal: a line as each begins, with the time that all that is left takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping

from suite.core.text import duration

STEPS = ("set-up", "data", "plan", "measuring", "judging", "report")
"""In their order; `make` has begun the first where it installs packages."""

ONCE_S = {"plan": 3.0, "judging": 1.0, "report": 1.5}
"""Seconds of a step whatever is asked for."""
TRIAL_S = {"data": 0.15, "measuring": 5.0, "judging": 0.01, "report": 0.01}
"""Seconds of a step for each trial of the mini study that is to be measured, of one process where several share it.

Measured on two cores, 128 trials in two processes; other machines differ by a factor, which the first steps tell.
"""
TELLS = 0.2
"""Share of its expected seconds that a step takes at least where it had work to do: other ones tell of no speed."""


def expected_seconds(trials: int, processes: int) -> dict[str, float]:
    """Return the seconds that each step of the mini study takes on two cores.

    Args:
        trials: to be measured.
        processes: that measure them side by side.
    """
    shared = {"measuring": processes}
    return {name: ONCE_S.get(name, 0.0) + TRIAL_S.get(name, 0.0) * trials / shared.get(name, 1) for name in STEPS[1:]}


class Steps:
    """Tells of the steps of a run as they begin, `[step 2 of 6] data: ...; about 5 min left`.

    Attributes:
        expected: seconds of the steps to come, by name; one that is missing is unknown, and then no time is told.
    """

    def __init__(self, say: Callable[[str], object] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing expected.

        Args:
            say: takes a line; default: prints it to stderr.
            clock: seconds.
        """
        self.expected: dict[str, float] = {}
        self._say, self._clock = say or _print, clock
        self._current, self._began = "", 0.0
        self._took: dict[str, float] = {}

    def expect(self, seconds: Mapping[str, float | None]) -> None:
        """Take over what steps are expected to take; None for what is not known any more."""
        for name, value in seconds.items():
            if value is None:
                self.expected.pop(name, None)
            else:
                self.expected[name] = value

    def begin(self, name: str, what: str) -> None:
        """Say that a step begins, which ends the one before.

        Args:
            name: of `STEPS`.
            what: is done in it.
        """
        now = self._clock()
        if self._current:
            self._took[self._current] = now - self._began
        self._current, self._began = name, now
        left = self.seconds_left()
        time_left = "" if left is None else f"; about {duration(left)} left"
        self._say(f"[step {STEPS.index(name) + 1} of {len(STEPS)}] {name}: {what}{time_left}")

    def seconds_left(self) -> float | None:
        """Return the seconds of this step and those after it, by the speed of those before; None where unknown."""
        names = STEPS[STEPS.index(self._current) :]
        if any(name not in self.expected for name in names):
            return None
        known = [name for name in self._took if self._took[name] > TELLS * self.expected.get(name, float("inf"))]
        took, thought = sum(self._took[name] for name in known), sum(self.expected[name] for name in known)
        return sum(self.expected[name] for name in names) * (took / thought if thought else 1.0)


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
