"""A run folder and the expected values -> the content of a report; needs neither data nor weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from suite.cells import CellId, method_name
from suite.core.paths import EXPECTED
from suite.core.text import day_of
from suite.errors import RequestError
from suite.judge.claims import load_claims
from suite.judge.deciding import deciding
from suite.judge.gate import Gate, hold
from suite.judge.standing import beside
from suite.judge.testable import untestable
from suite.judge.verdict import ALLOWED, EXIT_CODES, Judgement, judge
from suite.plan.record import against_actual
from suite.protocol.constants import load_constants
from suite.protocol.profiles import Profile, load_profile
from suite.protocol.tables import sourced
from suite.protocol.variants import load_variants
from suite.reference.expected import places
from suite.reference.select import known_deviations, references
from suite.report import files, terminal
from suite.report.build import build
from suite.report.contributions import contributions, notes
from suite.results.digests import result_digests, run_digest
from suite.results.records import WITHOUT_EVIDENCE
from suite.results.store import Key, Result, Store, sample_path, strip_path
from suite.run.attempts.history import history
from suite.verification.quick import outcomes
from suite.verification.record import verified

NO_EVIDENCE = (
    "Results of an older version carry no evidence, so nobody can tell whether they were edited; "
    "make reproduce measures them again"
)


def report(run: Path, **how: bool) -> int:
    """Judge a run folder and write its report; needs neither data nor weights.

    Args:
        run: the run folder.
        how: see `assemble`.

    Returns:
        The exit code of the verdict.

    Raises:
        RequestError: the folder holds no run.
        EvidenceError: a result was altered since it was stored.
    """
    judged = assemble(run, **how)
    publish(run, judged)
    return int(judged["exit_code"])


def publish(run: Path, judged: dict[str, Any]) -> None:
    """Write a judged run's report into its folder, and print it.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
    """
    files.write(run, judged)
    print(terminal.render(judged))
    print(f"report: {(run / 'report.html').resolve()}")


def assemble(
    run: Path, *, strict: bool = False, allow_inconclusive: bool = False, claims_gate: bool = False
) -> dict[str, Any]:
    """Assemble report.json's content, from the run folder and `expected/` alone.

    Args:
        run: the run folder.
        strict: fail on any single deviation, also where the run itself was not asked to.
        allow_inconclusive: end in 0 although something cannot be told, likewise.
        claims_gate: fail on a claim that differs from the paper, likewise.
    """
    record = read_run(run)
    asked = record["asked"]
    profile = load_profile(asked["profile"])
    store = Store(run)
    results = [result for result in store.results() if _asked_for(result.key, asked)]
    wanted = [CellId.parse(text) for text in asked["cells"]]
    expected = references(profile.name, asked["variants"], asked["limit"], asked["encoders"])
    finished = record["finished"] or _last(results) or record["started"]
    claims, gate = load_claims(), claims_gate or bool(asked.get("claims_gate"))
    judgement = judge(
        wanted,
        {m.id: m for result in results for m in result.measurements()},
        expected,
        reasons(store, wanted),
        claims,
        listed=profile.cells(),
        places=places(EXPECTED),
        known=known_deviations(profile.name, asked["variants"]),
        on=day_of(finished),
        strict=strict or bool(asked["strict"]),
        allow_inconclusive=allow_inconclusive or bool(asked.get("allow_inconclusive")),
        untestable=untestable(claims, profile, references(profile.name, {}, None), asked["limit"]),
        claims_gate=gate,
    )
    lost = [
        {"trial": str(key), "reason": why}
        for key, why in store.reasons().items()
        if _asked_for(key, asked) and _cellless(profile, key)
    ]
    digests = result_digests(results)
    environment = _environment(run)
    environments = contributions(results, environment)
    costs = [_cost(result, reused=result.key in {*record["reused"]}) for result in results]
    if lost:
        verdict = judgement.verdict if judgement.exit_code == EXIT_CODES["deviates"] else "incomplete"
        sentence = (
            f"{judgement.sentence.removesuffix(ALLOWED)} Pictures are missing: {lost[0]['trial']}: {lost[0]['reason']}."
        )
        judgement = replace(judgement, exit_code=EXIT_CODES[verdict], verdict=verdict, sentence=sentence)
    variants, limit = asked["variants"], asked["limit"]
    second = hold(results, EXPECTED / "accepted", profile.name, variants=variants, limit=limit, references=expected)
    return build(
        _through(judgement, second),
        accepted=second.record([entry["digest"] for entry in environments]) if second else None,
        held=second.cells if second else {},
        profile=profile.name,
        run=run.name,
        asked=asked,
        environment=environment | {"checks": outcomes(run)},
        environments=environments,
        costs=costs,
        plan=against_actual(run, costs),
        figures=figures(results),
        trainings=trainings(results),
        rates=rates(results),
        protocol=protocol(profile, results, asked["variants"])
        | {"verification": verified(run, {r.key.dataset: r.inputs["data"] for r in results})},
        candidates=beside(store, results, expected, "recorded" if profile.name == "mini" else "published"),
        conformance=_conformance(run, asked),
        attempts=history(run),
        digest=run_digest(digests) if digests else None,
        results=digests,
        notes=[*judgement.warnings, *_notes(results), *notes(environments, kept=_keeps(asked))],
        deciding=[group.record() for group in deciding(judgement.cells, costs, asked["seeds"])],
        pictures_missing=lost,
        claims_gate=gate,
        started=record["started"],
        finished=finished,
    )


def _notes(results: Sequence[Result]) -> list[str]:
    """Note what a reader should see beside the verdict."""
    bare = [str(result.key) for result in results if result.schema == WITHOUT_EVIDENCE]
    return [f"{NO_EVIDENCE}: {len(bare)} of {len(results)} results, {bare[0]} first."] if bare else []


def _keeps(asked: Mapping[str, Any]) -> bool:
    """Tell whether results of other environments were to be kept; older runs could not be asked to."""
    return bool(asked.get("keep_other_environments", False))


def _through(judgement: Judgement, gate: Gate | None) -> Judgement:
    """Put the second gate beside the first, whose verdict stays its own: a change is another reason for exit code 1."""
    if gate is None or not gate.exit_code:
        return judgement
    sentence = f"{judgement.sentence} Second gate: {gate.short}"
    return replace(judgement, exit_code=gate.exit_code, sentence=sentence)


def _conformance(run: Path, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the candidate's answers to the conformance checks; None where none was asked in this run."""
    try:
        found: dict[str, Any] = json.loads((run / "conformance.json").read_text())
    except (OSError, ValueError):
        return None
    return found if found.get("encoder") in asked["encoders"] else None


def _asked_for(key: Key, asked: Mapping[str, Any]) -> bool:
    """Tell whether a result was asked for: only those were held against their inputs just now, others may be stale."""
    methods = {method_name(spec) for spec in asked["encoders"]}
    return key.experiment in asked["experiments"] and key.dataset in asked["datasets"] and key.method in methods


def _last(results: Sequence[Result]) -> str | None:
    """Return when an interrupted run's last result was made; the clock would say something else at each call."""
    return max((r.facts["finished"] for r in results if "finished" in r.facts), default=None)


def _cellless(profile: Profile, key: Key) -> bool:
    return not profile.experiment(key.experiment).metrics


def reasons(store: Store, wanted: Sequence[CellId]) -> dict[CellId, str]:
    """Give the reason why each cell without a value has none."""
    found = {}
    notes = store.reasons()
    for cell in wanted:
        key = Key(cell.experiment, cell.dataset, cell.method)
        if key in notes:
            found[cell] = notes[key]
    return found


def figures(results: Sequence[Result]) -> list[dict[str, str]]:
    """List the strips of patch search, by method, query and setting, and of segmentation, by method and role."""
    found = []
    for result in results:
        place = {"dataset": result.key.dataset, "method": result.key.method}
        if result.key.experiment == "patch_search":
            for name in result.summaries:
                query, setting = name.split()
                strip = {"query": query, "setting": setting, "path": str(strip_path(result.key, query, setting))}
                found.append({"kind": "patch_search"} | place | strip)
        for role in result.summaries.get("samples", ()):
            found.append({"kind": "segmentation"} | place | {"role": role, "path": str(sample_path(result.key, role))})
    return found


def trainings(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the history of the primary setting's segmentation heads."""
    return [
        {"dataset": result.key.dataset, "method": result.key.method, **result.summaries["training"]}
        for result in results
        if "training" in result.summaries
    ]


def rates(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return what probes reach at other learning rates, where they were asked for."""
    return [
        {
            "experiment": r.key.experiment,
            "dataset": r.key.dataset,
            "method": r.key.method,
            "setting": s,
            "points": points,
        }
        for r in results
        for s, points in r.summaries.get("rates", {}).items()
    ]


def protocol(profile: Profile, results: Sequence[Result], variants: Mapping[str, str]) -> dict[str, Any]:
    """Describe how it was done, as the report says: hyper-parameters, constants, variants, splits, digests."""
    splits: dict[str, list[str]] = {}
    for result in results:
        said = result.summaries.get("split")
        if said and said not in splits.setdefault(result.key.dataset, []):
            splits[result.key.dataset].append(said)
    chosen = {name: variant.default for name, variant in load_variants().items()} | dict(variants)
    return {
        "parameters": sourced(profile.parameters),
        "experiments": {e.name: sourced(e.parameters) for e in profile.experiments.values()},
        "constants": {
            name: {"experiments": list(group.experiments)} | sourced(group.constants)
            for name, group in load_constants().items()
        },
        "variants": chosen,
        "notice": profile.notice,
        "splits": {dataset: "; ".join(splits[dataset]) for dataset in splits},
        "digests": {
            "data": {r.key.dataset: r.inputs["data"] for r in results},
            "weights": {r.key.method: r.inputs["weights"] for r in results},
        },
    }


def _environment(run: Path) -> dict[str, Any]:
    """Return what the run noted of its environment; empty where it did not: this machine's is none of its facts."""
    try:
        noted: dict[str, Any] = json.loads((run / "environment.json").read_text())
    except (OSError, ValueError):
        return {}
    return noted


def read_run(run: Path) -> dict[str, Any]:
    """Read what was asked of a run, and when.

    Raises:
        RequestError: the folder holds no run.
    """
    try:
        record: dict[str, Any] = json.loads((run / "run.json").read_text())
    except (OSError, ValueError) as error:
        raise RequestError(
            f"{run}: expected a run folder with run.json: {error}; make one with make reproduce"
        ) from error
    if not isinstance(record, dict) or not isinstance(record.get("asked"), dict):
        raise RequestError(
            f"{run / 'run.json'}: expected what was asked of a run, got none; restore it, or measure again"
        )
    return record


def _cost(result: Result, *, reused: bool) -> dict[str, Any]:
    place = {"experiment": result.key.experiment, "dataset": result.key.dataset, "method": result.key.method}
    return place | {n: result.facts.get(n) for n in ("seconds", "peak_memory_mib")} | {"reused": reused}
