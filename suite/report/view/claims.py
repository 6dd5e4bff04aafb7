"""The paper's claims: what each says, and whether it holds in the paper and here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suite.core.files import Json
from suite.judge.claim_noise import COULD, UNKNOWN
from suite.judge.entries import agreement

AGREEMENT = (
    ("as in the paper", "holds in both or fails in both"),
    ("differs from the paper", "holds in one of them only"),
    ("paper unknown", "the paper's values are not available to us"),
    ("not run", "cells of it were not measured here"),
    ("not testable here", "what was measured says nothing about it in this profile"),
)


NOT_TESTED = ("not run", "not testable here")


@dataclass(frozen=True)
class Claim:
    """An ordering or a gap that the text argues.

    Attributes:
        holds_in_paper: whether it holds in the paper's own tables; None where they are not available.
        holds_here: whether it holds on the cells of this run; None where it was not measured.
        tally: how many of its comparisons are true; before that, why they say nothing here, where that is so.
        sentence: by how much it holds or fails, and whether noise alone could flip it; empty where it did not run.
        margins: comparisons with their numbers: of a claim that fails those that are false, of one that holds the
            narrowest, and others that noise could flip.
    """

    id: str
    section: str
    statement: str
    predicate: str
    holds_in_paper: bool | None
    holds_here: bool | None
    tally: str
    sentence: str
    margins: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """Claims of one outcome: their agreement with the paper, what that means, and whether they were tested here."""

    word: str
    meaning: str
    was_tested: bool
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Claims:
    """All claims.

    Attributes:
        role: what claims decide in this run.
        caveat: what a claim that fails is worth, where that is not obvious; empty elsewhere.
        noise: which of those that were tested here noise alone could flip, in a sentence; empty where none was tested.
        counts: (agreement with the paper, what that means, number of claims).
        outcomes: claims by agreement, first those that were tested here; an agreement that none has is left out.
    """

    role: str
    caveat: str
    noise: str
    counts: tuple[tuple[str, str, int], ...]
    claims: tuple[Claim, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def tested_count(self) -> int:
        """Number of claims that were tested here."""
        return sum(len(outcome.claims) for outcome in self.outcomes if outcome.was_tested)


def claims(report: Json) -> Claims:
    """Return the claims of a report, in their order."""
    words = [agreement(claim) for claim in report["claims"]]
    listed = tuple(map(_claim, report["claims"]))
    by_word = {word: tuple(c for c, own in zip(listed, words, strict=True) if own == word) for word, _ in AGREEMENT}
    mini = report["profile"] == "mini"
    return Claims(
        role="Claims are a gate in this run" if report["claims_gate"] else "Claims do not decide the verdict above",
        caveat="on synthetic data a claim that fails says nothing against the paper" if mini else "",
        noise=_noise([c for c, word in zip(report["claims"], words, strict=True) if word not in NOT_TESTED]),
        counts=tuple((word, meaning, words.count(word)) for word, meaning in AGREEMENT),
        claims=listed,
        outcomes=tuple(
            Outcome(word, meaning, word not in NOT_TESTED, by_word[word])
            for word, meaning in AGREEMENT
            if by_word[word]
        ),
    )


def _claim(claim: Json) -> Claim:
    reason = f"not testable here: {claim['untestable']}" if claim.get("untestable") else ""
    tally, *counterexamples = claim["detail"].split("; ")
    noise = claim.get("noise") or {"sentence": "", "margins": [{"text": text} for text in counterexamples]}
    return Claim(
        id=claim["id"],
        section=claim["section"],
        statement=claim["statement"],
        predicate=claim["predicate"],
        holds_in_paper=claim["holds_in_paper"],
        holds_here=claim["holds_here"],
        tally="; ".join(text for text in (reason, tally) if text),
        sentence=noise["sentence"],
        margins=tuple(margin["text"] for margin in noise["margins"]),
    )


def _noise(tested: Sequence[Json]) -> str:
    """Say which claims noise alone could flip, and of which that is unknown."""
    noises = {claim["id"]: claim["noise"] for claim in tested if claim.get("noise")}
    if not noises:
        return ""
    kinds = {
        name: [f"other {kind}" for kind in ("images", "seeds") if noise[kind] == COULD]
        for name, noise in noises.items()
    }
    flipped = [f"{name} ({', '.join(words)})" for name, words in kinds.items() if words]
    unknown = [
        name for name, noise in noises.items() if not kinds[name] and UNKNOWN in {noise["images"], noise["seeds"]}
    ]
    sentence = f"Noise alone could flip {len(flipped) or 'none'} of the {len(noises)} that were tested here"
    sentence += f": {', '.join(flipped)}" if flipped else ""
    return f"{sentence}{f'; unknown of {len(unknown)}: ' + ', '.join(unknown) if unknown else ''}."
