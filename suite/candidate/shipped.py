"""What the suite ships of the mini study's own encoders: `python -m suite.candidate.shipped runs/mini` writes it anew.

Their scores of single items in the columns of the paper's tables, in which a candidate is compared, each with the
result that vouches for it: what `check --alone` pairs a candidate with.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from suite.archive.write import zipped
from suite.candidate.beside import SHIPPED
from suite.cells import BASELINES, METHODS
from suite.core.files import write_atomically
from suite.core.program import run_program
from suite.judge.standing import METRICS, OBJECTS, PARTS, SETTINGS
from suite.results.store import PerItemScores, Result, Store


def shipped(run: Path) -> bytes:
    """Return the zip of what is shipped of a run of the mini study.

    Args:
        run: its folder, with all nine encoders.

    Raises:
        EvidenceError: a result was altered.
    """
    source = Store(run)
    with TemporaryDirectory() as folder:
        target = Store(Path(folder))
        for result in source.results():
            items = source.items(result)
            is_compared = result.key.experiment in (*OBJECTS, *PARTS) and result.key.method in (*METHODS, *BASELINES)
            if items is not None and is_compared:
                target.save(*_reduced(result, items))
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return zipped({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


def _reduced(result: Result, items: PerItemScores) -> tuple[Result, PerItemScores]:
    """Keep what the paper's tables show of a result, and the scores that it follows from."""
    names = [name for name in result.values if _is_shown(*name.split("/"))]
    kept = tuple(f"{name.partition('/')[0]}." for name in names)
    kept += ("labels",) if any(name.endswith(".predicted") for name in items.evidence) else ()
    facts = {name: value for name, value in result.facts.items() if name in {"seeds", "finished", "device", "packages"}}
    return (
        replace(result, values={name: result.values[name] for name in names}, summaries={}, facts=facts),
        replace(
            items,
            scores={name: items.scores[name] for name in names if name in items.scores},
            evidence={name: array for name, array in items.evidence.items() if name.startswith(kept)},
        ),
    )


def _is_shown(setting: str, metric: str) -> bool:
    return setting in SETTINGS and metric in METRICS


def main() -> None:
    """Write the file from the run that is named."""
    write_atomically(SHIPPED, shipped(Path(sys.argv[1])))


if __name__ == "__main__":
    run_program(main)
