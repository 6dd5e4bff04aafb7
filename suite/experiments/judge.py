"""A trial as a test: measured or reused, stored, and every cell of it held against its reference."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from torch import Tensor

from suite.cells import CellId
from suite.core.environment import code_state, package_versions
from suite.core.memory import backoffs
from suite.core.numerics import PACKAGES, environment_line, environment_of
from suite.core.source_code import check_unchanged
from suite.core.usage import Usage
from suite.encoders.forward import smaller_passes
from suite.errors import ChangedError, SuiteError
from suite.experiments.context import Context, Outcome
from suite.judge.at_least import against_accepted
from suite.judge.cell_verdict import CellVerdict
from suite.judge.entries import cell_entry, cell_properties
from suite.judge.family import ALPHA
from suite.judge.gate import hold
from suite.judge.verdict import judge
from suite.protocol.profiles import Experiment
from suite.reference.accepted import FOLDER
from suite.reference.expected import Expected
from suite.reference.select import accepted_folder, known_deviations, references
from suite.results.records import Result
from suite.run.request import Request


class NotStoredError(SuiteError):
    """Trial without a stored result that holds, where nothing is to be measured."""


@functools.cache
def code_state_at_start() -> Mapping[str, Any]:
    """Return the checkout's commit as it was when this was first asked: when its code was imported."""
    return code_state()


@functools.cache
def packages_at_start() -> Mapping[str, str]:
    """Return the versions of the packages that numbers depend on, as they were when this was first asked."""
    return package_versions(PACKAGES)


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
        self.properties += [("warning", problem) for problem in self.cache.tally.warnings]
        self.properties += [("seconds", str(result.facts["seconds"])), *([("reused", "yes")] if reused else [])]
        environment = result.inputs.get("environment") or {"packages": result.facts.get("packages", {})}
        if reused and environment != environment_of(self.request.device):
            self.properties += [("environment", environment_line(environment))]
        measurements = {m.id: m for m in result.measurements()}
        if not measurements or not self.request.judged:
            return
        variants, limit = self.protocol()["variants"], self.request.limit
        expected = references(self.request.profile.name, variants, limit, {self.spec}, self.request.accepted)
        deviations = known_deviations(self.request.profile.name, variants)
        cells = judge(
            list(measurements),
            measurements,
            expected,
            {},
            [],
            paired=against_accepted(self.store, [result], expected),
            known_deviations=deviations,
            finish_date=datetime.now(UTC).date(),
        ).cells
        self.properties += cell_properties([cell_entry(cell) for cell in cells])
        level = 1.0 if self.request.strict else ALPHA / max(1, len(expected))
        failing_cells = [
            c for c in cells if c.verdict == "unexpected" or (c.verdict == "deviates" and _p_value(c) <= level)
        ]
        problems = [f"{cell.id}: {cell.reason}" for cell in failing_cells] + self._changes(result, expected)
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)
        known_cells = [cell for cell in cells if cell.verdict == "known deviation"]
        inconclusive_cells = [cell for cell in cells if cell.verdict == "inconclusive"]
        if inconclusive_cells and not self.request.allow_inconclusive:
            first = inconclusive_cells[0]
            count = f"{len(inconclusive_cells)} of {len(cells)} cells"
            pytest.skip(f"inconclusive: {count}, {first.id} first: {first.reason}")
        if known_cells:
            pytest.xfail("\n".join(f"{cell.id}: {cell.reason}" for cell in known_cells))

    def _changes(self, result: Result, expected: Mapping[CellId, Expected]) -> list[str]:
        """Tell the second gate's answer: a line per cell that has changed against the accepted run of this device."""
        request = self.request
        gate = hold(
            [result],
            accepted_folder(request.accepted) / FOLDER,
            request.profile.name,
            variants=request.variants,
            limit=request.limit,
            references=expected,
        )
        cells = {} if gate is None else gate.cells
        self.properties += [
            (f"{cell}#accepted", f"{comparison.verdict}: {comparison.reason}") for cell, comparison in cells.items()
        ]
        return [f"{cell}: {comparison.reason}" for cell, comparison in cells.items() if comparison.verdict == "changed"]

    def measure(self, measurement: Callable[[Context[Any]], Outcome]) -> tuple[Result, bool]:
        """Return the stored result if its inputs are unchanged, else measure a new one; True if it was reused."""
        check_unchanged(self.experiment.name)
        inputs = self.inputs()
        stored_result = self.stored(inputs)
        if stored_result is not None:
            self.store.forget_reason(self.key)
            return stored_result, True
        if self.request.stored_only:
            raise NotStoredError(f"{self.key}: no stored result holds")
        start = time.perf_counter()
        with Usage(self.request.device) as usage, self._counted(usage), backoffs() as parts:
            outcome = measurement(self)
            taken = usage.facts()
        less = [*smaller_passes(self.encoder), *parts()]
        self.properties += [("warning", f"{self.key}: {text}") for text in less]
        self._check_inputs(inputs)
        result = Result(
            key=self.key,
            values=outcome.values,
            summaries=outcome.summaries,
            inputs=inputs,
            protocol=self.protocol(),
            facts=self._facts(outcome, seconds=time.perf_counter() - start, taken=taken, less=less),
        )
        self.store.save(result, outcome.items)
        return result, False

    def _check_inputs(self, before: Mapping[str, Any]) -> None:
        """Hold what a result was made from against what it is now.

        Raises:
            ChangedError: it is not the same, so nobody can tell which of both the result is of.
        """
        check_unchanged(self.experiment.name)
        after = self.inputs()
        changed = [name for name, value in before.items() if after[name] != value]
        if changed:
            raise ChangedError(
                f"{self.key}: expected the same {' and '.join(changed)} before and after it was measured, found other: "
                "nothing was stored: leave it unchanged while a run uses it, and start the run again"
            )

    @contextmanager
    def _counted(self, usage: Usage) -> Iterator[None]:
        """Count the images that the encoder is given."""

        def count(_: object, arguments: tuple[Tensor, ...]) -> None:
            usage.images += len(arguments[0])

        hook = self.encoder.register_forward_pre_hook(count)
        try:
            yield
        finally:
            hook.remove()

    def _facts(
        self, outcome: Outcome, *, seconds: float, taken: Mapping[str, Any], less: Sequence[str]
    ) -> Mapping[str, Any]:
        smaller = self.request.forward_batch_size
        return {
            "seeds": list(self.seeds) if outcome.seeded else [],
            "encoder": self.spec,
            **({"encoder_notes": list(self.encoder.notes)} if self.encoder.notes else {}),
            "device": self.request.device,
            "seconds": round(seconds, 3),
            **taken,
            **({"forward_batch_size": smaller} if smaller else {}),
            **({"backoffs": less} if less else {}),
            **outcome.facts,
            "views": {"cached": self.cache.tally.cached, "computed": self.cache.tally.computed},
            "code_state": code_state_at_start(),
            "packages": packages_at_start(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def _p_value(cell: CellVerdict) -> float:
    """Return the p-value; 1 where it cannot be told."""
    return 1.0 if cell.p_value is None else cell.p_value
