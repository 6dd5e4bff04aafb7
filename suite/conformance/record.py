"""Answers of the conformance checks: which questions there are, and what was found. Nothing here loads an encoder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from suite.errors import RequestError

PASSED, WARNING, FAILED, NOT_REACHED = "passed", "warning", "failed", "not reached"
QUESTIONS = {
    "loads": "can it be loaded?",
    "normalisation": "is it said how its images are normalised?",
    "shapes": "are tokens and layers of the promised shapes, and finite?",
    "normalised once": "are images normalised once?",
    "final norm": "are tokens normed at the end?",
    "patch order": "does each patch token stand where its patch is?",
    "block order": "do blocks run, and leave their tokens, in the order that was named?",
    "frozen": "does nothing in it change or learn?",
    "deterministic": "do two passes give the same bytes?",
    "batch-invariant": "is an image's result independent of its batch?",
    "other sizes": "does it work on larger and on oblong images?",
    "trained": "does it look trained?",
    "fingerprint": "what does it make of fixed pictures?",
}


@dataclass(frozen=True)
class Check:
    """One question and its answer.

    Attributes:
        status: `passed`, `warning`, `failed` or `not reached`.
        detail: the answer in words; empty if not reached.
    """

    name: str
    question: str
    status: str
    detail: str = ""


@dataclass(frozen=True)
class Conformance:
    """All checks, and what identifies the encoder.

    Attributes:
        encoder: its spec.
        facts: weights (SHA-256), patch size, embedding size, depth, image size, mean, std.
        fingerprint: see `suite.conformance.fingerprint`; empty if not reached.
    """

    encoder: str
    checks: tuple[Check, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    fingerprint: dict[str, Any] = field(default_factory=dict)

    @property
    def failure(self) -> Check | None:
        """The check that failed, if one did."""
        return next((check for check in self.checks if check.status == FAILED), None)

    def record(self) -> dict[str, Any]:
        """Return all as JSON; `rungs` is the name that the report's schema has for its checks."""
        content = asdict(self)
        return {"encoder": content.pop("encoder"), "rungs": content.pop("checks"), **content}


def require(conformance: Conformance) -> None:
    """Stop where a check failed.

    Raises:
        RequestError: names the check and says what was found.
    """
    failure = conformance.failure
    if failure is not None:
        raise RequestError(f"encoder {conformance.encoder!r}: {failure.name}: {failure.detail}; nothing was measured")
