"""Steps on the mini study: on the device twice, on the CPU, on two cards, and against its plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from suite.acceptance.site import Answer, Site, verdict
from suite.cells import CellId
from suite.core.paths import EXPECTED
from suite.reference.expected import RECORDED, load_expected
from suite.results.store import Store

ENCODERS = "dino,mae"
"""Two of seven, so that all experiments on the device twice, and on the CPU, fit into the time."""
SETTLED = (0, 1, 2)
"""Exit codes of a run that came to its end; whether its cells agree with the recorded ones is told beside it."""
RATIO = (1 / 3, 3.0)
"""Where measured by planned time of an experiment may lie: short trials are mostly start-up, which no rate knows."""
_SHORTEST_S = 10.0
"""Planned seconds of an experiment below which its ratio says nothing."""


def on_device(site: Site) -> Answer:
    """Plan the mini study with measured rates, and run every experiment on the device."""
    site.run_suite(["render", f"--data={site.folder / 'data'}"], site.seconds_left)
    planned = site.run_suite(["plan", "--calibrate", *_request(site, "first", site.device)], site.seconds_left)
    answer = _run(site, "first", site.device)
    return Answer(answer.status, answer.detail, {**answer.facts, "plan_exit_code": planned.code})


def on_device_again(site: Site) -> Answer:
    """Run it once more, with nothing kept from before: every value has the same bits."""
    answer = _run(site, "again", site.device)
    if answer.status != "passed":
        return answer
    first, again = _values(site, "first"), _values(site, "again")
    differing = sorted(str(cell) for cell in first.keys() | again.keys() if first.get(cell) != again.get(cell))
    detail = f"{len(first)} cells twice: {len(differing)} differ" + (f", {differing[0]} first" if differing else "")
    return verdict(bool(first) and not differing, detail, cells=len(first), differing=differing)


def on_cpu(site: Site) -> Answer:
    """Run it on the CPU: values differ by no more than the recorded references allow between machines."""
    answer = _run(site, "cpu", "cpu")
    if answer.status != "passed":
        return answer
    return held(_values(site, "first"), _values(site, "cpu"))


def held(device: Mapping[CellId, list[float]], cpu: Mapping[CellId, list[float]]) -> Answer:
    """Hold values of one device against another's.

    The bounds are those of `expected/mini`, measured between CPUs before any GPU was seen: `numeric` where nothing is
    trained, `machine` as well where a probe or head is.
    """
    expected = load_expected(RECORDED, EXPECTED)
    missing = sorted(str(cell) for cell in device.keys() ^ cpu.keys())
    rows, beyond = [], []
    for cell in sorted(device.keys() & cpu.keys(), key=str):
        allowed = max(expected[cell].numeric, expected[cell].machine)
        difference = max(abs(a - b) for a, b in zip(device[cell], cpu[cell], strict=True))
        rows.append([str(cell), round(difference, 6), allowed])
        if difference > allowed:
            beyond.append(f"{cell} by {difference:.3f}, allowed {allowed:g}")
    problems = beyond + [f"{cell} on one of both only" for cell in missing]
    experiments = sorted({cell.experiment for cell in device})
    detail = f"{len(rows)} cells of {len(experiments)} experiments: {len(beyond)} differ by more than allowed"
    return verdict(
        bool(rows) and not problems,
        detail + (f": {'; '.join(problems[:3])}" if problems else ""),
        cells=len(rows),
        experiments=experiments,
        differences_in_points=rows,
        beyond=problems,
    )


def on_two_cards(site: Site) -> Answer:
    """Train the probes on augmented images with two cards for each: the values of one card."""
    if site.cards < 2:
        return Answer("not applicable", f"it needs two cards, there are {site.cards}")
    options = ["--experiment=image_classification", "--processes-per-probe=2"]
    answer = _run(site, "together", site.device, *options)
    if answer.status != "passed":
        return answer
    together = _values(site, "together")
    return held({cell: values for cell, values in _values(site, "first").items() if cell in together}, together)


def plan_against_actual(site: Site) -> Answer:
    """Compare the planned time of each experiment with the measured one."""
    path = site.folder / "first" / "report.json"
    if not path.exists():
        return Answer("not run", "the mini study left no report")
    rows = [row for row in json.loads(path.read_text()).get("plan") or () if row["ratio"] is not None]
    long = [row for row in rows if row["planned_s"] >= _SHORTEST_S]
    off = [row["experiment"] for row in long if not RATIO[0] <= row["ratio"] <= RATIO[1]]
    text = ", ".join(f"{row['experiment']} {row['ratio']:.2f}" for row in rows)
    detail = f"measured by planned: {text or 'nothing was planned'}" + (f"; off: {', '.join(off)}" if off else "")
    return verdict(bool(rows) and not off, detail, plan=rows, allowed=list(RATIO))


def _run(site: Site, name: str, device: str, *options: str) -> Answer:
    ended = site.run_suite(["reproduce", *_request(site, name, device), "--runtime=venv", *options], site.seconds_left)
    if ended.code is None:
        return Answer("not run", ended.last_line)
    reasons = Store(site.folder / name).reasons()
    problems = [f"{key}: {reason}" for key, reason in reasons.items()]
    if ended.code not in SETTLED:
        problems.append(f"exit code {ended.code}: {ended.last_line}")
    cells = len(_values(site, name))
    detail = "; ".join(problems[:3]) or f"{cells} cells, exit code {ended.code}: {ended.last_line}"
    return verdict(bool(cells) and not problems, detail, cells=cells, exit_code=ended.code, problems=problems)


def _request(site: Site, name: str, device: str) -> list[str]:
    return [
        "--profile=mini",
        f"--encoder={ENCODERS}",
        f"--device={device}",
        f"--data={site.folder / 'data'}",
        f"--cache={site.folder / f'cache of {name}'}",
        f"--run={site.folder / name}",
    ]


def _values(site: Site, name: str) -> dict[CellId, list[float]]:
    folder: Path = site.folder / name
    return {m.id: list(m.values) for result in Store(folder).results() for m in result.measurements()}
