"""A trial as a test: measured or reused, stored, and every cell of it held against its reference."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from suite.cells import CellId
from suite.core.environment import code_state, package_versions
from suite.core.numerics import PACKAGES, environment_of, said
from suite.core.paths import EXPECTED
from suite.experiments.context import Context, Outcome
from suite.judge.cell_verdict import CellVerdict
from suite.judge.entries import cell_entry, cell_properties
from suite.judge.family import ALPHA
from suite.judge.gate import hold
from suite.judge.verdict import judge
from suite.protocol.profiles import Experiment
from suite.reference.expected import Expected
from suite.reference.select import known_deviations, references
from suite.results.records import Result
from suite.run.request import Request


class Trial(Context[Any]):
    """An experiment, dataset and candidate.

    Attributes:
        properties: what its test says in JUnit's terms: name and text.
    """

    def __init__(self, request: Request, experiment: Experiment, dataset: str, spec: str) -> None:
        super().__init__(request, experiment, dataset, spec)
        self.properties: list[tuple[str, str]] = [("trial", str(self.key))]

    def check(self, measurement: Callable[[Context[Any]], Outcome]) -> None:
        """Measure, or reuse what was measured, and hold every cell against its reference.

        A cell fails the test if it would also fail the whole run: if its deviation is confirmed among all cells
        that have a reference (Bonferroni, the first step of Holm's procedure), if a known deviation is none any more,
        or, if strict, if it deviates at all. A test in which a cell cannot be told is skipped, one with a known
        deviation is an expected failure: neither is green.
        """
        result, reused = self.measure(measurement)
        self.properties += [("seconds", str(result.facts["seconds"])), *([("reused", "yes")] if reused else [])]
        made_in = result.inputs.get("environment") or {"packages": result.facts.get("packages", {})}
        if reused and made_in != environment_of(self.request.device):
            self.properties += [("environment", said(made_in))]
        measured = {m.id: m for m in result.measurements()}
        if not measured or not self.request.judged:
            return
        variants, limit = self.protocol()["variants"], self.request.limit
        expected = references(self.request.profile.name, variants, limit, {self.spec})
        known = known_deviations(self.request.profile.name, variants)
        today = datetime.now(UTC).date()
        cells = judge(list(measured), measured, expected, {}, [], known_deviations=known, finish_date=today).cells
        self.properties += cell_properties([cell_entry(cell) for cell in cells])
        level = 1.0 if self.request.strict else ALPHA / max(1, len(expected))
        failing = [c for c in cells if c.verdict == "unexpected" or (c.verdict == "deviates" and _p_value(c) <= level)]
        wrong = [f"{cell.id}: {cell.reason}" for cell in failing] + self._changed(result, expected)
        if wrong:
            pytest.fail("\n".join(wrong), pytrace=False)
        known_ones = [cell for cell in cells if cell.verdict == "known deviation"]
        open_ = [cell for cell in cells if cell.verdict == "inconclusive"]
        if open_ and not self.request.allow_inconclusive:
            pytest.skip(f"inconclusive: {len(open_)} of {len(cells)} cells, {open_[0].id} first: {open_[0].reason}")
        if known_ones:
            pytest.xfail("\n".join(f"{cell.id}: {cell.reason}" for cell in known_ones))

    def _changed(self, result: Result, expected: Mapping[CellId, Expected]) -> list[str]:
        """Tell the second gate's answer: a line per cell that has changed against the accepted run of this device."""
        request = self.request
        gate = hold(
            [result],
            EXPECTED / "accepted",
            request.profile.name,
            variants=request.variants,
            limit=request.limit,
            references=expected,
        )
        cells = {} if gate is None else gate.cells
        self.properties += [(f"{cell}#accepted", f"{held.verdict}: {held.reason}") for cell, held in cells.items()]
        return [f"{cell}: {held.reason}" for cell, held in cells.items() if held.verdict == "changed"]

    def measure(self, measurement: Callable[[Context[Any]], Outcome]) -> tuple[Result, bool]:
        """Return the stored result if its inputs are unchanged, else measure a new one; True if it was reused."""
        stored = self.stored()
        if stored is not None:
            return stored, True
        inputs, started = self.inputs(), time.perf_counter()
        outcome = measurement(self)
        result = Result(
            key=self.key,
            values=outcome.values,
            summaries=outcome.summaries,
            inputs=inputs,
            protocol=self.protocol(),
            facts=self._facts(outcome, seconds=time.perf_counter() - started),
        )
        self.store.save(result, outcome.items)
        return result, False

    def _facts(self, outcome: Outcome, *, seconds: float) -> Mapping[str, Any]:
        return {
            "seeds": list(self.seeds) if outcome.seeded else [],
            "encoder": self.spec,
            "device": self.request.device,
            "seconds": round(seconds, 3),
            "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "code_state": code_state(),
            "packages": package_versions(PACKAGES),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def _p_value(cell: CellVerdict) -> float:
    """Return the p-value; 1 where it cannot be told."""
    return 1.0 if cell.p_value is None else cell.p_value
