"""A report as it is shown: every section in the order of the page; nothing is measured or judged here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from suite.core.files import Json
from suite.report.candidates import Candidate, Conformance, candidates_of, conformances_of
from suite.report.several import Bound, Several, bound_of, several_of
from suite.report.triaged import Triage
from suite.report.triaged import view as triage_of
from suite.report.view.cells import (
    UNCERTAINTY,
    Attention,
    CellLine,
    Choice,
    SecondGate,
    attention,
    cell_line,
    choices,
    second_gate,
)
from suite.report.view.claims import Claims, claims
from suite.report.view.costs import Costs, costs
from suite.report.view.evidence import Evidence, ResultFiles, result_files
from suite.report.view.head import Head, Summary, head, summary_of
from suite.report.view.pictures import Gallery, Search, samples, search
from suite.report.view.record import (
    Attempt,
    Environment,
    Protocol,
    Rerun,
    Variable,
    attempts,
    environment,
    protocol,
    rerun,
    variables,
)
from suite.report.view.shards import Shards, shards
from suite.report.view.tables import Tables, tables
from suite.report.view.training import RULE, HeadsLine, heads


@dataclass(frozen=True)
class Section:
    """A section's anchor, its name in the list of contents, and its heading, where that is longer."""

    id: str
    name: str
    heading: str


SECTIONS = tuple(
    Section(id_, name, heading or name)
    for id_, name, heading in (
        ("summary", "Summary", ""),
        ("accepted", "Against our accepted run", ""),
        ("beside", "Beside the seven", ""),
        ("tables", "Tables", "The paper's tables"),
        ("cells", "All cells", ""),
        ("triage", "Triage", "What explains the gaps"),
        ("claims", "Claims", "The paper's claims"),
        ("plot", "Object against part", "Object level against part level"),
        ("training", "Training", "Was it trained to the end?"),
        ("segmentation", "Segmentation", "Segmentation: samples"),
        ("search", "Patch search", ""),
        ("costs", "Cost", ""),
        ("variables", "Reproducibility variables", ""),
        ("shards", "Shards", ""),
        ("attempts", "Attempts", ""),
        ("environment", "Environment", ""),
        ("protocol", "Protocol", ""),
        ("again", "Run it again", ""),
    )
)
HEADINGS = {section.id: section.heading for section in SECTIONS}


@dataclass(frozen=True)
class Page:
    """All that a page shows; what is None or empty where the report has nothing of it says so in its own file.

    Attributes:
        schema: of report.json.
        expected: what the reference is, in a word: the paper's own numbers, or this suite's recorded runs.
    """

    schema: int
    expected: str
    head: Head
    summary: Summary
    attention: Attention
    second_gate: SecondGate | None
    conformances: tuple[Conformance, ...]
    several: Several | None
    bound: Bound | None
    candidates: tuple[Candidate, ...]
    tables: Tables
    triage: Triage | None
    claims: Claims
    heads: tuple[HeadsLine, ...]
    samples: tuple[Gallery, ...]
    search: Search
    costs: Costs
    variables: tuple[Variable, ...]
    shards: Shards | None
    attempts: tuple[Attempt, ...] | None
    environment: Environment
    protocol: Protocol
    rerun: Rerun
    cells: tuple[CellLine, ...]
    choices: tuple[Choice, ...]
    results: tuple[ResultFiles, ...]

    @property
    def uncertainty(self) -> str:
        """What the two uncertainties of a cell are."""
        return UNCERTAINTY

    @property
    def training_rule(self) -> str:
        """When a head had not converged."""
        return RULE

    @property
    def sections(self) -> Iterator[Section]:
        """The sections that this report has, in their order."""
        absences = {
            "accepted": self.second_gate is None,
            "triage": self.triage is None,
            "beside": not self.candidates and not self.conformances,
            "shards": self.shards is None,
            "attempts": self.attempts is None,
        }
        return (section for section in SECTIONS if not absences.get(section.id))


def page(report: Json) -> Page:
    """Return the view of a report.

    Args:
        report: see `suite.report.build.build`.
    """
    table_section, evidence = tables(report), Evidence(report)
    return Page(
        schema=report["schema"],
        expected=table_section.expected,
        head=head(report),
        summary=summary_of(report),
        attention=attention(report),
        second_gate=second_gate(report),
        conformances=conformances_of(report),
        several=several_of(report),
        bound=bound_of(report),
        candidates=candidates_of(report),
        tables=table_section,
        triage=triage_of(report["triage"]) if report.get("triage") else None,
        claims=claims(report),
        heads=heads(report["cells"]),
        samples=samples(report["figures"]),
        search=search(report["figures"]),
        costs=costs(report),
        variables=variables(report),
        shards=shards(report),
        attempts=attempts(report),
        environment=environment(report),
        protocol=protocol(report),
        rerun=rerun(report),
        cells=tuple(cell_line(cell, evidence.links(cell)) for cell in report["cells"]),
        choices=choices(report["cells"]),
        results=result_files(report["results"], report.get("environments") or ()),
    )
