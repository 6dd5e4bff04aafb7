"""Check that data, or the results of a run, are what they should be, and say everything that is wrong with them.

`verify data [NAME...]` compares sizes of splits and digests of index files with the published ones, opens a sample of
the images and masks, and looks for missing files. Exit code 1 if something is wrong, 2 if a dataset is missing.

`verify RUN` computes the digests of a run's results anew, judges its cells again without measuring anything, and holds
both against its report; with `--digest`, against a citation too. Exit code 1, and a line each, if something differs.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from suite.core.text import words
from suite.errors import RequestError, StorageError
from suite.protocol.profiles import load_profile
from suite.protocol.tables import PROFILES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to verify, how closely, and where it lies."""
    parser.add_argument("target", metavar="data|RUN", help="data, or a run folder, e.g. runs/mini")
    parser.add_argument("names", nargs="*", metavar="NAME", help="datasets (default: all of the profile)")
    parser.add_argument("--profile", default="mini", help=f"one of {', '.join(PROFILES)} (default: mini)")
    parser.add_argument("--data", type=Path, help="folder of the datasets (default: the profile's)")
    parser.add_argument("--sample", type=int, help="images of each split to open (default: 100)")
    parser.add_argument("--full", action="store_true", help="open every image and every mask")
    parser.add_argument("--seed", type=int, default=0, help="draws the sample (default: 0)")
    parser.add_argument("--strict", action="store_true", help="a warning, or nothing to compare with, is wrong too")
    parser.add_argument("--out", type=Path, help="where to record the outcome (default: DATA/verification.json)")
    parser.add_argument("--digest", metavar="SHA256", help="of a run: the digest by which its report was cited")


def run(options: argparse.Namespace) -> int:
    """Returns 0 all right, 1 something is wrong, 2 a dataset is missing."""
    if options.target == "data":
        return verify_data(options)
    folder = Path(options.target)
    if not folder.is_dir():
        raise RequestError(f"verify {options.target!r}: expected data, or the folder of a run, e.g. runs/mini")
    if options.names:
        raise RequestError(f"verify {folder}: expected one run and nothing after it, got {' '.join(options.names)}")
    return verify_run(folder, options)


def verify_run(run: Path, options: argparse.Namespace) -> int:
    """Hold a run's results against its report and a citation, print what differs."""
    from suite.archive.verify import verify, without_evidence

    if options.digest is not None and not re.fullmatch(r"(sha256:)?[0-9a-fA-F]{12,64}", options.digest):
        raise RequestError(
            f"digest {options.digest!r}: expected 12 to 64 hexadecimal digits, as the report prints them"
        )
    problems, digest = verify(run, cited=options.digest, strict=options.strict)
    print("\n".join(problems) if problems else f"{run}: results and report agree")
    if digest or not problems:
        print(f"sha256:{digest}" if digest else "no results")
    if not problems and (bare := without_evidence(run)):
        print("\n".join(f"note: {line}" for line in bare))
    return 1 if problems else 0


def verify_data(options: argparse.Namespace) -> int:
    """Verify datasets, print each check as it ends, record the outcome."""
    from suite.verification import data, outcome, record

    profile = load_profile(options.profile)
    folder = options.data or profile.data
    sample = None if options.full else data.SAMPLE if options.sample is None else options.sample
    subjects = data.subjects(
        words(options.names) or list(profile.datasets), folder, profile.name, sample=sample, seed=options.seed
    )
    checks = []
    for subject in subjects:
        for check in data.verify(subject):
            print(check.text(), flush=True)
            checks.append(check)
    code = outcome.exit_code(checks, strict=options.strict)
    print(outcome.summary(checks))
    how = {"profile": profile.name, "sample": sample, "seed": options.seed}
    try:
        record.save(options.out or folder / record.FILE, checks, record.digests_of(subjects), how)
    except StorageError as error:
        if options.out:
            raise
        print(f"not recorded, so no report will show it: {error}", file=sys.stderr)  # data may be mounted read-only
    return code
