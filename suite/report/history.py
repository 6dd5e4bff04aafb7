"""Many runs in the order in which they finished: what each was made of, and how every cell went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.core.files import Json
from suite.core.text import number
from suite.errors import RequestError
from suite.registry import title_of
from suite.report import files
from suite.report.labels import Label, label_of_run
from suite.report.summary import notice


@dataclass(frozen=True)
class RunLine:
    """One run.

    Attributes:
        number: its place, from 1.
        name: of its folder.
        finished: to the minute, UTC as noted.
        commit: its first digits; with a plus where files were changed since.
        environment: number of the environment of most of its results, from 1 for the first run's; 0 if unknown.
        said: that environment in one line.
        asked: how it was asked for other than by default; empty where it was not.
        digest: first digits of that of all results.
    """

    number: int
    name: str
    finished: str
    commit: str
    environment: int
    said: str
    seeds: str
    asked: str
    verdict: Label
    digest: str


@dataclass(frozen=True)
class Gate:
    """A range that a cell was held to: a value and how far from it; None where nothing is allowed for."""

    word: str
    value: float
    tolerance: float | None

    @property
    def text(self) -> str:
        """Write `recorded 47.20 ± 0.05`."""
        return f"{self.word} {number(self.value, 2)}" + (
            "" if self.tolerance is None else f" ± {number(self.tolerance, 2)}"
        )


@dataclass(frozen=True)
class CellTrend:
    """One cell over the runs.

    Attributes:
        values: a value per run, None where it was not measured.
        gates: those of the last run that measured it.
    """

    id: str
    experiment: str
    values: tuple[float | None, ...]
    gates: tuple[Gate, ...]

    @property
    def known(self) -> list[float]:
        """Values that there are."""
        return [value for value in self.values if value is not None]

    @property
    def has_moved(self) -> bool:
        """Whether two runs measured different values."""
        return len({*self.known}) > 1


@dataclass(frozen=True)
class History:
    """Runs of one profile.

    Attributes:
        notice: what the profile's numbers are worth.
        cells: that a run has measured, in the order of the reports.
    """

    profile: str
    notice: str | None
    runs: tuple[RunLine, ...]
    cells: tuple[CellTrend, ...]

    @property
    def environments(self) -> list[tuple[str, str]]:
        """Number and line of every environment."""
        numbers = {run.environment: run.said for run in reversed(self.runs) if run.environment}
        return [(f"environment {number}", numbers[number]) for number in sorted(numbers)]

    @property
    def moved(self) -> list[CellTrend]:
        """Cells of which two runs measured different values, by how far they lie apart."""
        cells = [cell for cell in self.cells if cell.has_moved]
        return sorted(cells, key=lambda cell: min(cell.known) - max(cell.known))

    @property
    def experiments(self) -> dict[str, list[CellTrend]]:
        """All cells, by the title of their experiment."""
        groups: dict[str, list[CellTrend]] = {}
        for cell in self.cells:
            groups.setdefault(title_of(cell.experiment), []).append(cell)
        return groups


def reports_in(folder: Path) -> tuple[list[tuple[Path, Json]], list[str]]:
    """Read the report of every run in a folder.

    Returns:
        Runs with their reports, and a line for each report that cannot be read.

    Raises:
        RequestError: there is none that can.
    """
    reports, problems = [], []
    for path in sorted(folder.glob(f"*/{files.NAME}")):
        try:
            reports.append((path.parent, files.load(path.parent)))
        except RequestError as error:
            problems.append(str(error))
    if not reports:
        found = f"; {problems[0]}" if problems else ""
        raise RequestError(f"{folder}: expected a folder of finished runs, each with a {files.NAME}, got none{found}")
    return reports, problems


def histories(reports: Sequence[tuple[Path, Json]]) -> list[History]:
    """Put runs in the order in which they finished, those of each profile by themselves.

    Args:
        reports: folder and report of each run.
    """
    in_order = sorted(reports, key=lambda entry: (entry[1]["finished"], entry[1]["run"]))
    profiles = dict.fromkeys(report["profile"] for _, report in in_order)
    return [_history([entry for entry in in_order if entry[1]["profile"] == profile]) for profile in profiles]


def _history(entries: Sequence[tuple[Path, Json]]) -> History:
    reports = [report for _, report in entries]
    tables = [{cell["id"]: cell for cell in report["cells"] if cell["measured"] is not None} for report in reports]
    names = dict.fromkeys(name for table in tables for name in table)
    cells = [_cell_trend(name, [table.get(name) for table in tables]) for name in names]
    return History(reports[0]["profile"], notice(reports[-1]), tuple(run_lines(entries)), tuple(cells))


def run_lines(entries: Sequence[tuple[Path, Json]]) -> list[RunLine]:
    """Describe runs in this order, and number them and their environments."""
    environments: dict[str, int] = {}
    return [_run_line(k, folder, report, environments) for k, (folder, report) in enumerate(entries, 1)]


def _run_line(k: int, folder: Path, report: Json, environments: dict[str, int]) -> RunLine:
    most = max(report.get("environments") or (), key=lambda entry: len(entry["results"]), default=None)
    code = report["environment"].get("code") or {}
    return RunLine(
        number=k,
        name=folder.name,
        finished=report["finished"][:16].replace("T", " "),
        commit=f"{code['commit'][:8]}{'+' if code.get('dirty') else ''}" if code.get("commit") else "–",
        environment=0 if most is None else environments.setdefault(most["digest"], len(environments) + 1),
        said="unknown" if most is None else most.get("said", ""),
        seeds=", ".join(map(str, report["asked"].get("seeds") or ())) or "–",
        asked=_asked(report["asked"]),
        verdict=label_of_run(report),
        digest=(report.get("digest") or "–")[:8],
    )


def _asked(asked: Json) -> str:
    """Write what makes values of a run others than those of the profile."""
    words = [f"{name}={choice}" for name, choice in (asked.get("variants") or {}).items()]
    return ", ".join([*words, *([f"limit={asked['limit']}"] if asked.get("limit") else [])])


def _cell_trend(name: str, cells: Sequence[Json | None]) -> CellTrend:
    last = next(cell for cell in reversed(cells) if cell is not None)
    values = tuple(None if cell is None else float(cell["measured"]) for cell in cells)
    return CellTrend(name, name.partition("/")[0], values, tuple(_gates(last)))


def _gates(cell: Mapping[str, Json | float | None]) -> list[Gate]:
    gates = []
    if isinstance(cell["expected"], int | float):
        tolerance = cell["tolerance"]
        gates.append(Gate("expected", cell["expected"], tolerance if isinstance(tolerance, int | float) else None))
    accepted = cell.get("accepted")
    if isinstance(accepted, dict) and accepted["value"] is not None:
        gates.append(Gate("accepted", accepted["value"], accepted.get("tolerance")))
    return gates
