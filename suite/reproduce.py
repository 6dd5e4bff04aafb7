"""The main job: data, experiments, verdicts, report."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from suite.cells import CellId
from suite.claims import load_claims
from suite.environment import capture
from suite.errors import RequestError, StorageError
from suite.expected import places
from suite.progress import Progress
from suite.protocol import Profile, load_profile, load_variants
from suite.recording import Recording, write_mini
from suite.references import EXPECTED, references
from suite.report import files, terminal
from suite.report.build import build
from suite.request import Request, check_writable, make_request
from suite.results import Key, Result, Store, write_json
from suite.verdict import judge

EXPERIMENTS = Path(__file__).parent / "experiments"
INTERRUPTED = 130


def reproduce(request: Request, *, workers: int | None = None) -> int:
    """Run what was asked for, judge it, write the report.

    Returns:
        The exit code of the verdict (see `suite.verdict`), or 130 if interrupted.

    Raises:
        StorageError: the run folder cannot be written or the disk is full; finished cells are kept.
    """
    interrupted = measure(request, workers=workers)
    code = report(request.run, strict=request.strict)
    return INTERRUPTED if interrupted else code


def measure(request: Request, *, workers: int | None = None) -> bool:
    """Render the mini data if need be, then run every trial; True if the user interrupted it."""
    check_writable(request.run)
    check_writable(request.cache)
    prepare_data(request, workers=workers)
    started = _now()
    keys = [request.key(*task) for task in request.tasks()]
    progress = Progress(keys)
    write_json(
        request.run / "run.json", {"asked": request.record(), "started": started, "finished": None, "reused": []}
    )
    try:
        exit_code = _run_pytest(request, progress, _processes(request, len(keys), workers))
    finally:
        progress.close()
    record = {"asked": request.record(), "started": started, "finished": _now(), "reused": sorted(progress.reused)}
    write_json(request.run / "run.json", record)
    if progress.storage_error:
        raise StorageError(progress.storage_error)
    if exit_code in {pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR}:
        raise RequestError(f"pytest could not run the experiments: see {request.run / 'pytest.log'}")
    return progress.interrupted


def prepare_data(request: Request, *, workers: int | None = None) -> None:
    """Draw the mini study's data where it is missing or damaged; say so if the bytes are not the recorded ones."""
    if request.profile.name != "mini":
        return
    from suite.mini.render import render

    for dataset in render(request.data, names=request.datasets, workers=workers):
        if not dataset.as_recorded:
            print(f"warning: {dataset.name}: drawn differently from the recorded study (other NumPy or Pillow?)")


def report(run: Path, *, strict: bool = False) -> int:
    """Judge a run folder and write its report; needs neither data nor weights.

    Returns:
        The exit code of the verdict.

    Raises:
        RequestError: the folder holds no run.
    """
    judged = assemble(run, strict=strict)
    files.write(run, judged)
    print(terminal.render(judged))
    print(f"report: {(run / 'report.html').resolve()}")
    return int(judged["exit_code"])


def assemble(run: Path, *, strict: bool = False) -> dict[str, Any]:
    """The content of report.json, from the run folder and `expected/` alone."""
    record = _read_run(run)
    asked = record["asked"]
    profile = load_profile(asked["profile"])
    store = Store(run)
    results = list(store.results())
    wanted = [CellId.parse(text) for text in asked["cells"]]
    judgement = judge(
        wanted,
        {m.id: m for result in results for m in result.measurements()},
        references(profile.name, asked["variants"], asked["limit"]),
        reasons(profile, store, wanted),
        load_claims(),
        listed=profile.cells(),
        places=places(EXPECTED),
        strict=strict or bool(asked["strict"]),
    )
    return build(
        judgement,
        profile=profile.name,
        run=run.name,
        asked=asked,
        environment=capture(asked["device"]),
        costs=[_cost(result, reused=result.key in {*record["reused"]}) for result in results],
        figures=figures(run),
        protocol=protocol(profile, results, asked["variants"]),
        notes=[],
        started=record["started"],
        finished=record["finished"] or _now(),
    )


def reasons(profile: Profile, store: Store, wanted: Sequence[CellId]) -> dict[CellId, str]:
    """Why each cell without a value has none."""
    found = {c: e.not_run for c in profile.cells() if (e := profile.experiment(c.experiment)).not_run}
    notes = store.reasons()
    for cell in wanted:
        key = Key(cell.experiment, cell.dataset, cell.method)
        if key in notes:
            found[cell] = notes[key]
    return found


def figures(run: Path) -> list[dict[str, str]]:
    """The strips of the patch search, by method, query and setting."""
    found = []
    for path in sorted(run.glob("figures/patch_search/*/*/*.png")):
        query, _, setting = path.stem.partition("_to_")
        place = {"kind": "patch_search", "dataset": path.parts[-3], "method": path.parts[-2]}
        found.append(place | {"query": query, "setting": setting, "path": str(path.relative_to(run))})
    return found


def protocol(profile: Profile, results: Sequence[Result], variants: Mapping[str, str]) -> dict[str, Any]:
    """What the report says of how it was done: hyper-parameters, variants, splits, digests."""
    splits: dict[str, list[str]] = {}
    for result in results:
        said = result.summaries.get("split")
        if said and said not in splits.setdefault(result.key.dataset, []):
            splits[result.key.dataset].append(said)
    chosen = {name: variant.default for name, variant in load_variants().items()} | dict(variants)
    return {
        "experiments": {
            e.name: {k: {"value": p.value, "source": p.source} for k, p in e.parameters.items()}
            for e in profile.experiments.values()
        },
        "variants": chosen,
        "notice": profile.notice,
        "splits": {dataset: "; ".join(splits[dataset]) for dataset in splits},
        "digests": {
            "data": {r.key.dataset: r.inputs["data"] for r in results},
            "weights": {r.key.method: r.inputs["weights"] for r in results},
        },
    }


def record(request: Request, *, workers: int | None = None) -> int:
    """Measure over several seeds and write the recorded references of the profile.

    Returns:
        0; 2 if something did not run, and then nothing is written.
    """
    if request.profile.name != "mini" or request.limit is not None or _partial(request):
        raise RequestError("record: expected the whole mini profile: no LIMIT, ENCODER, DATASET, EXPERIMENT or VARIANT")
    if measure(request, workers=workers):
        return INTERRUPTED
    store = Store(request.run)
    missing = [str(request.key(*task)) for task in request.tasks() if request.key(*task) in store.reasons()]
    if missing:
        raise StorageError(f"record: {len(missing)} trials did not run, {missing[0]} first; nothing was written")
    code = capture(request.device)["code"]
    recording = Recording(
        command=f"make record SEED={','.join(map(str, request.seeds))}",
        commit=f"{code['commit']}{' with local changes' if code['dirty'] else ''}",
        date=_now()[:10],
        machine=f"{platform.machine()}, {os.cpu_count()} cores, {request.device}",
    )
    results = list(store.results())
    for name in request.experiments:
        chosen = [r for r in results if r.key.experiment == name]
        measurements = [m for r in chosen for m in r.measurements()]
        if measurements:
            items = min((r.summaries["test_items"] for r in chosen if "test_items" in r.summaries), default=None)
            path = EXPECTED / "mini" / f"{name}.toml"
            write_mini(path, measurements, recording=recording, test_items=items)
            print(f"recorded {len(measurements)} cells in {path}")
    return 0


def _partial(request: Request) -> bool:
    whole = make_request(profile=request.profile.name, device=request.device)
    return any(getattr(request, n) != getattr(whole, n) for n in ("encoders", "datasets", "experiments", "variants"))


def _run_pytest(request: Request, progress: Progress, processes: int) -> int:
    """Run the trials in this process or spread over several; pytest's own output goes to a log."""
    arguments = [
        str(EXPERIMENTS),
        f"--rootdir={EXPERIMENTS.parent.parent}",
        "--quiet",
        "--tb=short",
        f"--junitxml={request.run / 'junit.xml'}",
        *request.arguments(),
        f"--threads={max(1, (os.cpu_count() or 1) // processes)}",
        *(["-n", str(processes), "--dist=worksteal"] if processes > 1 else ["-p", "no:xdist"]),
    ]
    with (request.run / "pytest.log").open("w") as log, contextlib.redirect_stdout(log):
        return int(pytest.main(arguments, plugins=[progress]))


def _processes(request: Request, trials: int, workers: int | None) -> int:
    """One per core on the CPU, since such small models gain little from threads; one on a GPU."""
    cores = 1 if request.device == "cuda" else os.cpu_count() or 1
    return max(1, min(trials, workers or cores))


def _read_run(run: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((run / "run.json").read_text())
    except (OSError, ValueError) as error:
        raise RequestError(
            f"{run}: expected a run folder with run.json: {error}; make one with make reproduce"
        ) from error
    return record


def _cost(result: Result, *, reused: bool) -> dict[str, Any]:
    place = {"experiment": result.key.experiment, "dataset": result.key.dataset, "method": result.key.method}
    return place | {n: result.facts.get(n) for n in ("seconds", "peak_memory_mib")} | {"reused": reused}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
