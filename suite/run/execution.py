"""How a run is carried out on its machine: none of it changes a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from suite.run.shards import Shard


@dataclass(frozen=True)
class Execution:
    """Processes of a run.

    Attributes:
        workers: so many at the same time; None for one per core on the CPU, or one per GPU.
        max_crashes: start no more trials when so many processes have died; None to go on however many.
        join: work in the run folder beside other runs of the same request that join too.
        shard: the part of the request that is done; None for all of it.
    """

    workers: int | None = None
    max_crashes: int | None = None
    join: bool = False
    shard: Shard | None = None

    @property
    def joins(self) -> bool:
        """Whether others may be at work in the run folder at the same time."""
        return self.join or self.shard is not None

    def folder(self, run: Path) -> Path:
        """Return the folder for what is of this run alone, beside results."""
        return self.shard.folder(run) if self.shard else run


BY_DEFAULT = Execution()
