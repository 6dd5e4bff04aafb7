"""Triage of a run: its gaps, what is tried for them, what came of it; never a change of its verdict."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from suite.cells import CellId
from suite.core.files import write_json
from suite.core.forms import escaped
from suite.experiments.forked import PRELOADED
from suite.report import files, triaged
from suite.report.collect import assemble
from suite.reproduction.reproduce import numerics
from suite.results.store import Key, Store
from suite.run.calls import call
from suite.run.execution import BY_DEFAULT, Execution
from suite.run.folder import at_work
from suite.run.processes import start_server
from suite.run.request import Request, with_writable_cache
from suite.triage.asked import check_outdated, look, request_of
from suite.triage.gaps import chosen, gaps_of
from suite.triage.measuring import Clock, cheapest_first, measure, stored
from suite.triage.moved import moved, scores_of
from suite.triage.outcome import Answer, Gap, best_pair, outcome
from suite.triage.tries import Try, pair, tries_of

INCOMPLETE = 2
"""Exit code where something was not tried, or has no result."""
Cells = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """What is asked of a triage.

    Attributes:
        cells: names of cells, or beginnings of them; none for all that deviate or are inconclusive.
        against: another run, which is held against in the references' place.
        networks: specs of other checkpoints to try.
        budget_s: seconds after which no trial begins; None for no end.
    """

    cells: Sequence[str] = ()
    against: Path | None = None
    networks: Sequence[str] = ()
    budget_s: float | None = None


def triage(run: Path, question: Question, execution: Execution = BY_DEFAULT) -> int:
    """Try what may explain a run's gaps, the cheapest first, and say what does.

    Writes `triage.json` and the run's report anew; a shard measures its part of what is tried and says no more.

    Args:
        run: the run folder.
        question: what is asked.
        execution: how it is carried out.

    Returns:
        0; 2 where something was not tried or has no result.

    Raises:
        RequestError: the folder is no run, a cell or an encoder is not of it, or it is of other code or data.
        BusyError: another command is at work in the run folder.
        StorageError: it cannot be written.
    """
    request = with_writable_cache(request_of(run))
    with at_work(run, join=execution.shard is not None):
        return _triage(request, question, execution)


def _triage(request: Request, question: Question, execution: Execution) -> int:
    run, clock = request.run, Clock.of(question.budget_s)
    content = assemble(run)
    measurements = {m.id: m for result in Store(run).results() for m in result.measurements()}
    gaps = gaps_of(request, content["cells"], measurements, question.against)
    asked = chosen(gaps, question.cells, measurements, run)
    keys = list(dict.fromkeys(_key(gap.cell) for gap in asked if gap.is_open))
    tries: list[Try] = []
    idle: list[dict[str, str]] = []
    if keys:
        start_server(*PRELOADED)
        findings = call(look, request, keys)
        check_outdated(run, findings)
        tries, idle = tries_of(request, keys, findings, question.networks)
    environment = numerics(request)
    part = Execution(execution.workers, execution.max_crashes, join=execution.joins)

    def measure_all(some: Sequence[Try]) -> None:
        held = call(stored, some, request) if some else set()
        for one in some:
            measure(one, request, environment, held=held, execution=part, clock=clock, say=_say)

    if execution.shard is not None:  # of the tries in their own order, which is the same on every machine
        own = cheapest_first(execution.shard.part(tries), request)
        measure_all(own)
        print(f"{execution.shard.title}: {len(own)} of {len(tries)} factors; make triage RUN={run} tells of all")
        return INCOMPLETE if any(_missing(one, request) for one in own) else 0
    again = [one for one in tries if one.label == triaged.AGAIN]
    measure_all(again)
    settled = _settled(outcomes(request, again, asked, gaps, question.against))
    others = [replace(one, keys=[key for key in one.keys if key not in settled]) for one in tries if one not in again]
    ordered = [*again, *cheapest_first([one for one in others if one.keys], request)]
    measure_all(ordered[len(again) :])
    pairs = _pairs(outcomes(request, ordered, asked, gaps, question.against), ordered)
    measure_all(pairs)
    cells = outcomes(request, [*ordered, *pairs], asked, gaps, question.against)
    not_tried = [entry for one in [*ordered, *pairs] for entry in _reasons(one, request, clock, question)]
    record = {
        "schema": 1,
        "against": None if question.against is None else str(question.against),
        "cells": cells,
        "factors": [
            {
                "factor": one.label,
                "about": one.about,
                "explains": sum(one.label in cell["by"] for cell in cells if cell["outcome"] == "explained"),
            }
            for one in [*ordered, *pairs]
        ],
        "not_applicable": idle,
        "not_tried": not_tried,
    }
    write_json(run / triaged.FILE, record)
    files.write(run, assemble(run))
    print(
        escaped(triaged.render(record) if asked else f"{run}: no cell deviates or is inconclusive: nothing to explain")
    )
    return INCOMPLETE if not_tried else 0


def outcomes(
    request: Request, tries: Sequence[Try], asked: Sequence[Gap], gaps: Sequence[Gap], against: Path | None
) -> list[Cells]:
    """Tell what closes the gaps that are asked for, by what is stored of the tries; nothing is measured.

    Args:
        request: of the run.
        tries: what was tried.
        asked: cells to explain.
        gaps: every cell of the run that has something to be held against: none that agrees may be put out.
        against: the run that it is held against; None for the references.
    """
    answers = _answers(request, tries, gaps, None if against is None else Store(against))
    return [outcome(gap, answers.get(gap.cell, [])) for gap in asked]


def _answers(
    request: Request, tries: Sequence[Try], gaps: Sequence[Gap], reference: Store | None
) -> dict[CellId, list[Answer]]:
    """Read what tries gave for the cells of their trials, as far as they are measured."""
    by_trial: dict[Key, list[Gap]] = {}
    for gap in gaps:
        by_trial.setdefault(_key(gap.cell), []).append(gap)
    answers: dict[CellId, list[Answer]] = {}
    store = Store(request.run)
    for one in tries:
        trial_store = Store(one.request(request).run)
        for key, trial in one.trials(request).items():
            result, own = trial_store.load(trial), store.load(key)
            if result is None or own is None or trial in trial_store.reasons():
                continue
            other = None if reference is None else reference.load(key)
            sources = [
                trial_store.items(result),
                store.items(own),
                None if reference is None or other is None else reference.items(other),
            ]
            values = {(m.id.setting, m.id.metric): m for m in result.measurements()}
            found = [(gap, values[place]) for gap in by_trial.get(key, ()) if (place := _place(gap.cell)) in values]
            off = [gap for gap, m in found if abs(m.mean - gap.expected) > gap.allowed]
            still_open = sum(gap.is_open for gap in off)
            broken = len(off) - still_open
            for gap, measurement in found:
                scores, own_scores, others = (scores_of(items, *_place(gap.cell)) for items in sources)
                difference = None if scores is None or own_scores is None else moved(own_scores, scores)
                is_paired = scores is not None and others is not None and scores.pairs_with(others)
                left = moved(others, scores) if is_paired and others is not None and scores is not None else None
                answer = Answer(one.label, measurement.mean, difference, broken, still_open, left)
                answers.setdefault(gap.cell, []).append(answer)
    return answers


def _pairs(cells: Sequence[Cells], tries: Sequence[Try]) -> list[Try]:
    """Return the best pair of tries for each trial of which a cell stays open."""
    by_label = {one.label: one for one in tries}
    open_cells: dict[Key, list[Cells]] = {}
    for cell in cells:
        if cell["outcome"] in {"partly explained", "unexplained"}:
            open_cells.setdefault(_key(CellId.parse(cell["cell"])), []).append(cell)
    pairs: dict[str, Try] = {}
    for key, entries in open_cells.items():
        labels = best_pair(entries)
        if labels is not None:
            first, second = sorted((by_label[label] for label in labels), key=tries.index)
            joined = pair(first, second)
            pairs.setdefault(joined.label, joined).keys.append(key)
    return list(pairs.values())


def _settled(cells: Sequence[Cells]) -> set[Key]:
    """Return the trials of which a repeated measurement closes every gap: nothing else need be tried on them."""
    keys = {_key(CellId.parse(cell["cell"])) for cell in cells}
    return keys - {
        _key(CellId.parse(cell["cell"]))
        for cell in cells
        if cell["outcome"] != "no gap" and cell["by"] != [triaged.AGAIN]
    }


def _missing(one: Try, request: Request) -> list[Key]:
    store = Store(one.request(request).run)
    return [trial for trial in one.trials(request).values() if store.load(trial) is None or trial in store.reasons()]


def _reasons(one: Try, request: Request, clock: Clock, question: Question) -> list[dict[str, str]]:
    """Say why trials of a try have no result."""
    reasons = Store(one.request(request).run).reasons()
    late = triaged.time_left_out(question.budget_s or 0.0) if clock.is_up else "no result was stored"
    return [{"factor": one.label, "reason": reasons.get(trial, late)} for trial in _missing(one, request)]


def _key(cell: CellId) -> Key:
    return Key(cell.experiment, cell.dataset, cell.method)


def _place(cell: CellId) -> tuple[str, str]:
    return cell.setting, cell.metric


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
