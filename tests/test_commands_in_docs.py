"""A command that a page shows is one that can be given: its target, variables, verb, options and paths exist."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.cli.main import _parser
from suite.core.paths import DOCS, ROOT

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
MADE = [(page, line) for page, line in COMMANDS if words_of(line)[0] == "make"]
CALLED = [(page, line) for page, line in COMMANDS if re.search(r"python3? -m suite ", line)]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be where the lists lie that commands name."""
    (tmp_path / "sweep.txt").write_text("timm:vit_tiny_patch16_224\n")
    monkeypatch.chdir(tmp_path)


def parse(line: str) -> None:
    """Parse a call of the suite as its own parser does; what is wrong with it is printed."""
    words = shlex.split(line)
    _parser().parse_args(words[words.index("suite") + 1 :])


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
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "--assume-old=setup", target, *settings],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    calls = [call for call in done.stdout.replace("\\\n", " ").splitlines() if re.search(r"python -m suite ", call)]
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
