"""Are the values of two runs the same, bit for bit, and is neither lacking one? Usage: same_cells.py RUN OTHER."""

import json
import sys
from pathlib import Path


def values(run: Path) -> dict[str, list[float]]:
    """Every measured value by experiment/dataset/method/setting/metric, one per seed."""
    measurements = {}
    for path in sorted(run.glob("cells/*/*/*.json")):
        place = path.relative_to(run / "cells").with_suffix("")
        measurements |= {f"{place}/{name}": numbers for name, numbers in json.loads(path.read_text())["values"].items()}
    names = json.loads((run / "run.json").read_text())["asked"]["cells"]
    if not names or (missing := sorted(set(names) - set(measurements))):
        sys.exit(f"{run}: expected {len(names)} cells, {len(missing)} are missing: {missing[:3]}")
    return measurements


def main(run: Path, other: Path) -> None:
    """Exit with the first difference."""
    here, there = values(run), values(other)
    differ = [
        f"{name}: {here.get(name)} and {there.get(name)}" for name in here | there if here.get(name) != there.get(name)
    ]
    if differ:
        sys.exit(f"{run} and {other}: {len(differ)} of {len(here)} cells differ: {differ[:3]}")
    print(f"{run} and {other}: {len(here)} cells, the same bits")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
