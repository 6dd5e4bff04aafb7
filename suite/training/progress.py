"""Progress of a training in a file: it may run in another process than the terminal's; pytest holds back prints."""

from __future__ import annotations

import time
from pathlib import Path

from suite.core.files import write_json
from suite.results.store import Key
from suite.training.loop import OnRound

PROGRESS_S = 10.0
"""Seconds between two notes."""


def progress_file(run: Path, key: Key, seed: int) -> OnRound:
    """Note rounds done and time left in `training/<trial>.json` of the run folder, every few seconds.

    The file is removed after the last round.
    """
    path = run / "training" / f"{key.experiment}-{key.dataset}-{key.method}.json"
    noted = -PROGRESS_S

    def note(done: int, rounds: int, left_s: float) -> None:
        nonlocal noted
        now = time.monotonic()
        if done == rounds:
            path.unlink(missing_ok=True)
        elif now - noted >= PROGRESS_S:
            noted = now
            write_json(path, {"seed": seed, "round": done, "rounds": rounds, "seconds_left": round(left_s)})

    return note
