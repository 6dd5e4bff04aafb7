"""A run's processes never share a device, and a process that dies gives its own back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from suite.errors import RequestError, StorageError
from suite.run.leases import lease

HOLDER = """
import sys
from pathlib import Path
from suite.run.leases import lease
held = lease(Path(sys.argv[1]), [0, 1, 2])
print(held.index, flush=True)
sys.stdin.read()
"""


def holder(folder: Path) -> tuple[subprocess.Popen, int]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_processes_get_devices_of_their_own_until_there_are_none(tmp_path: Path) -> None:
    held = [holder(tmp_path) for _ in range(2)]
    own = lease(tmp_path, [0, 1, 2])
    assert sorted([own.index, *(index for _, index in held)]) == [0, 1, 2]
    with pytest.raises(RequestError, match="got all 3 leased: start fewer workers"):
        lease(tmp_path, [0, 1, 2])
    assert lease(tmp_path / "another run", [0, 1, 2]).index == 0
    killed, freed = held[0]
    killed.kill()
    killed.wait()
    assert lease(tmp_path, [0, 1, 2]).index == freed
    held[1][0].kill()
    held[1][0].wait()
    own.close()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        lease(tmp_path / "file" / "leases", [0])
