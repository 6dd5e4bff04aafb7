"""Reports in every form that a person may meet, of made-up runs: whole, partial, empty, failing, with candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.core.files import Json, write_json
from suite.judge.gate import GateVerdict
from suite.protocol.profiles import load_profile
from suite.reference.select import references
from suite.report import html
from suite.report.collect import assemble
from suite.report.labels import CELL_VERDICTS, GATE_LABELS, STATUSES
from suite.results.store import Key, Store
from tests.support import report_circumstances, report_sample
from tests.support.candidate_run import LEVELS, MINE, PLACES, SWEEP, store_result, write_record, write_sweep
from tests.support.fabricated import Values, write_run

SHOWN = ("deit", "dino", "random_init", "<b>mine</b>", MINE, *SWEEP.values())
"""Encoders whose cells are kept: the rows of more show nothing else, and cost a browser's reader minutes."""
LONG_PATH = "/srv/datasets/shared/imagenet/ILSVRC2012/with_a_folder_name_that_nobody_would_type/annotations.json"


def mini_values(datasets: Sequence[str] = ()) -> Values:
    """The mini study's values as recorded, of these datasets or all."""
    expected = references("mini", {}, None)
    values: dict[Key, dict[str, list[float]]] = {}
    for cell in load_profile("mini").cells():
        if not datasets or cell.dataset in datasets:
            reference = expected[cell]
            value = reference.by_seed[0] if reference.by_seed else float(reference.value or 0)
            key = Key(cell.experiment, cell.dataset, cell.method)
            values.setdefault(key, {})[f"{cell.setting}/{cell.metric}"] = [value]
    return values


def whole(run: Path) -> Json:
    """Everything asked for ran and is reproduced; with pictures, curves, a plan and several attempts."""
    pictures = report_sample.figures(run) + segmentation_figures(run)
    sample = report_sample.report()
    shown = {
        name: sample[name] for name in ("trainings", "plan", "attempts", "environment", "conformance", "variables")
    }
    return assemble(write_run(run, "mini", mini_values(), [0])) | shown | {"figures": pictures}


def partial(run: Path) -> Json:
    """One dataset of four ran, another was asked for and could not be read, the rest nobody asked for."""
    values = mini_values(("cub200", "coco"))
    write_run(run, "mini", values, [0])
    for key in values:
        if key.dataset == "coco":
            Store(run).path(key).unlink()
            Store(run).mark_not_run(key, f"{LONG_PATH}: no such file; expected the annotations of COCO val2017")
    return assemble(run)


def empty(run: Path) -> Json:
    """Nothing ran, and nobody knows why."""
    write_run(run, "mini", mini_values(), [0])
    for key in mini_values():
        Store(run).path(key).unlink()
    return assemble(run)


def failing(run: Path) -> Json:
    """Every verdict, every answer of the second gate, hostile names, two environments, a picture that is lost."""
    report = report_sample.report(run)
    (run / report["figures"][3]["path"]).unlink()
    cells = thinned(report)["cells"]
    for cell, verdict in zip(cells, CELL_VERDICTS, strict=False):
        cell |= {"verdict": verdict, "reason": f"{verdict}: {LONG_PATH}"}
    for cell, verdict in zip(cells, GATE_LABELS, strict=False):
        held = GateVerdict(verdict, LONG_PATH, value=38.6, difference=0.2, tolerance=0.05)
        cell["accepted"] = {
            name: getattr(held, name) for name in ("verdict", "reason", "value", "difference", "tolerance")
        }
    verdicts = [cell["verdict"] for cell in cells]
    summary = {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}
    rungs = [{"name": s, "question": "Can it be loaded?", "status": s, "detail": LONG_PATH} for s in STATUSES]
    conformance = {"encoder": report_circumstances.HOSTILE, "rungs": rungs, "facts": {}, "fingerprint": {}}
    return report | {
        "summary": summary,
        "conformance": conformance,
        "figures": report["figures"] + segmentation_figures(run),
    }


def candidate(run: Path) -> Json:
    """A new encoder beside the seven: checks, ranks, paired comparisons."""
    for place in PLACES:
        for method, value in LEVELS.items():
            store_result(run, place, method, value)
        store_result(run, place, MINE, 75.0 if place.startswith(("object", "image")) else 10.0)
    write_record(run)
    write_json(run / "conformance.json", answers("mine:build"))
    return assemble(run)


def several(run: Path) -> Json:
    """Checkpoints of a sweep beside the seven: a table of all, a trend, pairs among them, the one-sided gate."""
    write_sweep(run)
    write_json(run / "conformance.json", {"candidates": [answers(spec) for spec in SWEEP]})
    write_json(run / "bound.json", {"reference": "beit", "margin": 1.0})
    return assemble(run)


FORMS: Mapping[str, Callable[[Path], Json]] = {
    form.__name__: form for form in (whole, partial, empty, failing, candidate, several)
}


def answers(spec: str) -> Json:
    """What an encoder answered to the conformance checks."""
    rungs = [{"name": "loads", "question": "can it be loaded?", "status": "passed", "detail": "0.5 M parameters"}]
    facts = {"weights": "a" * 64, "patch_size": 16, "image_size": 64, "embed_dim": 48, "depth": 2}
    prints = {"hash": "f00d", "probe": [0.5, 0.25]}
    return {"encoder": spec, "rungs": rungs, "facts": facts, "fingerprint": prints}


def segmentation_figures(folder: Path) -> list[dict[str, Any]]:
    """Draw an image, its truth and two predictions into a folder."""
    figures = [
        {"kind": "segmentation", "dataset": "lip", "method": method, "role": role, "path": f"{method}-{role}.png"}
        for method in ("mae", "dino")
        for role in ("image", "truth", "prediction")
    ]
    for figure in figures:
        report_sample.strip(folder / figure["path"], 0)
    return figures


def thinned(report: Json) -> Json:
    """Keep the cells of a few encoders; the sentences still count all."""
    return report | {"cells": [cell for cell in report["cells"] if cell["method"] in SHOWN]}


def write_pages(folder: Path) -> dict[str, Path]:
    """Write the page of every form into a folder, and return where each is."""
    pages = {}
    for name, form in FORMS.items():
        run = folder / name
        pages[name] = folder / f"{name}.html"
        text = html.render(thinned(form(run)), run)
        pages[name].write_bytes(text.encode("utf-8", "replace"))
    return pages
