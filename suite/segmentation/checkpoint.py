"""Where a training has got to: a file per head, so that a bank that grows trains its new heads only."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from suite.core.digests import digest_of
from suite.core.numerics import environment_of
from suite.core.source_code import code_digest
from suite.protocol.constants import constants_digest
from suite.segmentation.bank import Learner
from suite.training.checkpoints import read_tensors, write_tensors

_CODE = ("suite.segmentation.train", "suite.segmentation.encode")
"""What a head's weights are made by."""


class Checkpoints:
    """The checkpoints of one training in a folder; those of other configurations may lie beside them, untouched."""

    def __init__(self, folder: Path, identity: object) -> None:
        """Name the training.

        Args:
            folder: made when first needed.
            identity: everything besides a head's own description that its weights depend on: digests of the encoder
                and the data, protocol, seed; anything that JSON can hold.
        """
        self.folder = folder
        self.identity = [identity, code_digest(*_CODE), constants_digest()]

    def path(self, learner: Learner) -> Path:
        """Where a head's checkpoint lies; its name is the digest of its configuration."""
        return self.folder / f"{self._digest(learner)}.safetensors"

    def save(self, learner: Learner) -> None:
        """Store a head's state, whole or not at all.

        Raises:
            StorageError: the folder cannot be written or the disk is full; the older checkpoint stays.
        """
        write_tensors(self.path(learner), learner.state(), self._digest(learner))

    def restore(self, learner: Learner) -> None:
        """Let a head go on from its checkpoint; where there is none that can be read, it starts from the beginning."""
        tensors = read_tensors(self.path(learner), self._digest(learner), whose=f"head {learner.spec.name}")
        if tensors is not None:
            learner.restore(tensors)

    def forget(self, learner: Learner) -> None:
        """Remove a head's checkpoint, once what it led to is stored."""
        self.path(learner).unlink(missing_ok=True)

    def _digest(self, learner: Learner) -> str:
        weight = learner.head.fc.weight
        facts = [asdict(learner.spec), asdict(learner.schedule), weight.shape[1], environment_of(weight.device)]
        return digest_of([*self.identity, *facts])
