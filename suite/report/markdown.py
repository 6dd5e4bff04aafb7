"""report.md: the same content as report.html, for a CI job's summary page."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple

from suite.core.files import Json
from suite.report.candidates import Candidate, Conformance, Headline
from suite.report.labels import NOT_CONVERGED, VERDICTS
from suite.report.markup import badge, code, details, escape, grid
from suite.report.several import Bound, Several, Standing, Trend
from suite.report.triaged import HEADS, ROLE, Triage
from suite.report.view.cells import Attention, CellLine, GateLine, SecondGate
from suite.report.view.claims import Claims
from suite.report.view.costs import Costs
from suite.report.view.head import Head, Summary
from suite.report.view.page import HEADINGS, Page, page
from suite.report.view.pictures import Search
from suite.report.view.record import Attempt, Rerun, ResultEnvironment, Variable
from suite.report.view.shards import Shards
from suite.report.view.tables import CEILINGS_ARE, Box, Table, Tables

MAX_BYTES = 1_000_000
"""Bytes to which the page is kept by leaving out its last sections: GitHub drops a job summary of more than 1 MiB."""


def render(report: Json) -> str:
    """Render the whole page in GitHub's Markdown.

    Args:
        report: see `suite.report.build.build`.
    """
    return _fit([section for section in _sections(page(report)) if section])


def _sections(view: Page) -> Iterator[str]:
    yield _head(view.head)
    yield counts(view.summary)
    yield _attention(view.attention, view.expected)
    yield _second_gate(view.second_gate)
    yield from _conformances(view.conformances)
    yield _several(view.several)
    yield _bound(view.bound)
    for candidate in view.candidates:
        yield _candidate(candidate)
        yield _pairs(candidate)
    yield from _tables(view.tables)
    yield _triage(view.triage)
    yield _claims(view.claims)
    yield _training(view)
    yield _costs(view.costs)
    yield _variables(view.variables)
    yield _search(view.search)
    yield _shards(view.shards)
    yield _attempts(view.attempts)
    yield _environments(view.environment.results)
    yield details("Environment", _facts(view.environment.facts))
    yield details("Protocol", _facts(view.protocol.facts))
    yield _rerun(view.rerun)
    yield _cells(view)


def _fit(sections: list[str]) -> str:
    page_sections, size = [], 0
    for section in sections:
        size += len(section.encode("utf-8", "replace")) + 2
        if size > MAX_BYTES:
            page_sections.append("_Cut here: the rest is in report.html and report.json._")
            break
        page_sections.append(section)
    return "\n\n".join(page_sections) + "\n"


# the sections


def _heading(section: str) -> str:
    return f"## {HEADINGS[section]}"


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return grid([(code(key), escape(text)) for key, text in facts], ("fact", "value"))


def _head(head: Head) -> str:
    blocks = [
        "# Reproducibility report: part-aware representation learning",
        *_headline(head.candidates),
        f"## {badge(head.verdict)}: {escape(head.sentence)}",
        f"Profile **{head.profile}**, run **{escape(head.run)}**, finished {escape(head.finished)}, "
        f"took {head.duration}, exit code {head.exit_code}.",
    ]
    if head.gate:
        label, sentence = head.gate
        blocks.append(f"**Second gate, no change against our accepted run: {badge(label)}.** {escape(sentence)}")
    if head.notice:
        blocks.append(f"> **{escape(head.notice)}**")
    if head.notes:
        blocks.append("\n".join(f"- {escape(note)}" for note in head.notes))
    return "\n\n".join(blocks)


def _headline(headline: Headline | None) -> Iterator[str]:
    if headline is None:
        return
    yield f"## {escape(headline.name)}: {escape(headline.sentence)}"
    if headline.lines:
        yield "\n".join(f"- **{escape(name)}**: {escape(sentence)}" for name, sentence in headline.lines)


def counts(summary: Summary) -> str:
    """Write cells by experiment and verdict as a table."""
    rows = [[e.title, *(count for _, count in e.counts), e.time] for e in summary.experiments]
    rows.append(["**all**", *(count for _, count in summary.counts), summary.time])
    heads = ["experiment", *map(badge, summary.verdicts), "time"]
    return grid(rows, heads, "l".ljust(len(heads), "r"))


def _attention(attention: Attention, expected: str) -> str:
    blocks = ["## What deviates or stays open"]
    if attention.lines:
        blocks.append(grid(map(_cell, attention.lines), _cell_heads(expected), "llrrrrl"))
    else:
        blocks.append("Nothing: no cell deviates and none is inconclusive.")
    if attention.deciding:
        rows = [[d.title, d.cells, escape(d.sentence)] for d in attention.deciding]
        blocks.append(grid(rows, ("inconclusive", "cells", "seeds that would decide, and what they cost"), "lrl"))
    for group in attention.reasons:
        label = group.label
        blocks.append(f"- {label.emoji} {len(group.cells)} {label.word}: {escape(group.reason)}")
    return "\n\n".join(blocks)


def _cell_heads(expected: str) -> list[str]:
    return ["cell", "verdict", "measured", expected, "difference", "tolerance", "why"]


def _cell(line: CellLine) -> list[str]:
    values = line.measured, line.expected, line.difference, line.tolerance
    return [code(line.id), badge(line.label), *values, escape(" ".join(filter(None, (line.reason, line.training))))]


def _gate_words(line: GateLine | None) -> list[str]:
    """Write the second gate's answer for a cell: its word, the accepted value, how far the cell moved."""
    return ["", "–", "–"] if line is None else [badge(line.label), line.value, line.difference]


def _second_gate(gate: SecondGate | None) -> str:
    if gate is None:
        return ""
    rows = [[code(id_), *_gate_words(line), line.measured, escape(line.reason)] for id_, line in gate.changes]
    heads = ("cell", "second gate", "accepted", "moved", "measured", "why")
    files = "\n".join(f"- {escape(file)}" for file in gate.files)
    return f"{_heading('accepted')}\n\n{files}\n\n" + (grid(rows, heads, "llrrrl") if rows else "No cell has changed.")


def _conformances(conformances: Sequence[Conformance]) -> Iterator[str]:
    if conformances:
        yield _heading("beside")
    for conformance in conformances:
        text = f"Conformance of {code(conformance.encoder)}: {escape(conformance.facts)}."
        rows = [[escape(check.name), badge(check.label), escape(check.detail)] for check in conformance.checks]
        table = grid(rows, ("check", "answer", "detail"))
        yield f"{text}\n\n{details(conformance.counts, table) if len(conformances) > 1 else table}"


def _several(several: Several | None) -> str:
    if several is None:
        return ""
    rows = [[row.level, row.column, *map(_standing, (*row.candidates, *row.others))] for row in several.rows]
    heads = ["level", "column", *map(escape, several.heads), *several.others]
    marks = "".join(f" ({mark}): {source}, not measured here." for mark, source in several.marks)
    text = (
        f"### All candidates beside the seven\n\n{several.sentence}\n\nPer cent, and in brackets the rank among the "
        f"candidates and the seven.{marks}\n\n{grid(rows, heads, 'll'.ljust(len(heads), 'r'))}"
    )
    return f"{text}\n\n{_trend(several.trend)}" if several.trend else text


def _standing(standing: Standing) -> str:
    value = f"**{standing.value}**" if standing.is_best else standing.value
    rank = f" ({standing.rank})" if standing.rank else ""
    return f"{value}{rank} ({standing.mark})" if standing.mark else f"{value}{rank}"


def _trend(trend: Trend) -> str:
    rows = [[line.level, line.name, *line.points] for line in trend.lines]
    heads = ["level", "column", *map(escape, trend.heads)]
    text = f"Over {escape(trend.axis)}; per cent, in brackets the 95 % interval over images; {trend.note}."
    return f"### Trend of the sweep\n\n{text}\n\n{grid(rows, heads, 'll'.ljust(len(heads), 'r'))}"


def _bound(bound: Bound | None) -> str:
    if bound is None:
        return ""
    verdicts = "\n".join(f"- {badge(label)}: {escape(sentence)}" for label, sentence in bound.verdicts)
    rows = [
        (escape(r.candidate), r.reference, r.column, r.difference, r.interval, r.margin, badge(r.label))
        for r in bound.rows
    ]
    heads = ("candidate", "reference", "column", "difference", "95 % interval", "margin", "gate")
    table = grid([tuple(map(str, row)) for row in rows], heads, "lllrrrl")
    return f"### One-sided gate\n\n{escape(bound.question)}.\n\n{verdicts}\n\n{table}"


def _candidate(candidate: Candidate) -> str:
    name = escape(candidate.method)
    marks = "".join(f" ({mark}): {source}, not measured here." for mark, source in candidate.marks)
    rows = [
        [row.level, row.column, f"**{row.value}**", row.rank]
        + [f"{value} ({mark})" if mark else value for value, mark in row.values]
        for row in candidate.rows
    ]
    heads = ["level", "column", name, "rank", *candidate.methods]
    probes = f" Put on it: {escape(candidate.probes)}." if candidate.probes else ""
    if candidate.has_rivals:  # its values stand in the table of all
        return f"### {name} beside the seven\n\n{escape(candidate.sentence)}{probes}"
    table = grid(rows, heads, "ll".ljust(len(heads), "r"))
    return f"### {name} beside the seven\n\n{escape(candidate.sentence)}{marks}{probes}\n\n{table}"


def _pairs(candidate: Candidate) -> str:
    text, pairs = escape(candidate.conclusion), candidate.pairs
    if not pairs:
        return text
    rows = [(p.column, escape(p.reference), p.difference, p.interval, p.p_value, p.word) for p in pairs]
    table = grid(rows, ("column", "against", "difference", "95 % interval", "p", "after Holm"), "llrrrl")
    return f"{text}\n\n{details(f'{len(pairs)} paired comparisons', table)}"


def _tables(tables: Tables) -> Iterator[str]:
    word, key = tables.expected, ", ".join(map(badge, (*tables.key, *tables.marks)))
    yield f"{_heading('tables')}\n\nMeasured, per cent; in brackets {word}, and measured less {word}. {key}."
    for table in tables.paper:
        yield f"### {table.title}\n\n{_table(table)}"
    if tables.other_tables:
        other_tables = "\n\n".join(f"**{table.title}**\n\n{_table(table)}" for table in tables.other_tables)
        yield details("Other readouts and metrics, not in the paper's tables", other_tables)


def _table(table: Table) -> str:
    not_run = f"{badge(VERDICTS['not run'])}: {table.caption}"
    if not table.cells:
        return f"{not_run} This profile lists no cell of it."
    if table.not_run_reasons:
        return f"{not_run} All {len(table.cells)} cells: {escape('; '.join(table.not_run_reasons))}."
    rows = [[f"**{escape(row.title)}** ({row.family})", *map(_box, row.cells)] for row in table.rows]
    rows += [[f"_{row.title}_ ({row.note})", *(value or "" for value in row.values)] for row in table.ceilings]
    note = f"\n\n{CEILINGS_ARE}" if table.ceilings else ""
    return f"{table.caption}\n\n" + grid(rows, ["encoder", *(column.head for column in table.columns)]) + note


def _box(box: Box | None) -> str:
    if box is None:
        return "—"
    value = f"{box.label.emoji} {box.measured or 'not run'}"
    if box.not_converged:
        value += f" {NOT_CONVERGED.emoji}"
    if box.environment:
        value += f" <sup>{box.environment}</sup>"
    if box.expected is None:
        return value
    return f"{value} ({box.expected}, {box.difference})" if box.difference else f"{value} ({box.expected})"


def _claims(claims: Claims) -> str:
    answers_in_paper = {True: "✓ holds", False: "✗ fails", None: "? unknown"}
    answers_here = answers_in_paper | {None: badge(VERDICTS["not run"])}
    rows = [
        [
            f"{escape(claim.id)} ({escape(claim.section)})",
            f"{escape(claim.statement)}<br>{code(claim.predicate)}",
            answers_in_paper[claim.holds_in_paper],
            answers_here[claim.holds_here],
            "<br>".join(map(escape, (f"{claim.tally}. {claim.sentence}".rstrip(), *claim.margins))),
        ]
        for claim in claims.claims
    ]
    counts = ", ".join(f"{count} {word}" for word, _, count in claims.counts)
    table = grid(rows, ("claim", "statement", "in the paper", "here", "detail"))
    text = f"{counts}. {claims.role}. {escape(claims.noise)}".rstrip()
    return f"{_heading('claims')}\n\n{text}\n\n{details('Claim by claim', table)}"


def _training(view: Page) -> str:
    if not view.heads:
        return ""
    rows = [
        (
            escape(h.title),
            h.trained,
            escape(", ".join(h.not_converged)) or "none",
            h.unknown,
            escape("; ".join(h.rates)),
        )
        for h in view.heads
    ]
    heads = ("heads", "trained", "not converged (last fall of the loss)", "cannot be told", "a better learning rate")
    return f"{_heading('training')}\n\n{view.training_rule}\n\n{grid(rows, heads, 'lrlrl')}"


def _triage(triage: Triage | None) -> str:
    if triage is None:
        return ""
    rows = [tuple(map(escape, astuple(line))) for line in triage.lines]
    table = grid(rows, tuple(head.lower() for head in HEADS), "lllll")
    return f"{_heading('triage')}\n\n{escape(ROLE)}\n\n{table}\n\n" + "\n\n".join(map(escape, triage.summary))


def _costs(costs: Costs) -> str:
    rows = [(c.title, c.results, c.reused_count, c.time, c.memory) for c in (*costs.experiments, costs.total)]
    text = f"{_heading('costs')}\n\n"
    text += grid(rows, ("experiment", "results", "reused", "time", "peak memory"), "lrrrr")
    if costs.features:
        text += f"\n\n{costs.features}"
    if costs.gpu:
        heads = ("experiment", "dataset", "encoder", "GPU", "allocated", "reserved", "energy", "power", "images")
        table = grid([tuple(map(escape, astuple(cost))) for cost in costs.gpu], heads, "llllrrrrr")
        text += f"\n\n{details('GPU by result', table)}"
    if not costs.plan:
        return text
    plan = [(p.title, p.compared, p.planned, p.measured, p.ratio) for p in costs.plan]
    table = grid(plan, ("experiment", "results compared", "planned", "measured", "ratio"), "lrrrr")
    return f"{text}\n\n### Plan against actual\n\n{table}"


def _variables(variables: Sequence[Variable]) -> str:
    rows = [(f"**{v.name}**", escape(v.paper), v.status, escape(v.evidence)) for v in variables]
    return f"{_heading('variables')}\n\n{grid(rows, ('variable', 'the paper', 'this run', 'evidence'))}"


def _search(search: Search) -> str:
    if not search.strips:
        return f"{_heading('search')}\n\nNo gallery was made in this run."
    queries = ", ".join(code(query.query) for query in search.queries)
    text = f"{len(search.strips)} strips of queries {queries}; they are shown in report.html."
    rows = [[escape(s.method), escape(s.setting), code(s.query), code(s.path)] for s in search.strips]
    table = grid(rows, ("encoder", "features", "query", "file"))
    return f"{_heading('search')}\n\n{text}\n\n" + details("Files in the run's folder", table)


def _shards(shards: Shards | None) -> str:
    if shards is None:
        return ""
    machines = [(m.number, escape(m.model), code(m.code), code(m.lock), m.shards) for m in shards.machines]
    rows = [(row.name, row.machine, row.attempts, row.trials, row.lacks, escape(row.fate)) for row in shards.rows]
    text = f"{_heading('shards')}\n\n{escape(shards.sentence)}"
    if machines:
        text += f"\n\n{grid(machines, ('kind', 'machine', 'code', 'lock', 'shards'), 'rllll')}"
    return f"{text}\n\n{grid(rows, ('shard', 'kind', 'attempts', 'trials', 'lacking', 'last'), 'lrrrrl')}"


def _attempts(attempts: Sequence[Attempt] | None) -> str:
    if not attempts:
        return ""
    rows = [
        [
            *(escape(a.started), escape(a.verb), code(a.code), code(a.environment)),
            *(a.measured, a.reused, a.lost, escape(a.ending), escape(a.reason)),
        ]
        for a in attempts
    ]
    heads = ("began", "verb", "code", "environment", "measured", "reused", "lost", "ended", "why")
    return f"{_heading('attempts')}\n\n{grid(rows, heads, 'llllrrrll')}"


def _environments(environments: Sequence[ResultEnvironment]) -> str:
    if not environments:
        return ""
    rows = [(e.number, e.results, e.relation, escape(e.contents), code(e.digest)) for e in environments]
    heads = ("environment", "results", "is", "made with", "digest")
    return f"## Environments of the results\n\n{grid(rows, heads, 'rrlll')}"


def _rerun(rerun: Rerun) -> str:
    commands = "\n".join(html.escape(line, quote=False) for line in rerun.commands)
    text = f"{_heading('again')}\n\n<pre>\n{commands}\n</pre>"
    if rerun.citation is None:
        return text
    return f"{text}\n\nTo cite this report: {code(rerun.citation)}; {code(rerun.verify)} checks it."


def _cells(view: Page) -> str:
    rows = [[*_cell(line), line.other_images, line.other_seeds] for line in view.cells]
    heads = [*_cell_heads(view.expected), "other images (95 %)", "other seeds (sd)"]
    if view.second_gate:
        rows = [[*row, *_gate_words(line.gate)] for row, line in zip(rows, view.cells, strict=True)]
        heads += ["second gate", "accepted", "moved"]
    table = grid(rows, heads, "llrrrrlrrlrr"[: len(heads)])
    return details(f"All {len(rows)} cells", f"{table}\n\n{view.uncertainty}")
