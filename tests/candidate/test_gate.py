"""The one-sided gate of `check`: in the report of a run, its exit code, and wrong requests."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from suite.candidate.beside import SHIPPED
from suite.cli.main import main
from suite.core.files import write_json
from suite.report import files, html, junit, markdown, terminal
from suite.report.collect import assemble
from tests.support.candidate_run import MINE, PLACES, SWEEP, store_result, write_sweep


@pytest.mark.parametrize(("value", "verdict", "code"), [(85.0, "no worse", 0), (10.0, "worse", 1)])
def test_the_gate_is_in_the_report_and_decides_its_exit_code(run: Path, value: float, verdict: str, code: int) -> None:
    for place in PLACES:
        store_result(run, place, MINE, value)
    free_code = assemble(run)["exit_code"]
    write_json(run / "bound.json", {"reference": "dino", "margin": 0.5})
    report = assemble(run)
    [entry] = report["newcomers"]
    assert entry["no_worse_than"]["verdict"] == verdict
    assert report["exit_code"] == (1 if code else free_code)
    assert entry["no_worse_than"]["sentence"] in report["sentence"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--by", "1"], "error: --by 1: expected --no-worse-than METHOD beside it"),
        (["--by", "x"], "error: --by 'x': expected points of per cent from 0 to 100, e.g. 0.5"),
        (
            ["--encoder", "mae", "--no-worse-than", "dino"],
            "error: --no-worse-than dino: expected one that is measured beside it (mae): add it with BESIDE=dino",
        ),
        (
            ["--at-least", "x", "--alone"],
            "error: --at-least x: expected one that is measured beside it (none is): add it with BESIDE=x",
        ),
        (
            ["--at-least", "dino", "--no-worse-than", "mae"],
            "error: --at-least dino and --no-worse-than mae: expected one of them",
        ),
        (["--at-least", "dino", "--by", "1"], "error: --by 1: expected --no-worse-than METHOD beside it"),
    ],
)
def test_a_gate_that_cannot_be_is_one_line(options: list[str], message: str, tmp_path: Path, capsys) -> None:
    assert main(["check", "mine:build", *options, "--runtime", "venv", "--run", str(tmp_path / "run")]) == 3
    assert capsys.readouterr().err.strip() == message


def test_a_candidate_is_not_its_own_reference(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    options = ["--no-worse-than", "mine-build", "--runtime", "venv", "--run", str(tmp_path / "run")]
    assert main(["check", "mine:build", "--encoder", "mae", *options]) == 3
    assert capsys.readouterr().err == (
        "error: --no-worse-than mine-build: expected one that is measured beside it (mae): "
        "add it with BESIDE=mine-build\n"
    )


@pytest.mark.parametrize("option", ["--at-least", "--no-worse-than"])
@pytest.mark.parametrize("reference", ["my:build?seed=1", "my-build-seed-1", "dino"])
def test_the_reference_may_be_a_candidate_by_its_spec_or_name(
    option: str, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = []
    monkeypatch.setattr("suite.candidate.check.check", lambda *_args, bound, archive: bounds.append(bound) or 0)
    specs = "my:build?seed=1,my:build?seed=2"
    assert main(["check", specs, option, reference, "--runtime", "venv", "--run", str(tmp_path)]) == 0
    assert bounds == [("dino" if reference == "dino" else "my-build-seed-1", 0.0)]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Three checkpoints: the first is worse than BEiT with parts, of the second it cannot be told, the third is not."""
    folder = tmp_path / "sweep"
    write_sweep(folder)
    write_json(folder / "bound.json", {"reference": "beit", "margin": 1.0})
    return folder


def test_each_of_several_is_held_and_the_worst_decides(sweep: Path) -> None:
    report = assemble(sweep)
    gates = {entry["method"]: entry["no_worse_than"] for entry in report["newcomers"]}
    names = [*SWEEP.values()]
    assert [gates[name]["verdict"] for name in names] == ["worse", "cannot tell", "no worse"]
    assert report["exit_code"] == 1
    assert report["sentence"].endswith(
        f"One-sided gate: 3 candidates against beit, 1 point allowed: no worse: {names[2]}; worse: {names[0]}; "
        f"cannot tell: {names[1]}."
    )


def test_a_candidate_may_be_the_reference_of_the_others(sweep: Path) -> None:
    first, *later = SWEEP.values()
    write_json(sweep / "bound.json", {"reference": first, "margin": 0.0})
    entries = {entry["method"]: entry for entry in assemble(sweep)["newcomers"]}
    assert "no_worse_than" not in entries[first]
    assert [entries[name]["no_worse_than"]["verdict"] for name in later] == ["no worse", "no worse"]
    assert entries[later[0]]["no_worse_than"]["sentence"] == (
        f"{later[0]} against {first}, 0 points allowed: no worse in 4, worse in 0, cannot tell in 0 of 4 columns."
    )
    assert entries[later[0]]["no_worse_than"]["columns"][0]["value"] > 0


def test_every_output_shows_every_column_of_the_gate(sweep: Path) -> None:
    report = assemble(sweep)
    first = next(iter(SWEEP.values()))
    [column] = [c for c in report["newcomers"][0]["no_worse_than"]["columns"] if c["experiment"] == "part_retrieval"]
    assert column["verdict"] == "worse"
    texts = [f"−{abs(column[word]):.2f}" for word in ("value", "low", "high")]
    difference, interval = texts[0], f"{texts[1]} to {texts[2]}"
    title = "Part retrieval, CUB-200-2011: encoded AP"
    text = " ".join(markdown.render(report).split())
    assert f"| {first} | BEiT | {title} | {difference} | {interval} | 1.00 | ❌ fails |" in text
    assert "🟡 cannot be told: timm-vit-epoch200" in text
    page = html.render(report, sweep)
    assert f'<td>BEiT</td><td>{title}</td>\n<td class="n">{difference}</td><td class="n">{interval}</td>' in page
    assert page.count("passes</span>") == 1 + 2 + 2 + 4, "one candidate, and columns of each"
    lines = "\n".join(terminal.candidate_blocks(report)).splitlines()
    [line] = [line for line in lines if line.startswith(first) and title in line and interval in line]
    assert line.split()[-1] == "fails"
    tests = ET.fromstring(junit.render(report)).iter("testcase")
    cases = {
        case.get("name"): case for case in tests if case.get("classname") == "suite.experiments.test_no_worse_than"
    }
    assert len(cases) == 3 * 4
    failure = cases[f"test_no_worse_than[{first}/beit/part_retrieval/cub200/encoded/ap]"].find("failure")
    assert failure is not None
    assert failure.get("message") == (
        f"worse: {column['value']:+.2f} points, 95 % interval {column['low']:+.2f} to {column['high']:+.2f}; "
        "1 point allowed"
    )
    assert sum(case.find("skipped") is not None for case in cases.values()) == 2
    files.write(sweep, report)
    assert files.load(sweep)["newcomers"] == report["newcomers"]


@pytest.mark.parametrize("beside", ["--alone", "--encoder={archive}", "--encoder=mae,{archive}"])
def test_a_reference_of_an_earlier_run_need_not_be_measured(
    beside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("suite.candidate.check.check", lambda *_args, **options: asked.append(options) or 0)
    archive = tmp_path / "run.crate.zip"
    archive.touch()
    options = ["--no-worse-than", "dino", "--by", "1", "--runtime", "venv", "--run", str(tmp_path / "run")]
    assert main(["check", "my:build", beside.format(archive=archive), *options]) == 0
    assert asked == [{"bound": ("dino", 1.0), "archive": SHIPPED if beside == "--alone" else archive}]
