"""How a run is carried out on its machine: none of it changes a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Execution:
    """Processes of a run.

    Attributes:
        workers: so many at the same time; None for one per core on the CPU, or one per GPU.
        max_crashes: start no more trials when so many processes have died; None to go on however many.
        join: work in the run folder beside other runs of the same request that join too.
    """

    workers: int | None = None
    max_crashes: int | None = None
    join: bool = False


BY_DEFAULT = Execution()
