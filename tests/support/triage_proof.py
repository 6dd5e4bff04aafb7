"""Does triage name the fault? Each is put into a run of the mini study, which takes the reference's place.

`make triage-proof` makes all of them and writes docs/evidence/triage.md.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import timm
import torch
from tabulate import tabulate

from suite.core.files import write_atomically
from suite.core.paths import DOCS, MINI_WEIGHTS
from suite.core.precision import exact_convolutions
from suite.core.processors import usable_processors
from suite.core.program import run_program
from suite.core.text import now
from suite.experiments import context
from suite.experiments.base import page_of
from suite.experiments.judge import Trial
from suite.mini.render import render
from suite.report.triaged import AGAIN
from suite.reproduction.reproduce import reproduce
from suite.results.store import Store
from suite.run.calls import call
from suite.run.folder import join_request
from suite.run.request import Request, make_request
from suite.triage.asked import look, request_of
from suite.triage.gaps import chosen, gaps_of
from suite.triage.triage import Question, outcomes, triage
from suite.triage.tries import Try, tries_of
from tests.support.detection import fresh_process
from tests.support.triage_faults import DATASETS, EPOCH, FAULTS, C, Injected, P, R, S

PAGE = DOCS / "evidence" / "triage.md"
TEXT = """# Does triage name the fault?

Written by `tests/support/triage_proof.py` (`make triage-proof`) on {date}; a small part of it is a test of `make
test-slow` (`tests/triage/test_named.py`).

Each fault is put into a run of the mini study by other means than triage's own (`tests/support/triage_faults.py`): in
the reading of a file, in PyTorch's resizing in PIL's place, in a checkpoint, in a table of splits. That run takes the
place of the reference (`AGAINST=`), and the run that is triaged is as it should be: most mistakes cannot be undone by
a second one, and this is how a published number of another's code is met, too. One encoder, DINO: retrieval of
objects on COCO, all of it; classification of parts on CUB-200, {probe} views of each split; segmentation of parts on
ADE20K-Part, {heads} images of each; and, for the ways of resizing and cropping alone, whose code is another there,
classification of {stream} images of each split of ImageNet. A moving average of weights is in no file of DINO, so it
is put into a network of timm. Chance, or a machine that is at fault, is put into the run itself, which the sound one is
held against.

**{named} of {kinds} kinds are named with confidence in at least one experiment**; not: {missing}. In {wrong} of
{rows} rows something else is named with confidence, too, where items are known, and in {wrong_by_values} where values
alone are.

*Named in*: cells that the fault's own factor explains with confidence; *also named*: others, with their cells. *By
values alone*: the same where the items of the reference are not known, as of a paper: then images' noise has to tell,
and on so few images it tells less.

{table}

What it does not show: two faults at once; encoders, data and gaps of the paper's size; references with seed noise of
their own. Where *largest gap* says none, the fault moves no cell by more than a machine may (0.05 points in
retrieval), so there is nothing to explain: on the mini study those cannot be told from no fault. A fault that is not
made of the same arithmetic as its factor closes its gap in part only: cubics with another constant, a crop cut before
it is resized, BGR from before the colours are jittered in the training of segmentation, and weights and tokens
rounded to 16 bits where the factor rounds products alone.
"""
LIMITS = {R: None, P: 120, S: 24, C: 120}
"""Views or images of each split: all of retrieval, and of what is trained as many as minutes allow."""
BESIDE = 4
"""Processes at work: each is one thread most of the time."""


@dataclass(frozen=True)
class Study:
    """A run without a fault, triaged once, so that all that can be tried is measured.

    Attributes:
        request: of the run.
        tries: what was tried.
        folder: of everything.
    """

    request: Request
    tries: Sequence[Try]
    folder: Path


@dataclass(frozen=True)
class Found:
    """What triage said of a fault.

    Attributes:
        open_count: cells with a gap.
        confident: label -> cells that it explains with confidence.
        perhaps: label -> cells that it explains within noise.
        gap: the largest, in points.
    """

    open_count: int
    confident: Mapping[str, int]
    perhaps: Mapping[str, int]
    gap: float

    def others(self, label: str) -> dict[str, int]:
        """What else explains a cell with confidence."""
        return {name: count for name, count in self.confident.items() if name != label}


def study(experiment: str, folder: Path, data: Path, *, limit: int | None, dataset: str = "") -> Study:
    """Measure a run and everything that can be tried on it, another epoch's checkpoint included."""
    request = _request(experiment, dataset or DATASETS[experiment], folder, data, limit=limit)
    reproduce(request)
    other = next(fault for fault in FAULTS if fault.kind == EPOCH)  # of all experiments, whether or not it is shown
    faulty = with_fault(other, experiment, request, folder)
    network = label_of(other, folder).removeprefix("network=")
    triage(request.run, Question(against=faulty, networks=[network]))
    own = request_of(request.run)
    keys = [own.key(*task) for task in own.tasks()]
    tries, _ = tries_of(own, keys, call(look, own, keys), [network])
    return Study(own, tries, folder)


def with_fault(fault: Injected, experiment: str, request: Request, folder: Path) -> Path:
    """Measure a run with a fault, as by another person's code: nothing is shared with the run that is triaged."""
    place = place_of(fault, folder) / "faulty"
    weights = MINI_WEIGHTS if fault.weights is None else fault.weights(place_of(fault, folder))
    options = {"limit": request.limit, "encoders": request.encoders, "variants": fault.variants, "weights": weights}
    faulty = _request(experiment, request.datasets[0], place, request.data, **options)
    exact_convolutions()
    torch.set_num_threads(usable_processors())
    with fresh_process(), fault.put_in():
        Trial(faulty, *next(faulty.tasks())).measure(page_of(experiment).run)
    join_request(faulty)
    return faulty.run


def found(one: Study, faulty: Path, *, items: bool = True) -> Found:
    """Ask triage what makes the run another than the one with the fault; all that is tried is measured already.

    Args:
        one: the run without.
        faulty: the run with the fault.
        items: whether the items of the run with the fault are known, or its values alone, as a paper's are.
    """
    measurements = {m.id: m for result in Store(one.request.run).results() for m in result.measurements()}
    gaps = gaps_of(one.request, [], measurements, faulty)
    cells = outcomes(
        one.request, one.tries, chosen(gaps, [], measurements, one.request.run), gaps, faulty if items else None
    )
    return Found(
        len(cells),
        _counts(cell["by"] for cell in cells if cell["outcome"] == "explained"),
        _counts(cell["by"] for cell in cells if cell["outcome"] == "perhaps explained"),
        max((cell["before"] for cell in cells), key=abs, default=0.0),
    )


def place_of(fault: Injected, folder: Path) -> Path:
    """The folder of a fault."""
    return folder / re.sub(r"\W+", "-", fault.kind)


def label_of(fault: Injected, folder: Path) -> str:
    """The label that triage is to name."""
    return fault.label.format(weights=place_of(fault, folder))


def _counts(names: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for label in (label for labels in names for label in labels):
        counts[label] = counts.get(label, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _request(experiment: str, dataset: str, folder: Path, data: Path, **options: Any) -> Request:
    return make_request(
        experiments=[experiment], datasets=[dataset], data=data, device="cpu",
        cache=folder / "cache", run=folder / "run", **{"encoders": ["dino"], **options},
    )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A fault in an experiment, and what triage said.

    Attributes:
        kind: of the fault.
        label: that triage is to name.
        items: where the items of the run with the fault are known.
        values: where its values alone are.
    """

    kind: str
    experiment: str
    label: str
    items: Found
    values: Found

    @property
    def is_named(self) -> bool:
        """Whether the fault is named with confidence, and by nothing else is more explained."""
        confident = self.items.confident
        return confident.get(self.label, 0) == max(confident.values(), default=0) > 0

    def texts(self) -> tuple[str, ...]:
        """Cells of the page's table."""
        gap = f"{self.items.gap:+.2f}" if self.items.open_count else "none"
        own, by_values = (f"{answer.confident.get(self.label, 0)}" for answer in (self.items, self.values))
        others, others_by_values = (_listed(a.others(self.label)) for a in (self.items, self.values))
        label = self.label.partition("=")[0] if self.label.startswith("network=") else self.label
        return (
            f"{self.kind} (`{label}`)",
            self.experiment,
            gap,
            str(self.items.open_count),
            own,
            others,
            by_values,
            others_by_values,
        )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"`{label}` {count}" for label, count in counts.items())


def prove(folder: Path, data: Path) -> list[Row]:
    """Make every fault in every experiment, each experiment in a process of its own."""
    jobs: list[Callable[[Path, Path], list[Row]]] = [partial(of_experiment, experiment) for experiment in LIMITS]
    with ProcessPoolExecutor(BESIDE, mp_context=get_context("spawn")) as pool:
        made = [pool.submit(job, folder / str(number), data) for number, job in enumerate([*jobs, moving_average])]
        return [row for rows in made for row in rows.result()]


def of_experiment(experiment: str, folder: Path, data: Path) -> list[Row]:
    """Make every fault in one experiment."""
    one = study(experiment, folder, data, limit=LIMITS[experiment])
    rows = []
    for fault in (fault for fault in FAULTS if experiment in fault.experiments):
        faulty = with_fault(fault, experiment, one.request, one.folder)
        answers = (found(one, faulty, items=items) for items in (True, False))
        rows.append(Row(fault.kind, experiment, label_of(fault, one.folder), *answers))
        print(rows[-1], flush=True)
    return [*rows, by_chance(one)] if experiment == R else rows


def by_chance(sound: Study) -> Row:
    """A run of other values from the same inputs, as a machine at fault gives them; the sound run is the reference."""
    put_in = next(fault.put_in for fault in FAULTS if fault.kind == "RGB or BGR")
    fault = Injected("chance or the machine", AGAIN, (R,), put_in)
    run = with_fault(fault, R, sound.request, sound.folder)
    triage(run, Question(against=sound.request.run))
    own = request_of(run)
    one = Study(own, [Try(dict([AGAIN.split("=")]), "nowhere", "", [own.key(*task) for task in own.tasks()])], run)
    return Row(fault.kind, R, AGAIN, *(found(one, sound.request.run, items=items) for items in (True, False)))


def moving_average(folder: Path, data: Path) -> list[Row]:
    """A network of timm whose file holds a moving average of its weights, too, which the run with the fault took."""
    torch.manual_seed(0)
    weights = timm.create_model("test_vit", num_classes=0).state_dict()
    average = {name: value + 0.1 * torch.randn_like(value) for name, value in weights.items()}
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"model": weights, "model_ema": average}, folder / "averaged.pth")
    taken, other = (f"timm:test_vit@{folder / 'averaged.pth'}?group={group}" for group in ("model", "model_ema"))
    load = context.load_encoder

    def put_in() -> AbstractContextManager[Any]:
        return mock.patch.object(context, "load_encoder", lambda _spec, **options: load(other, **options))

    fault = Injected("moving average of weights", f"network={other}", (R,), put_in)
    request = _request(R, DATASETS[R], folder, data, limit=60, encoders=[taken])
    reproduce(request)
    faulty = with_fault(fault, R, request, folder)
    triage(request.run, Question(against=faulty))
    own = request_of(request.run)
    keys = [own.key(*task) for task in own.tasks()]
    tries, _ = tries_of(own, keys, call(look, own, keys), [])
    one = Study(own, tries, folder)
    return [Row(fault.kind, R, fault.label, *(found(one, faulty, items=items) for items in (True, False)))]


def page(rows: Sequence[Row]) -> str:
    """docs/evidence/triage.md: what triage says of each fault."""
    kinds = list(dict.fromkeys(row.kind for row in rows))
    named = [kind for kind in kinds if any(row.kind == kind and row.is_named for row in rows)]
    wrong = sum(bool(row.items.others(row.label)) for row in rows)
    wrong_by_values = sum(bool(row.values.others(row.label)) for row in rows)
    heads = (
        "fault",
        "experiment",
        "largest gap",
        "cells with a gap",
        "named in",
        "also named",
        "by values alone",
        "also",
    )
    table = tabulate([row.texts() for row in rows], heads, tablefmt="github", disable_numparse=True)
    return TEXT.format(
        date=now()[:10],
        named=len(named),
        kinds=len(kinds),
        missing="; ".join(kind for kind in kinds if kind not in named) or "none",
        wrong=wrong,
        wrong_by_values=wrong_by_values,
        rows=len(rows),
        table=table,
        probe=LIMITS[P],
        heads=LIMITS[S],
        stream=LIMITS[C],
    )


def main(folder: Path, data: Path) -> None:
    """Make every fault, and write the page."""
    render(data, names=tuple(dict.fromkeys(DATASETS.values())))
    write_atomically(PAGE, page(prove(folder, data)).encode())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        run_program(lambda: main(Path(place), Path("data/mini")))
