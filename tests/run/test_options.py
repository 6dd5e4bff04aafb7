"""One table of options: the command line, pytest, make and docs agree; a request comes back from its own words."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from suite.cli.encoder import add_check
from suite.cli.options import add_request, to_request
from suite.cli.runtime import add_runtime
from suite.core.paths import ROOT
from suite.errors import RequestError
from suite.run.arguments import CHECK
from suite.run.options import MAKE, OPTIONS, PAGE, make_variables, page, request_arguments
from suite.run.request import Request, make_request

VALUES = {
    "profile": "paper", "encoder": "mae,dino", "dataset": "cub200", "experiment": "part_retrieval",
    "variant": "keypoint-box=full", "seed": "3,4", "device": "cpu", "data": "some/data", "weights": "some/weights",
    "cache": "some/cache", "cache-gb": "0.25", "run": "some/run", "accepted": "expected", "limit": "7",
    "pass-size": "64", "processes-per-probe": "2", "claims": "gate",
}  # fmt: skip
"""A value for each option, none of them its default; switches are on."""


def parse(arguments: list[str]) -> Request:
    parser = argparse.ArgumentParser()
    add_request(parser)
    return to_request(parser.parse_args(arguments))


def everything() -> list[str]:
    return [option.flag if option.kind is bool else f"{option.flag}={VALUES[option.name]}" for option in OPTIONS]


def test_every_field_of_a_request_has_an_option() -> None:
    of_one_process = {"judged", "stored_only", "factors"}
    assert {field.name for field in fields(Request)} - of_one_process == {option.field for option in OPTIONS}


def test_a_request_comes_back_from_its_own_arguments() -> None:
    request = parse(everything())
    plain = parse([])
    same = {option.name for option in OPTIONS if getattr(request, option.field) == getattr(plain, option.field)}
    assert same <= {"device"}  # there is no GPU here to ask for
    assert parse(request.arguments()) == request
    assert parse(plain.arguments()) == plain


def make(*variables: str, target: str = "reproduce", **environment: str) -> subprocess.CompletedProcess[str]:
    """What `make -n` ends in; tests/conftest.py has taken away what another make says."""
    command = ["make", "--no-print-directory", "-n", target, *variables]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, env=os.environ | environment)


def made(*variables: str, target: str = "reproduce", **environment: str) -> list[str]:
    """The words of the command that make would run."""
    done = make(*variables, target=target, **environment)
    assert done.returncode == 0, done.stderr
    return shlex.split(done.stdout.splitlines()[-1])


def test_make_passes_every_option_on() -> None:
    words = made("WORKERS=3", *(f"{o.variable}={'1' if o.kind is bool else VALUES[o.name]}" for o in OPTIONS))
    assert words[:4] == [".venv/bin/python", "-m", "suite", "reproduce"]
    assert parse(words[4:]) == parse([*everything(), "--workers=3"])


def test_check_takes_the_arguments_that_its_page_and_make_say() -> None:
    parser = argparse.ArgumentParser()
    add_check(parser)
    shared = argparse.ArgumentParser()
    add_request(shared)
    add_runtime(shared)
    flags = {flag for action in parser._actions for flag in action.option_strings or ["ENCODER"]}
    shared_flags = {flag for action in shared._actions for flag in action.option_strings}
    assert flags - shared_flags == {*CHECK} - {"--encoder"}
    values = {"ENCODER": "a:b,@sweep.txt", "BESIDE": "dino", "NO_WORSE_THAN": "dino", "BY": "0.5", "AT_LEAST": "mae"}
    done = make(*(f"{name}={value}" for name, value in values.items()), "ALONE=1", "CONFORMANCE=1", target="check")
    words = shlex.split(done.stdout.replace("\\\n", " ").splitlines()[-1])
    assert words[3:] == [
        *("check", "a:b,@sweep.txt", "--encoder", "dino", "--alone", "--conformance-only"),
        *("--no-worse-than", "dino", "--by", "0.5", "--at-least", "mae"),
    ]
    variables = {argument.variable.partition("=")[0] for argument in CHECK.values()}
    assert variables == {*values, "ALONE", "CONFORMANCE"}


PLAIN = [".venv/bin/python", "-m", "suite", "reproduce"]
SWITCHES = [option for option in OPTIONS if option.kind is bool]


@pytest.mark.parametrize("word", ["0", "no", "false", "off", "No", "FALSE", ""])
def test_a_switch_of_make_is_off_at(word: str) -> None:
    assert made(*(f"{option.variable}={word}" for option in SWITCHES)) == PLAIN


@pytest.mark.parametrize("word", ["1", "yes", "true", "on", "Yes", "TRUE"])
def test_a_switch_of_make_is_on_at(word: str) -> None:
    flags = [option.flag for option in SWITCHES]
    assert made(*(f"{option.variable}={word}" for option in SWITCHES)) == [*PLAIN, *flags]


@pytest.mark.parametrize("word", ["maybe", "2", "0 1", "-1"])
@pytest.mark.parametrize("name", ["STRICT", "READ_ONLY", "CALIBRATE"])
def test_a_switch_of_make_is_nothing_else(name: str, word: str) -> None:
    done = make(f"{name}={word}")
    assert done.returncode == 2
    where, _, message = done.stderr.partition(": *** ")
    assert where.startswith("Makefile:")
    expected = f"{name}={word}: expected 1 or 0 (yes, true, on, no, false and off are understood).  Stop.\n"
    assert message == expected


def test_the_demo_is_reproduce_with_options_that_can_be_said_otherwise() -> None:
    options = ["--encoder", "dino", "--experiment", "part_retrieval,part_classification", "--run", "runs/demo"]
    assert made(target="demo") == [*PLAIN, *options]
    assert made("ENCODER=mae", target="demo") == [*PLAIN, "--encoder", "mae", *options[2:]]
    assert made(target="demo", ENCODER="mae") == [*PLAIN, *options], "of the environment"
    assert parse(options).profile.name == "mini"


def test_make_passes_on_how_several_share_a_run() -> None:
    assert made("SHARD=3/8") == [*PLAIN, "--shard", "3/8"]
    assert made("JOIN=1") == [*PLAIN, "--join"]


def test_the_container_s_root_is_read_only_unless_switched_off() -> None:
    assert made("READ_ONLY=no") == [*PLAIN, "--no-read-only"]
    assert made("READ_ONLY=yes") == PLAIN


@pytest.mark.parametrize("flags", ["", "-e"])
def test_what_the_environment_calls_by_the_name_of_an_option_is_none(flags: str) -> None:
    """NAME is WSL's, DATA, RUN and OUT are anybody's; with `make -e` they would win over what a Makefile says."""
    of_others = {option.variable: "x" for option in OPTIONS}
    of_others |= dict.fromkeys(("PYTHON", "VENV", "WORKERS", "RUNTIME", "IMAGE", "READ_ONLY", "NAME", "OUT"), "x")
    assert made(*flags.split(), **of_others) == PLAIN
    assert made("SEED=3", *flags.split(), **of_others) == [*PLAIN, "--seed", "3"]


def test_what_is_meant_for_other_projects_is_not_passed_on(tmp_path: Path) -> None:
    (tmp_path / "probe.mk").write_text("probe: ; @env\n")
    of_others = (
        *(
            "PYTEST_ADDOPTS",
            "PYTEST_PLUGINS",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
            "PIP_TARGET",
            "PIP_DRY_RUN",
            "PIP_USER",
        ),
        *("PYTHONHOME", "PYTHONSAFEPATH", "PYTHONOPTIMIZE", "PYTHONINSPECT", "PYTHONWARNINGS", "UV_RESOLUTION", "SEED"),
    )
    kept = ("PIP_INDEX_URL", "PIP_CERT", "PYTHONPATH", "UV_INDEX_OURS_PASSWORD", "OMP_NUM_THREADS", "MKL_CBWR")
    command = ["make", "-f", "Makefile", "-f", str(tmp_path / "probe.mk"), "probe"]
    environment = os.environ | dict.fromkeys((*of_others, *kept), "x")
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=environment)
    passed = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert {*of_others} & passed == set()
    assert {*kept} <= passed
    command_line = [*command, "PYTEST_ADDOPTS=-k one"]
    done = subprocess.run(command_line, cwd=ROOT, check=True, capture_output=True, text=True, env=environment)
    assert "PYTEST_ADDOPTS=-k one" in done.stdout.splitlines(), "what is said on the command line counts"


def test_make_knows_all_its_variables() -> None:
    """Those it names in no list would still be taken from the environment."""
    text = (ROOT / "Makefile").read_text()
    used = set(re.findall(r"\$[({]([A-Z_]+)[)}]|call switch,([A-Z_]+)", text)) - {("", "")}
    defined = set(re.findall(r"^([A-Z_]+) *:?=", text + MAKE.read_text(), re.MULTILINE)) | {
        "MAKE",
        "MAKECMDGOALS",
        "MAKEFILE_LIST",
    }
    listed = re.search(r"^VARIABLES := (.*?[^\\])$", text, re.MULTILINE | re.DOTALL)
    switches = re.search(r"^SWITCHES  := (.*)$", text, re.MULTILINE)
    assert listed is not None
    assert switches is not None
    declared = {*listed[1].split(), *switches[1].split(), *(option.variable for option in OPTIONS)}
    assert {one or other for one, other in used} - defined <= declared


@pytest.mark.parametrize(("path", "text"), [(MAKE, make_variables), (PAGE, page)], ids=["make", "docs"])
def test_what_is_written_from_the_table_is_up_to_date(path: Path, text) -> None:
    assert path.read_text() == text(), "write it anew: python -m suite.run.options"


def test_what_is_not_given_has_its_default_or_what_stands_instead() -> None:
    nothing = {option: [] if option.kind is list else option.settings().get("default", False) for option in OPTIONS}
    request = make_request(**request_arguments(nothing.__getitem__, seed="0,1", run=Path("r")))
    assert request == make_request(seeds=(0, 1), run=Path("r"))


def test_a_choice_that_is_none_is_refused() -> None:
    with pytest.raises(RequestError, match="unknown choice of claims 'maybe'"):
        parse(["--claims", "maybe"])
