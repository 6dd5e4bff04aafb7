"""Options that several verbs share: what is asked for."""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.core.text import integers, words
from suite.errors import RequestError, unknown
from suite.protocol.tables import PROFILES
from suite.protocol.variants import load_variants
from suite.run.request import DEVICES, Request, make_request

CLAIMS = ("shown", "gate")


def add_request(parser: argparse.ArgumentParser) -> None:
    """The options that say which experiments, encoders and datasets, how, and where to."""
    parser.add_argument("--profile", default="mini", help=f"one of {', '.join(PROFILES)} (default: mini)")
    parser.add_argument("--encoder", action="append", default=[], metavar="SPEC", help="comma-separated; default: all")
    parser.add_argument("--dataset", action="append", default=[], metavar="NAME", help="comma-separated; default: all")
    parser.add_argument(
        "--experiment", action="append", default=[], metavar="NAME", help="comma-separated; default: all"
    )
    names = "; ".join(f"{v.name}={'|'.join(v.choices)}" for v in load_variants().values())
    parser.add_argument(
        "--variant", action="append", default=[], metavar="NAME=CHOICE", help=f"{names} (default: first)"
    )
    parser.add_argument(
        "--seed", default=None, metavar="N[,N...]", help="seeds of the probes (default: 0; record: 0,1,2,3,4)"
    )
    parser.add_argument("--device", default="auto", help=f"one of {', '.join(DEVICES)} (default: auto)")
    parser.add_argument("--data", type=Path, help="folder of the datasets (default: the profile's)")
    parser.add_argument("--weights", type=Path, help="folder of the checkpoints (default: the profile's)")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder for features (default: cache)")
    parser.add_argument("--run", type=Path, help="folder of the run (default: runs/<profile>)")
    parser.add_argument("--limit", type=int, help="at most this many views of each split: a smoke run, not judged")
    parser.add_argument(
        "--share-stream", action="store_true", help="image classification: one decoded stream for all encoders"
    )
    parser.add_argument(
        "--processes-per-probe",
        type=int,
        default=1,
        metavar="N",
        help="image classification: GPUs (or CPU processes) that share every batch of an encoder's probes (default: 1)",
    )
    parser.add_argument(
        "--keep-other-environments",
        action="store_true",
        help="reuse results that other packages or another device made; the report marks them",
    )
    add_verdict(parser)
    add_workers(parser)


def add_reason(parser: argparse.ArgumentParser) -> None:
    """`--reason`."""
    parser.add_argument("--reason", metavar="TEXT", help="why these values are to be the new ones; kept with them")


def asked_reason(verb: str, reason: str | None) -> str:
    """The reason that the user gave, in one line.

    Raises:
        RequestError: none was given.
    """
    said = " ".join((reason or "").split())
    if not said:
        raise RequestError(
            f"{verb}: expected a reason, got none: pass REASON='why these values are to be the new ones'"
        )
    return said


def add_verdict(parser: argparse.ArgumentParser) -> None:
    """`--strict` and `--allow-inconclusive`: how a verdict becomes an exit code."""
    parser.add_argument("--strict", action="store_true", help="fail on any single deviation, uncorrected")
    parser.add_argument(
        "--allow-inconclusive", action="store_true", help="exit code 0, not 2, where nothing fails but some cannot tell"
    )
    parser.add_argument(
        "--claims",
        default=CLAIMS[0],
        metavar="|".join(CLAIMS),
        help="gate: fail on a claim that differs from the paper, too (default: shown)",
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """`--workers`."""
    parser.add_argument("--workers", type=int, help="processes (default: one per core on the CPU, one on a GPU)")


def to_request(options: argparse.Namespace, *, seeds: str = "0", run: Path | None = None) -> Request:
    """Validate what was asked for.

    Args:
        options: as `add_request` defines them.
        seeds: where the user names none.
        run: the run folder, where the user names none.

    Raises:
        RequestError: something that was asked for does not exist.
    """
    return make_request(
        profile=options.profile,
        encoders=words(options.encoder),
        datasets=words(options.dataset),
        experiments=words(options.experiment),
        variants=words(options.variant),
        seeds=integers(options.seed if options.seed is not None else seeds),
        device=options.device,
        data=options.data,
        weights=options.weights,
        cache=options.cache,
        run=options.run or run,
        limit=options.limit,
        strict=options.strict,
        allow_inconclusive=options.allow_inconclusive,
        claims_gate=is_gate(options.claims),
        share_stream=options.share_stream,
        processes_per_probe=options.processes_per_probe,
        keep_other_environments=options.keep_other_environments,
    )


def is_gate(claims: str) -> bool:
    """Whether claims may fail a run.

    Raises:
        RequestError: neither `shown` nor `gate`.
    """
    if claims not in CLAIMS:
        raise unknown("choice of claims", claims, CLAIMS)
    return claims == "gate"
