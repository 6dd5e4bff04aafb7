"""How far the values of recorded seeds move from machine to machine: the mini study's trainings in other arithmetic.

One process measures one arithmetic into a run folder of its own; instruction sets are chosen by the libraries'
switches, which must be set before they are loaded. Then all are held against seed 0 of a recording:

    make record
    ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX2 \
        python -m benchmarks.machine_slack measure runs/slack/avx2
    python -m benchmarks.machine_slack measure runs/slack/passes --threads 4 --pass-size 96
    python -m benchmarks.machine_slack write runs/record runs/slack/*

`write` replaces `expected/machine_slack.toml`; `make record` once more takes it from there.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import processor
from suite.core.environment import code_state
from suite.core.files import write_atomically
from suite.protocol.profiles import load_profile
from suite.reference.recording import toml_section
from suite.reference.slack import FILE
from suite.results.store import Store
from suite.run.request import make_request

TRAINED = (
    *("image_classification", "part_classification"),
    *("object_segmentation", "part_segmentation", "learning_rate_sweep"),
)
SWITCHES = ("ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE")
LEAST = 0.02
"""Points that a metric of pixels may always move; of items, two may always change."""
MARGIN = 3
"""What is allowed is this many times the largest movement seen: a handful of arithmetics is no census of machines."""


def measure(run: Path, encoders: Sequence[str], threads: int, forward_batch_size: int | None) -> None:
    """Measure every training of some encoders, or of all, with seed 0 in this process, without judging it."""
    import torch

    from suite.core.precision import exact_convolutions
    from suite.experiments import heads
    from suite.experiments.base import page_of
    from suite.experiments.judge import Trial

    torch.set_num_threads(threads)
    exact_convolutions()
    request = make_request(experiments=TRAINED, encoders=encoders, device="cpu", run=run, cache=run / "cache")
    if forward_batch_size:
        parameters = dict(request.profile.parameters)
        parameters["batch_size"] = replace(parameters["batch_size"], value=forward_batch_size)
        request = replace(request, profile=replace(request.profile, parameters=parameters))
        heads.PASS = forward_batch_size // 16
    for experiment, dataset, spec in request.tasks():
        Trial(request, experiment, dataset, spec).measure(page_of(experiment.name).run)
        print(f"{experiment.name} {dataset} {spec}", flush=True)
    switches = [f"{name}={os.environ[name]}" for name in SWITCHES if name in os.environ]
    facts = [
        *([",".join(encoders)] if encoders else []),
        f"{threads} threads",
        f"{request.profile.settings.batch_size} images a pass",
        *switches,
    ]
    facts.append(f"PyTorch's kernels for {torch.backends.cpu.get_cpu_capability()}, Python {platform.python_version()}")
    (run / "arithmetic.txt").write_text(", ".join(facts) + "\n")


def values(run: Path) -> Mapping[tuple[str, str], Mapping[str, float]]:
    """(experiment, metric) -> cell -> per cent with seed 0, for what was trained."""
    percentages: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for result in Store(run).results():
        for measurement in result.measurements():
            by_seed = dict(zip(measurement.seeds, measurement.values, strict=False))
            if 0 in by_seed:
                percentages[measurement.id.experiment, measurement.id.metric][str(measurement.id)] = by_seed[0]
    return percentages


def least(runs: Sequence[Path], experiment: str, metric: str) -> tuple[float, str]:
    """What is allowed however little was seen."""
    items = [
        result.summaries["test_items"]
        for result in Store(runs[0]).results()
        if result.key.experiment == experiment and "test_items" in result.summaries
    ]
    if not items:
        return LEAST, f"{LEAST} points at least"
    return 200 / min(items), f"two of {min(items)} items at least"


def write(runs: Sequence[Path], root: Path) -> None:
    """Hold all runs against the first, a recording, and write the largest differences."""
    first, *others = [values(run) for run in runs]
    arithmetic = [(run / "arithmetic.txt").read_text().strip() for run in runs[1:]]
    sections: dict[str, dict[str, Any]] = {
        "measured": {
            "how": f"seed 0 of make record on {processor()}, against: " + "; ".join(arithmetic),
            "date": datetime.now(UTC).date().isoformat(),
            "commit": str(code_state()["commit"]),
        }
    }
    profile = load_profile("mini")
    for experiment, metric in ((e, m) for e in TRAINED for m in profile.experiments[e].metrics):
        here = first[experiment, metric]
        there = [other[experiment, metric] for other in others]
        moved = {cell: max(abs(table[cell] - here[cell]) for table in there if cell in table) for cell in here}
        still = sum(value < 5e-5 for value in moved.values())
        allowed, why = least(runs, experiment, metric)
        apart = {cell: value for cell, value in moved.items() if value > allowed}
        worst = max(moved.keys() - apart.keys(), key=lambda cell: moved[cell])
        sections[f"{experiment}.{metric}"] = {
            "points": round(max(allowed, MARGIN * moved[worst]), 6),
            "reason": f"{still} of {len(moved)} cells the same to four decimals, most moved {worst} by "
            f"{moved[worst]:.4f}, times {MARGIN}; {why}",
        }
        for cell, value in apart.items():
            _, dataset, method, setting, _ = cell.split("/")
            column = sections.setdefault(f"{experiment}.{metric}.apart.{dataset}.{setting}", {})
            column[method] = round(MARGIN * value, 6)
            print(f"{cell} apart: moved by {value:.4f}")
        print(f"{experiment} {metric}: {sections[f'{experiment}.{metric}']}")
    head = "# How far a recorded seed's value moves from machine to machine; written by benchmarks/machine_slack.py.\n"
    write_atomically(root / FILE, (head + "".join(map(toml_section, sections, sections.values()))).encode())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("measure", help="one arithmetic")
    one.add_argument("run", type=Path)
    one.add_argument("--encoder", default="", help="some, by commas")
    one.add_argument("--threads", type=int, default=1)
    one.add_argument("--pass-size", type=int, default=None)
    both = verbs.add_parser("write", help="hold them against a recording, which comes first")
    both.add_argument("runs", type=Path, nargs="+")
    options = parser.parse_args()
    if options.verb == "measure":
        measure(
            options.run, list(filter(None, options.encoder.split(","))), options.threads, options.forward_batch_size
        )
    else:
        write(options.runs, Path("expected"))


if __name__ == "__main__":
    main()
