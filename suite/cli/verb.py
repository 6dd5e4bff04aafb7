"""A verb of `python -m suite`.

What does the work is imported only when a verb runs, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    Attributes:
        name: as typed.
        add_arguments: declares its arguments.
        run: does it; returns the exit code. Its docstring is what `--help` says, the first line alone in the list.
    """

    name: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]

    @property
    def description(self) -> str:
        """Text of `--help` on it."""
        return inspect.getdoc(self.run) or ""
