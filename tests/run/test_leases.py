"""Processes on a machine never share a GPU, whichever run they are of, and one that dies gives its own back."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from suite.core.paths import ROOT
from suite.errors import BusyError, RequestError, StorageError
from suite.run import leases
from suite.run.leases import Gpu, free_gpus, granted_gpus, lease, machine_folder

A, B, C = "aaaa", "bbbb", "cccc"
HOLDER = """
import sys
from pathlib import Path
from suite.run.leases import Gpu, lease
gpus = [Gpu(index, uuid) for index, uuid in enumerate(sys.argv[2].split(","))]
print(lease(gpus=lambda: gpus, folder=Path(sys.argv[1]))[0].index, flush=True)
sys.stdin.read()
"""


def stand_in(*uuids: str) -> Sequence[Gpu]:
    """GPUs as CUDA lists them."""
    return [Gpu(index, uuid) for index, uuid in enumerate(uuids)]


@contextmanager
def holder(folder: Path, *uuids: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process that has leased one of these GPUs, and the index that it got."""
    command = [sys.executable, "-c", HOLDER, str(folder), ",".join(uuids)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture
def granted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of three GPUs."""
    monkeypatch.setattr(leases, "granted_gpus", lambda: stand_in(A, B, C))


def test_processes_get_gpus_of_their_own_until_there_are_none(tmp_path: Path) -> None:
    with holder(tmp_path, A, B, C) as (first, first_index), holder(tmp_path, A, B, C) as (second, second_index):
        (own,) = lease(gpus=lambda: stand_in(A, B, C), folder=tmp_path)
        assert sorted([own.index, first_index, second_index]) == [0, 1, 2]
        own.close()
        with pytest.raises(BusyError) as caught:
            lease(2, gpus=lambda: stand_in(A, B, C), folder=tmp_path)
        told = r"GPU (\d) \((\w+)\) is held by process (\d+) on \S+ since \S+ \(.+?\)"
        assert re.fullmatch(
            rf"expected 2 free of 3 GPUs, got 1: {told}; {told}: "
            "start fewer workers, wait, or grant other GPUs by CUDA_VISIBLE_DEVICES",
            str(caught.value),
        )
        assert re.findall(r"process (\d+)", str(caught.value)) == [str(first.pid), str(second.pid)]
        first.kill()
        first.wait()
        freed, free = lease(2, gpus=lambda: stand_in(A, B, C), folder=tmp_path)
        assert [freed.index, free.index] == [first_index, own.index]
        freed.close()
        free.close()


def test_a_job_that_is_granted_another_gpu_of_the_machine_is_not_refused(tmp_path: Path) -> None:
    with holder(tmp_path, A):
        (other,) = lease(gpus=lambda: stand_in(B), folder=tmp_path)
        assert other.index == 0
        other.close()
        with pytest.raises(BusyError, match="expected 1 free of 1 GPUs, got 0"):
            lease(gpus=lambda: stand_in(A), folder=tmp_path)


def test_too_few_are_given_back_so_that_two_processes_never_wait_for_each_other(tmp_path: Path) -> None:
    with holder(tmp_path, B):
        with pytest.raises(BusyError):
            lease(2, gpus=lambda: stand_in(A, B), folder=tmp_path)
        (one,) = lease(gpus=lambda: stand_in(A), folder=tmp_path)
        one.close()


def test_a_process_of_a_run_waits_until_a_gpu_is_free_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(leases, "_LOOK_S", 0.1)
    with holder(tmp_path, A) as (process, _):
        threading.Timer(0.5, process.kill).start()
        (own,) = lease(wait=True, gpus=lambda: stand_in(A), folder=tmp_path)
        own.close()
    assert re.fullmatch(
        rf"waiting for 1 of 1 GPUs: GPU 0 \(aaaa\) is held by process {process.pid} on .+\n", capsys.readouterr().err
    )


def test_more_than_there_are_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        lease(3, wait=True, gpus=lambda: stand_in(A, B), folder=tmp_path)
    assert str(caught.value) == "processes per probe 3: expected at most 2, the GPUs that are granted"


def test_a_folder_without_locks_is_an_error_since_all_would_get_one_gpu(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/aaaa.lock: cannot be locked: File exists"):
        lease(gpus=lambda: stand_in(A), folder=tmp_path / "file")


@pytest.mark.usefixtures("granted")
def test_a_run_counts_the_free_ones_and_says_who_holds_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "machine_folder", lambda: tmp_path)
    assert free_gpus(3) == (3, [])
    with holder(tmp_path, B) as (process, _):
        free, busy = free_gpus(2)
        assert free == 2
        assert re.fullmatch(rf"GPU 1 \(bbbb\) is held by process {process.pid} on .+", busy[0])
        with pytest.raises(
            BusyError, match=r"expected 3 free of 3 GPUs, got 2: GPU 1 \(bbbb\) is held by .+ DEVICE=cpu"
        ):
            free_gpus(3)
    assert free_gpus(3) == (3, [])


@pytest.mark.parametrize(
    ("variable", "uuids", "expected"),
    [
        (None, ["8932f937-d72c-4106-c12f-20bd9faed9f6"] * 1, ["8932f937-d72c-4106-c12f-20bd9faed9f6"]),
        ("GPU-8932,1", ["8932F937-D7", "1111"], ["8932f937-d7", "1111"]),
        ("MIG-4Af1-07", ["8932f937"], ["4af1-07"]),
        ("MIG-GPU-8932/1/0", ["8932f937"], ["gpu-8932_1_0"]),
    ],
)
def test_gpus_and_their_instances_are_known_by_their_uuids(
    variable: str | None, uuids: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    monkeypatch.setattr("torch.cuda.device_count", lambda: len(uuids))
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda index: SimpleNamespace(uuid=uuids[index]))
    assert granted_gpus() == stand_in(*expected)


def test_the_machine_s_folder_is_everybody_s_and_no_job_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    for folder, mode in ((private, 0o755), (public, 0o1777)):
        folder.mkdir()
        folder.chmod(mode)
    monkeypatch.setattr("suite.core.machine_folders.HOMES", (tmp_path / "missing", private, public))
    monkeypatch.setenv("TMPDIR", str(private))
    assert machine_folder() == public / "part-aware-repro-gpus"
    assert machine_folder().stat().st_mode & 0o7777 == 0o1777
    (own,) = lease(gpus=lambda: stand_in(A))
    assert (machine_folder() / "aaaa.lock").stat().st_mode & 0o777 == 0o666
    own.close()
