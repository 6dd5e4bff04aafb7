"""Counts and groupings of a report that several outputs show; nothing is judged here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from suite.cells import BASELINES
from suite.core.files import Json
from suite.judge.entries import agreement
from suite.report.labels import shown, tally
from suite.run.attempts.history import ending

MINI_NOTICE = (
    "This is the embedded mini study: synthetic images and small encoders. "
    "It demonstrates and checks the machinery; it does not replicate the paper."
)
AGREEMENT = (
    ("as in the paper", "holds in both or fails in both"),
    ("differs from the paper", "holds in one of them only"),
    ("paper unknown", "the paper's values are not available to us"),
    ("not run", "cells of it were not measured here"),
    ("not testable here", "what was measured says nothing about it in this profile"),
)


def notice(report: Json) -> str | None:
    """What a profile's numbers are worth, said before any of them."""
    return report["protocol"].get("notice") or (MINI_NOTICE if report["profile"] == "mini" else None)


def expected_word(report: Json) -> str:
    """What the reference is: the paper's own numbers, or this suite's recorded runs."""
    return "recorded" if report["profile"] == "mini" else "published"


def by_experiment(report: Json) -> Iterator[tuple[str, dict[str, int], list[Json]]]:
    """(experiment, cells per verdict, costs), in the order of the cells, then what only has costs."""
    names = dict.fromkeys(item["experiment"] for item in [*report["cells"], *report["costs"]])
    verdicts = shown(report["cells"])
    for name in names:
        cells = [cell for cell in report["cells"] if cell["experiment"] == name]
        yield name, tally(cells, verdicts), [cost for cost in report["costs"] if cost["experiment"] == name]


def seconds(costs: Sequence[Json]) -> float | None:
    """Sum of what is known; None where nothing is."""
    known = [cost["seconds"] for cost in costs if cost["seconds"] is not None]
    return sum(known) if known else None


def peak_memory(costs: Sequence[Json]) -> float | None:
    """Largest peak memory of any, MiB; None where nothing is known."""
    return max((cost["peak_memory_mib"] for cost in costs if cost["peak_memory_mib"] is not None), default=None)


def reused(costs: Sequence[Json]) -> int:
    """How many results came from an earlier attempt of this run."""
    return sum(bool(cost["reused"]) for cost in costs)


def belongs(entry: Json) -> str:
    """What an environment of results is to the run, in words."""
    if not entry["here"]:
        return f"another: {'; '.join(entry['differs'])}"
    return "this run's" if entry["noted_in"] == "inputs" else "as far as noted (packages only) this run's"


def changed(report: Json) -> list[Json]:
    """Cells that differ from the accepted run of their device, the largest change first."""
    cells = [c for c in report["cells"] if (c.get("accepted") or {}).get("verdict") in {"changed", "unconfirmed"}]
    return sorted(cells, key=lambda c: (c["accepted"]["verdict"] != "changed", -abs(c["accepted"]["difference"] or 0)))


def accepted_file(file: Json) -> str:
    """Where accepted values come from, in words."""
    where = "the same environment" if file["same_environment"] else "another environment than this run's"
    return (
        f"{file['file']}: accepted {file['date']}, commit {file['commit']}, seeds "
        f"{', '.join(map(str, file['seeds']))}, in {where}; reason: {file['reason']}. Cells of the same seed may "
        f"differ by {file['slack']:g} points ({file['slack_reason']})."
    )


def attempts(report: Json) -> list[Json]:
    """Attempts as rows: `started`, `verb`, `code`, `environment`, `measured`, `reused`, `lost`, `ending`, `why`."""
    return [
        {
            "started": entry["started"] or "unknown",
            "verb": entry["verb"] or "unknown",
            "code": f"{(entry['commit'] or 'unknown')[:12]}{' with local changes' if entry['dirty'] else ''}",
            "environment": (entry["environment"] or "unknown")[:12],
            **{name: "–" if entry[name] is None else entry[name]["count"] for name in ("measured", "reused", "lost")},
            "ending": ending(entry),
            "why": "; ".join(filter(None, (entry["reason"], entry["failure"]))),
        }
        for entry in (report.get("attempts") or {"entries": []})["entries"]
    ]


def attempts_line(report: Json) -> str | None:
    """What a reader should know of earlier attempts; None where there is nothing to know."""
    known = report.get("attempts") or {"sentence": None, "unreadable": 0}
    cut = known["unreadable"]
    said = f"{cut} line{'s' if cut > 1 else ''} of attempts.jsonl cannot be read: cut by a crash." if cut else None
    return " ".join(filter(None, (known["sentence"], said))) or None


def planned(report: Json) -> list[Json]:
    """Experiments whose plan can be held against what they took; empty where there was no plan, or of nothing known."""
    return [row for row in report.get("plan") or () if row["trials"]]


def attention(report: Json) -> list[Json]:
    """Cells a reader should look at: unexpected, deviating, inconclusive or known to deviate, the worst first."""
    order = ("unexpected", "deviates", "inconclusive", "known deviation")
    cells = [cell for cell in report["cells"] if cell["verdict"] in order]
    return sorted(cells, key=lambda c: (order.index(c["verdict"]), bool(c["warning"]), -abs(c["difference"] or 0)))


def reasons(report: Json, verdict: str) -> list[tuple[str, list[Json]]]:
    """Cells of a verdict by reason, so that a hundred of them read as one line; no reference is news of no baseline."""
    groups: dict[str, list[Json]] = {}
    for cell in report["cells"]:
        if cell["verdict"] == verdict and not (verdict == "no reference" and cell["method"] in BASELINES):
            groups.setdefault(cell["reason"] or "no reason was given", []).append(cell)
    return sorted(groups.items(), key=lambda group: -len(group[1]))


def claim_detail(claim: Json) -> str:
    """Its numbers; before them, why they say nothing here, where that is so."""
    why = f"not testable here: {claim['untestable']}" if claim.get("untestable") else ""
    return "; ".join(text for text in (why, claim["detail"]) if text)


def claim_counts(report: Json) -> dict[str, int]:
    """Number of claims of each agreement, zeros included."""
    words = [agreement(claim) for claim in report["claims"]]
    return {word: words.count(word) for word, _ in AGREEMENT}


def elapsed(report: Json) -> float | None:
    """Seconds from start to finish; None where the times cannot be read."""
    try:
        return (datetime.fromisoformat(report["finished"]) - datetime.fromisoformat(report["started"])).total_seconds()
    except (TypeError, ValueError):
        return None


def asked(report: Json) -> Json:
    """The request for a person: of the list of cells, its length."""
    cells = report["asked"].get("cells")
    return report["asked"] | ({} if cells is None else {"cells": len(cells)})


def citation(report: Json) -> str | None:
    """One line by which the report can be cited, and checked later; None where nothing was measured."""
    if not report.get("digest"):
        return None
    suite = report["environment"].get("code", {}).get("suite") or "of unknown version"
    counts = ", ".join(f"{count} {verdict}" for verdict, count in tally(report["cells"]).items() if count)
    return (
        f"part-aware-repro {suite}, run {report['run']}, profile {report['profile']}, {report['finished'][:10]}: "
        f"{report['verdict']} ({counts}); results sha256:{report['digest']}"
    )


def rerun_commands(report: Json) -> list[str]:
    """Shell lines that make this report again."""
    commit = report["environment"].get("code", {}).get("commit")
    checkout = [f"git checkout {commit}"] if commit else []
    seeds = ",".join(map(str, report["asked"].get("seeds") or ()))
    same = f"make reproduce PROFILE={report['profile']}" + (f" SEED={seeds}" if seeds else "")
    command = report["asked"].get("command") or same
    return [*checkout, "make setup", command, f"make compare A=runs/{report['run']} B=runs/<the new run>"]


def verify_command(report: Json) -> str:
    """The shell line that holds the run's folder against its citation."""
    return f"python -m suite verify runs/{report['run']} --digest {report['digest']}"
