"""The conformance checks in order, each with its answer in plain words; after the first that fails, none is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from suite.conformance import questions, suspicions
from suite.conformance.fingerprint import fingerprint
from suite.conformance.questions import Answer, CheckError
from suite.conformance.record import FAILED, NOT_REACHED, PASSED, QUESTIONS, WARNING, Check, Conformance
from suite.encoders import Encoder
from suite.errors import SuiteError


def run_checks(
    spec: str,
    load: Callable[[], Encoder],
    *,
    needs_other_sizes: bool = False,
    tell: Callable[[Check], None] = lambda _check: None,
) -> Conformance:
    """Ask every question in turn.

    Args:
        spec: name of the encoder.
        load: makes it; its `SuiteError` is the first check's answer.
        needs_other_sizes: whether what was asked for needs images of other sizes; else failing there is only a warning.
        tell: called with each check as it is answered.
    """
    checks: list[Check] = []
    facts: dict[str, Any] = {}
    encoder_print: dict[str, Any] = {}

    def ask(name: str, question: Callable[[], Answer]) -> None:
        has_failed = any(check.status == FAILED for check in checks)
        status, detail = (NOT_REACHED, "") if has_failed else _answer(question)
        detail = detail.removeprefix(f"encoder {spec!r}: ")  # whose answer it is stands above
        if name == "other sizes" and status == FAILED and not needs_other_sizes:
            status, detail = WARNING, f"{detail}; retrieval and probes do not need it, segmentation does"
        if name == "shapes" and status != FAILED and needs_other_sizes and encoders and not encoders[0].depth:
            status, detail = FAILED, questions.NO_BLOCKS
        is_meant_random = spec == "random_init" or spec.partition("?")[0].endswith("@random")
        if name == "trained" and status == WARNING and is_meant_random:
            status, detail = PASSED, "untrained, as was asked for"
        checks.append(Check(name, QUESTIONS[name], status, detail))
        tell(checks[-1])

    encoders: list[Encoder] = []

    def load_answer() -> Answer:
        encoder = load()
        encoders.append(encoder)
        facts.update(_facts(encoder))
        return Answer("; ".join([f"{_millions(encoder)}, weights {encoder.digest[:12]}", *encoder.notes]))

    ask("loads", load_answer)
    for name, question in _questions():
        ask(name, lambda question=question: question(encoders[0]))  # type: ignore[misc]

    def identify() -> Answer:
        encoder_print.update(fingerprint(encoders[0]))
        return Answer(f"{encoder_print['hash']}; {encoder_print['images_per_second']:g} pictures/s")

    ask("fingerprint", identify)
    return Conformance(spec, tuple(checks), facts, encoder_print)


def _questions() -> Iterator[tuple[str, Callable[[Encoder], Answer]]]:
    yield "normalisation", questions.normalisation
    yield "shapes", questions.shapes
    yield "normalised once", suspicions.normalised_once
    yield "final norm", suspicions.final_norm
    yield "patch order", questions.patch_order
    yield "block order", suspicions.block_order
    yield "frozen", questions.frozen
    yield "deterministic", questions.deterministic
    yield "batch-invariant", questions.batch_invariant
    yield "other sizes", questions.other_sizes
    yield "trained", suspicions.trained


def _answer(question: Callable[[], Answer]) -> tuple[str, str]:
    """Take whatever goes wrong in code that is not ours as an answer too."""
    try:
        with torch.random.fork_rng(devices=[]):
            answer = question()
    except CheckError as failure:
        return FAILED, str(failure)
    except SuiteError as error:
        return FAILED, " ".join(str(error).split())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return FAILED, f"it raised {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return (WARNING if answer.warning else PASSED), answer.text


def _facts(encoder: Encoder) -> dict[str, Any]:
    names = ("patch_size", "embed_dim", "depth", "image_size", "mean", "std", "has_projector")
    identifying = {"weights": encoder.digest, "code": encoder.code, "tokens": encoder.tokens}
    notes = {"notes": list(encoder.notes)} if encoder.notes else {}
    return {n: text for n, text in identifying.items() if text} | {n: getattr(encoder, n) for n in names} | notes


def _millions(encoder: Encoder) -> str:
    count = sum(p.numel() for p in encoder.parameters())
    return f"{count / 1e6:.1f} M parameters, {encoder.depth} blocks, {encoder.embed_dim} wide"
