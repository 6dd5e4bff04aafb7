"""One network a report: what a candidate is, noted by whoever loads it first in a run, held against by all others."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from suite.cells import release_of
from suite.core.digests import digest_of
from suite.core.files import write_atomically
from suite.errors import RequestError
from suite.protocol.variants import deviations, load_variants
from suite.specs import parse

NETWORKS = ".networks"
"""Folder in a run's; like all whose names begin with a dot it is no evidence."""
_CAUSES = {
    "weights": "the factory draws its weights anew each time: load a checkpoint or set a seed",
    "code": "its source files were edited meanwhile: start the run again",
    "tokens": "with the same weights it makes other tokens: what else it reads (environment variables, data files) "
    "has changed, or its forward pass draws at random",
}
"""What differs -> the likely cause and what to do, the first that applies."""
_OF_A_FILE = "its file was replaced meanwhile: start the run again"


def forget_networks(run: Path) -> None:
    """Forget what an earlier run in the folder measured: a checkpoint may have gone on since."""
    shutil.rmtree(run / NETWORKS, ignore_errors=True)


def agree(
    run: Path, spec: str, network: Mapping[str, str], *, place: str, variants: Mapping[str, str] | None = None
) -> None:
    """Note a candidate's network, or hold it against the one that was noted first in this run.

    Args:
        run: the folder.
        spec: of the candidate.
        network: digests that identify it: `weights`, and of a user's encoder `code` and `tokens`.
        place: who has loaded it, for the message: a trial, or the conformance checks.
        variants: choices that it was loaded with; of a file in a method's layout they say which network of it is meant.

    Raises:
        RequestError: it is another one: a report would be about two networks under one name.
    """
    path = run / NETWORKS / f"{network_of(spec, variants or {})}.json"
    note = {"network": dict(network), "place": place}
    first = _noted(path, note)
    other = first["network"]
    names = [name for name in _CAUSES if network.get(name, "") != other.get(name, "")]
    if not names:
        return
    cause = _CAUSES[names[0]] if parse(spec).is_factory else _OF_A_FILE
    seen, before = (f"{names[0]} {str(digests.get(names[0]))[:12]}" for digests in (network, other))
    raise RequestError(
        f"encoder {spec!r}: {place}: expected the network of {first['place']} ({before}), noted in {path}, "
        f"got another ({seen}): nothing is measured with it: {cause}"
    )


def note_passed(run: Path, spec: str, facts: Mapping[str, object], variants: Mapping[str, str]) -> None:
    """Note the network that passed the conformance checks, by the facts on record: only this one is measured."""
    network = {name: str(facts[name]) for name in _CAUSES if facts.get(name)}
    agree(run, spec, network, place="the conformance checks", variants=variants)


def is_candidate(spec: str) -> bool:
    """Tell whether a spec is none of the profile's own, whose files are known by their digests."""
    words = parse(spec)
    return ":" in words.name or bool(words.file)


def network_of(spec: str, variants: Mapping[str, str]) -> str:
    """Return a key of what means one network: a spec, and such choices as may pick another one of its file."""
    release, definitions = release_of(spec), load_variants()
    picks = {name: choice for name, choice in deviations(variants).items() if release in definitions[name].methods}
    return digest_of([spec, picks] if picks else spec)[:20]


def _noted(path: Path, note: Mapping[str, object]) -> dict[str, dict[str, str]]:
    """Return the note at a path, ours where there is none yet: the first of several processes wins."""
    if not path.exists():
        temporary = path.with_name(f"{uuid.uuid4().hex}.partial")
        write_atomically(temporary, json.dumps(note).encode())
        try:
            with suppress(FileExistsError):
                os.link(temporary, path)
        except OSError:  # a disk without links
            temporary.replace(path)
        temporary.unlink(missing_ok=True)
    noted: dict[str, dict[str, str]] = json.loads(path.read_bytes())
    return noted
