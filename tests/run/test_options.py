"""One table of options: the command line, pytest, make and docs agree; a request comes back from its own words."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from suite.cli.options import add_request, to_request
from suite.core.paths import ROOT
from suite.errors import RequestError
from suite.run.options import MAKE, OPTIONS, PAGE, make_variables, page, request_arguments
from suite.run.request import Request, make_request

VALUES = {
    "profile": "paper", "encoder": "mae,dino", "dataset": "cub200", "experiment": "part_retrieval",
    "variant": "keypoint-box=full", "seed": "3,4", "device": "cpu", "data": "some/data", "weights": "some/weights",
    "cache": "some/cache", "cache-gb": "0.25", "run": "some/run", "limit": "7",
    "processes-per-probe": "2", "claims": "gate",
}  # fmt: skip
"""A value for each option, none of them its default; switches are on."""


def parse(arguments: list[str]) -> Request:
    parser = argparse.ArgumentParser()
    add_request(parser)
    return to_request(parser.parse_args(arguments))


def everything() -> list[str]:
    return [option.flag if option.kind is bool else f"{option.flag}={VALUES[option.name]}" for option in OPTIONS]


def test_every_field_of_a_request_has_an_option() -> None:
    assert {field.name for field in fields(Request)} - {"judged"} == {option.field for option in OPTIONS}


def test_a_request_comes_back_from_its_own_arguments() -> None:
    request = parse(everything())
    plain = parse([])
    same = {option.name for option in OPTIONS if getattr(request, option.field) == getattr(plain, option.field)}
    assert same <= {"device"}  # there is no GPU here to ask for
    assert parse(request.arguments()) == request
    assert parse(plain.arguments()) == plain


def made(*variables: str) -> list[str]:
    """The words of the command that `make reproduce` would run, whatever make runs this test with."""
    names = {option.variable for option in OPTIONS} | {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    command = ["make", "--no-print-directory", "-n", "reproduce", *variables]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=environment)
    return shlex.split(done.stdout.splitlines()[-1])


def test_make_passes_every_option_on() -> None:
    words = made("WORKERS=3", *(f"{o.variable}={'1' if o.kind is bool else VALUES[o.name]}" for o in OPTIONS))
    assert words[:4] == [".venv/bin/python", "-m", "suite", "reproduce"]
    assert parse(words[4:]) == parse([*everything(), "--workers=3"])


def test_a_switch_of_make_is_off_at_0() -> None:
    words = made(*(f"{option.variable}=0" for option in OPTIONS if option.kind is bool))
    assert words == [".venv/bin/python", "-m", "suite", "reproduce"]


@pytest.mark.parametrize(("path", "text"), [(MAKE, make_variables), (PAGE, page)], ids=["make", "docs"])
def test_what_is_written_from_the_table_is_up_to_date(path: Path, text) -> None:
    assert path.read_text() == text(), "write it anew: python -m suite.run.options"


def test_what_is_not_given_has_its_default_or_what_stands_instead() -> None:
    nothing = {option: [] if option.kind is list else option.settings().get("default", False) for option in OPTIONS}
    made = make_request(**request_arguments(nothing.__getitem__, seed="0,1", run=Path("r")))
    assert made == make_request(seeds=(0, 1), run=Path("r"))


def test_a_choice_that_is_none_is_refused() -> None:
    with pytest.raises(RequestError, match="unknown choice of claims 'maybe'"):
        parse(["--claims", "maybe"])
