"""A judged run -> the dictionary behind every output (schema: docs/reference/report_schema.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from suite.cells import CellId
from suite.core.files import Json, plain
from suite.judge.entries import cell_entry, claim_entry
from suite.report.variables import variables

if TYPE_CHECKING:
    from suite.judge.claim_noise import Noise
    from suite.judge.gate import GateVerdict
    from suite.judge.uncertainty import Uncertainty
    from suite.judge.verdict import CellVerdict, Judgement

SCHEMA = 1
HELD_FIELDS = ("verdict", "reason", "value", "difference", "tolerance")


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """Facts of a run beside its judgement, as the report gives them.

    Attributes:
        profile: `mini` or `paper`.
        run: name of the run.
        request: what was asked for: encoders, datasets, experiments, variants, device, seeds, `command`.
        environment: see `suite.core.environment.capture`.
        costs: one per finished test: experiment, dataset, method, seconds, peak_memory_mib, reused.
        figures: one per strip: kind, dataset, method, path relative to the run's folder; query and setting of patch
            search, role (image, truth, prediction) of segmentation.
        trainings: one per head and learning rate, of the first seed: see `suite.report.trained`.
        ceilings: what perfect heads and labels allow, see `suite.report.ceilings`.
        trained: of cells, whether their head was trained to the end; no verdict is made of it.
        protocol: every hyper-parameter with its source, the variants, `digests` of data and weights.
        notes: sentences a reader should see beside the verdict.
        started: ISO 8601.
        finished: ISO 8601.
        candidates: one per candidate, see `suite.judge.standing`.
        together: several candidates side by side, see `suite.judge.together`; None for one.
        triage: what explains gaps, see `suite.report.triaged`; None where nobody asked, or of other values.
        conformances: how each candidate answered the conformance checks, see `suite.conformance`.
        digest: of all results, see `suite.results.digests`.
        results: `experiment/dataset/method` -> digest of that result.
        plan: seconds planned and measured by experiment, see `suite.plan.record`; None where there was no plan.
        rates: one per head swept over learning rates: experiment, dataset, method, setting, points (rate, per cent).
        deciding: what would decide the inconclusive cells, see `suite.judge.deciding`.
        pictures_missing: `trial` and `reason` of what was asked for, makes pictures only and did not run.
        claims_gate: whether a claim that differs from the paper fails the run.
        strict: whether any single deviation fails the run.
        made_by: see `suite.report.maker`.
        environments: those that results were made in, see `suite.report.contributions`.
        attempts: at this run, see `suite.run.attempts.history`; None where none is on record.
        shards: that made the run, see `suite.report.shards`; None where none did.
        gate: what the second gate says, see `suite.judge.gate`; None where no run of this device was accepted.
        gate_verdicts: cells against the accepted run.
        uncertainties: of cells, over images and over seeds; no verdict is made of it.
        claim_noise: by how much claims hold or fail, by their id; no verdict is made of it either.
    """

    profile: str
    run: str
    request: Mapping[str, Any]
    environment: Mapping[str, Any]
    costs: Sequence[Mapping[str, Any]]
    figures: Sequence[Mapping[str, Any]]
    trainings: Sequence[Mapping[str, Any]]
    protocol: Mapping[str, Any]
    notes: Sequence[str]
    started: str
    finished: str
    candidates: Sequence[Mapping[str, Any]] = ()
    together: Mapping[str, Any] | None = None
    triage: Mapping[str, Any] | None = None
    conformances: Sequence[Mapping[str, Any]] = ()
    digest: str | None = None
    results: Mapping[str, str] = field(default_factory=dict)
    plan: Sequence[Mapping[str, Any]] | None = None
    rates: Sequence[Mapping[str, Any]] = ()
    deciding: Sequence[Mapping[str, Any]] = ()
    pictures_missing: Sequence[Mapping[str, str]] = ()
    claims_gate: bool = False
    strict: bool = False
    made_by: Mapping[str, Any] | None = None
    environments: Sequence[Mapping[str, Any]] = ()
    attempts: Mapping[str, Any] | None = None
    shards: Mapping[str, Any] | None = None
    gate: Mapping[str, Any] | None = None
    gate_verdicts: Mapping[CellId, GateVerdict] = field(default_factory=dict)
    uncertainties: Mapping[CellId, Uncertainty] = field(default_factory=dict)
    ceilings: Sequence[Mapping[str, Any]] = ()
    trained: Mapping[CellId, Mapping[str, Any]] = field(default_factory=dict)
    claim_noise: Mapping[str, Noise] = field(default_factory=dict)


def build(judgement: Judgement, facts: RunFacts) -> Json:
    """Put a report together; nothing is measured or judged here.

    Args:
        judgement: cells, claims and the verdict over them.
        facts: what else the report gives.

    Returns:
        Plain JSON types only; None where a value is unknown or not finite. `files` is filled in when it is written.
    """
    environment_numbers = {name: entry["number"] for entry in facts.environments for name in entry["results"]}
    cells = [
        cell_entry(cell)
        | {
            "environment": environment_numbers.get(_result_of(cell)),
            "accepted": _gate_answer(facts.gate_verdicts.get(cell.id)),
            "uncertainty": facts.uncertainties.get(cell.id),
            "training": facts.trained.get(cell.id),
        }
        for cell in judgement.cells
    ]
    return plain(
        {
            "schema": SCHEMA,
            "verdict": judgement.verdict,
            "sentence": judgement.sentence,
            "exit_code": judgement.exit_code,
            "digest": facts.digest,
            "profile": facts.profile,
            "run": facts.run,
            "asked": facts.request,
            "notes": facts.notes,
            "summary": judgement.counts,
            "family": judgement.family,
            "failing": judgement.failing,
            "allow_inconclusive": judgement.allow_inconclusive,
            "claims_gate": facts.claims_gate,
            "strict": facts.strict,
            "deciding": facts.deciding,
            "pictures_missing": facts.pictures_missing,
            "accepted": facts.gate,
            "newcomers": facts.candidates,
            "together": facts.together,
            "triage": facts.triage,
            "conformance": facts.conformances[0] if len(facts.conformances) == 1 else None,
            "conformances": facts.conformances,
            "cells": cells,
            "claims": [claim_entry(claim, facts.claim_noise.get(claim.id)) for claim in judgement.claims],
            "environment": facts.environment,
            "environments": facts.environments,
            "variables": variables(
                profile=facts.profile,
                environment=facts.environment,
                protocol=facts.protocol,
                request=facts.request,
            ),
            "results": facts.results,
            "attempts": facts.attempts,
            "shards": facts.shards,
            "costs": facts.costs,
            "plan": facts.plan,
            "figures": facts.figures,
            "trainings": facts.trainings,
            "rates": facts.rates,
            "ceilings": facts.ceilings,
            "protocol": facts.protocol,
            "started": facts.started,
            "finished": facts.finished,
            "made_by": facts.made_by,
            "files": {},  # whoever writes the report knows the pages beside it
        }
    )


def _result_of(cell: CellVerdict) -> str | None:
    """Name the result that a cell's value comes from; None where it has none."""
    place = f"{cell.id.experiment}/{cell.id.dataset}/{cell.id.method}"
    return None if cell.measured is None else place


def _gate_answer(gate_verdict: GateVerdict | None) -> Json | None:
    return None if gate_verdict is None else {field: getattr(gate_verdict, field) for field in HELD_FIELDS}
