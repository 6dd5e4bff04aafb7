"""The seven things a reader needs to repeat a study: what the paper gave, and what this run can show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suite.core.files import Json

Evidence = tuple[str, str]
"""Evidence: `provided`, `partial` or `missing`, and the sentence that shows it."""
Group = Mapping[str, Any]


def variables(*, profile: str, environment: Group, protocol: Group, request: Group) -> list[Json]:
    """Answer the seven questions from this run's own records.

    `protocol` is read for `parameters` (name -> {value, source}), `experiments` (name -> parameter -> {value, source}),
    `constants` (group -> constant -> {value, source}, beside the group's `experiments`), `variants` (name -> choice),
    `splits` (dataset -> text), `digests` (`data` and `weights`, name -> SHA-256) and `verification` (dataset -> what
    `suite verify data` said of it); what is absent counts as missing, never as provided.
    """
    digests = protocol.get("digests") or {}
    rows = (
        (
            "Pseudocode",
            "Are the procedures written precisely enough to be built again?",
            "Prose and formulas; several choices are left open, and the later code answers some of them differently.",
            _pseudocode(protocol),
        ),
        (
            "Open code",
            "Can the code that made these numbers be read and run?",
            "None at review time. Code published later does not run unmodified and differs from the text.",
            _code(environment.get("code") or {}),
        ),
        (
            "Open data",
            "Can the same data be had, and be recognised as the same?",
            "Public datasets by name, without digests; some part masks are the authors' own conversions.",
            _data(profile, digests.get("data") or {}, protocol.get("verification") or {}),
        ),
        (
            "Dataset splits",
            "Is it said which images train, and which are evaluated?",
            "Official splits, mostly by name; the number of part patches is not given.",
            _splits(protocol.get("splits") or {}),
        ),
        (
            "Hardware",
            "On what machine, and at what cost?",
            "Not stated.",
            _hardware(environment),
        ),
        (
            "Software versions",
            "Which versions of every package?",
            "Not stated; a short list came with the later code.",
            _software(environment),
        ),
        (
            "Experiment setup",
            "Is every hyper-parameter, seed and checkpoint named?",
            "Probe learning rates, batch and epochs; no seeds, no spread over seeds, checkpoints by family.",
            _setup(protocol, digests.get("weights") or {}, request),
        ),
    )
    return [
        {"name": name, "question": question, "paper": paper, "status": evidence[0], "evidence": evidence[1]}
        for name, question, paper, evidence in rows
    ]


def _pseudocode(protocol: Group) -> Evidence:
    page = "Every experiment that ran is an executable page in suite/experiments"
    if not protocol.get("experiments"):
        return "partial", f"{page}; its hyper-parameters were not recorded."
    return "provided", f"{page}; its hyper-parameters, with sources, are in this report."


def _code(code: Group) -> Evidence:
    commit, version = code.get("commit"), code.get("suite") or "of unknown version"
    if not commit:
        return "partial", f"Suite {version}; the commit is unknown ({code.get('reason') or 'not recorded'})."
    if code.get("dirty"):
        return "partial", f"Suite {version}, commit {commit} with changes that were not committed."
    return "provided", f"Suite {version}, commit {commit}, nothing changed since."


def _data(profile: str, digests: Group, verification: Group) -> Evidence:
    origin = "rendered from a seed by the suite itself" if profile == "mini" else "read from local copies"
    if not digests:
        return "missing", f"The data were {origin}; no digest was recorded."
    digest_list = ", ".join(f"{dataset} {str(digest)[:12]}" for dataset, digest in sorted(digests.items()))
    text = f"{len(digests)} datasets, {origin}; SHA-256 {digest_list}."
    if not verification:
        return "provided", text
    are_all_verified = all(sentence.startswith("verified") for sentence in verification.values())
    sentences = "; ".join(f"{dataset} {sentence}" for dataset, sentence in verification.items())
    return ("provided" if are_all_verified else "partial"), f"{text} Verification: {sentences}."


def _splits(splits: Group) -> Evidence:
    if not splits:
        return "partial", "The readers follow each dataset's official split; counts were not recorded."
    return "provided", "; ".join(f"{dataset}: {text}" for dataset, text in splits.items()) + "."


def _hardware(environment: Group) -> Evidence:
    cpu, gpu = environment.get("cpu") or {}, environment.get("gpu") or {}
    memory = (environment.get("memory") or {}).get("total_mib")
    if not cpu.get("model"):
        return "missing", "The machine was not recorded."
    accelerator = gpu.get("name") or f"no GPU ({gpu.get('reason') or 'not recorded'})"
    size = f"{memory / 1024:.1f} GiB of memory" if memory else "memory unknown"
    cores = cpu.get("usable_cores") or cpu.get("logical_cores") or "unknown number of"
    return (
        "provided",
        f"{cpu['model']}, {cores} cores, {size}; {accelerator}. Seconds and memory of every result: see cost.",
    )


def _software(environment: Group) -> Evidence:
    packages, lock = environment.get("packages") or {}, environment.get("lock") or {}
    python = (environment.get("python") or {}).get("version") or "unknown"
    if "torch" not in packages:
        return "missing", f"Python {python}; package versions were not recorded."
    text = f"Python {python}, torch {packages['torch']}, {len(packages)} packages recorded"
    failed_checks = [
        f"{name} {outcome}"
        for name, outcome in (environment.get("checks") or {}).items()
        if outcome.startswith("failed")
    ]
    if failed_checks:
        return "partial", f"{text}; {failed_checks[0]}."
    if lock.get("differ"):
        return "partial", f"{text}; not at the locked version: {', '.join(sorted(lock['differ']))}."
    if not lock.get("sha256"):
        return "partial", f"{text}; no lock file was found."
    return "provided", f"{text}, all as locked (requirements.lock {lock['sha256'][:12]})."


def _setup(protocol: Group, weights: Group, request: Group) -> Evidence:
    groups = [group for name in ("experiments", "constants") for group in (protocol.get(name) or {}).values()]
    groups.append(protocol.get("parameters") or {})
    values = [entry for group in groups for name, entry in group.items() if name != "experiments"]
    source_count = sum(1 for entry in values if isinstance(entry, Mapping) and entry.get("source"))
    seeds = request.get("seeds")
    text = f"{source_count} of {len(values)} hyper-parameters with their source; {len(weights)} checkpoints by SHA-256"
    text += f"; seeds {', '.join(map(str, seeds))}." if seeds else "; seeds not recorded."
    is_complete = bool(values) and source_count == len(values) and bool(weights) and bool(seeds)
    return ("provided" if is_complete else "partial"), text
