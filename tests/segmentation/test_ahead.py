"""Crops made ahead: the same batches, made while a step is at work, on a stream that the step waits for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from suite.errors import DatasetError
from suite.imagenet_pipeline import prefetch
from suite.segmentation.ahead import AHEAD, CropsAhead
from suite.segmentation.batch import Batch
from tests.support.segmentation_bank import assert_same, batches, train


def equal(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.tensors(), other.tensors(), strict=True))


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("steps", [range(9), [4, 5, 6], [0, 1, 5, 6, 2, 2, 8]])
def test_batches_are_the_same_whatever_was_asked_for_before(steps: list[int], threaded: bool) -> None:
    with CropsAhead(batches, 9, "cpu", threaded=threaded) as ahead:
        assert all(equal(ahead(step), batches(step)) for step in steps)


def test_a_training_ends_the_same_to_the_last_bit() -> None:
    with CropsAhead(batches, 12, "cpu", threaded=True) as ahead:
        assert_same(train(batches=ahead), train())


def test_the_next_batches_are_made_while_a_step_is_at_work() -> None:
    events = [threading.Event() for _ in range(6)]
    threads = set()

    def crops(step: int) -> Batch:
        threads.add(threading.current_thread())
        events[step].set()
        return batches(step)

    with CropsAhead(crops, 6, "cpu", threaded=True) as ahead:
        for step in range(6):
            ahead(step)
            # the step is at work: nobody asks for the next, and yet they are made
            for number in range(step + 1, min(step + 1 + AHEAD, 6)):
                assert events[number].wait(20), (step, number)
            assert not any(event.is_set() for event in events[step + 1 + AHEAD :])
    assert len(threads) == 1
    assert threads.isdisjoint({threading.current_thread()})


def test_on_the_cpu_nothing_is_made_before_it_is_wanted() -> None:
    steps: list[int] = []

    def crops(step: int) -> Batch:
        steps.append(step)
        return batches(step)

    with CropsAhead(crops, 5, "cpu") as ahead:
        for step in range(3):
            ahead(step)
    assert steps == [0, 1, 2]


def test_nothing_is_made_beyond_the_last_step() -> None:
    steps: list[int] = []

    def crops(step: int) -> Batch:
        steps.append(step)
        return batches(step)

    with CropsAhead(crops, 3, "cpu", threaded=True) as ahead:
        for step in range(3):
            ahead(step)
    assert steps == [0, 1, 2]


def test_damage_is_told_by_the_step_that_needs_the_image() -> None:
    def crops(step: int) -> Batch:
        if step == 1:
            raise DatasetError("a.jpg: cannot be read")
        return batches(step)

    with CropsAhead(crops, 4, "cpu", threaded=True) as ahead:
        ahead(0)
        with pytest.raises(DatasetError, match=r"a\.jpg: cannot be read"):
            ahead(1)
        assert equal(ahead(2), batches(2))


def test_a_step_waits_for_the_side_stream_and_keeps_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    class Stream:
        def record_event(self) -> str:
            calls.append("record")
            return "event"

        def wait_event(self, event: str) -> None:
            calls.append(f"wait for {event}")

    devices: list[str] = []

    def side(device: torch.device) -> Stream:
        devices.append(str(device))
        return Stream()

    @contextmanager
    def within(_stream: Stream) -> Iterator[None]:
        calls.append("begin")
        yield

    monkeypatch.setattr(prefetch, "_side_stream", side)
    monkeypatch.setattr(torch.cuda, "stream", within)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _device: Stream())
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda *_: calls.append("keep"))
    with CropsAhead(batches, 1, "cuda") as ahead:
        assert equal(ahead(0), batches(0))
    assert devices == ["cuda:1"], "the card that this process has leased, not the first"
    assert calls == ["begin", "record", "wait for event", *["keep"] * 5]
