"""One probe on two processes is the same probe."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from suite.distributed import World, joined
from suite.errors import RequestError
from tests.probe_bank import train, weights

PROCESS = """
import sys, torch
from suite.distributed import joined
from tests.probe_bank import Tokens, train, weights
torch.set_num_threads(1)
with joined() as world:
    source = Tokens()
    bank = train(world=world, source=source)
    found = {name: weights(probe) for name, probe in bank.items()}
    facts = {name: (probe.losses(), probe.accuracy) for name, probe in bank.items()}
    torch.save([found, facts, sum(len(chunk) for _, chunk in source.asked)], f"{sys.argv[1]}/{world.rank}.pt")
"""


def test_two_processes_end_with_the_weights_of_one(tmp_path) -> None:
    """52 items in rounds of 16: also the last, incomplete round and an odd share are in it."""
    environment = os.environ | {"PYTHONPATH": ".", "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2"}
    environment |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(_free_port())}
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path)], env=environment | {"RANK": str(rank)})
        for rank in range(2)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    alone = train()
    encoded = 0
    for rank in range(2):
        found, facts, count = torch.load(tmp_path / f"{rank}.pt")
        encoded += count
        for name, probe in alone.items():
            for part, value in weights(probe).items():
                torch.testing.assert_close(found[name][part], value, atol=1e-6, rtol=0)
            losses, accuracy = facts[name]
            assert losses == pytest.approx(probe.losses(), abs=1e-6)
            assert accuracy == probe.accuracy
    assert encoded == 52 * 3  # each item encoded once an epoch, by one of the two


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize("total", [0, 1, 5, 8])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_shares_are_a_partition_in_order(total: int, size: int) -> None:
    items = torch.arange(total)
    worlds = [World(rank, size) for rank in range(size)]
    assert torch.cat([world.share(items) for world in worlds]).tolist() == items.tolist()
    assert [items[world.span(total)].tolist() for world in worlds] == [w.share(items).tolist() for w in worlds]


def test_a_wrong_share_is_refused() -> None:
    with pytest.raises(RequestError, match="process 1: expected 2 of 5 rows, got 3"):
        World(1, 2).gather(torch.zeros(3, 4), 5)


def test_alone_without_the_variables_and_refused_with_half_of_them(monkeypatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with joined() as world:
        assert (world.rank, world.size) == (0, 1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RequestError, match="RANK, MASTER_ADDR, MASTER_PORT missing; start by torchrun"), joined():
        pass
