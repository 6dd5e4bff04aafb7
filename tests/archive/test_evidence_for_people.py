"""What a person reads in a run folder is what its results give, or `verify` names it and `archive` refuses it."""

import json
import shutil
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from suite.cli.main import main
from suite.report import html, markdown
from tests.support import report_sample
from tests.support.whole_run import STRIPS, write_whole_run

FIGURE = f"figures/{STRIPS}/3-24_to_encoded.png"
NOTE = "not_run/object_retrieval__cifar10__dino.json"
ALTERED = {
    "report.html": (b"12.25", b"99.25"),
    "report.md": (b"12.25", b"99.25"),
    "summary.md": (b"deviates", b"reproduced"),
    "badge.json": (b"red", b"brightgreen"),
    "junit.xml": (b"12.25", b"99.25"),
    "environment.json": (b'"implementation": "CPython"', b'"implementation": "PyPy"'),
    "run.json": (b"--profile=mini", b"--profile=paper"),
    "checks.json": (b"warning", b"passed"),
    "verification.json": (b"train 100", b"train 999"),
    "conformance.json": (b"0.5 M", b"86 M"),
    "plan.json": (b"2.0", b"9.0"),
    "sbom.json": (b"CycloneDX", b"SPDX"),
    FIGURE: (b"IEND", b"iEND"),
    NOTE: (b"weights", b"images"),
}
PAGES = ("report.html", "report.md", "summary.md", "badge.json", "junit.xml")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_whole_run(tmp_path_factory.mktemp("evidence") / "run")


def edit(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_file_is_named_first_and_not_packed(
    name: str, run: Path, pristine: Path, capsys: pytest.CaptureFixture
) -> None:
    edit(run / name, *ALTERED[name])
    before, after = (sha256((folder / name).read_bytes()).hexdigest()[:12] for folder in (pristine, run))
    advice = (
        "run make report, which writes it anew" if name in PAGES else "restore it, or run make report if it is meant so"
    )
    line = f"{name}: altered: expected SHA-256 {before}, as report.json names it, got {after}; {advice}"
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == line
    assert main(["archive", str(run)]) == 3
    assert capsys.readouterr().err.startswith(f"error: {run}: {line} (")
    assert not list(run.parent.glob("*.zip"))


@pytest.mark.parametrize("name", ALTERED)
def test_a_report_made_anew_says_what_it_is_made_of_now(
    name: str, run: Path, pristine: Path, capsys: pytest.CaptureFixture
) -> None:
    edit(run / name, *ALTERED[name])
    before, after = (sha256((folder / name).read_bytes()).hexdigest()[:12] for folder in (pristine, run))
    capsys.readouterr()
    main(["report", str(run)])
    assert capsys.readouterr().err == (
        f"warning: {name}: altered: expected SHA-256 {before}, as report.json names it, got {after}; the new report is "
        "made of what is there now\n"
    )
    assert main(["verify", str(run)]) == 0


def test_an_attempt_that_was_altered_is_named(run: Path, capsys: pytest.CaptureFixture) -> None:
    edit(run / "attempts.jsonl", b'"verdict": "incomplete"', b'"verdict": "reproduced"')
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1
    assert "on record 'reproduced, exit code 2', or altered otherwise" in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_altered_with_its_digest_is_still_not_what_the_run_gives(
    name: str, run: Path, capsys: pytest.CaptureFixture
) -> None:
    edit(run / name, *ALTERED[name])
    report = json.loads((run / "report.json").read_text())
    content = (run / name).read_bytes()
    report["files"][name] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    (run / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1
    advice = "altered: it is not what its run gives; run make report"
    assert capsys.readouterr().out.splitlines()[:2] == [f"{name}: {advice}", f"report.json: {advice}"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("sentence", "All is well."), ("notes", []), ("costs", []), ("variables", []), ("finished", "2024-01-01")],
)
def test_whatever_else_was_altered_in_the_report_is_found(
    key: str, value: object, run: Path, capsys: pytest.CaptureFixture
) -> None:
    report = json.loads((run / "report.json").read_text())
    (run / "report.json").write_text(json.dumps(report | {key: value}, indent=1) + "\n")
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == (
        "report.json: altered: it is not what its run gives; run make report"
    )


def test_what_is_gone_or_new_is_named(run: Path, capsys: pytest.CaptureFixture) -> None:
    (run / "checks.json").unlink()
    (run / "figures/new.png").write_bytes(b"\x89PNG")
    (run / "junit.xml").unlink()
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1
    advice = "restore it, or run make report if it is meant so"
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"checks.json: the report was made with it, and it is missing; {advice}",
        f"figures/new.png: the report knows no such file; {advice}",
    ]


def test_an_untouched_run_verifies_under_another_name_and_from_its_archive(run: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(run, tmp_path / "moved"))
    assert main(["verify", str(moved)]) == 0
    assert main(["archive", str(run), "-o", str(tmp_path / "a.zip")]) == 0
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert main(["verify", str(tmp_path / "unpacked")]) == 0


@pytest.mark.parametrize("option", ["--strict", "--allow-inconclusive", "--claims=gate"])
def test_a_report_made_with_an_option_verifies(option: str, run: Path) -> None:
    main(["report", str(run), option])
    assert main(["verify", str(run)]) == 0


@pytest.fixture
def other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """This checkout, as it would be with other code."""
    made_by = {"code": "f" * 64, "expected": "e" * 64, "packages": {"python": "2.7"}}
    monkeypatch.setattr("suite.report.collect.maker", lambda _accepted: made_by)


@pytest.mark.usefixtures("other_code")
def test_a_report_of_other_code_is_not_called_altered(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert main(["verify", str(run)]) == 0, "other code that gives the same report"
    page = markdown.render
    monkeypatch.setattr(markdown, "render", lambda report: page(report) + "A new last line.\n")
    environment = json.loads((run / "environment.json").read_text())
    capsys.readouterr()
    assert main(["verify", str(run)]) == 2
    first, digest = capsys.readouterr().out.splitlines()
    assert first.startswith(
        f"report.json: made by other code (the run is of commit {environment['code']['commit'][:12]}), other expected "
        "values, jinja2 "
    )
    assert first.endswith(f"its pages cannot be compared with new ones; python -m suite report {run} makes it anew")
    assert digest.startswith("sha256:")
    assert main(["archive", str(run)]) == 3
    assert first in capsys.readouterr().err


@pytest.mark.usefixtures("other_code")
def test_a_page_altered_after_other_code_wrote_it_is_named_all_the_same(
    run: Path, capsys: pytest.CaptureFixture
) -> None:
    edit(run / "report.html", *ALTERED["report.html"])
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("report.json: made by other code")
    assert lines[1].startswith("report.html: altered: expected SHA-256 ")


def test_a_report_from_before_there_were_digests_cannot_be_compared(run: Path, capsys: pytest.CaptureFixture) -> None:
    report: dict[str, Any] = json.loads((run / "report.json").read_text())
    older = {key: value for key, value in report.items() if key not in {"files", "made_by", "strict"}}
    (run / "report.json").write_text(json.dumps(older, indent=1) + "\n")
    capsys.readouterr()
    assert main(["verify", str(run)]) == 2
    assert capsys.readouterr().out.splitlines()[0] == (
        "report.json: made by an older version, which notes neither its code nor the files beside it: its pages cannot "
        f"be compared with new ones; python -m suite report {run} makes it anew"
    )


def test_a_page_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    report = report_sample.report(tmp_path)
    page = html.render(report, tmp_path)
    assert "<svg" in page
    assert html.render(report, tmp_path) == page


def test_a_comparison_says_that_a_report_is_not_of_its_results(
    run: Path, pristine: Path, capsys: pytest.CaptureFixture
) -> None:
    edit(run / "report.json", b'"measured": 12.25', b'"measured": 99.25')
    capsys.readouterr()
    assert main(["compare", str(pristine), str(run)]) == 1
    assert capsys.readouterr().err == (
        f"warning: {run}: 1 cells of its report are not what its results are, object_retrieval/cifar10/deit/encoded/ap "
        f"first: run python -m suite verify {run}\n"
    )
