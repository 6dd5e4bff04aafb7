"""A run that was accepted, `expected/accepted/<profile>/<device>.toml`: one file per profile and CPU or GPU model.

[run]
profile = "paper"
device = "NVIDIA H100 80GB HBM3 (9.0)"      # the file is named after it
command, commit, date, reason
seeds = [0]
environment = "..."                         # SHA-256 of [environment]
slack = 0.05                                # points by which a cell of the same seed may differ
slack_reason = "..."
[environment]                               # what it was measured in, see `suite.core.numerics`
[cells."part_retrieval/cub200/dino/encoded/ap"]
values = [48.93]                            # per cent, one per seed
seeds = []                                  # empty where nothing was trained
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.cells import CellId, Measurement
from suite.core.numerics import Environment, device_model, digest_of_environment
from suite.core.schema import Node, read_toml
from suite.errors import RequestError
from suite.reference.recording import toml_section

FOLDER = "accepted"
"""Their folder, below that of all accepted values."""
SLACK = 0.05
SLACK_REASON = (
    "rounding of other kernels or another JPEG decoder on the same kind of device; a change of ours costs more"
)
TEXTS = ("command", "commit", "date", "reason", "slack_reason")
_TITLE = "# Accepted by `make accept`, never edited by hand: later runs on this device are held against it.\n"


@dataclass(frozen=True)
class AcceptedRun:
    """An accepted run of a device.

    Attributes:
        path: the file.
        device: the CPU's or GPU's model.
        seeds: asked for.
        environment: that all its results were made in.
        slack: points by which a cell of the same seed may differ.
        cells: what it measured.
    """

    path: Path
    profile: str
    device: str
    command: str
    commit: str
    date: str
    reason: str
    seeds: tuple[int, ...]
    environment: Environment
    slack: float
    slack_reason: str
    cells: Mapping[CellId, Measurement]

    @property
    def name(self) -> str:
        """Name used in sentences."""
        return f"the accepted run of {self.device} ({self.date}, commit {self.commit[:12]})"

    def content(self) -> bytes:
        """Return the file's content, sorted by cell."""
        facts = {"profile": self.profile, "device": self.device}
        facts |= {name: getattr(self, name) for name in ("command", "commit", "date", "reason")}
        run: dict[str, Any] = {**facts, "seeds": list(self.seeds)}
        run |= {"environment": digest_of_environment(self.environment)}
        run |= {"slack": self.slack, "slack_reason": self.slack_reason}
        parts = [_TITLE, toml_section("run", run), toml_section("environment", dict(self.environment))]
        for cell, m in sorted(self.cells.items()):
            parts.append(toml_section(f'cells."{cell}"', {"values": list(m.values), "seeds": list(m.seeds)}))
        return "".join(parts).encode()


def file_of(folder: Path, profile: str, device: str) -> Path:
    """Return the file that keeps the accepted run of a profile on a device."""
    return folder / profile / f"{slug(device)}.toml"


def slug(device: str) -> str:
    """Turn a device's model into a file's name: `nvidia-h100-80gb-hbm3-9.0`."""
    return re.sub(r"[^a-z0-9.]+", "-", device.lower()).strip("-.")


def load(folder: Path, profile: str, device: str) -> AcceptedRun | None:
    """Load the accepted run of a profile on a device; None where none was accepted.

    Raises:
        ExpectedError: the file breaks the schema, is another device's, or contradicts itself.
    """
    path = file_of(folder, profile, device)
    return _read(path, profile) if path.exists() else None


def _read(path: Path, profile: str) -> AcceptedRun:
    top = read_toml(path)
    run, environment = top.child("run"), top.take("environment", "a table")
    texts = {name: run.take(name, "a text") for name in TEXTS}
    file_profile, device = run.take("profile", "a text"), run.take("device", "a text")
    seeds = tuple(run.take("seeds", "a list of whole numbers >= 0"))
    slack, digest = run.take("slack", "a number >= 0"), run.take("environment", "a text")
    run.end()
    if file_profile != profile:
        raise run.error("profile", f"expected {profile!r}, after the file's folder, got {file_profile!r}")
    if slug(device) != path.stem:
        raise run.error(
            "device",
            f"expected the device that the file is named after, got {device!r}: its values are not this device's; "
            f"name it {slug(device)}.toml, or remove it",
        )
    if digest != digest_of_environment(environment) or not _is_of(environment, device):
        raise run.error(
            "environment", "does not follow from [environment] and device: was it edited by hand? Run make accept"
        )
    cells = {m.id: m for m in (_cell(text, node, seeds) for text, node in top.child("cells").children())}
    top.end()
    if not cells:
        raise top.error("cells", "expected the values of a run, got none; run make accept")
    return AcceptedRun(
        path=path,
        profile=profile,
        device=device,
        seeds=seeds,
        environment=environment,
        slack=slack,
        cells=cells,
        **texts,
    )


def _is_of(environment: Mapping[str, Any], device: str) -> bool:
    try:
        return device_model(environment) == device
    except (KeyError, TypeError):
        return False


def _cell(text: str, node: Node, run_seeds: tuple[int, ...]) -> Measurement:
    try:
        cell = CellId.parse(text)
    except RequestError as error:
        raise node.error("id", str(error)) from error
    values, seeds = node.take("values", "a list of numbers >= 0"), node.take("seeds", "a list of whole numbers >= 0")
    node.end()
    if len(set(seeds)) != len(seeds) or not set(seeds) <= set(run_seeds):
        raise node.error("seeds", f"expected different ones among those of the run, {list(run_seeds)}, got {seeds}")
    if len(values) != max(1, len(seeds)) or max(values) > 100:
        raise node.error("values", f"expected {max(1, len(seeds))} in per cent, one per seed, got {values}")
    return Measurement(cell, tuple(map(float, values)), tuple(seeds))
