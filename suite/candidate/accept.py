"""`make accept`: freeze what a candidate measured, so that later runs of it are judged."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from suite.cells import BASELINES, METHODS, CellId, Measurement, method_name, method_names
from suite.core.digests import digest_of
from suite.core.files import remove, write_atomically
from suite.core.paths import EXPECTED
from suite.core.processors import usable_processors
from suite.core.text import now
from suite.errors import ExpectedError, RequestError
from suite.protocol.constants import constants_of
from suite.protocol.profiles import load_profile
from suite.reference.accepted_items import items_path, pack
from suite.reference.candidates import FOLDER, load_accepted
from suite.reference.frozen import commit_of, deviation, table
from suite.reference.recording import MIN_SEEDS, cap_of, tolerance, toml_section
from suite.reference.select import references
from suite.results.noise import Spread, pool_of, pooled_sd
from suite.results.records import WITHOUT_EVIDENCE
from suite.results.store import Result, Store
from suite.run.run_file import read_run

_TITLE = "# Accepted by `make accept`, never edited by hand: later runs of this encoder are held against it.\n"


@dataclass(frozen=True)
class Candidate:
    """A candidate of a finished run, and its results."""

    method: str
    spec: str
    profile: str
    results: tuple[Result, ...]
    seven_measurements: tuple[Measurement, ...]
    store: Store

    @property
    def measurements(self) -> Iterator[tuple[Result, Measurement]]:
        """Every value, with the result it comes from."""
        return ((result, m) for result in self.results for m in result.measurements())

    def packed_items(self) -> bytes:
        """Return the scores of the single items behind its values, as they are kept beside accepted ones."""
        all_items = ((result.key, self.store.items(result)) for result in self.results)
        return pack((f"{key.experiment}/{key.dataset}", items) for key, items in all_items if items is not None)


def accept(
    run: Path,
    *,
    reason: str,
    name: str | None = None,
    at_least: bool = False,
    diff: bool = False,
    folder: Path | None = None,
) -> int:
    """Freeze a run's values of its candidates, a file for each, or say what that would change.

    Args:
        run: a finished run folder.
        reason: why these values are to be held against; kept with them.
        name: of the file, where there is one candidate; default: the encoder's name in cells.
        at_least: later runs may be better without a limit, and are held to being no worse; the scores of single items
            are kept for that, beside the file.
        diff: only say what would change.
        folder: where accepted values are kept; default: `expected/encoders`.

    Returns:
        0; with `diff` 1 if anything would change.

    Raises:
        RequestError: the run is limited or incomplete, of other variants or without a candidate; or a name that
            stands for something else, or for several. Nothing is written then.
        ExpectedError: no seed noise is known for a probe.
        EvidenceError: a result was altered.
    """
    folder = folder or EXPECTED / FOLDER
    candidates = read_candidates(run)
    if name is not None and len(candidates) > 1:
        several = ", ".join(candidate.method for candidate in candidates)
        raise RequestError(f"--name {name}: expected one candidate, got {several}: each is named after its encoder")
    items = {candidate.method: candidate.packed_items() if at_least else None for candidate in candidates}
    frozen = [_frozen(c, reason, name or c.method, folder, items[c.method]) for c in candidates]
    has_changed = False
    for candidate, path, sections in frozen:
        section = sections[candidate.profile]
        old_section = tomllib.loads(path.read_text()).get(candidate.profile, {}) if path.exists() else {}
        changes = describe(old_section, section)
        has_changed |= bool(changes)
        print(changes or f"{path}: nothing would change" if diff else changes or f"{path}: nothing changed")
        if not diff:
            _write(path, sections, candidate.profile, items[candidate.method])
            held = "may be better, not worse" if at_least else "are held against them"
            print(f"accepted {len(section['cells'])} cells of {candidate.method} in {path}: later runs {held}")
    return int(diff and has_changed)


def _frozen(
    candidate: Candidate, reason: str, name: str, folder: Path, items: bytes | None
) -> tuple[Candidate, Path, dict[str, Any]]:
    """Return a candidate's file, and the sections that it is to have, by profile."""
    path = folder / f"{_checked_name(name)}.toml"
    _check_other_files(candidate, path, folder)
    sections = tomllib.loads(path.read_text()) if path.exists() else {}
    return candidate, path, sections | {candidate.profile: _section(candidate, reason, items)}


def _write(path: Path, sections: Mapping[str, Any], profile: str, items: bytes | None) -> None:
    """Write the scores before the values, which name them; without scores remove those that were accepted before."""
    beside = items_path(path, profile)
    if items is not None:
        write_atomically(beside, items)
        print(f"kept the scores of single items in {beside}: {len(items):,} bytes")
    write_atomically(path, _text(sections).encode())
    if items is None:
        remove(beside)


def read_candidates(run: Path) -> list[Candidate]:
    """Return the candidates of a run, if the run can be accepted."""
    request = read_run(run)["asked"]
    names = method_names(request["encoders"])
    candidates = {spec: name for spec, name in names.items() if name not in (*METHODS, *BASELINES)}
    if not candidates:
        raise RequestError(f"{run}: expected a candidate, got none: make one with make check")
    if request["limit"] is not None or request["variants"]:
        raise RequestError(f"{run}: expected the whole protocol, got {deviation(request)}: run it without")
    return [_read_candidate(run, request, spec, method) for spec, method in candidates.items()]


def _read_candidate(run: Path, request: Mapping[str, Any], spec: str, method: str) -> Candidate:
    store = Store(run)
    results = tuple(r for r in store.results() if r.key.method == method and r.key.experiment in request["experiments"])
    bare_results = [r for r in results if r.schema == WITHOUT_EVIDENCE]
    if bare_results:
        raise RequestError(
            f"{store.path(bare_results[0].key)}: carries no evidence, made by an older version: run it again"
        )
    measured_cells = {m.id for r in results for m in r.measurements()}
    requested_cells = [cell for cell in map(CellId.parse, request["cells"]) if cell.method == method]
    missing_cells = [str(cell) for cell in requested_cells if cell not in measured_cells]
    if not measured_cells:
        raise RequestError(f"{run}: incomplete: no cell of {method} was measured")
    if missing_cells:
        raise RequestError(f"{run}: incomplete: {len(missing_cells)} cells did not run, {missing_cells[0]} first")
    if len({r.inputs["weights"] for r in results}) != 1:
        raise RequestError(f"{run}: {method}: its results are of different weights: run it again")
    seven_measurements = tuple(m for r in store.results() if r.key.method in METHODS for m in r.measurements())
    return Candidate(method, spec, request["profile"], results, seven_measurements, store)


def describe(old_section: Mapping[str, Any], new_section: Mapping[str, Any]) -> str:
    """Describe what changes from one table of accepted values to another; empty where nothing does."""
    if not old_section:
        return f"new: {len(new_section['cells'])} cells\n" + table({}, new_section["cells"])
    lines = [
        f"{key}: {old_section.get(key)} -> {new_section.get(key)}"
        for key in ("method", "spec", "weights", "at_least", "items")
        if old_section.get(key) != new_section.get(key)
    ]
    protocols = old_section.get("protocols", {})
    lines += [
        f"protocol of {experiment}: {str(protocols.get(experiment))[:12]} -> {digest[:12]}"
        for experiment, digest in new_section["protocols"].items()
        if protocols.get(experiment) != digest
    ]
    cell_changes = table(old_section.get("cells", {}), new_section["cells"])
    return "\n".join([*lines, cell_changes] if cell_changes else lines)


def _section(candidate: Candidate, reason: str, items: bytes | None) -> dict[str, Any]:
    profile = load_profile(candidate.profile)
    names = sorted({result.key.experiment for result in candidate.results})
    protocols = {
        name: {k: p.value for k, p in profile.experiment(name).parameters.items()}
        | {group: {k: c["value"] for k, c in constants.items()} for group, constants in constants_of(name).items()}
        for name in names
    }
    return {
        "method": candidate.method,
        "spec": candidate.spec,
        "weights": candidate.results[0].inputs["weights"],
        "command": "make accept",
        "commit": commit_of(candidate.results),
        "date": now()[:10],
        "machine": f"{platform.machine()}, {usable_processors()} cores, {candidate.results[0].facts['device']}",
        "reason": reason,
        **({} if items is None else {"at_least": True, "items": sha256(items).hexdigest()}),
        "protocols": {name: digest_of(protocols[name]) for name in names},
        "cells": dict(_cells(candidate)),
    }


def _cells(candidate: Candidate) -> Iterator[tuple[str, dict[str, Any]]]:
    reference_values = references(candidate.profile, {}, None)
    caps = {(cell.experiment, cell.metric): expected.cap for cell, expected in reference_values.items()}
    # its own noise, then that of the seven: in this run, and better as recorded
    noise = pooled_sd([*(m for _, m in candidate.measurements), *candidate.seven_measurements])
    noise |= {
        pool_of(cell): expected.spread for cell, expected in reference_values.items() if expected.spread is not None
    }
    for result, m in candidate.measurements:
        cell = {"values": [round(value, 6) for value in m.values], "seeds": list(m.seeds)}
        cap = caps.get((m.id.experiment, m.id.metric), cap_of(m.id.metric))
        cell |= tolerance(bool(m.seeds), result.summaries.get("test_items"), cap)
        if m.seeds:
            spread = _spread(m, noise)
            cell |= {"sd": round(spread.sd, 6), "df": spread.df}
        yield str(m.id), cell


def _spread(m: Measurement, noise: Mapping[CellId, Spread]) -> Spread:
    """Return the candidate's own noise if enough seeds tell it, else that of the seven."""
    own_noise, seven_noise = noise.get(m.id), noise.get(pool_of(replace(m.id, method=METHODS[0])))
    spread = own_noise if seven_noise is None or len(m.values) >= MIN_SEEDS else seven_noise
    if spread is None:
        raise ExpectedError(f"{m.id}: its seed noise is unknown: run check with SEED=0,1,2,3,4")
    return spread


def _checked_name(name: str) -> str:
    if method_name(name) != name or name in (*METHODS, *BASELINES):
        raise RequestError(
            f"name {name!r}: expected letters, digits, '.', '_', '-', and none of {', '.join((*METHODS, *BASELINES))}"
        )
    return name


def _check_other_files(candidate: Candidate, path: Path, folder: Path) -> None:
    """Check that one encoder is in one file, and one file is for one encoder."""
    load_accepted(candidate.profile, folder)  # a broken file is said now, not in the next run
    for file in sorted(folder.glob("*.toml")):
        section = tomllib.loads(file.read_text()).get(candidate.profile, {})
        method = section.get("method")
        if method == candidate.method and file != path:
            raise RequestError(f"{file}: holds values of {method} already: pass --name {file.stem}, or remove it")
        if method not in (None, candidate.method) and file == path:
            raise RequestError(f"{file}: holds values of {method}: pass another --name")
        if method == candidate.method and section["spec"] != candidate.spec:
            raise RequestError(
                f"{file}: holds values of {section['spec']!r}, got {candidate.spec!r} of the same name: remove the "
                "file to replace them, or rename the checkpoint"
            )


def _text(content: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the file's text, a section per profile."""
    parts: list[str] = [_TITLE]
    for profile, section in content.items():
        facts = {key: value for key, value in section.items() if not isinstance(value, dict)}
        parts.append(toml_section(profile, facts))
        parts.append(toml_section(f"{profile}.protocols", section["protocols"]))
        parts += [toml_section(f'{profile}.cells."{cell}"', values) for cell, values in section["cells"].items()]
    return "".join(parts)
