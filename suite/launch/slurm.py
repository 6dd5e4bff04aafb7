"""Slurm: an array of shards, a second one with several GPUs a node for probes, and a report job behind both."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.errors import RequestError
from suite.launch.shared import probing_shards
from suite.launch.templating import render
from suite.run.request import Request
from suite.run.run_file import FILE
from suite.run.shards import EXIT_CODE, FOLDER

WARNING_S = 120
"""Seconds before its time limit at which a shard is told to store a checkpoint."""
REQUEUES = 5
"""Times that a shard goes on after its time limit: one shorter than start-up and a checkpoint would loop."""
_OURS = ("--array", "-a", "--dependency", "-d", "--parsable", "--wrap", "--signal", "--output", "-o", "--open-mode")
_SHORT = re.compile(r"-\w ")
"""Option whose value is a word of its own: `-p gpu`."""
_GPUS = ("--gpus", "-G", "--gres", "--tres")
_OF_SHARDS = (*_GPUS, "--mem", "--cpus", "-c", "--exclusive", "--ntasks", "-n", "--constraint", "-C", "--time", "-t")
"""Beginnings of options that ask for what a report does not need."""


@dataclass(frozen=True)
class Submission:
    """Details of how shards become jobs.

    Attributes:
        count: of shards.
        at_once: jobs of an array that run at the same time, at most; None for no limit.
        gpus_per_probe: GPUs of a node that share the probes of image classification.
        options: further options of sbatch.
        setup: lines of shell before the command, e.g. `module load cuda`.
        wrapper: words before the command, e.g. `srun --container-image=suite.sqsh`.
        python: the interpreter on the nodes.
        execution: options of `reproduce` that are no part of the request.
    """

    count: int
    at_once: int | None = None
    gpus_per_probe: int = 1
    options: Sequence[str] = ()
    setup: Sequence[str] = ()
    wrapper: str = ""
    python: str = sys.executable
    execution: Sequence[str] = ()


def scripts(request: Request, submission: Submission) -> tuple[list[str], str]:
    """Return the script of each array, and that of the report.

    Raises:
        RequestError: an option that belongs to this module, or a text that no script can hold.
    """
    for option in submission.options:
        if not option.startswith("-"):
            raise RequestError(f"--sbatch={option}: expected an option of sbatch, e.g. --sbatch=--time=12:00:00")
        if re.split("[= ]", option)[0] in _OURS:
            raise RequestError(f"--sbatch={option}: expected an option that launch does not set itself")
    probes = probing_shards(request, submission.count) if submission.gpus_per_probe > 1 else 0
    arrays = [(1, probes, submission.gpus_per_probe), (probes + 1, submission.count, 1)]
    return (
        [_array(request, submission, first, last, gpus) for first, last, gpus in arrays if first <= last],
        _report(request, submission),
    )


def submit(arrays: Sequence[str], report: str) -> tuple[list[str], str]:
    """Submit the arrays, and the report behind them; returns the numbers that Slurm gave them.

    Raises:
        RequestError: Slurm refuses, in its own words.
    """
    numbers: list[str] = []
    for script in arrays:
        numbers.append(_sbatch(script, (), numbers))
    return numbers, _sbatch(report, [f"--dependency=afterany:{':'.join(numbers)}"], numbers)


def require_sbatch() -> None:
    """See that jobs can be submitted from here.

    Raises:
        RequestError: there is no sbatch.
    """
    if shutil.which("sbatch") is None:
        raise RequestError(
            "launch slurm: expected sbatch among this machine's programs, found none: "
            "run it where jobs are submitted, or pass --dry-run"
        )


def _array(request: Request, submission: Submission, first: int, last: int, gpus: int) -> str:
    options = list(submission.options)
    if request.device == "cuda" and (gpus > 1 or not any(option.startswith(_GPUS) for option in options)):
        options = [option for option in options if not option.startswith(_GPUS)]
        options.append(f"--gpus-per-node={gpus}")
    arguments = [word for word in request.arguments() if not word.startswith("--processes-per-probe")]
    if gpus > 1:
        arguments.append(f"--processes-per-probe={gpus}")
    elif request.processes_per_probe > 1:
        arguments.append(f"--processes-per-probe={request.processes_per_probe}")
    command = ["reproduce", "--runtime=venv", *arguments, *submission.execution]
    return render(
        "shard.sh",
        **_common(request, submission, options, command),
        first=first,
        last=last,
        count=submission.count,
        at_once=submission.at_once,
        warning_s=WARNING_S,
        requeues=REQUEUES,
        run_file=request.run.absolute() / FILE,
        exit_code=EXIT_CODE,
    )


def _report(request: Request, submission: Submission) -> str:
    options = [option for option in submission.options if not option.startswith(_OF_SHARDS)]
    return render("report.sh", **_common(request, submission, options, ["report", str(request.run)]))


def _common(
    request: Request, submission: Submission, options: Sequence[str], command: Sequence[str]
) -> dict[str, object]:
    words = shlex.join([submission.python, "-m", "suite", *command])
    return {
        "name": request.run.absolute().name,
        "shards": str(request.run.absolute() / FOLDER),
        "options": [option.partition(" ") if _SHORT.match(option) else (option,) for option in options],
        "setup": submission.setup,
        "cwd": Path.cwd(),
        "command": f"{submission.wrapper} {words}".strip(),
    }


def _sbatch(script: str, options: Sequence[str], submitted: Sequence[str]) -> str:
    done = subprocess.run(
        ["sbatch", "--parsable", *options], input=script, capture_output=True, text=True, check=False, errors="replace"
    )
    if done.returncode:
        words = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        rest = f"; submitted before, and waiting: scancel {' '.join(submitted)}" if submitted else ""
        raise RequestError(f"sbatch: {words}{rest}")
    return done.stdout.strip().partition(";")[0]
