"""Arguments that only one verb has, `check` or `triage`, or that mean another thing there; each written down once.

The command line and docs/reference/options.md are made from these tables.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument that only one verb has, or that means another thing there.

    Attributes:
        written: as typed.
        variable: make's.
        help: one line.
    """

    written: str
    variable: str
    help: str


CHECK = {
    "ENCODER": Argument(
        "SPEC[,SPEC...]",
        "ENCODER=",
        "timm:NAME, timm:NAME@FILE, METHOD@FILE, hf:FOLDER or package.module:factory; several with commas between "
        "them, or in a list, @FILE or FILE.txt, one a line",
    ),
    "--encoder": Argument(
        "--encoder SPEC[,SPEC...]",
        "BESIDE=",
        "the encoders that are measured beside (default: all in the mini profile, none in the paper's); ARCHIVE.zip of "
        "an earlier run: its scores stand beside, of what is not measured",
    ),
    "--alone": Argument(
        "--alone",
        "ALONE=1",
        "measure no other encoder: what is shipped of the mini study, else recorded or published values, stand beside",
    ),
    "--conformance-only": Argument(
        "--conformance-only", "CONFORMANCE=1", "only the conformance checks: nothing is measured or written"
    ),
    "--no-worse-than": Argument(
        "--no-worse-than METHOD",
        "NO_WORSE_THAN=",
        "fail where it is surely worse than this one, measured beside it; it may be one of several",
    ),
    "--by": Argument("--by POINTS", "BY=", "that it may be worse, per cent (default: 0)"),
    "--at-least": Argument("--at-least METHOD", "AT_LEAST=", "--no-worse-than METHOD --by 0"),
}
TRIAGE = {
    "--cell": Argument(
        "--cell ID[,ID...]",
        "CELL=",
        "these cells, each by its name or the beginning of it (default: all that deviate or are inconclusive)",
    ),
    "--against": Argument("--against RUN", "AGAINST=", "hold it against this run, not the references"),
    "--checkpoint": Argument(
        "--checkpoint SPEC[,SPEC...]",
        "CHECKPOINT=",
        "try these networks too: another epoch's, or another of the file, e.g. dino@FILE",
    ),
    "--budget": Argument("--budget DURATION", "BUDGET=", "begin no trial after so long, e.g. 2h (default: no end)"),
    "--shard": Argument("--shard K/N", "SHARD=K/N", "measure the K-th of N parts of what is tried, and tell of none"),
}
