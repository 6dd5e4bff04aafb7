"""One probe on two processes is the same probe."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from suite.core.memory import backoffs, is_out_of_memory, note_backoff
from suite.errors import RequestError
from suite.training.distributed import ALONE, World, run_together
from tests.support.probe_bank import Tokens, train, weights


def learn(folder: Path, world: World) -> None:
    torch.set_num_threads(1)
    source = Tokens()
    bank = train(world=world, source=source)
    parameters = {name: weights(probe) for name, probe in bank.items()}
    facts = {name: (probe.losses(), probe.accuracy) for name, probe in bank.items()}
    torch.save([parameters, facts, sum(len(chunk) for _, chunk in source.asked)], folder / f"{world.rank}.pt")


def fail(world: World) -> None:
    if world.rank:
        raise ValueError("the other one fails")
    world.add([torch.zeros(1)])


def runs_short(world: World) -> None:
    if world.rank:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    world.add([torch.zeros(1)])


def does_less(world: World) -> str:
    if world.rank:
        note_backoff("probes in parts of half as many as 4, for which memory had no room")
    world.wait()
    return "done"


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(tmp_path: Path) -> None:
    """52 items in rounds of 16: also the last, incomplete round and an odd share are in it."""
    run_together(2, "cpu", [], learn, tmp_path)
    alone = train()
    encoded = 0
    for rank in range(2):
        parameters, facts, count = torch.load(tmp_path / f"{rank}.pt")
        encoded += count
        for name, probe in alone.items():
            for part, value in weights(probe).items():
                torch.testing.assert_close(parameters[name][part], value, atol=1e-6, rtol=0)
            losses, accuracy = facts[name]
            assert losses == pytest.approx(probe.losses(), abs=1e-6)
            assert accuracy == probe.accuracy
    assert encoded == 52 * 3  # each item encoded once an epoch, by one of the two


def test_one_process_is_this_one() -> None:
    assert run_together(1, "cpu", [], lambda word, world: (word, world), "here") == ("here", ALONE)


@pytest.mark.slow
def test_the_failure_of_another_process_is_an_error_here() -> None:
    with pytest.raises(RequestError, match="expected 2 processes to the end"):
        run_together(2, "cpu", [], fail)


@pytest.mark.slow
def test_memory_that_another_process_lacks_is_memory_that_the_trial_lacks() -> None:
    with pytest.raises(MemoryError) as caught:
        run_together(2, "cpu", [], runs_short)
    assert str(caught.value) == "process 2 of 2: CUDA out of memory. Tried to allocate 20.00 GiB."
    assert is_out_of_memory(caught.value)


@pytest.mark.slow
def test_what_another_process_did_less_of_at_a_time_is_told_here() -> None:
    with backoffs() as told:
        assert run_together(2, "cpu", [], does_less) == "done"
    assert told() == ["process 2 of 2: probes in parts of half as many as 4, for which memory had no room"]


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
