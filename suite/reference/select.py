"""Selection of the expected values that a run may be held against."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from suite.cells import BASELINES, METHODS, CellId, method_names
from suite.core.paths import EXPECTED
from suite.errors import ExpectedError, RequestError
from suite.protocol.profiles import load_profile
from suite.protocol.variants import Variant, deviations, load_variants
from suite.reference.candidates import FOLDER, load_accepted
from suite.reference.expected import RECORDED, Expected, load_expected
from suite.reference.known import KnownDeviation, load_known
from suite.reference.seal import ADVICE


def references(
    profile: str,
    variants: Mapping[str, str],
    limit: int | None,
    encoders: Collection[str] = (),
    accepted: Path | str | None = None,
) -> dict[CellId, Expected]:
    """Select the expected values to hold a run against, with those accepted for one of `encoders` (specs).

    Accepted ones lie in `accepted_folder(accepted)`.

    A limited run sees other data. Accepted values, and the recorded ones of the mini study, are of the default
    variants; the paper does not say which variants its own are of, so those stand for every choice.

    Raises:
        ExpectedError: a file breaks its schema or its seal, or a cell of the mini study has no recorded value.
    """
    if limit is not None:
        return {}
    changed_variants = [load_variants()[name] for name in deviations(variants)]
    candidates = {name: spec for spec, name in method_names(encoders).items() if name not in (*METHODS, *BASELINES)}
    accepted_values = load_accepted(profile, accepted_folder(accepted) / FOLDER) if candidates else {}
    expected = {
        c: e for c, e in _load(profile).items() if profile != RECORDED or not _changes(changed_variants, c, c.method)
    }
    candidate_values = {c: e for c, e in accepted_values.items() if c.method in candidates}
    return expected | {
        c: e for c, e in candidate_values.items() if not _changes(changed_variants, c, candidates[c.method])
    }


def accepted_folder(folder: Path | str | None) -> Path:
    """Return the folder of accepted values; None stands for the checkout's `expected`.

    Raises:
        RequestError: there is none, so that nothing would be held against what was accepted.
    """
    if folder is None:
        return EXPECTED
    if not Path(folder).is_dir():
        problem = "a file" if Path(folder).exists() else "none"
        raise RequestError(
            f"--accepted {str(folder)!r}: expected a folder that `accept` wrote to, got {problem}: "
            f"make accept RUN= REASON= ACCEPTED={folder}"
        )
    return Path(folder)


def known_deviations(profile: str, variants: Mapping[str, str]) -> dict[CellId, KnownDeviation]:
    """Select the deviations that are excused; what another variant changes is no longer what was seen then."""
    changed_variants = [load_variants()[name] for name in deviations(variants)]
    entries = load_known(profile, _load(profile), EXPECTED)
    return {cell: entry for cell, entry in entries.items() if not _changes(changed_variants, cell, cell.method)}


def _changes(variants: Sequence[Variant], cell: CellId, spec: str) -> bool:
    return any(variant.applies(cell.experiment, cell.dataset, spec) for variant in variants)


@functools.cache
def _load(profile: str) -> dict[CellId, Expected]:
    """Read once a process: every trial asks. A recorded profile has a reference for each of its cells."""
    expected = load_expected(profile, EXPECTED)
    missing_cells = (
        [cell for cell in load_profile(profile).cells() if cell not in expected] if profile == RECORDED else []
    )
    if missing_cells:
        problem = f"cells of the profile without a reference: {len(missing_cells)}, {missing_cells[0]} first"
        raise ExpectedError(f"{EXPECTED / profile}: {problem}: {ADVICE}")
    return expected
