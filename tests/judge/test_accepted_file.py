"""A bad file of accepted values is one clear line, which names the file, and a hostile one stays text."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.cli.main import main
from suite.core.numerics import environment_of
from suite.errors import ExpectedError
from suite.reference.accepted import load, slug
from suite.report import html, markdown
from tests.support import report_sample
from tests.support.accepted_run import A100, CELL, H100, write_run

BAD: dict[str, tuple[str, str, str]] = {
    "another device": (
        f'device = "{H100}"',
        f'device = "{A100}"',
        f"run.device: expected the device that the file is named after, got '{A100}': its values are not this "
        "device's; name it nvidia-a100-sxm4-40gb-8.0.toml, or remove it",
    ),
    "another profile": (
        'profile = "paper"',
        'profile = "mini"',
        "run.profile: expected 'paper', after the file's folder, got 'mini'",
    ),
    "no TOML": ("[run]", "[run", "expected a TOML file: "),
    "no reason": ('reason = "the first run on this GPU"\n', "", "run.reason: missing: expected a text"),
    "an environment edited by hand": (
        '"2.14.1"',
        '"2.15.0"',
        "run.environment: does not follow from [environment] and device: was it edited by hand? Run make accept",
    ),
    "a seed too many": (
        "values = [77.25, 77.3, 77.35]\nseeds = [0, 1, 2]",
        "values = [77.25, 77.3]\nseeds = [0, 1, 2]",
        f"cells.{CELL}.values: expected 3 in per cent, one per seed, got [77.25, 77.3]",
    ),
    "a seed of no run": (
        "values = [77.25, 77.3, 77.35]\nseeds = [0, 1, 2]",
        "values = [77.25, 77.3, 77.35]\nseeds = [0, 1, 5]",
        f"cells.{CELL}.seeds: expected different ones among those of the run, [0, 1, 2], got [0, 1, 5]",
    ),
    "no fraction": ("slack = 0.05", "slack = -0.05", "run.slack: expected a number >= 0, got -0.05"),
    "an unknown key": ("slack = 0.05", "slack = 0.05\nmood = 1", "run.mood: unknown key: expected one of command, "),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_clear_line(
    old: str, new: str, words: str, accepted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert accepted_file.read_text().count(old) >= 1
    accepted_file.write_text(accepted_file.read_text().replace(old, new, 1))
    with pytest.raises(ExpectedError) as caught:
        load(accepted_file.parent.parent, "paper", H100)
    assert str(caught.value).startswith(f"{accepted_file}: {words}")
    run = write_run(tmp_path / "run")
    capsys.readouterr()
    assert main(["report", str(run)]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_a_bad_file_is_said_before_anything_is_measured(expected: Path, tmp_path: Path, capsys) -> None:
    device = environment_of("cpu")["device"]["model"]
    path = expected / "accepted" / "mini" / f"{slug(device)}.toml"
    path.parent.mkdir(parents=True)
    path.write_text("[run]\n")
    narrow = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--encoder", "deit", "--device", "cpu"]
    assert main(["reproduce", "--runtime=venv", *narrow, "--run", str(tmp_path / "run")]) == 3
    assert capsys.readouterr().err == f"error: {path}: environment: missing: expected a table\n"
    assert not (tmp_path / "run" / "cells").exists()


def test_devices_have_names_that_fit_a_path() -> None:
    assert slug("AMD EPYC (AuthenticAMD 25 17)") == "amd-epyc-authenticamd-25-17"
    assert slug("Intel(R) Xeon(R) CPU @ 2.20GHz / ../x") == "intel-r-xeon-r-cpu-2.20ghz-..-x"


def test_a_hostile_accepted_file_stays_text(tmp_path: Path) -> None:
    sample = report_sample.report(tmp_path)
    page, text = html.render(sample, tmp_path), markdown.render(sample)
    assert "Against our accepted run" in page
    assert "## Against our accepted run" in text
    assert "<script>alert" not in page + text
