"""report.html: one file that asks nothing of the network and runs no script."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from suite import registry
from suite.cells import BASELINES, METHODS
from suite.core import text
from suite.core.files import Json
from suite.judge.entries import other_environment
from suite.report import candidates, curves, labels, plot, ranks, samples, summary, tables
from suite.report.facts import flatten

TEMPLATES = Path(__file__).parent / "templates"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def render(report: Json, run_dir: Path) -> str:
    """The whole page.

    Args:
        report: see `suite.report.build.build`.
        run_dir: where the paths of `report["figures"]` start; a picture that is missing is said to be.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "name": registry.title_of,
        "number": text.number,
        "signed": text.signed,
        "duration": text.duration,
        "mebibytes": text.mebibytes,
        "family": registry.family,
        "label": labels.label,
        "why": labels.why,
        "elsewhere": other_environment,
    }
    cells = report["cells"]
    # Markup: matplotlib has escaped the names in it
    plots = [(Markup(p.svg), p.alt, p.families) for p in plot.plots(cells)]
    page = environment.get_template("report.html.j2").render(
        report=report,
        verdict=labels.VERDICTS[report["verdict"]],
        verdicts=labels.VERDICTS,
        verdict_order=labels.shown(cells),
        tally=labels.tally(cells, labels.shown(cells)),
        expected=summary.expected_word(report),
        notice=summary.notice(report),
        unconfirmed=labels.UNCONFIRMED,
        baselines=BASELINES,
        styles=plot.STYLES,
        paper_tables=tables.paper_tables(cells),
        other_tables=tables.other_tables(cells),
        plots=plots,
        candidates=candidates,
        statuses=labels.STATUSES,
        gate=labels.ACCEPTED,
        methods=METHODS,
        rank_plots=[_rank_plot(candidate, number) for number, candidate in enumerate(report["newcomers"])],
        curves=[
            (c.caption, Markup(c.svg), c.alt)
            for c in curves.curves(report["trainings"], cells, report.get("rates", []))
        ],
        samples=samples.samples(report["figures"]),
        galleries=galleries(report["figures"]),
        picture=partial(picture, run_dir),
        summary=summary,
        flatten=flatten,
    )
    return page.lstrip() + "\n"


def _rank_plot(candidate: Json, number: int) -> tuple[Markup, str] | None:
    drawn = ranks.ranks(candidate, number)
    return None if drawn is None else (Markup(drawn.svg), drawn.alt)


@dataclass(frozen=True)
class Picture:
    """A PNG as a data URI, with its size so that the page does not jump while it is decoded."""

    source: str
    width: int
    height: int


def galleries(figures: list[Json]) -> list[tuple[str, list[tuple[str, list[tuple[str, str]]]]]]:
    """Patch search by query: (query, rows), a row per encoder: (method, (setting, path) of each strip)."""
    strips = [figure for figure in figures if figure["kind"] == "patch_search"]
    found = []
    for query in dict.fromkeys(strip["query"] for strip in strips):
        rows: dict[str, list[tuple[str, str]]] = {}
        for strip in strips:
            if strip["query"] == query:
                rows.setdefault(strip["method"], []).append((strip["setting"], strip["path"]))
        methods = sorted(rows, key=registry.method_order)
        found.append((query, [(method, _encoded_first(rows[method])) for method in methods]))
    return found


def _encoded_first(row: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(row, key=lambda strip: (strip[0] != "encoded", strip[0] != "projected", strip[0]))


def picture(run_dir: Path, path: str) -> Picture | None:
    """A PNG of the run; None where it cannot be read, is no PNG, or lies outside the run."""
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
