"""A program of the suite ends in a verdict's exit code only by a verdict, whatever becomes of it and of its streams."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from suite.cli.main import main
from tests.support.programs import command, run

COMPARE = ("compare", "a", "b")


def comparing(body: str) -> str:
    """A patch: what `compare` does instead of its work."""
    return f"import suite.report.compare as c\ndef compare_runs(a, b):\n    {body}\nc.compare_runs = compare_runs"


DEVIATES = comparing("return 'x\\n' * 100_000, 1")


@pytest.mark.parametrize(
    ("body", "description"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (<string>, line 3)"),
        ("compare_runs(a, b)", "RecursionError: maximum recursion depth exceeded (<string>, line 3)"),
        ("bytearray(2**62)", "MemoryError (<string>, line 3)"),
        ("raise OSError(5, 'Input/output error')", "OSError: [Errno 5] Input/output error (<string>, line 3)"),
        ("raise Exception('two\\n lines – ' + chr(0xDC80))", "Exception: two lines – \\udc80 (<string>, line 3)"),
        ("raise type('Odd', (Exception,), {'__str__': None})", "Odd: its text cannot be read (<string>, line 3)"),
        ("raise BaseException('odd')", "BaseException: odd (<string>, line 3)"),
        (
            "raise SystemExit('it asked for it')",
            "RuntimeError: something that the verb called asked to leave: SystemExit: it asked for it "
            "(main.py, line N)",
        ),
    ],
)
def test_an_unforeseen_error_is_exit_code_4_one_line_and_a_file(body: str, description: str, tmp_path: Path) -> None:
    done = run(*COMPARE, patch=comparing(body), TMPDIR=str(tmp_path))
    [file] = tmp_path.glob("suite-fault-*")
    line = re.sub(r"main.py, line \d+", "main.py, line N", done.stderr.decode())
    assert (done.returncode, done.stdout) == (4, b"")
    assert line == f"error: a fault of the suite: {description}; traceback in {file}\n"
    content = file.read_text()
    assert "compare a b\nPython 3." in content
    assert "Traceback (most recent call last):" in content


def test_a_traceback_that_fits_nowhere_is_said_to() -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    done = run(*COMPARE, patch=limit + comparing("1 / 0"), TMPDIR="/nowhere", cwd=Path("/"))
    assert done.returncode == 4
    assert done.stderr.decode() == (
        "error: a fault of the suite: ZeroDivisionError: division by zero (<string>, line 4); "
        "its traceback cannot be written (/: File too large)\n"
    )


def test_an_error_while_an_error_is_told_is_still_one_line() -> None:
    broken = "import traceback\ndef gone(*_a, **_k): raise MemoryError\ntraceback.extract_tb = gone\n"
    done = run(*COMPARE, patch=broken + comparing("1 / 0"))
    assert (done.returncode, done.stderr.decode()) == (
        4,
        "error: a fault of the suite: ZeroDivisionError; its traceback cannot be written (MemoryError)\n",
    )


def test_a_fault_is_exit_code_4_in_the_same_process_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("suite.report.compare.compare_runs", lambda _a, _b: 1 / 0)
    assert main([*COMPARE]) == 4
    assert capsys.readouterr().err.startswith("error: a fault of the suite: ZeroDivisionError: division by zero (")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("raise OSError(28, 'No space left on device', '/x/y')", "error: /x/y: No space left on device\n"),
        ("raise PermissionError(13, 'Permission denied', '/x')", "error: /x: Permission denied\n"),
        (
            "import torchless",
            "error: package torchless: not installed for PYTHON: make setup, or call .venv/bin/python\n",
        ),
    ],
)
def test_what_the_user_can_act_on_is_no_fault(body: str, line: str) -> None:
    done = run(*COMPARE, patch=comparing(body))
    assert (done.returncode, re.sub(r"for \S+:", "for PYTHON:", done.stderr.decode())) == (3, line)


def test_a_package_that_lacks_from_the_start_is_said_in_one_line() -> None:
    done = run("--help", patch="import sys; sys.modules['psutil'] = None")
    assert done.returncode == 3
    assert done.stderr.startswith(b"error: package psutil: not installed for /")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [
        ("| true", 1, ""),
        ("| head -1", 1, ""),
        ("2>/dev/full", 1, ""),
        ("2>&-", 1, ""),
        (">/dev/full", 3, "cannot be written: No space left on device; what was written to files is whole"),
        (">/dev/full 2>&1", 3, None),
        (">&-", 3, "closed: what is to be said has no place to go: redirect it to a file or to /dev/null"),
        (">&- 2>&-", 3, None),
        ("<&-", 1, ""),
        ("<&- >&- 2>&-", 3, None),
    ],
)
def test_a_stream_that_fails_is_no_verdict(redirection: str, code: int, message: str | None) -> None:
    done = run(*COMPARE, patch=DEVIATES, redirection=redirection)
    line = f"error: standard output: {message}\n" if message else ""
    assert (done.returncode, done.stderr.decode()) == (code, line)


@pytest.mark.parametrize(
    ("arguments", "redirection", "code"),
    [
        ("--help", "| true", 0),
        ("--help", ">/dev/full", 3),
        ("--help", "2>&-", 0),
        ("plan --help", "| head -1", 0),
        ("", ">/dev/full", 3),
        ("no", "2>/dev/full", 3),
        ("compare", "2>&-", 3),
        ("compare a nowhere", "2> >(true)", 3),
    ],
)
def test_errors_and_help_survive_every_stream(arguments: str, redirection: str, code: int) -> None:
    done = run(*arguments.split(), redirection=redirection)
    line = b"error: standard output: cannot be written: No space left on device; what was written to files is whole\n"
    assert (done.returncode, done.stderr) == (code, line if redirection == ">/dev/full" else b"")


def test_a_file_does_not_take_the_place_of_a_closed_stream() -> None:
    opened = "import os; return str(os.open('/dev/null', 0)), 0"
    done = run(*COMPARE, patch=comparing(opened), redirection="<&- 2>&-")
    assert done.returncode == 0
    assert int(done.stdout) > 2


@pytest.mark.parametrize("setting", ["ascii", "latin-1:strict"])
def test_a_terminal_without_unicode_gets_it_spelled(setting: str) -> None:
    patch = comparing("print('−1 – \\u0394', file=__import__('sys').stderr); return '−0.30 – 5 … \\u0394 \\udc80', 1")
    done = run(*COMPARE, patch=patch, PYTHONIOENCODING=setting)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"-0.30 - 5 ... \\u0394 \\udc80\n", b"-1 - \\u0394\n")


def test_a_locale_without_unicode_reads_the_suites_files_all_the_same(tmp_path: Path) -> None:
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    patch = comparing("from pathlib import Path; return Path(a).read_text() + ' \\u2013 ' + str(b), 1")
    (tmp_path / "a").write_text("naïve", encoding="utf-8")
    done = run("compare", "a", "é", patch=patch, cwd=tmp_path, **bare)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"na\\xefve - \\xe9\n", b"")


def test_a_pipe_that_does_not_block_gets_everything() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with subprocess.Popen(command(*COMPARE, patch=DEVIATES), stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        with os.fdopen(ours, "rb") as file:
            text = file.read()
        assert process.communicate()[1] == b""
    assert (process.returncode, text) == (1, b"x\n" * 100_000 + b"\n")


def test_a_terminal_that_was_hung_up_is_a_reader_that_went_away() -> None:
    ours, theirs = os.openpty()
    patch = comparing("input(); return 'x\\n' * 10, 1")
    streams = {"stdin": subprocess.PIPE, "stdout": theirs, "stderr": subprocess.PIPE}
    with subprocess.Popen(command(*COMPARE, patch=patch), **streams) as process:
        os.close(theirs)
        os.close(ours)
        assert process.communicate(b"\n")[1] == b""
    assert process.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    ["suite.run.options", "suite.fetch.document", "suite.protocol.variants_page", "suite.archive.sbom"],
)
def test_a_module_run_as_a_script_ends_like_a_verb(module: str, tmp_path: Path) -> None:
    patch = "import suite.core.files as f\ndef broken(*_): 1 / 0\nf.write_atomically = broken"
    done = run(module=module, patch=patch, TMPDIR=str(tmp_path))
    [file] = tmp_path.glob("suite-fault-*")
    assert (done.returncode, done.stderr.decode()) == (
        4,
        f"error: a fault of the suite: ZeroDivisionError: division by zero (<string>, line 2); traceback in {file}\n",
    )


@pytest.mark.slow
def test_a_bar_on_a_broken_stream_ends_nothing() -> None:
    bar = comparing("import tqdm; n = sum(1 for _ in tqdm.tqdm(range(9))); return str(n), 1")
    for redirection in ("2>/dev/full", "2>&-", "2> >(true)"):
        done = run(*COMPARE, patch=bar, redirection=redirection)
        assert (done.returncode, done.stdout, done.stderr) == (1, b"9\n", b""), redirection
