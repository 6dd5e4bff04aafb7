"""A run folder and the expected values -> the content of a report; needs neither data nor weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from suite.cells import CellId, method_names
from suite.core.forms import warn
from suite.core.paths import EXPECTED
from suite.core.text import day_of
from suite.errors import RequestError
from suite.judge.at_least import against_accepted
from suite.judge.claim_noise import claim_noise
from suite.judge.claims import load_claims
from suite.judge.deciding import deciding
from suite.judge.gate import Gate, hold
from suite.judge.items import Items
from suite.judge.no_worse import no_worse_than, sentence_of
from suite.judge.standing import standings
from suite.judge.testable import untestable_reasons
from suite.judge.together import together
from suite.judge.uncertainty import uncertainties
from suite.judge.verdict import ALLOWANCE, EXIT_CODES, Judgement, judge
from suite.plan.record import against_actual
from suite.protocol.profiles import Profile, load_profile
from suite.reference.accepted import FOLDER
from suite.reference.expected import Expected, places
from suite.reference.select import accepted_folder, known_deviations, references
from suite.report import files, inputs, terminal, triaged
from suite.report.beside import beside_of
from suite.report.build import RunFacts, build
from suite.report.ceilings import ceilings
from suite.report.contributions import contributions, notes
from suite.report.digests import changes
from suite.report.from_results import cost_of, figures, inputs_of, protocol
from suite.report.maker import maker
from suite.report.shards import parts_of, reasons_of, reused_in, section
from suite.report.trained import of_cells, rates, trainings
from suite.results.digests import result_digests, run_digest
from suite.results.records import WITHOUT_EVIDENCE
from suite.results.store import Key, Result, Store
from suite.run.attempts.history import history
from suite.run.folder import at_work_again
from suite.run.run_file import ADVICE, read_run
from suite.verification.quick import outcomes
from suite.verification.record import verified

NO_EVIDENCE = (
    "Results of an older version carry no evidence, so nobody can tell whether they were edited; "
    "make reproduce measures them again"
)


def report(run: Path, *, strict: bool = False, allow_inconclusive: bool = False, claims_gate: bool = False) -> int:
    """Judge a run folder and write its report; needs neither data nor weights.

    Args:
        run: the run folder.
        strict: see `assemble`.
        allow_inconclusive: likewise.
        claims_gate: likewise.

    Returns:
        The exit code of the verdict.

    Raises:
        RequestError: the folder holds no run.
        EvidenceError: a result was altered since it was stored.
        BusyError: another command is at work in the run folder.
    """
    with at_work_again(run):
        content = assemble(run, strict=strict, allow_inconclusive=allow_inconclusive, claims_gate=claims_gate)
        _warn_of_changes(run)
        publish(run, content)
    return int(content["exit_code"])


def _warn_of_changes(run: Path) -> None:
    """Say what is not as it was when the last report was made, since the new one will not tell."""
    try:
        stored_digests = files.load(run).get("files")
    except RequestError:  # there is none, or it is damaged: it will be written anew
        return
    if stored_digests is None:  # of an older version
        return
    for name, change in changes(run, stored_digests):
        warn(f"{name}: {change}; the new report is made of what is there now")


def publish(run: Path, content: dict[str, Any]) -> None:
    """Write a judged run's report into its folder, and print it.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
    """
    files.write(run, content)
    print(terminal.render(content))
    print(f"report: {(run / 'report.html').resolve()}")


def assemble(
    run: Path,
    *,
    strict: bool = False,
    allow_inconclusive: bool = False,
    claims_gate: bool = False,
    name: str | None = None,
) -> dict[str, Any]:
    """Assemble report.json's content, from the run folder and `expected/` alone.

    Args:
        run: the run folder.
        strict: fail on any single deviation, also where the run itself was not asked to.
        allow_inconclusive: end in 0 although something cannot be told, likewise.
        claims_gate: fail on a claim that differs from the paper, likewise.
        name: of the run; default: its folder's.
    """
    damaged: list[str] = []
    tell = damaged.append
    record = read_run(run)
    request = record["asked"]
    profile = load_profile(request["profile"])
    accepted = accepted_folder(request.get("accepted"))
    store = Store(run)
    results = [result for result in store.results() if _is_requested(result.key, request)]
    parts = parts_of(run, tell)
    expected = references(profile.name, request["variants"], request["limit"], request["encoders"], accepted)
    finish = record["finished"] or _last_finish(results) or record["started"]
    rules = {
        "strict": strict or bool(request["strict"]),
        "allow_inconclusive": allow_inconclusive or bool(request.get("allow_inconclusive")),
        "claims_gate": claims_gate or bool(request.get("claims_gate")),
    }
    stored = {str(result.key) for result in results}
    lost = {trial: reason for trial, reason in reasons_of(parts).items() if trial not in stored}
    judgement = _judge(store, results, request, profile, expected, lost=lost, finish_date=day_of(finish), **rules)
    noted = {str(key): reason for key, reason in store.reasons().items()}
    pictures_missing = _pictures_missing(request, profile, stored, lost | noted)
    home = inputs.home(run)
    environment = inputs.environment(run, tell, folder=home)
    shards = section(run, parts, stored, tell)
    environments = contributions(
        results, environment, [inputs.environment(run, tell, folder=part.shard.folder(run)) for part in parts]
    )
    reused = {*record["reused"]} | reused_in(parts)
    costs = [cost_of(result, reused=str(result.key) in reused) for result in results]
    digests = result_digests(results)
    gate = hold(
        results,
        accepted / FOLDER,
        profile.name,
        variants=request["variants"],
        limit=request["limit"],
        references=expected,
    )
    names = method_names(request["encoders"])
    word = "recorded" if profile.name == "mini" else "published"
    beside, beside_notes = beside_of(run, results)
    candidates = _held(standings(store, results, expected, word, [*names.values()], beside=beside), run, tell)
    items = Items(store, results)
    cell_uncertainties = uncertainties(results, items, expected)
    values = {cell.id: cell.measured for cell in judgement.cells if cell.measured is not None}
    facts = RunFacts(
        gate=gate.record([entry["digest"] for entry in environments]) if gate else None,
        gate_verdicts=gate.cells if gate else {},
        uncertainties=cell_uncertainties,
        claim_noise=claim_noise(load_claims(EXPECTED / "claims.toml"), values, items, cell_uncertainties),
        profile=profile.name,
        run=name or run.name,
        request=request,
        environment=environment | {"checks": outcomes(run, tell, folder=home)},
        environments=environments,
        costs=costs,
        plan=against_actual(run, costs, tell),
        figures=figures(results),
        trainings=trainings(results),
        trained=of_cells(results),
        ceilings=ceilings(profile.name, results),
        rates=rates(results),
        protocol=protocol(profile, results, request["variants"])
        | {"verification": verified(run, inputs_of(results)["data"], tell)},
        candidates=candidates,
        triage=triaged.still_true(triaged.read(run, tell), {str(c.id): c.measured for c in judgement.cells}),
        together=together(candidates, {method: spec for spec, method in names.items()}),
        conformances=inputs.conformances(run, request["encoders"], tell),
        attempts=history(run, tell),
        shards=shards,
        digest=run_digest(digests) if digests else None,
        results=digests,
        # after all that is read, so that nothing that could not be is left out
        notes=[
            *judgement.warnings,
            *(shards["warnings"] if shards else ()),
            *_notes(results),
            *beside_notes,
            *notes(environments, keeps_others=_keeps(request)),
            *(f"{sentence}; left out here: {ADVICE}." for sentence in damaged),
        ],
        deciding=[group.record() for group in deciding(judgement.cells, costs, request["seeds"])],
        pictures_missing=pictures_missing,
        claims_gate=rules["claims_gate"],
        strict=rules["strict"],
        made_by=maker(accepted),
        started=record["started"],
        finished=finish,
    )
    return build(_floored(_through(_without_pictures(judgement, pictures_missing), gate), facts.candidates), facts)


def _judge(
    store: Store,
    results: Sequence[Result],
    request: Mapping[str, Any],
    profile: Profile,
    expected: Mapping[CellId, Expected],
    *,
    lost: Mapping[str, str],
    finish_date: date,
    strict: bool,
    allow_inconclusive: bool,
    claims_gate: bool,
) -> Judgement:
    """Hold the requested cells and the paper's claims against what is expected of them."""
    cells = [CellId.parse(text) for text in request["cells"]]
    claims = load_claims(EXPECTED / "claims.toml")
    return judge(
        cells,
        {m.id: m for result in results for m in result.measurements()},
        expected,
        reasons(store, cells, lost),
        claims,
        profile_cells=profile.cells(),
        paired=against_accepted(store, results, expected),
        places=places(EXPECTED),
        known_deviations=known_deviations(profile.name, request["variants"]),
        finish_date=finish_date,
        strict=strict,
        allow_inconclusive=allow_inconclusive,
        untestable_reasons=untestable_reasons(claims, profile, references(profile.name, {}, None), request["limit"]),
        claims_gate=claims_gate,
    )


def _pictures_missing(
    request: Mapping[str, Any], profile: Profile, stored: Collection[str], reasons: Mapping[str, str]
) -> list[dict[str, str]]:
    """List what was asked for, makes pictures only and did not run: `trial` and `reason`, of those that left one."""
    missing = []
    for name in request["experiments"]:
        experiment = profile.experiment(name)
        if experiment.metrics:  # cells tell themselves that they have no value
            continue
        for dataset in experiment.datasets:
            for spec, method in method_names(request["encoders"]).items():
                trial = str(Key(name, dataset, method))
                is_asked_for = dataset in request["datasets"] and spec not in experiment.without
                if is_asked_for and (trial in reasons or trial not in stored):
                    missing.append({"trial": trial, "reason": reasons.get(trial, "no result was stored")})
    return missing


def _without_pictures(judgement: Judgement, pictures_missing: Sequence[Mapping[str, str]]) -> Judgement:
    """Make a run incomplete whose pictures are missing, unless it deviates; unchanged if none are."""
    if not pictures_missing:
        return judgement
    verdict = judgement.verdict if judgement.exit_code == EXIT_CODES["deviates"] else "incomplete"
    first_picture = f"{pictures_missing[0]['trial']}: {pictures_missing[0]['reason']}"
    sentence = f"{judgement.sentence.removesuffix(ALLOWANCE)} Pictures are missing: {first_picture}."
    return replace(judgement, exit_code=EXIT_CODES[verdict], verdict=verdict, sentence=sentence)


def _notes(results: Sequence[Result]) -> list[str]:
    """Note what a reader should see beside the verdict."""
    bare_names = [str(result.key) for result in results if result.schema == WITHOUT_EVIDENCE]
    return [f"{NO_EVIDENCE}: {len(bare_names)} of {len(results)} results, {bare_names[0]} first."] if bare_names else []


def _keeps(request: Mapping[str, Any]) -> bool:
    """Tell whether results of other environments were to be kept; older runs could not be asked to."""
    return bool(request.get("keep_other_environments", False))


def _through(judgement: Judgement, gate: Gate | None) -> Judgement:
    """Put the second gate beside the first, whose verdict stays its own: a change is another reason for exit code 1."""
    if gate is None or not gate.exit_code:
        return judgement
    sentence = f"{judgement.sentence} Second gate: {gate.short}"
    return replace(judgement, exit_code=gate.exit_code, sentence=sentence)


def _held(entries: list[dict[str, Any]], run: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Hold the candidates against the reference that `check` was told, if it was; it may be one of them."""
    bound = inputs.bound(run, tell)
    return [
        entry | {"no_worse_than": no_worse_than(entry, **bound)}
        if bound and entry["method"] != bound["reference"]
        else entry
        for entry in entries
    ]


def _floored(judgement: Judgement, candidates: Sequence[Mapping[str, Any]]) -> Judgement:
    """Put the one-sided gate beside the verdict, which stays its own: it is another reason for exit code 1, then 2."""
    gates = {entry["method"]: entry["no_worse_than"] for entry in candidates if "no_worse_than" in entry}
    if not gates:
        return judgement
    codes = {judgement.exit_code, *(gate["exit_code"] for gate in gates.values())}
    code = next((code for code in (1, 2) if code in codes), judgement.exit_code)
    sentence = f"{judgement.sentence} One-sided gate: {sentence_of(gates)}"
    return replace(judgement, exit_code=code, sentence=sentence)


def _is_requested(key: Key, request: Mapping[str, Any]) -> bool:
    """Tell whether a result was asked for: only those were held against their inputs just now, others may be stale."""
    methods = {*method_names(request["encoders"]).values()}
    return key.experiment in request["experiments"] and key.dataset in request["datasets"] and key.method in methods


def _last_finish(results: Sequence[Result]) -> str | None:
    """Return when an interrupted run's last result was made; the clock would say something else at each call."""
    return max((r.facts["finished"] for r in results if "finished" in r.facts), default=None)


def reasons(store: Store, cells: Sequence[CellId], lost: Mapping[str, str]) -> dict[CellId, str]:
    """Give the reason why each cell without a value has none, as its process noted it, or as shards' attempts tell."""
    reasons_by_cell = {}
    notes = store.reasons()
    for cell in cells:
        key = Key(cell.experiment, cell.dataset, cell.method)
        if key in notes:
            reasons_by_cell[cell] = notes[key]
        elif str(key) in lost:
            reasons_by_cell[cell] = lost[str(key)]
    return reasons_by_cell
