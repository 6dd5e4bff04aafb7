"""report.html: one file that asks nothing of the network and runs no script but its own."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import CodeType

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from suite.core.files import Json
from suite.report import chart, curves, plot, ranks, trends
from suite.report.chart import Chart
from suite.report.curves import Curves
from suite.report.labels import NOT_CONVERGED, VERDICTS
from suite.report.view.evidence import anchor
from suite.report.view.page import Page, page
from suite.report.view.tables import CEILINGS_ARE

TEMPLATES = Path(__file__).parent / "templates"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class _Compiled(BytecodeCache):
    """Templates that this process has compiled, which takes longer than to fill them; a page has filters of its own."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give out what is there of a template's text."""
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it."""
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


@dataclass(frozen=True)
class Drawings:
    """Drawings that only a page can show, as inline SVG.

    Attributes:
        plots: object level against part level.
        legend: (family, colour, marker) of the encoders in the plots.
        curves: of segmentation heads, and learning rates.
        ranks: one per candidate; None where a level has no column of all seven.
        trends: of a sweep, by level and by experiment.
        charts: measured against expected, by title of the table.
    """

    plots: list[plot.Plot]
    legend: list[tuple[str, str, str]]
    curves: list[Curves]
    ranks: list[plot.Plot | None]
    trends: list[Curves]
    charts: dict[str, list[Chart]]


@dataclass(frozen=True)
class Script:
    """The page's script, and its SHA-256 in Base64, by which the page's policy allows it and no other."""

    text: str
    digest: str


@dataclass(frozen=True)
class Picture:
    """A PNG as a data URI, with its size so that the page does not jump while it is decoded."""

    source: str
    width: int
    height: int


def render(report: Json, run_dir: Path) -> str:
    """Render the whole page.

    Args:
        report: see `suite.report.build.build`.
        run_dir: where the paths of `report["figures"]` start; a picture that is missing is said to be.
    """
    environment = templates(run_dir)
    environment.globals |= {
        "not_run": VERDICTS["not run"],
        "marks": {"not_converged": NOT_CONVERGED, "ceilings": CEILINGS_ARE},
        "script": script(),
        "edges": chart,
    }
    view = page(report)
    return environment.get_template("report.html.j2").render(page=view, drawings=drawings(report, view)) + "\n"


def templates(folder: Path) -> Environment:
    """Return the templates of pages, which escape what they are given; paths of pictures start at a folder."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        bytecode_cache=_COMPILED,
    )
    environment.filters["anchor"] = anchor
    environment.filters["picture"] = partial(picture, folder)
    return environment


def script() -> Script:
    """Read the page's script."""
    text = (TEMPLATES / "report.js").read_text()
    return Script(text, base64.b64encode(sha256(text.encode()).digest()).decode())


def drawings(report: Json, view: Page) -> Drawings:
    """Draw every plot of a report and its view."""
    plots = plot.plots(report["cells"])
    families = plots[0].families if plots else ()
    legend = [(family, plot.STYLES[family][0], plot.STYLES[family][2]) for family in families]
    lines = curves.curves(report["trainings"], report["cells"], report.get("rates", []))
    ranks_of_candidates = [ranks.ranks(entry, k) for k, entry in enumerate(report["newcomers"])]
    tables = (*view.tables.paper, *view.tables.other_tables)
    charts = {table.title: chart.charts(table, report["cells"], view.expected) for table in tables}
    return Drawings(plots, legend, lines, ranks_of_candidates, trends.trends(report), charts)


def picture(run_dir: Path, path: str) -> Picture | None:
    """Read a PNG of the run; None where it cannot be read, is no PNG, or lies outside the run."""
    place = (run_dir / path).resolve()
    if not place.is_relative_to(run_dir.resolve()):
        return None
    try:
        content = place.read_bytes()
    except OSError:
        return None
    if not content.startswith(PNG_SIGNATURE) or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return Picture("data:image/png;base64," + base64.b64encode(content).decode(), width, height)
