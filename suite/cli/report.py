"""Verbs on what a run left: judge it again, compare, verify and pack it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from suite.cli.options import add_verdict, verdict
from suite.cli.verb import Verb
from suite.core.forms import escaped, warn
from suite.core.values import count, digest, licence, line, names, path, reader, seed
from suite.errors import RequestError, StorageError
from suite.protocol.profiles import load_profile
from suite.protocol.tables import PROFILES

LICENCE = "https://creativecommons.org/licenses/by/4.0/"


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the run as argument."""
    parser.add_argument("run", type=reader(path, "RUN"), help="a run folder, e.g. runs/mini")
    parser.add_argument(
        "--annotations", action="store_true", help="print deviating cells as GitHub's workflow commands, too"
    )
    add_verdict(parser)


def run_report(options: argparse.Namespace) -> int:
    """Judge a run folder again and write its report anew.

    With `--annotations`, in a job of GitHub Actions, each deviating cell is shown beside its expected value.
    """
    from suite.report.collect import report
    from suite.report.files import load
    from suite.report.workflow_commands import commands

    code = report(options.run, **verdict(options))
    if options.annotations:
        _print("\n".join(commands(load(options.run))))
    return code


def add_merge(parser: argparse.ArgumentParser) -> None:
    """Add the run to be made, and its parts."""
    parser.add_argument("out", type=reader(path, "OUT"), metavar="OUT", help="the run folder to make, new or empty")
    parser.add_argument("parts", type=reader(path, "PART"), nargs="+", metavar="PART", help="run folders of its shards")
    add_verdict(parser)


def run_merge(options: argparse.Namespace) -> int:
    """Join run folders of the shards of one request into one run, judge it, write its report.

    For shards (`reproduce --shard K/N`) that ran on machines without a common disk. The exit code is that of the
    verdict; a part that is missing makes the run incomplete: 2. Parts of different requests, a shard that comes twice,
    other values or inputs of one trial, and an OUT that holds something are refused: 3, and nothing is made.
    """
    from suite.report.collect import report
    from suite.reproduction.merge import merge

    count = merge(options.out, options.parts)
    print(f"{options.out}: {count} results of {len(options.parts)} parts")
    return report(options.out, **verdict(options))


def add_status(parser: argparse.ArgumentParser) -> None:
    """Add the run as argument."""
    parser.add_argument("run", type=reader(path, "RUN"), help="a run folder, e.g. runs/paper")


def run_status(options: argparse.Namespace) -> int:
    """Tell how far a run is: groups of trials done, running, lost and waiting, and the time left.

    Nothing is judged and nothing in the folder is touched, so that it may be asked while shards work. Times are those
    of the plan, or of the groups that were measured. Exit code 0, whatever is lost.
    """
    from suite.report.status import status

    _print(status(options.run))
    return 0


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Add the runs as arguments, and a page."""
    parser.add_argument("a", type=reader(path, "A"), help="a run folder")
    parser.add_argument("b", type=reader(path, "B"), help="another run folder")
    parser.add_argument("others", type=reader(path, "RUN"), nargs="*", metavar="RUN", help="more, each against A")
    parser.add_argument(
        "--page", type=reader(path, "--page"), help="also draw every cell over these runs, as history does"
    )


def run_compare(options: argparse.Namespace) -> int:
    """Print what changed between two runs, or of several against the first.

    Where runs have scores of the same items, cells are compared image by image: the difference with its interval, two
    tests with Holm's procedure over all cells, and how large a change had to be to be seen.
    """
    from suite.report.compare import compare_runs
    from suite.report.compare_several import compare_several
    from suite.report.files import load
    from suite.report.history_page import write_page

    folders = [options.a, options.b, *options.others]
    text, code = compare_several(folders) if options.others else compare_runs(*folders)
    _print(text)
    if options.page:
        write_page(options.page, [(folder, load(folder)) for folder in folders])
        print(f"page: {options.page}")
    return code


def add_history(parser: argparse.ArgumentParser) -> None:
    """Add the folder of runs, and the page."""
    parser.add_argument("folder", type=reader(path, "FOLDER"), nargs="?", default=Path("runs"), help="default: runs")
    parser.add_argument("--out", type=reader(path, "--out"), help="the page (default: FOLDER/history.html)")


def run_history(options: argparse.Namespace) -> int:
    """Draw every cell over all runs of a folder, by date, with commit, environment and gates, into one page.

    Nothing is judged or measured: values, references and accepted values are those of each run's report.
    """
    from suite.report.history_page import write_history

    page, count, problems = write_history(options.folder, options.out)
    for problem in problems:
        warn(f"left out: {problem}")
    print(f"{page}: {count} runs")
    return 0


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: what to verify, how closely, and where it lies."""
    parser.add_argument("target", metavar="data|RUN", help="data, or a run folder, e.g. runs/mini")
    parser.add_argument("names", nargs="*", metavar="NAME", help="datasets (default: all of the profile)")
    parser.add_argument("--profile", default="mini", help=f"one of {', '.join(PROFILES)} (default: mini)")
    parser.add_argument("--data", type=reader(path, "--data"), help="folder of the datasets (default: the profile's)")
    parser.add_argument("--sample", type=reader(count, "--sample"), help="images of each split to open (default: 100)")
    parser.add_argument("--full", action="store_true", help="open every image and every mask")
    parser.add_argument("--seed", type=reader(seed, "--seed"), default=0, help="draws the sample (default: 0)")
    parser.add_argument("--strict", action="store_true", help="a warning, or nothing to compare with, is wrong too")
    parser.add_argument(
        "--out", type=reader(path, "--out"), help="where to record the outcome (default: DATA/verification.json)"
    )
    parser.add_argument(
        "--digest",
        type=reader(digest, "--digest"),
        metavar="SHA256",
        help="of a run: the digest by which its report was cited",
    )


def run_verify(options: argparse.Namespace) -> int:
    """Check that data, or the results of a run, are what they should be, and say everything that is wrong with them.

    `verify data [NAME...]` compares sizes of splits and digests of index files with the published ones, opens a sample
    of the images and masks, and looks for missing files. Exit code 2 if something is wrong or missing.

    `verify RUN` computes the digests of a run's results anew, judges its cells again without measuring anything, makes
    its report anew, and holds all of it, and every file that a person reads, against what is there; with `--digest`,
    against a citation too. Exit code 1, and a line each, if something differs; 2 if nothing does, but the report was
    made by other code, so that not everything can be compared, or there are no results.
    """
    if options.target == "data":
        return verify_data(options)
    folder = path("RUN", options.target)
    if not folder.is_dir():
        raise RequestError(f"verify {options.target!r}: expected data, or the folder of a run, e.g. runs/mini")
    if options.names:
        raise RequestError(f"verify {folder}: expected one run and nothing after it, got {' '.join(options.names)}")
    return verify_run(folder, options)


def verify_run(run: Path, options: argparse.Namespace) -> int:
    """Hold a run's results against its report, its files and a citation, print what differs."""
    from suite.archive.verify import verify, without_evidence

    verification = verify(run, citation=options.digest, strict=options.strict)
    lines = (*verification.incomparable, *verification.problems)
    _print("\n".join(lines) if lines else f"{run}: results and report agree")
    if verification.digest:
        print(f"sha256:{verification.digest}")
    if not verification.problems and (bare_results := without_evidence(run)):
        print("\n".join(f"note: {line}" for line in bare_results))
    return verification.exit_code


def _print(text: str) -> None:
    """Print what was read from files, in which half a character may stand."""
    print(escaped(text))


def verify_data(options: argparse.Namespace) -> int:
    """Verify datasets, print each check as it ends, record the outcome."""
    from suite.verification import data, outcome, record

    profile = load_profile(options.profile)
    folder = options.data or profile.data
    sample = None if options.full else data.SAMPLE if options.sample is None else options.sample
    subjects = data.subjects(
        names("NAME", options.names) or list(profile.datasets), folder, profile.name, sample=sample, seed=options.seed
    )
    checks = []
    for subject in subjects:
        for check in data.verify(subject):
            print(check.text(), flush=True)
            checks.append(check)
    code = outcome.exit_code(checks, strict=options.strict)
    print(outcome.summary(checks))
    settings = {"profile": profile.name, "sample": sample, "seed": options.seed}
    try:
        record.save(options.out or folder / record.FILE, checks, record.digests_of(subjects), settings)
    except StorageError as error:
        if options.out:
            raise
        print(f"not recorded, so no report will show it: {error}", file=sys.stderr)  # data may be mounted read-only
    return code


def add_archive(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the run, and who gives it to whom."""
    parser.add_argument("run", type=reader(path, "RUN"), help="a run folder, e.g. runs/mini")
    parser.add_argument(
        "-o", "--out", type=reader(path, "--out"), help="the archive (default: RUN.crate.zip beside the folder)"
    )
    parser.add_argument(
        "--license",
        dest="licence",
        type=reader(licence, "--license"),
        default=LICENCE,
        metavar="SPDX|URL",
        help=f"default: {LICENCE}",
    )
    parser.add_argument("--author", type=reader(line, "--author"), help="who publishes it (default: nobody is named)")


def run_archive(options: argparse.Namespace) -> int:
    """Pack a run, what it was made from and how, into one zip that others can read and check: an RO-Crate."""
    from suite.archive.write import archive

    out = options.out or options.run.with_name(f"{options.run.resolve().name}.crate.zip")
    count = archive(options.run, out, licence=options.licence, author=options.author)
    print(f"{out}: {count} files; unpacked, python -m suite verify checks it")
    return 0


VERBS = (
    Verb("report", add_report, run_report),
    Verb("merge", add_merge, run_merge),
    Verb("status", add_status, run_status),
    Verb("compare", add_compare, run_compare),
    Verb("history", add_history, run_history),
    Verb("verify", add_verify, run_verify),
    Verb("archive", add_archive, run_archive),
)
