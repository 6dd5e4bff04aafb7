"""report.md: the same content as report.html, for a CI job's summary page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from tabulate import tabulate

from suite.cells import METHODS
from suite.core.files import Json
from suite.core.text import duration, mebibytes, number, signed
from suite.judge.entries import other_environment
from suite.registry import family, title_of
from suite.report import candidates, summary
from suite.report.facts import flatten
from suite.report.labels import ACCEPTED, STATUSES, UNCONFIRMED, VERDICTS, label, shown, tally, why
from suite.report.tables import Table, other_tables, paper_tables

MAX_BYTES = 1_000_000
"""GitHub drops a job summary of more than 1 MiB; the last sections are left out before that."""


def render(report: Json) -> str:
    """The whole page in GitHub's Markdown.

    Args:
        report: see `suite.report.build.build`.
    """
    sections = [
        _head(report),
        _summary(report),
        _attention(report),
        _changed(report),
        *_candidates(report),
        *_tables(report),
        _claims(report),
        _costs(report),
        _variables(report),
        _patch_search(report),
        _attempts(report),
        _environments(report),
        _details("Environment", _facts(report["environment"])),
        _details("Protocol", _facts({"asked": summary.asked(report), "protocol": report["protocol"]})),
        _again(report),
        _all_cells(report),
    ]
    return _fit([section for section in sections if section])


def escape(text: object) -> str:
    """Text that stays text: no HTML, no link, no table border, no emphasis, one line."""
    plain = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~@#!$])", r"\\\1", plain)


def code(text: object) -> str:
    """A name or predicate in fixed width; HTML's tag, since a pipe or backtick would break Markdown's."""
    return f"<code>{html.escape(' '.join(str(text).split())).replace('|', '&#124;')}</code>"


def grid(rows: Iterable[Sequence[object]], headers: Sequence[str], numeric: str = "") -> str:
    """A table; its columns whose letter in `numeric` is `r` are aligned right. Cells must be escaped."""
    align = ["right" if letter == "r" else "left" for letter in numeric.ljust(len(headers))]
    return tabulate(rows, headers, tablefmt="pipe", colalign=align, disable_numparse=True)


def _fit(sections: list[str]) -> str:
    kept, size = [], 0
    for section in sections:
        size += len(section.encode("utf-8", "replace")) + 2
        if size > MAX_BYTES:
            kept.append("_Cut here: the rest is in report.html and report.json._")
            break
        kept.append(section)
    return "\n\n".join(kept) + "\n"


def _details(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _facts(facts: Json) -> str:
    return grid([(code(key), escape(text)) for key, text in flatten(facts)], ("fact", "value"))


def _head(report: Json) -> str:
    look = VERDICTS[report["verdict"]]
    lines = [
        "# Reproducibility report: part-aware representation learning",
        f"## {look.emoji} {look.word}: {escape(report['sentence'])}",
        f"Profile **{report['profile']}**, run **{escape(report['run'])}**, finished {escape(report['finished'])}, "
        f"took {duration(summary.elapsed(report))}, exit code {report['exit_code']}.",
    ]
    lines += [_second_gate(report["accepted"])] if report.get("accepted") else []
    notice = summary.notice(report)
    lines += [f"> **{escape(notice)}**"] if notice else []
    said = [*report["notes"], *filter(None, [summary.attempts_line(report)])]
    lines += ["\n".join(f"- {escape(note)}" for note in said)] if said else []
    return "\n\n".join(lines)


def _second_gate(accepted: Json) -> str:
    look = ACCEPTED[accepted["verdict"]]
    return (
        f"**Second gate, no change against our accepted run: {look.emoji} {look.word}.** {escape(accepted['sentence'])}"
    )


def _changed(report: Json) -> str:
    """The section on the second gate; empty where no run of this device was accepted."""
    if not report.get("accepted"):
        return ""
    rows = [
        [code(c["id"]), *_held(c), number(c["measured"], 3), escape(c["accepted"]["reason"])]
        for c in summary.changed(report)
    ]
    files = "\n".join(f"- {escape(summary.accepted_file(file))}" for file in report["accepted"]["files"])
    heads = ("cell", "second gate", "accepted", "moved", "measured", "why")
    table = grid(rows, heads, "llrrrl") if rows else "No cell has changed."
    return f"## Against our accepted run\n\n{files}\n\n{table}"


def _held(cell: Json) -> list[str]:
    """What the second gate says of a cell: its word, the accepted value, how far the cell moved."""
    held = cell.get("accepted")
    if held is None:
        return ["", "–", "–"]
    look = ACCEPTED[held["verdict"]]
    return [f"{look.emoji} {look.word}", number(held["value"], 3), signed(held["difference"], 3)]


def _summary(report: Json) -> str:
    verdicts = shown(report["cells"])
    heads = [f"{VERDICTS[verdict].emoji} {verdict}" for verdict in verdicts]
    rows: list[list[object]] = [
        [title_of(experiment), *counts.values(), duration(summary.seconds(costs))]
        for experiment, counts, costs in summary.by_experiment(report)
    ]
    rows.append(["**all**", *tally(report["cells"], verdicts).values(), duration(summary.seconds(report["costs"]))])
    return grid(rows, ["experiment", *heads, "time"], "l" + "r" * (len(heads) + 1))


def _verdict(cell: Json) -> str:
    look = label(cell)
    return f"{look.emoji} {look.word}"


def _cell_line(cell: Json) -> list[str]:
    values = number(cell["measured"], 2), number(cell["expected"], 2), signed(cell["difference"])
    return [code(cell["id"]), _verdict(cell), *values, number(cell["tolerance"], 2), escape(why(cell))]


def _cell_heads(report: Json) -> list[str]:
    return ["cell", "verdict", "measured", summary.expected_word(report), "difference", "tolerance", "why"]


def _attention(report: Json) -> str:
    blocks = ["## What deviates or stays open"]
    cells = summary.attention(report)
    if cells:
        blocks.append(grid(map(_cell_line, cells), _cell_heads(report), "llrrrrl"))
    else:
        blocks.append("Nothing: no cell deviates and none is inconclusive.")
    if report["deciding"]:
        rows = [
            [f"{title_of(d['experiment'])}, {title_of(d['dataset'])}", d["cells"], escape(d["sentence"])]
            for d in report["deciding"]
        ]
        heads = ("inconclusive", "cells", "seeds that would decide, and what they cost")
        blocks.append(grid(rows, heads, "lrl"))
    for verdict in ("not run", "no reference"):
        blocks += [
            f"- {VERDICTS[verdict].emoji} {len(group)} {verdict}: {escape(reason)}"
            for reason, group in summary.reasons(report, verdict)
        ]
    return "\n\n".join(blocks)


def _candidates(report: Json) -> Iterator[str]:
    if report["conformance"]:
        yield f"## Beside the seven\n\n{_conformance_checks(report['conformance'])}"
    for candidate in report["newcomers"]:
        rows = [
            [candidates.LEVELS[row.level], row.column, f"**{row.own}**", row.rank]
            + [f"{value} {f'({mark})' if mark else ''}".strip() for value, mark in row.values]
            for row in candidates.table(candidate)
        ]
        marks = "".join(f" ({mark}): {source}, not measured here." for mark, source in candidates.marks(candidate))
        heads = ["level", "column", escape(candidate["method"]), "rank", *map(title_of, METHODS)]
        text = f"### {escape(candidate['method'])} beside the seven\n\n{escape(candidate['sentence'])}{marks}\n\n"
        yield text + grid(rows, heads, "llrr" + "r" * len(METHODS))
        yield escape(candidates.verdict_of_pairs(candidate)) + _pairs(candidate)


def _conformance_checks(conformance: Json) -> str:
    looks = [(STATUSES[check["status"]], check) for check in conformance["rungs"]]
    rows = [[escape(r["name"]), f"{look.emoji} {look.word}", escape(r["detail"])] for look, r in looks]
    facts = escape(candidates.facts(conformance))
    return f"Conformance of {code(conformance['encoder'])}: {facts}.\n\n" + grid(rows, ("check", "answer", "detail"))


def _pairs(candidate: Json) -> str:
    rows = [(p.column, p.reference, p.difference, p.interval, p.p_value, p.word) for p in candidates.pairs(candidate)]
    heads = ("column", "against", "difference", "95 % interval", "p", "after Holm")
    found = _details(f"{len(rows)} paired comparisons", grid(rows, heads, "llrrrl"))
    return f"\n\n{found}" if rows else ""


def _tables(report: Json) -> Iterator[str]:
    looks = (*(VERDICTS[verdict] for verdict in shown(report["cells"])), UNCONFIRMED)
    icons = ", ".join(f"{look.emoji} {look.word}" for look in looks)
    word = summary.expected_word(report)
    yield f"## The paper's tables\n\nMeasured, per cent; in brackets {word}, and measured less {word}. {icons}."
    for table in paper_tables(report["cells"]):
        yield f"### {table.title}\n\n{_table(table)}"
    others = [f"**{table.title}**\n\n{_table(table)}" for table in other_tables(report["cells"])]
    if others:
        yield _details("Other readouts and metrics, not in the paper's tables", "\n\n".join(others))


def _table(table: Table) -> str:
    not_run = VERDICTS["not run"]
    if not table.cells:
        return f"{not_run.emoji} not run: {table.caption} This profile lists no cell of it."
    if table.not_run_reasons:
        why = escape("; ".join(table.not_run_reasons))
        return f"{not_run.emoji} not run: {table.caption} All {len(table.cells)} cells: {why}."
    rows = [
        [f"**{escape(title_of(row.method))}** ({family(row.method)})", *(_table_cell(cell) for cell in row.cells)]
        for row in table.rows
    ]
    return f"{table.caption}\n\n" + grid(rows, ["encoder", *(column.head for column in table.columns)])


def _table_cell(cell: Json | None) -> str:
    if cell is None:
        return "—"
    look = label(cell)
    value = f"{look.emoji} {'not run' if cell['measured'] is None else number(cell['measured'])}"
    elsewhere = other_environment(cell)
    value += f" <sup>{elsewhere}</sup>" if elsewhere else ""
    if cell["expected"] is None:
        return value
    difference = "" if cell["difference"] is None else f", {signed(cell['difference'])}"
    return f"{value} ({number(cell['expected'])}{difference})"


def _claims(report: Json) -> str:
    words = {True: "✓ holds", False: "✗ fails", None: "? unknown"}
    here = words | {None: "⚪ not run"}
    counts = ", ".join(f"{count} {word}" for word, count in summary.claim_counts(report).items())
    rows = [
        [
            f"{escape(claim['id'])} ({escape(claim['section'])})",
            f"{escape(claim['statement'])}<br>{code(claim['predicate'])}",
            words[claim["holds_in_paper"]],
            here[claim["holds_here"]],
            escape(summary.claim_detail(claim)),
        ]
        for claim in report["claims"]
    ]
    table = grid(rows, ("claim", "statement", "in the paper", "here", "detail"))
    text = "Claims are a gate in this run." if report["claims_gate"] else "Claims do not decide the verdict above."
    return f"## The paper's claims\n\n{counts}. {text}\n\n" + _details("Claim by claim", table)


def _costs(report: Json) -> str:
    groups = [(title_of(e), costs) for e, _, costs in summary.by_experiment(report) if costs]
    rows = [
        (
            title,
            len(costs),
            summary.reused(costs),
            duration(summary.seconds(costs)),
            mebibytes(summary.peak_memory(costs)),
        )
        for title, costs in [*groups, ("all", report["costs"])]
    ]
    table = grid(rows, ("experiment", "results", "reused", "time", "peak memory"), "lrrrr")
    return "## Cost\n\n" + table + _plan(report)


def _plan(report: Json) -> str:
    rows = [
        (
            title_of(row["experiment"]),
            f"{row['trials']} of {row['trials'] + row['unknown']}",
            duration(row["planned_s"]),
            duration(row["measured_s"]),
            number(row["ratio"], 2),
        )
        for row in summary.planned(report)
    ]
    heads = ("experiment", "results compared", "planned", "measured", "ratio")
    return f"\n\n### Plan against actual\n\n{grid(rows, heads, 'lrrrr')}" if rows else ""


def _variables(report: Json) -> str:
    rows = [(f"**{v['name']}**", escape(v["paper"]), v["status"], escape(v["evidence"])) for v in report["variables"]]
    return "## Reproducibility variables\n\n" + grid(rows, ("variable", "the paper", "this run", "evidence"))


def _attempts(report: Json) -> str:
    rows = [
        (
            escape(row["started"]),
            escape(row["verb"]),
            code(row["code"]),
            code(row["environment"]),
            *(row[name] for name in ("measured", "reused", "lost")),
            escape(row["ending"]),
            escape(row["why"]),
        )
        for row in summary.attempts(report)
    ]
    heads = ("began", "verb", "code", "environment", "measured", "reused", "lost", "ended", "why")
    return f"## Attempts\n\n{grid(rows, heads, 'llllrrrll')}" if rows else ""


def _environments(report: Json) -> str:
    entries = report.get("environments") or []
    if not entries:
        return ""
    rows = [
        (str(e["number"]), len(e["results"]), summary.belongs(e), escape(e["said"]), code(e["digest"][:12]))
        for e in entries
    ]
    heads = ("environment", "results", "is", "made with", "digest")
    return "## Environments of the results\n\n" + grid(rows, heads, "rrlll")


def _patch_search(report: Json) -> str:
    strips = [figure for figure in report["figures"] if figure["kind"] == "patch_search"]
    if not strips:
        return "## Patch search\n\nNo gallery was made in this run."
    queries = ", ".join(code(query) for query in dict.fromkeys(strip["query"] for strip in strips))
    text = f"{len(strips)} strips of queries {queries}; they are shown in report.html."
    rows = [[title_of(s["method"]), title_of(s["setting"]), code(s["query"]), code(s["path"])] for s in strips]
    rows = [[escape(method), escape(setting), query, path] for method, setting, query, path in rows]
    return f"## Patch search\n\n{text}\n\n" + _details(
        "Files in the run's folder", grid(rows, ("encoder", "features", "query", "file"))
    )


def _again(report: Json) -> str:
    commands = "\n".join(html.escape(line, quote=False) for line in summary.rerun_commands(report))
    return f"## Run it again\n\n<pre>\n{commands}\n</pre>{_citation(report)}"


def _citation(report: Json) -> str:
    line = summary.citation(report)
    if line is None:
        return ""
    return f"\n\nTo cite this report: {code(line)}; {code(summary.verify_command(report))} checks it."


def _all_cells(report: Json) -> str:
    gate = bool(report.get("accepted"))
    rows = [[*_cell_line(cell), *(_held(cell) if gate else [])] for cell in report["cells"]]
    heads = [*_cell_heads(report), *(("second gate", "accepted", "moved") if gate else ())]
    return _details(f"All {len(rows)} cells", grid(rows, heads, "llrrrrllrr"[: len(heads)]))
