"""The options of a request, each written down once.

The command line, pytest, `Request.arguments`, make's variables (`options.mk`) and docs/reference/options.md are made
from this table: `python -m suite.run.options` writes the last two anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from suite.core.files import write_atomically
from suite.core.paths import DOCS, SUITE
from suite.core.program import run_program
from suite.core.values import count, gigabytes, names, path, seeds, spec
from suite.errors import unknown
from suite.protocol.tables import PROFILES
from suite.protocol.variants import deviations, load_variants
from suite.run.arguments import CHECK, TRIAGE

if TYPE_CHECKING:
    from suite.run.request import Request

CACHE_GB = 4.0
"""Size of the cache of features where nothing else is asked for, 10^9 bytes."""
DEVICES = ("auto", "cpu", "cuda")
CLAIMS = ("shown", "gate")
MAKE = SUITE / "run" / "options.mk"
PAGE = DOCS / "reference" / "options.md"

READERS: dict[type, Callable[[str, str], Any]] = {int: count, float: gigabytes, Path: path}
"""Reader of a text, by the kind of option."""
Values = Callable[["Option"], Any]
"""Value given for an option: a list of texts, a bool, or a single value, which is None where nothing was."""


def _choice_of_claims(text: str) -> bool:
    """Tell whether claims may fail a run.

    Raises:
        RequestError: neither `shown` nor `gate`.
    """
    if text not in CLAIMS:
        raise unknown("choice of claims", text, CLAIMS)
    return text == "gate"


def _single(value: object) -> Iterator[object]:
    if value is not None:
        yield value


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        name: on the command line `--name`; make has it in capitals, with underscores.
        field: the argument of `make_request` that it gives.
        help: one line.
        kind: of a single value: `str`, `int`, `float` or `Path`; `bool` for a switch; `list` for what may be given more
            than once, separated by commas.
        default: where nothing is given.
        metavar: what `--help` shows for the value.
        parse: what was given -> the argument of `make_request`.
        to_texts: the value in a `Request` -> the texts that stand for it on a command line; none for the default.
        same_as_pytest: pytest has an option of this name, which it shares.
    """

    name: str
    field: str
    help: str
    kind: type = str
    default: Any = None
    metavar: str | None = None
    parse: Callable[[Any], Any] | None = None
    to_texts: Callable[[Any], Iterator[object]] = _single
    same_as_pytest: bool = False

    @property
    def flag(self) -> str:
        """Flag as typed."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """Name of make's variable."""
        return self.name.upper().replace("-", "_")

    @property
    def attribute(self) -> str:
        """Attribute in which argparse keeps it."""
        return self.name.replace("-", "_")

    def settings(self, *, reads: bool = False) -> dict[str, Any]:
        """Return the keywords for `add_argument`, here and in pytest.

        Args:
            reads: read the text at once; pytest would show a traceback where that fails, so there `value` does it.
        """
        if self.kind is bool:
            return {"action": "store_true", "help": self.help}
        if self.kind is list:
            return {"action": "append", "default": [], "metavar": self.metavar, "help": self.help}
        return {
            "type": self.read if reads else str,
            "default": self.default,
            "metavar": self.metavar,
            "help": self.help,
        }

    def value(self, text: Any) -> Any:
        """Return the argument of `make_request`.

        Raises:
            RequestError: a text that is no value of this kind.
        """
        argument = names(self.flag, text) if self.kind is list else self.read(text)
        return argument if self.parse is None else self.parse(argument)

    def read(self, text: Any) -> Any:
        """Return a single value; one that was read already as it is."""
        return READERS[self.kind](self.flag, text) if self.kind in READERS and isinstance(text, str) else text

    def arguments(self, request: Request) -> list[str]:
        """Return words for it in a command line that asks for the same."""
        value = getattr(request, self.field)
        if self.kind is bool:
            return [self.flag] if value else []
        return [f"{self.flag}={text}" for text in self.to_texts(value)]


def _items(values: tuple[object, ...]) -> Iterator[object]:
    yield from values


OPTIONS = (
    Option(
        "profile",
        "profile",
        f"one of {', '.join(PROFILES)} (default: mini)",
        default="mini",
        to_texts=lambda profile: iter([profile.name]),
    ),
    Option(
        "encoder",
        "encoders",
        "comma-separated; default: all",
        list,
        metavar="SPEC",
        parse=lambda words: [spec("--encoder", word) for word in words],
        to_texts=_items,
    ),
    Option("dataset", "datasets", "comma-separated; default: all", list, metavar="NAME", to_texts=_items),
    Option("experiment", "experiments", "comma-separated; default: all", list, metavar="NAME", to_texts=_items),
    Option(
        "variant",
        "variants",
        "; ".join(f"{v.name}={'|'.join(v.choices)}" for v in load_variants().values()) + " (default: first)",
        list,
        metavar="NAME=CHOICE",
        to_texts=lambda choices: (f"{name}={choice}" for name, choice in deviations(choices).items()),
    ),
    Option(
        "seed",
        "seeds",
        "seeds of the probes (default: 0; record: 0,1,2,3,4)",
        metavar="N[,N...]",
        parse=partial(seeds, "--seed"),
        to_texts=lambda seeds: iter([",".join(map(str, seeds))]),
    ),
    Option("device", "device", f"one of {', '.join(DEVICES)} (default: auto)", default="auto"),
    Option("data", "data", "folder of the datasets (default: the profile's)", Path),
    Option("weights", "weights", "folder of the checkpoints (default: the profile's)", Path),
    Option("cache", "cache", "folder for features (default: cache)", Path, default=Path("cache")),
    Option(
        "cache-gb",
        "cache_gb",
        f"features that the cache keeps at most, 10^9 bytes; those used longest ago go first (default: {CACHE_GB:g})",
        float,
        default=CACHE_GB,
        metavar="GB",
        to_texts=lambda size: iter([f"{size}".removesuffix(".0")] if size != CACHE_GB else []),
    ),
    Option("run", "run", "folder of the run (default: runs/<profile>)", Path),
    Option("accepted", "accepted", "folder of the values that accept froze (default: expected, of the checkout)", Path),
    Option("limit", "limit", "at most this many views of each split: a smoke run, not judged", int),
    Option(
        "pass-size",
        "forward_batch_size",
        "images that an encoder sees at once, at most (default: the profile's); where memory runs out it is halved",
        int,
        metavar="N",
    ),
    Option("share-stream", "share_stream", "image classification: one decoded stream for all encoders", bool),
    Option(
        "processes-per-probe",
        "processes_per_probe",
        "image classification: GPUs (or CPU processes) that share every batch of an encoder's probes (default: 1)",
        int,
        default=1,
        metavar="N",
        to_texts=lambda n: iter([n] if n > 1 else []),
    ),
    Option(
        "keep-other-environments",
        "keep_other_environments",
        "reuse results that other packages or another device made; the report marks them",
        bool,
    ),
    Option("strict", "strict", "fail on any single deviation, uncorrected", bool, same_as_pytest=True),
    Option(
        "allow-inconclusive",
        "allow_inconclusive",
        "exit code 0, not 2, where nothing fails but some cannot tell",
        bool,
    ),
    Option(
        "claims",
        "claims_gate",
        "gate: fail on a claim that differs from the paper, too (default: shown)",
        default=CLAIMS[0],
        metavar="|".join(CLAIMS),
        parse=_choice_of_claims,
        to_texts=lambda gate: iter([CLAIMS[1]] if gate else []),
    ),
)
"""Options in the order in which `--help` lists them."""
EXECUTION = (
    ("`--workers N`", "`WORKERS=`", "processes (default: one per core on the CPU, one on a GPU)"),
    ("`--max-crashes N`", "`MAX_CRASHES=`", "start no more trials when N processes have died (default: go on)"),
    ("`--join`", "`JOIN=1`", "work in the run folder beside other runs of the same request that join too"),
    ("`--shard K/N`", "`SHARD=K/N`", "measure the K-th of N parts only; `report RUN` or `merge` judges the whole"),
)
"""Options of `suite.run.execution`, as the page lists them."""


VERDICT = tuple(option for option in OPTIONS if option.name in {"strict", "allow-inconclusive", "claims"})
"""Options by which a verdict becomes an exit code."""


def request_arguments(values: Values, **defaults: Any) -> dict[str, Any]:
    """Return the arguments of `make_request`.

    Args:
        values: what was given for each option.
        defaults: by option, where none was typed, e.g. `seed="0"`.

    Raises:
        RequestError: a value that is none.
    """
    option_values = {option: values(option) for option in OPTIONS}
    fallbacks = {option: defaults.get(option.attribute) for option, value in option_values.items() if value is None}
    return {option.field: option.value(value) for option, value in (option_values | fallbacks).items()}


def make_variables() -> str:
    """Write `options.mk`: make's variables as options of `python -m suite`."""
    lines = [f"{variable(option)}" for option in OPTIONS]
    assignments = [f"{o.variable}={'1' if o.kind is bool else ''}" for o in OPTIONS]
    rows = ["  " + " ".join(assignments[start : start + 6]) for start in range(0, len(assignments), 6)]
    return (
        "# Written by `python -m suite.run.options`.\n"
        + f"OPTION_VARIABLES := {' '.join(option.variable for option in OPTIONS)}\n"
        + f"OPTION_SWITCHES := {' '.join(option.variable for option in OPTIONS if option.kind is bool)}\n"
        + "OPTIONS_BUT_ENCODER = "
        + " \\\n  ".join(line for option, line in zip(OPTIONS, lines, strict=True) if option.name != "encoder")
        + "\nOPTIONS = $(if $(ENCODER),--encoder '$(ENCODER)') $(OPTIONS_BUT_ENCODER)\n"
        + "VERDICT_OPTIONS = "
        + " \\\n  ".join(variable(option) for option in VERDICT)
        + "\ndefine OPTIONS_HELP\n"
        + "\n".join(rows)
        + "\nendef\nexport OPTIONS_HELP\n"
    )


def variable(option: Option) -> str:
    """Write an option in make's language; the Makefile's `switch` tells whether one is on."""
    if option.kind is bool:
        return f"$(call switch,{option.variable},{option.flag})"
    return f"$(if $({option.variable}),{option.flag} '$({option.variable})')"


def page() -> str:
    """Write docs/reference/options.md."""
    rows = [
        (f"`{o.flag}{_placeholder(o)}`", f"`{o.variable}={'1' if o.kind is bool else ''}`", o.help.replace("|", "\\|"))
        for o in OPTIONS
    ]
    check, triage = (
        tabulate(
            [(f"`{a.written}`", f"`{a.variable}`", a.help) for a in arguments.values()],
            ("argument", "make", "what it does"),
            tablefmt="github",
            disable_numparse=True,
        )
        for arguments in (CHECK, TRIAGE)
    )
    table = tabulate(rows, ("option", "make", "what it does"), tablefmt="github", disable_numparse=True)
    return f"""# Options of a run

`make reproduce`, `make check`, `make plan` and `make record` take them as variables, `python -m suite` and
`pytest suite/experiments` as options. Lists are separated by commas, and name each thing once. In a path `~` stands for
the home folder, also after `=`, where the shell leaves it; `$NAME` stands for itself. Written by
`python -m suite.run.options`.

A variable counts on make's command line only: what the environment calls `SEED`, `DATA` or `NAME` is meant for
something else, and so is what it tells pytest, pip (but for where packages come from) and Python (but for
`PYTHONPATH`). A switch is on at `1` (`yes`, `true`, `on`), off at `0` (`no`, `false`, `off`); another word is an error.

{table}

What only `check` takes, or takes as another thing ([a new encoder](../how-to/new_encoder.md)):

{check}

What `triage` takes, besides the run ([triage](../how-to/triage.md)):

{triage}

How a run is carried out, which changes no value; `reproduce` takes all four, the other verbs the first two:

{tabulate(EXECUTION, ("option", "make", "what it does"), tablefmt="github", disable_numparse=True)}
"""


def _placeholder(option: Option) -> str:
    return "" if option.kind is bool else f" {option.metavar or option.name.upper()}".replace("|", "\\|")


def main() -> None:
    """Write the file of make and the page."""
    for target, text in ((MAKE, make_variables()), (PAGE, page())):
        write_atomically(target, text.encode())


if __name__ == "__main__":
    run_program(main)
