"""Many cells at once: which deviations the family confirms, and whether there are more than chance gives.

Each interval errs on one true cell in twenty. Holm's procedure bounds the chance of confirming any true cell as a
deviation, whatever cells share; a run fails on what it confirms. It is blind to many small deviations, of which none is
striking by itself. Two things are said of these:

- If every tested cell deviates, that is confirmed of all together: the chance that all do is no larger than that of any
  one, one in twenty, whatever they share.
- Otherwise their number is held against the binomial distribution. That takes cells to be independent, which those of
  one encoder or one seed are not, hence a warning and no verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suite.cells import CellId
from suite.judge.cell_verdict import CellVerdict
from suite.judge.intervals import chance_bound, holm

ALPHA = 0.05


@dataclass(frozen=True)
class Family:
    """Every judged cell that has a p-value.

    Attributes:
        judged: how many there are.
        rejected: deviations that are confirmed, by Holm's procedure, or together since every tested cell deviates.
        by_chance: those of them in which seed noise plays a part, so that one true cell in twenty deviates.
        deviating: how many of these deviate, confirmed or not.
        chance_bound: most that would deviate by chance alone in 95 of 100 runs.
    """

    alpha: float
    judged: int
    rejected: tuple[CellId, ...]
    by_chance: int = 0
    deviating: int = 0
    chance_bound: int = 0

    @property
    def exceeds(self) -> bool:
        """Return whether more deviate than chance explains."""
        return self.deviating > self.chance_bound

    @property
    def warning(self) -> str | None:
        """Warning that a reader of the report should see in its head; None where chance explains what deviates."""
        if not self.exceeds:
            return None
        return (
            f"{self.deviating} of {self.by_chance} cells with seed noise deviate, more than chance explains: it gives "
            f"{self.alpha * self.by_chance:.1f} on average, and at most {self.chance_bound} in 95 of 100 runs "
            "(binomial, cells taken to be independent)."
        )


def family_of(cells: Sequence[CellVerdict]) -> Family:
    """Test the judged cells together."""
    p_values = {c.id: c.p_value for c in cells if c.p_value is not None}
    by_chance = [c for c in cells if c.by_chance]
    all_deviate = all(c.verdict == "deviates" for c in cells if c.p_value is not None)
    return Family(
        ALPHA,
        len(p_values),
        tuple(p_values) if all_deviate else holm(p_values, ALPHA),
        len(by_chance),
        sum(c.verdict == "deviates" for c in by_chance),
        chance_bound(len(by_chance), ALPHA),
    )
