"""Second gate: a run against the accepted run of its device, per cell and for all of them; pure, and without torch.

    nothing trained, or a seed that was accepted too    |m - a| <= slack, for each of these seeds
    other seeds only                                    slack + seed noise, as in `suite.judge.intervals`

With the same seed nothing is left to chance: the slack is the stated one of the file, and a cell beyond it has changed.
Of other seeds each interval errs on one cell in twenty: a change counts where Holm's procedure confirms it over all of
these, and where no seed noise is known the cell cannot be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from suite.cells import BASELINES, METHODS, CellId, Measurement
from suite.core.numerics import device_model, digest_of_environment
from suite.core.paths import ROOT
from suite.judge.intervals import Interval, holm
from suite.protocol.variants import deviations, load_variants
from suite.reference.accepted import AcceptedRun, load
from suite.reference.expected import Expected
from suite.results.noise import NOISE, Spread, pool_of, pooled_sd
from suite.results.store import Result

ALPHA = 0.05
VERDICTS = ("unchanged", "changed", "unconfirmed", "cannot tell", "not accepted")
"""Verdicts of a cell: `unconfirmed` differs alone, with other seeds; `not accepted` is not in the accepted run."""
EXIT_CODES = {"changed": 1, "cannot tell": 0, "unchanged": 0}
"""Exit codes of the gate, worst first. What cannot be told is said and fails nothing: the first gate has judged it."""
Json = dict[str, Any]


@dataclass(frozen=True)
class GateVerdict:
    """A cell against its accepted value; per cent, None where unknown.

    Attributes:
        verdict: one of `VERDICTS`.
        reason: why, in words.
        value: accepted, the mean over the seeds that were compared.
        difference: measured less accepted; of several seeds that were accepted too, the largest.
        tolerance: largest difference that is no change.
        p_value: of a cell of other seeds.
    """

    verdict: str
    reason: str
    value: float | None = None
    difference: float | None = None
    tolerance: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class Gate:
    """Verdict of the second gate on a run.

    Attributes:
        verdict: `changed` if a cell has; else `cannot tell` if a cell cannot be told; else `unchanged`.
        sentence: the verdict for a stranger.
        cells: every measured cell of a device with an accepted run.
        runs: the accepted runs that they were held against.
    """

    verdict: str
    sentence: str
    cells: Mapping[CellId, GateVerdict]
    runs: tuple[AcceptedRun, ...]

    @property
    def exit_code(self) -> int:
        """Exit code: 1 if a cell has changed."""
        return EXIT_CODES[self.verdict]

    @property
    def short(self) -> str:
        """The sentence without its details."""
        compared_cells = [cell for cell in self.cells.values() if cell.verdict != "not accepted"]
        count = sum(cell.verdict == self.verdict for cell in compared_cells)
        return f"{count} of {len(compared_cells)} cells {self.verdict} against our accepted run of this device."

    def record(self, environments: Sequence[str]) -> Json:
        """Return what a report says of it, besides its cells.

        Args:
            environments: digests of those that results of this run were made in.
        """
        verdicts = [cell.verdict for cell in self.cells.values()]
        files = [
            {
                "file": _shown(run.path),
                **{
                    name: getattr(run, name) for name in ("device", "date", "commit", "reason", "slack", "slack_reason")
                },
                "seeds": list(run.seeds),
                "environment": digest_of_environment(run.environment),
                "same_environment": set(environments) == {digest_of_environment(run.environment)},
            }
            for run in self.runs
        ]
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "exit_code": self.exit_code,
            "counts": {verdict: verdicts.count(verdict) for verdict in VERDICTS},
            "files": files,
        }


def _shown(path: Path) -> str:
    """Write the path of an accepted run: below the checkout where it lies there."""
    return (path.relative_to(ROOT) if path.is_relative_to(ROOT) else path).as_posix()


def hold(
    results: Sequence[Result],
    folder: Path,
    profile: str,
    *,
    variants: Mapping[str, str],
    limit: int | None,
    references: Mapping[CellId, Expected],
) -> Gate | None:
    """Hold results against the accepted runs of the devices that they were made on.

    Args:
        results: of a run.
        folder: of accepted runs, `expected/accepted`.
        profile: of the run.
        variants: that were chosen; an accepted run has the defaults, so cells that another choice can change are left.
        limit: a limited run sees other data, and is not held against anything.
        references: of the first gate; seed noise that was recorded with them is known here, too.

    Returns:
        None where nothing was accepted for these devices.

    Raises:
        ExpectedError: a file is another device's, breaks the schema or contradicts itself.
    """
    runs: dict[str, AcceptedRun] = {}
    for device in {device_model(r.inputs["environment"]) for r in results if "environment" in r.inputs}:
        accepted_run = load(folder, profile, device) if limit is None else None
        if accepted_run is not None:
            runs[device] = accepted_run
    changed_variants = [load_variants()[name] for name in deviations(dict(variants))]
    pairs: dict[CellId, tuple[Measurement, AcceptedRun]] = {}
    for result in results:
        run = runs.get(device_model(result.inputs["environment"])) if "environment" in result.inputs else None
        key = result.key
        is_affected = any(variant.applies(key.experiment, key.dataset, key.method) for variant in changed_variants)
        # a candidate has accepted values of its own, expected/encoders
        if run is not None and not is_affected and key.method in (*METHODS, *BASELINES):
            pairs |= {m.id: (m, run) for m in result.measurements()}
    if not pairs:
        return None
    noise = pooled_sd([*(m for m, _ in pairs.values()), *(m for run in runs.values() for m in run.cells.values())])
    noise |= {pool_of(cell): e.spread for cell, e in references.items() if e.spread is not None}
    cells = {
        cell: compare(m, run.cells.get(cell), run.slack, noise.get(pool_of(cell))) for cell, (m, run) in pairs.items()
    }
    gate_verdicts = _confirm(cells)
    accepted_runs = tuple(runs[device] for device in sorted(runs))
    verdict, sentence = _judge(gate_verdicts, {cell: m for cell, (m, _) in pairs.items()}, accepted_runs)
    return Gate(verdict, sentence, gate_verdicts, accepted_runs)


def compare(m: Measurement, reference: Measurement | None, slack: float, noise: Spread | None) -> GateVerdict:
    """Hold one cell against its accepted value.

    Args:
        m: measured.
        reference: None where the accepted run lacks the cell.
        slack: points that the same seed may differ by.
        noise: of seeds; None where it is unknown.
    """
    if reference is None:
        return GateVerdict("not accepted", "the accepted run has no such cell: make accept takes it in")
    if m.deterministic != reference.deterministic:
        role_here, role_then = (
            "seeds play a part" if measurement.seeds else "nothing is random" for measurement in (m, reference)
        )
        return GateVerdict("changed", f"{role_here} now, {role_then} in the accepted run", reference.mean)
    shared_seeds = [seed for seed in m.seeds if seed in reference.seeds]
    if shared_seeds or m.deterministic:
        accepted_values = dict(zip(reference.seeds or (None,), reference.values, strict=True))
        measured_values = dict(zip(m.seeds or (None,), m.values, strict=True))
        differences: list[tuple[float, int | None]] = [
            (measured_values[s] - accepted_values[s], s) for s in shared_seeds or (None,)
        ]
        difference, seed = max(differences, key=lambda entry: abs(entry[0]))
        value = sum(accepted_values[s] for _, s in differences) / len(differences)
        subject = "" if seed is None else f"seed {seed} "
        reason = f"{subject}differs by {difference:+.3f} from the accepted run, tolerance {slack:g}"
        return GateVerdict(
            "changed" if abs(difference) > slack + NOISE else "unchanged", reason, value, difference, slack
        )
    seeds = f"seeds {_seed_list(m.seeds)} here, {_seed_list(reference.seeds)} in the accepted run"
    difference = m.mean - reference.mean
    if noise is None:
        return GateVerdict("cannot tell", f"{seeds}, and the seed noise is unknown", reference.mean, difference)
    interval = Interval.of_means(slack, noise, len(m.values), len(reference.values))
    width, p_value = interval.half_width, interval.p_value(difference)
    reason = f"{seeds}: differs by {difference:+.3f}, tolerance {width:.3f}"
    verdict = "changed" if abs(difference) > width + NOISE else "unchanged"
    return GateVerdict(verdict, reason, reference.mean, difference, width, p_value)


def _seed_list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _confirm(cells: Mapping[CellId, GateVerdict]) -> dict[CellId, GateVerdict]:
    """Count changes of cells with other seeds where Holm's procedure confirms them over all of these."""
    p_values = {cell: gate_verdict.p_value for cell, gate_verdict in cells.items() if gate_verdict.p_value is not None}
    confirmed_cells = holm(p_values, ALPHA)
    return {
        cell: gate_verdict
        if gate_verdict.verdict != "changed" or gate_verdict.p_value is None or cell in confirmed_cells
        else replace(
            gate_verdict,
            verdict="unconfirmed",
            reason=f"{gate_verdict.reason}; not confirmed among {len(p_values)} (Holm)",
        )
        for cell, gate_verdict in cells.items()
    }


def _judge(
    cells: Mapping[CellId, GateVerdict], measurements: Mapping[CellId, Measurement], runs: Sequence[AcceptedRun]
) -> tuple[str, str]:
    """Return the verdict of the gate, and its sentence."""
    counts = {verdict: sum(gate_verdict.verdict == verdict for gate_verdict in cells.values()) for verdict in VERDICTS}
    cell_count = len(cells) - counts["not accepted"]
    run_names = " and ".join(run.name for run in runs)
    remainder = "".join(
        f"; {counts[verdict]} {words}"
        for verdict, words in (
            ("cannot tell", "cannot be told, with other seeds whose noise is unknown"),
            ("unconfirmed", "differ singly, with other seeds, as chance explains"),
            ("not accepted", "are not in it"),
        )
        if counts[verdict]
    )
    if counts["changed"]:
        worst_cell = max(
            (c for c in cells if cells[c].verdict == "changed"), key=lambda c: abs(cells[c].difference or 0)
        )
        return "changed", (
            f"{counts['changed']} of {cell_count} cells have changed against {run_names}, most of all {worst_cell} "
            "with "
            f"{measurements[worst_cell].mean:.2f} instead of {cells[worst_cell].value:.2f}{remainder}."
        )
    verdict = "cannot tell" if counts["cannot tell"] else "unchanged"
    return verdict, f"{counts['unchanged']} of {cell_count} cells are unchanged against {run_names}{remainder}."
