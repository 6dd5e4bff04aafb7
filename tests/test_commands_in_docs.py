"""A command that a page shows can be given: target, variables, options and paths exist, and it runs where it can."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.cli.main import _parser, main
from suite.core.paths import DOCS, ROOT
from suite.reproduction import accept
from tests.support import accepted_run

PAGES = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")))
MAKEFILE = "".join((ROOT / name).read_text() for name in ("Makefile", "suite/run/options.mk"))


COMMAND = re.compile(r"(?:\w+=\S+\s+)*(?:make|pytest|\.ci/\w+|(?:\.venv/bin/)?python[\d.]*)\s?")


def commands() -> Iterator[tuple[str, str]]:
    """Each line of a block of commands, by its page, without what comes after it on the line."""
    for page in PAGES:
        for block in re.findall(
            r"^```(?:sh|bash|console)?\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE
        ):
            for line in block.replace("\\\n", " ").splitlines():
                if COMMAND.match(line):
                    yield page.relative_to(ROOT).as_posix(), re.split(r"\s#\s|\s\|\|\s", line)[0].strip()


def words_of(line: str) -> list[str]:
    """The words of a command, without variables of the environment before it."""
    words = shlex.split(line)
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words.pop(0)
    return words


COMMANDS = [*dict.fromkeys(commands())]
RUNS = ("mini", "other", "a", "b", "c", "d", "paper", "check-my_encoder-build")
"""Runs that commands name: here each is Table 1 of the paper, by three seeds, as the paper has it."""
HERE = {
    "make accept RUN=runs/check-my_encoder-build DIFF=1": 1,
    "make accept RUN=runs/check-my_encoder-build REASON='first run'": 0,
    "make accept RUN=runs/paper DIFF=1": 1,
    "make accept RUN=runs/paper REASON='...'": 0,
    "make accept RUN=runs/paper REASON='first whole run on an H100'": 0,
    "make compare A=runs/a B=runs/b OUT=page.html": 0,
    'make compare A=runs/a B=runs/b RUNS="runs/c runs/d"': 0,
    "make compare A=runs/mini B=runs/other": 0,
    "make history RUNS=runs": 0,
    "make report RUN=runs/mini": 0,
    "make report RUN=runs/paper": 0,
    "make status RUN=runs/paper": 0,
    "python -m suite fetch data --list": 0,
}
"""Commands that a test gives, and the exit code that each ends with."""
NOT_HERE = {
    r"make (setup|doctor|audit|ci-lint)": "asks a package index: first steps of CI, and jobs of their own there",
    r"make (lint|docs|reproduce|demo)": "a step or a part of one of .ci/run",
    r"make (test|test-slow|test-all|fuzz)": "tests, of which this is one",
    r"\.ci/run": "all of it, with an image of a container, on a bare machine",
    r"make (bench|test-paper|triage-proof|record.*|pretrain.*|triage .*)": "half an hour and more; tests have parts",
    r"make reproduce [A-Z]+=(?!.*PROFILE=paper|RUNTIME).*": "minutes: tests/reproduction has the options",
    r"make (reproduce|plan|check) .*PROFILE=paper.*": "the paper's data and checkpoints, and a GPU",
    r"(make|pytest|python -m suite) (verify|plan|checks|prepare) .*": "the paper's data",
    r"make (reproduce RUNTIME=container|image|image-test).*": "Docker: tests/container_real",
    r"\.venv/bin/python -m (suite image inspect|pytest .*tests/container_real.*)": "Docker: tests/container_real",
    r"make (slurm-test|report-test)": "Slurm or Chromium, which .ci/run installs",
    r"make gpu-acceptance.*": "a GPU",
    r"(make|python -m suite) fetch .*": "downloads",
    r"make check ENCODER=.*": "a checkpoint or module of the reader's: tests/candidate has such",
    r".*my_work.*": "a folder of the reader's: tests/candidate runs docs/examples",
    r".*python[\d.]* -m (benchmarks\.machine_slack|suite\.mini\.pretrain\.finish).*": "hours, on several machines",
}
"""Commands that no test gives, as whole lines, and why."""
MADE = [(page, line) for page, line in COMMANDS if words_of(line)[0] == "make"]
CALLED = [(page, line) for page, line in COMMANDS if re.search(r"python3? -m suite ", line)]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be where the lists lie that commands name."""
    (tmp_path / "sweep.txt").write_text("timm:vit_tiny_patch16_224\n")
    monkeypatch.chdir(tmp_path)


def parse(line: str) -> None:
    """Parse a call of the suite as its own parser does; what is wrong with it is printed."""
    _parser().parse_args(words_for_the_suite(line))


def calls_of(line: str) -> list[str]:
    """The calls of the suite that a command of make ends in."""
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "--assume-old=setup", *words_of(line)[1:]],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [call for call in done.stdout.replace("\\\n", " ").splitlines() if re.search(r"python -m suite ", call)]


def words_for_the_suite(call: str) -> list[str]:
    words = shlex.split(call)
    return words[words.index("suite") + 1 :]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs that commands name."""
    folder = tmp_path_factory.mktemp("named") / "runs"
    for name in RUNS:
        accepted_run.write_run(folder / name)
        main(["report", str(folder / name)])
    return folder


@pytest.mark.parametrize("line", HERE)
def test_a_command_runs(
    line: str, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    monkeypatch.setattr(accept, "EXPECTED", tmp_path / "expected")
    [call] = calls_of(line) if line.startswith("make") else [line]
    assert main(words_for_the_suite(call)) == HERE[line], capsys.readouterr()


def test_every_command_runs_or_has_a_reason_why_not() -> None:
    lines = {line for _, line in COMMANDS}
    assert set(HERE) <= lines, "it is on no page any more"
    left = lines - set(HERE)
    reasons = {line: [pattern for pattern in NOT_HERE if re.fullmatch(pattern, line)] for line in left}
    assert [line for line, patterns in reasons.items() if not patterns] == []
    used = {pattern for patterns in reasons.values() for pattern in patterns}
    assert [pattern for pattern in NOT_HERE if pattern not in used] == []


def test_there_are_commands() -> None:
    assert len(MADE) > 60
    assert len(CALLED) > 10


@pytest.mark.parametrize(("page", "line"), MADE)
def test_make_understands_what_a_page_tells_it(page: str, line: str) -> None:
    """Of an unknown variable make says nothing; so each has to be one of those it passes on."""
    target, *settings = words_of(line)[1:]
    names = [setting.partition("=")[0] for setting in settings]
    known = {*re.findall(r"\b[A-Z][A-Z_]*\b", MAKEFILE)}
    assert [name for name in names if name not in known] == []
    calls = calls_of(line)
    for call in calls:
        parse(call)
    if calls and target != "demo":
        for setting in settings:
            name, _, value = setting.partition("=")
            assert value in {"0", "1"} or value in " ".join(shlex.split(" ".join(calls))), f"{name} is not passed on"


@pytest.mark.parametrize(("page", "line"), CALLED)
def test_the_suite_understands_what_a_page_tells_it(page: str, line: str) -> None:
    parse(line)


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_the_files_that_a_command_names_exist(page: str, line: str) -> None:
    for path in re.findall(r"(?<![\w/.~-])(?:tests|checks|docs|benchmarks|\.ci)/[\w./-]+", line):
        assert Path(ROOT / path).exists(), path
