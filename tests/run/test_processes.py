"""Jobs in processes of their own: a death is a result, and nothing but its own job is lost by it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest

from suite.core.memory import MemoryUse
from suite.core.paths import ROOT
from suite.errors import RequestError
from suite.run import processes
from suite.run.calls import ProcessDiedError, call
from suite.run.processes import End, Job, run_jobs
from tests.support.jobs import Notes, SlowToTakeIn, job, work
from tests.support.programs import until

GIB = 2**30


def outcome(*jobs: Job, count: int = 2) -> Notes:
    notes = Notes()
    run_jobs(jobs, work, notes, processes=count)
    return notes


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        (("kill", signal.SIGKILL), "its process was killed (SIGKILL)"),
        (("kill", signal.SIGTERM), "its process was interrupted (SIGTERM)"),
        (("kill", signal.SIGINT), "its process was interrupted (SIGINT)"),
        (("crash",), "its process was killed (SIGSEGV): see pytest.log"),
        (("leave", 3), "its process ended with exit code 3 before it had a result: see pytest.log"),
        (("leave", 0), "its process ended with exit code 0 before it had a result: see pytest.log"),
        (("raise",), "its process ended with exit code 1 before it had a result: see pytest.log"),
        (("leave_a_child",), "its process was killed (SIGKILL)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value)),
)
@pytest.mark.parametrize("count", [1, 2])
def test_a_death_loses_its_own_job_alone(what: tuple, cause: str, count: int) -> None:
    notes = outcome(
        job("one", "nothing"), job("dead", *what), job("two", "nothing"), job("three", "nothing"), count=count
    )
    assert {name for name, end in notes.ends.items() if end.finished} == {"one", "two", "three"}
    assert notes.ends["dead"].cause == cause
    assert [message for name, message in notes.messages if name == "dead"] == ["began"]
    assert notes.ends["one"].output == b"some output\n"


def test_what_a_process_had_written_is_kept() -> None:
    notes = outcome(job("crash", "crash"), job("fault", "raise"))
    assert b"Fatal Python error: Segmentation fault" in notes.ends["crash"].output
    assert b"ValueError: a fault" in notes.ends["fault"].output


def test_jobs_that_follow_from_an_end_are_done_and_unwanted_ones_are_not() -> None:
    notes = Notes()
    notes.more["one"] = [job("rest", "nothing")]
    notes.unwanted.add("two")
    run_jobs([job("one", "nothing"), job("two", "nothing")], work, notes, processes=1)
    assert [*notes.ends] == ["one", "rest"]


@pytest.mark.slow
def test_the_death_of_the_server_loses_nothing(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    jobs = [job("beside", "wait_for", killed), job("killer", "kill_server", killed), job("after", "nothing")]
    notes = outcome(*jobs)
    assert {name: end.finished for name, end in notes.ends.items()} == dict.fromkeys(
        ("beside", "killer", "after"), True
    )


@pytest.mark.parametrize(
    ("used", "kills", "text"),
    [
        (23.1, 0, "its process was killed (SIGKILL; most likely out of memory: 23.1 of 24.0 GiB)"),
        (12.0, 1, "its process was killed (SIGKILL; most likely out of memory: 12.0 of 24.0 GiB)"),
        (12.0, 0, "its process was killed (SIGKILL)"),
    ],
)
def test_a_kill_is_put_down_to_memory_where_it_was_short(used: float, kills: int, text: str) -> None:
    before = MemoryUse(GIB, 24 * GIB, 5)
    end = End(False, -signal.SIGKILL, before, MemoryUse(int(used * GIB), 24 * GIB, 5 + kills), b"")
    assert end.cause == text
    assert end.short_of_memory == ("memory" in text)


def test_memory_is_looked_at_while_a_job_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "memory_use", lambda: MemoryUse(int(23.5 * GIB), 24 * GIB, 0))
    assert outcome(job("dead", "kill", signal.SIGKILL)).ends["dead"].short_of_memory


def test_a_listener_that_raises_ends_all_jobs(tmp_path: Path) -> None:
    class Raising(Notes):
        def message(self, job: Job, message: object) -> None:
            if job.name == "last":
                raise RequestError("no more")

    pid = tmp_path / "pid"
    with pytest.raises(RequestError, match="no more"):
        run_jobs([job("stays", "stay", pid), job("last", "wait_for", pid)], work, Raising(), processes=2)
    assert not pid.exists() or not psutil.pid_exists(int(pid.read_text()))


def test_a_process_whose_work_has_not_begun_is_ended_as_well(tmp_path: Path) -> None:
    class Raising(Notes):
        def message(self, job: Job, message: object) -> None:
            if message == "ended":
                raise RequestError("no more")

    pid = tmp_path / "pid"
    begin = time.monotonic()
    with pytest.raises(RequestError, match="no more"):
        run_jobs(
            [job("last", "wait_for", pid), job("slow", "nothing", SlowToTakeIn(pid))], work, Raising(), processes=2
        )
    assert not psutil.pid_exists(int(pid.read_text()))
    assert time.monotonic() - begin < 15  # of 20 that it is waited for a process that does not end


def test_a_server_that_dies_while_it_forks_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    read, deaths = forkserver.read_signed, iter([EOFError("unexpected EOF"), ConnectionResetError()])

    def dies_at_first(file: int) -> int:
        number: int = read(file)
        if error := next(deaths, None):
            raise error
        return number

    monkeypatch.setattr(forkserver, "read_signed", dies_at_first)
    notes = outcome(job("one", "nothing"))
    assert notes.ends["one"].finished
    assert notes.messages == [("one", "began"), ("one", "ended")]


@pytest.mark.slow
def test_a_killed_server_is_replaced_although_it_refuses_before_it_has_ended(tmp_path: Path) -> None:
    """Its socket is closed some time before its process can be waited for: here half a second."""
    forkserver.ensure_running()
    server = vars(forkserver)["_forkserver"]
    with socket.socket(socket.AF_UNIX) as nobody_listens:
        nobody_listens.bind(str(tmp_path / "socket"))
        running, server._forkserver_address = server._forkserver_pid, str(tmp_path / "socket")
        server._forkserver_pid = ending = os.posix_spawnp("sleep", ["sleep", "0.5"], os.environ)
        notes = outcome(job("one", "nothing"))
    assert notes.ends["one"].finished
    assert server._forkserver_pid not in {running, ending}
    os.waitpid(running, 0)  # it ends since nothing keeps it any more


def interrupt(path: Path) -> subprocess.Popen[str]:
    """Start a process with two jobs that wait; it is a group of its own, as a command in a terminal is."""
    script = (
        "import signal, sys; from pathlib import Path; from suite.core.signals import graceful_termination\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup themselves\n"
        "from suite.run.processes import run_jobs; from tests.support.jobs import Notes, job, work\n"
        "if __name__ == '__main__':\n"
        "    folder = Path(sys.argv[1])\n"
        "    with graceful_termination():\n"
        "        run_jobs([job(n, sys.argv[2], folder / n) for n in 'ab'], work, Notes(), processes=2)\n"
    )
    file = path / "script.py"
    file.write_text(script)
    return subprocess.Popen(
        # with SIGINT ignored, as nohup and some schedulers start commands
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, str(file), str(path), "note_interrupt"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to_all", [True, False], ids=["to the group", "to the process"])
def test_a_signal_reaches_every_process_once(tmp_path: Path, number: int, to_all: bool) -> None:
    command = interrupt(tmp_path)
    assert until(lambda: len([*tmp_path.glob("*.ready")]) == 2)
    os.killpg(command.pid, number) if to_all else os.kill(command.pid, number)
    command.wait(30)
    assert [(tmp_path / name).read_text() for name in "ab"] == ["interrupted", "interrupted"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGUSR1])
def test_processes_end_with_the_one_they_work_for(tmp_path: Path, number: int) -> None:
    command = interrupt(tmp_path)
    assert until(lambda: len([*tmp_path.glob("*.ready")]) == 2)
    family = psutil.Process(command.pid).children(recursive=True)
    os.kill(command.pid, number)
    command.wait(30)
    assert until(lambda: not any(process.is_running() and process.status() != "zombie" for process in family))


def double(number: int) -> int:
    print("said")
    return 2 * number


def wrong(_: int) -> int:
    raise RequestError("where: what")


def broken(_: int) -> int:
    raise ValueError("a fault")


def telling(number: int, *, tell: Callable[[object], None]) -> int:
    tell(number)
    tell((number, "again"))
    return number


def dying(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_a_call_returns_raises_and_dies(capsys: pytest.CaptureFixture) -> None:
    assert call(double, 4) == 8
    assert capsys.readouterr().err == "said\n"
    with pytest.raises(RequestError, match=r"^where: what$"):
        call(wrong, 4)
    with pytest.raises(RuntimeError, match="ValueError: a fault"):
        call(broken, 4)
    with pytest.raises(ProcessDiedError, match=r"^dying: its process was killed \(SIGKILL\)$"):
        call(dying, 4)


def test_a_call_tells_as_it_goes() -> None:
    news: list[object] = []
    assert call(telling, 4, hear=news.append) == 4
    assert news == [4, (4, "again")]
