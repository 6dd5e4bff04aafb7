"""Checkpoints of a training: a file a head, of known content, whole or not at all.

So a bank that grows trains its new heads only, and checkpoints of other configurations may lie beside them, untouched.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from suite.core.digests import digest_of
from suite.core.files import write_atomically
from suite.core.numerics import environment_of
from suite.core.source_code import code_digest
from suite.errors import RequestError
from suite.protocol.constants import constants_digest
from suite.training.learner import Learner


class Checkpoints:
    """The checkpoints of one training in a folder; the name of each is the digest of the head's configuration."""

    def __init__(self, folder: Path, identity: Mapping[str, object], *code: str) -> None:
        """Name the training.

        Args:
            folder: made when first needed.
            identity: by head, everything besides its own description that its weights depend on: digests of the
                encoder and the data, protocol, seed; anything that JSON can hold.
            code: modules that make the weights.
        """
        self.folder, self.identity = folder, identity
        self._shared = [code_digest(*code), constants_digest()]

    def path(self, learner: Learner) -> Path:
        """Return the path of a head's checkpoint."""
        facts = [self.identity[learner.name], *self._shared, learner.facts, environment_of(learner.device)]
        return self.folder / f"{digest_of(facts)}.safetensors"

    def save(self, learner: Learner) -> None:
        """Store a head's state.

        Raises:
            MetricError: a loss is not finite.
            StorageError: the folder cannot be written or the disk is full; the older checkpoint stays.
        """
        path = self.path(learner)
        tensors = {name: value.contiguous() for name, value in learner.state().items()}
        write_atomically(path, save(tensors, {"digest": path.stem, "content": _content_digest(tensors)}))

    def restore(self, learner: Learner) -> None:
        """Let a head go on from its checkpoint; where there is none that can be read, it starts from the beginning.

        One that cannot be gone on from is told of with a warning.
        """
        path = self.path(learner)
        if not path.exists():
            return
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            _warn(path, f"cannot be read ({error})", learner)
            return
        digest = metadata.get("digest")
        if digest != path.stem:
            _warn(path, f"is of another configuration ({digest})", learner)
        elif metadata.get("content") != _content_digest(tensors):
            _warn(path, "is altered: its content is not that of its SHA-256", learner)
        else:
            learner.restore(tensors)


def checkpoints_in(folder: Path | None, identity: Mapping[str, object] | None, *code: str) -> Checkpoints | None:
    """Open `Checkpoints`; None where no folder is named.

    Raises:
        RequestError: a folder without an identity.
    """
    if folder is None:
        return None
    if identity is None:
        raise RequestError(f"{folder}: checkpoints need `identity`, which says what the training depends on")
    return Checkpoints(folder, identity, *code)


def _content_digest(tensors: Mapping[str, Tensor]) -> str:
    return sha256(save(dict(tensors))).hexdigest()


def _warn(path: Path, why: str, learner: Learner) -> None:
    print(f"warning: {path}: {why}; {learner.whose} is trained from the beginning", file=sys.stderr)
