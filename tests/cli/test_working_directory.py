"""A command means the checkout's own files wherever it runs, and says at once where there is no checkout."""

import shutil
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.core.paths import MINI_WEIGHTS, SUITE
from suite.reproduction.reproduce import check_expected
from suite.run.request import make_request
from tests.support.programs import run


def test_a_run_is_judged_again_from_any_folder(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = Path(shutil.copytree(pristine, tmp_path / "run"))
    code = main(["report", str(here)])
    report = (here / "report.json").read_bytes()
    monkeypatch.chdir("/")
    assert (main(["report", str(here)]), capsys.readouterr().err) == (code, "")
    assert (here / "report.json").read_bytes() == report


def test_the_embedded_encoders_are_there_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_request(device="cpu").weights == Path("suite/mini/weights"), "as before, for the records"
    monkeypatch.chdir(tmp_path)
    assert make_request(device="cpu").weights == MINI_WEIGHTS
    assert make_request(device="cpu", profile="paper").weights == Path("weights"), "the user's own, like data and runs"


@pytest.mark.slow
def test_a_package_without_its_repository_says_so_at_once(tmp_path: Path) -> None:
    shutil.copytree(SUITE, tmp_path / "suite", ignore=shutil.ignore_patterns("__pycache__", "*.pth"))
    for verb in ("plan", "reproduce"):
        options = () if verb == "plan" else ("--runtime=venv", "--limit=8")
        done = run(verb, *options, cwd=tmp_path, PYTHONPATH=str(tmp_path))
        assert (done.returncode, done.stdout, done.stderr.decode()) == (
            3,
            b"",
            f"error: {tmp_path / 'expected'}: no folder of expected values: the suite needs the whole repository, "
            "not its package alone: clone it, make setup\n",
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["suite"]


@pytest.mark.parametrize(("file", "limit"), [("claims.toml", 8), ("claims.toml", None), ("known.toml", None)])
def test_what_is_wrong_with_claims_or_known_deviations_is_said_before_the_run(
    file: str, limit: int | None, expected_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from suite.errors import ExpectedError

    monkeypatch.setattr("suite.reproduction.reproduce.EXPECTED", expected_root)
    request = make_request(device="cpu", limit=limit)
    (expected_root / file).write_text("[")
    with pytest.raises(ExpectedError, match=rf"^{expected_root / file}: "):
        check_expected(request, {})
