"""Each candidate beside the seven: conformance checks, ranks, paired comparisons, as rows that every output shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suite.cells import BASELINES, METHODS
from suite.core.files import Json
from suite.core.text import number, signed
from suite.registry import title_of
from suite.report.labels import BOUND_LABELS, STATUSES, Label

MARKS = {"measured": "", "earlier run": "e", "recorded": "r", "published": "p"}
"""Mark beside a value of the seven that this run did not measure."""
LEVELS = {"object": "object level", "part": "part level"}
ITEMS = {"ap": "queries", "miou": "images"}


@dataclass(frozen=True)
class CandidateRow:
    """A row of the table: the candidate's value in one column, and everybody else's.

    Attributes:
        level: `object level` or `part level`.
        values: of the seven in the paper's order, then of the floors: text, and its mark.
        rank: `3 of 8`.
        is_best: whether nobody is above it.
    """

    level: str
    column: str
    value: str
    values: tuple[tuple[str, str], ...]
    rank: str
    is_best: bool


@dataclass(frozen=True)
class Pair:
    """A row of paired comparisons: one column against one of the seven.

    Attributes:
        tone: good where the candidate is above and Holm's procedure confirms it, bad where below, else mute.
    """

    column: str
    reference: str
    difference: str
    interval: str
    p_value: str
    items: str
    word: str
    tone: str


@dataclass(frozen=True)
class Candidate:
    """The section on one candidate.

    Attributes:
        methods: display names of the seven and of the floors, in the order of a row's values.
        probes: what was put on it, where that follows from its width and depth; empty where nothing is on record.
        marks: (mark, source) of values of the seven that this run did not measure.
        conclusion: how many of the paired comparisons are certain.
        pairs: comparisons with the seven, then with the other candidates.
        has_rivals: whether there are others; the values of all then stand in one table (`suite.report.several`).
    """

    method: str
    sentence: str
    methods: tuple[str, ...]
    rows: tuple[CandidateRow, ...]
    marks: tuple[tuple[str, str], ...]
    conclusion: str
    pairs: tuple[Pair, ...]
    probes: str
    has_rivals: bool


@dataclass(frozen=True)
class Headline:
    """What a report on candidates is about, before the encoders beside them.

    Attributes:
        name: of the candidate, or how many there are.
        lines: one for each of several candidates: its name, and how it fares.
    """

    name: str
    sentence: str
    lines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Check:
    """A question that every encoder has to answer before anything is measured, and the answer."""

    name: str
    question: str
    label: Label
    detail: str


@dataclass(frozen=True)
class Conformance:
    """The conformance checks of one encoder; `facts` is one line, empty if none were reached."""

    encoder: str
    checks: tuple[Check, ...]
    facts: str

    @property
    def counts(self) -> str:
        """Checks by answer: `12 passed, 1 warning`."""
        words = [check.label.word for check in self.checks]
        return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


def candidate_of(entry: Json, family: int | None = None) -> Candidate:
    """Return the section on a candidate from its entry in a report; `family` as in `verdict_of_pairs`."""
    return Candidate(
        method=entry["method"],
        sentence=entry["sentence"],
        methods=tuple(map(title_of, (*METHODS, *BASELINES))),
        rows=tuple(table(entry)),
        marks=tuple(marks(entry)),
        conclusion=verdict_of_pairs(entry, family),
        pairs=tuple(pairs(entry)),
        probes=probes(entry),
        has_rivals=family is not None,
    )


def candidates_of(report: Json) -> tuple[Candidate, ...]:
    """Return the sections on the candidates of a report."""
    together = report.get("together")
    return tuple(candidate_of(entry, together["family"]["size"] if together else None) for entry in report["newcomers"])


def headline(report: Json) -> Headline | None:
    """Return what a report on candidates is about; None where there is none."""
    entries, together = report.get("newcomers") or (), report.get("together")
    if together:
        lines = tuple((entry["method"], "; ".join(_findings(entry))) for entry in entries)
        return Headline(f"{len(entries)} candidates", together["family"]["sentence"], lines)
    if not entries:
        return None
    return Headline(entries[0]["method"], f"{verdict_of_pairs(entries[0])} {entries[0]['sentence']}")


def _findings(entry: Json) -> Iterator[str]:
    """Say in a few words each what its comparisons, the sentence on levels and the one-sided gate say."""
    yield _counts(_comparisons(entry))
    strength = entry["better_at"]
    if strength is None:
        yield "objects or parts: cannot be told"
    else:
        yield f"better with {strength}s than with {'part' if strength == 'object' else 'object'}s"
    if "no_worse_than" in entry:
        gate = entry["no_worse_than"]
        yield f"no worse than {title_of(gate['reference'])}: {BOUND_LABELS[gate['verdict']].word}"


def scope(report: Json) -> str:
    """Say whose cells the verdict is about, where candidates have none that are held against anything; else empty."""
    methods = {entry["method"] for entry in report.get("newcomers") or ()}
    judged = {cell["method"] for cell in report["cells"] if cell["expected"] is not None}
    others = "them" if len(methods) > 1 else "it"
    return f"The encoders beside {others}: " if methods and not methods & judged else ""


def probes(candidate: Json) -> str:
    """Write the heads of the attentive probes and the blocks that segmentation read."""
    texts = {}
    for entry in candidate.get("probes", ()):
        if "num_heads" in entry:
            texts[f"attentive probe with {entry['num_heads']} heads"] = True
        else:
            texts[f"segmentation on blocks {', '.join(map(str, entry['blocks']))}"] = True
    return "; ".join(texts)


def conformances_of(report: Json) -> tuple[Conformance, ...]:
    """Return the conformance checks of a report, of each encoder that was checked; older reports have one at most."""
    entries = report.get("conformances") or filter(None, [report["conformance"]])
    return tuple(
        Conformance(
            entry["encoder"],
            tuple(Check(c["name"], c["question"], STATUSES[c["status"]], c["detail"]) for c in entry["rungs"]),
            facts(entry),
        )
        for entry in entries
    )


def table(candidate: Json) -> list[CandidateRow]:
    """Order object level first, then part level."""
    columns = sorted(candidate["columns"], key=lambda column: list(LEVELS).index(column["level"]))
    return [_row(column) for column in columns]


def marks(candidate: Json) -> list[tuple[str, str]]:
    """List (mark, source) of the sources that the table uses besides this run."""
    sources = {beside["source"] for column in candidate["columns"] for beside in _beside(column).values()}
    return [(mark, source) for source, mark in MARKS.items() if mark and source in sources]


def pairs(candidate: Json) -> list[Pair]:
    """List every paired comparison, by column, then in the paper's order of methods; then the other candidates."""
    return [_pair(pair) for pair in _comparisons(candidate)]


def verdict_of_pairs(candidate: Json, family: int | None = None) -> str:
    """Count in a sentence the comparisons that are certain.

    Args:
        candidate: its entry in a report.
        family: how many comparisons Holm's procedure is over, where the report is on several candidates.
    """
    comparisons = _comparisons(candidate)
    if not comparisons:
        return (
            "No paired comparison: scores of single items exist only for encoders that this run measured on the same "
            "items; measure them beside it with BESIDE=dino,mae."
        )
    better_count, worse_count, open_count = _tally(comparisons)
    kinds, scope = "", ""
    if family:
        kinds = f" ({len(candidate['pairs'])} with the seven, {len(candidate['rival_pairs'])} with other candidates)"
        scope = f" over all {family:,} of this report"
    return (
        f"Of {len(comparisons)} paired comparisons{kinds} Holm's procedure at 5 %{scope} confirms that it is better in "
        f"{better_count} and worse in {worse_count}; {open_count} are open."
    )


def _comparisons(candidate: Json) -> list[Json]:
    """List those that Holm's procedure is over; older reports have none between candidates."""
    return [*candidate["pairs"], *candidate.get("rival_pairs", ())]


def _tally(comparisons: Sequence[Json]) -> tuple[int, int, int]:
    better_count = sum(pair["confirmed"] and pair["value"] > 0 for pair in comparisons)
    worse_count = sum(pair["confirmed"] and pair["value"] < 0 for pair in comparisons)
    return better_count, worse_count, len(comparisons) - better_count - worse_count


def _counts(comparisons: Sequence[Json]) -> str:
    if not comparisons:
        return "no paired comparison"
    better_count, worse_count, open_count = _tally(comparisons)
    return f"better in {better_count}, worse in {worse_count}, open in {open_count} of {len(comparisons)} comparisons"


def title(column: Mapping[str, Any]) -> str:
    """Write a title: `Part retrieval, COCO: encoded AP`."""
    setting = "" if column["setting"] == "linear_head" else f"{title_of(column['setting'])} "
    return f"{title_of(column['experiment'])}, {title_of(column['dataset'])}: {setting}{title_of(column['metric'])}"


def facts(conformance: Json) -> str:
    """State in one line what the conformance checks found of the encoder; empty if it was not reached."""
    encoder_facts, encoder_print = conformance["facts"], conformance["fingerprint"]
    if not encoder_facts:
        return ""
    text = (
        f"patches of {encoder_facts['patch_size']} pixels on images of {encoder_facts['image_size']}, "
        f"{encoder_facts['embed_dim']} wide, "
        f"{encoder_facts['depth']} blocks, weights {encoder_facts['weights'][:12]}"
    )
    if not encoder_print:
        return text
    cosines = " ".join(f"{value:.3f}" for value in encoder_print["probe"])
    return f"{text}; fingerprint {encoder_print['hash']}, cosines {cosines}"


def _beside(column: Json) -> dict[str, Json]:
    """Return the values beside the candidate's, of the seven and of the floors; older reports have no floors."""
    return {**column["references"], **column.get("floors", {})}


def _row(column: Json) -> CandidateRow:
    beside = _beside(column)
    values: Sequence[tuple[str, str]] = [
        (number(beside[m]["value"]), MARKS[beside[m]["source"]]) if m in beside else ("—", "")
        for m in (*METHODS, *BASELINES)
    ]
    level, rank = LEVELS[column["level"]], f"{column['rank']:g} of {column['of']}"
    return CandidateRow(level, title(column), number(column["value"]), tuple(values), rank, column["rank"] == 1)


def _pair(pair: Json) -> Pair:
    word, tone = ("better", "good") if pair["value"] > 0 else ("worse", "bad")
    if not pair["confirmed"]:
        word, tone = "open", "mute"
    p_value = pair["p_value"]
    return Pair(
        column=title(pair),
        reference=title_of(pair["reference"]),
        difference=signed(pair["value"]),
        interval=f"{signed(pair['low'])} to {signed(pair['high'])}",
        p_value=f"{p_value:.4f}" if p_value >= 0.0003 else "< 0.0003",
        items=f"{pair['items']:,} {ITEMS.get(pair['metric'], 'items')}, {pair['images']:,} images",
        word=word,
        tone=tone,
    )
