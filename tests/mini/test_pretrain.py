"""Runs of the mini pretraining: exact resumption, order, schedule, health gates, errors."""

import csv
import math

import numpy as np
import pytest
import torch

pytest.importorskip("lightly")

from suite.core.files import write_atomically
from suite.errors import RequestError, StorageError
from suite.mini.pretrain import data, health, methods, train
from suite.mini.pretrain.budgets import BUDGETS, Budget, budget
from suite.mini.pretrain.distillation import PROTOTYPES
from suite.mini.pretrain.vit import DIM, PATCHES
from tests.support import pretraining

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize("method", ["ibot", "cae"])
def test_an_interrupted_run_ends_in_the_bits_of_an_uninterrupted_one(method, drawings, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "MEASUREMENTS", 1)
    whole, part = (
        pretraining.run(method, drawings, tmp_path / "whole"),
        pretraining.run(method, drawings, tmp_path / "part"),
    )
    whole.train()
    monkeypatch.setattr(part, "take_step", interrupted_at(3, part))
    with pytest.raises(KeyboardInterrupt):
        part.train()
    rest = pretraining.run(method, drawings, tmp_path / "part")
    rest.resume()
    assert rest.step == 2
    rest.train()
    expected, got = whole.objective.state_dict(), rest.objective.state_dict()
    assert all(torch.equal(expected[key], got[key]) for key in expected)
    assert [row["held_out_loss"] for row in rest.history] == [row["held_out_loss"] for row in whole.history]


def interrupted_at(step, its_run):
    take_step = its_run.take_step

    def step_or_stop():
        if its_run.step == step:
            raise KeyboardInterrupt
        return take_step()

    return step_or_stop


@pytest.mark.parametrize("changed", ["budget", "drawings"])
def test_a_state_of_another_plan_is_not_resumed(changed, drawings, tmp_path):
    first = pretraining.run("mae", drawings, tmp_path)
    first.step = 1
    first.save()
    same = pretraining.run("mae", drawings, tmp_path)
    same.resume()
    assert same.step == 1
    darker = data.Drawings(drawings.images // 2, drawings.labels)
    other = (
        pretraining.run("mae", drawings, tmp_path, steps=3)
        if changed == "budget"
        else pretraining.run("mae", darker, tmp_path)
    )
    other.resume()
    assert other.step == 0


def test_drawings_are_kept_until_they_come_out_otherwise(drawings, tmp_path):
    counts = []

    def make(shade):
        def first(count):
            counts.append(count)
            return data.Drawings(drawings.images[:count] // shade, drawings.labels[:count])

        return first

    path = tmp_path / "x.npz"
    data.cached(path, 40, make(1))
    assert np.array_equal(data.cached(path, 40, make(1)).images, drawings.images[:40])
    assert counts == [40, data.FEW]
    assert np.array_equal(data.cached(path, 40, make(2)).images, drawings.images[:40] // 2)
    assert counts == [40, data.FEW, data.FEW, 40]


def test_initialisation_is_a_function_of_the_seed(drawings):
    one, same, other = (methods.objective("dino", drawings, Budget(steps=1), seed) for seed in (0, 0, 1))
    equal = [torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True)]
    assert all(equal)
    assert not torch.equal(one.encoder.blocks[0].attn.qkv.weight, other.encoder.blocks[0].attn.qkv.weight)


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order(drawings):
    batches = [drawings.batch(step, 32, 5, torch.device("cpu"))[0] for step in range(8)]
    first, second = torch.cat(batches[:4]), torch.cat(batches[4:])
    assert sorted(image.sum().item() for image in first) == sorted(image.sum().item() for image in second)
    assert not torch.equal(first, second)
    assert torch.equal(batches[5], drawings.batch(5, 32, 5, torch.device("cpu"))[0])


def test_the_schedule_warms_up_and_ends_at_zero():
    its_budget = Budget(steps=100, warmup=10)
    factors = [train.schedule(step, its_budget) for step in (0, 4, 9, 10, 55, 99)]
    assert factors[:4] == [0.1, 0.5, 1.0, 1.0]
    assert math.isclose(factors[4], 0.5)
    assert factors[5] < 1e-3


UNIFORM = math.log(PROTOTYPES)
HEALTHY = {"held_out_loss": 1.0, "object_linear": 20.0, "part_linear": 20.0}
DISTILLED = HEALTHY | {"teacher_entropy": 0.6 * UNIFORM, "marginal_entropy": UNIFORM, "agreement": 0.4}
START = {"held_out_loss": 2.0, "object_linear": 10.0, "part_linear": 10.0, "agreement": 0.1}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (HEALTHY, []),
        (DISTILLED, []),
        (HEALTHY | {"held_out_loss": 2.5}, ["held-out loss rose from 2.000 to 2.500"]),
        (
            HEALTHY | {"part_linear": 9.0},
            ["linear part classification 9.0 % is not above 10.0 %, its random initialisation's"],
        ),
        (DISTILLED | {"teacher_entropy": 0.1}, ["teacher entropy 0.10 nats is near collapse or uniform"]),
        (DISTILLED | {"teacher_entropy": 6.2}, ["teacher entropy 6.20 nats is near collapse or uniform"]),
        (DISTILLED | {"marginal_entropy": 1.8}, ["few prototypes in use: marginal entropy 1.80 nats"]),
        (
            DISTILLED | {"agreement": 0.05},
            ["the two views of an image agree no more often than at random initialisation"],
        ),
    ],
)
def test_each_gate_says_what_it_misses(last, expected):
    assert health.failures("beit", [START, last]) == expected


def test_pretrain_writes_weights_and_history(drawings, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "MEASUREMENTS", 2)
    monkeypatch.setattr(data, "load", lambda cache: (drawings, data.HeldOut(drawings, drawings)))
    monkeypatch.setitem(BUDGETS, "mae", Budget(steps=2, batch=16, warmup=1))
    missed = train.pretrain(["mae"], device="cpu", out=tmp_path / "out", cache=tmp_path / "cache")
    assert list(missed) == ["mae"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mae.csv", "mae.pth"]
    with (tmp_path / "out" / "mae.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["0", "1", "2"]
    stored = torch.load(tmp_path / "out" / "mae.pth", weights_only=True)["model"]
    assert stored["pos_embed"].shape == (1, 1 + PATCHES, DIM)


def test_an_unknown_method_is_refused_by_name():
    with pytest.raises(RequestError) as error:
        budget("simclr")
    valid = "deit, mocov3, dino, beit, mae, cae, ibot"
    assert str(error.value) == f"unknown method to pretrain 'simclr': expected one of {valid}"


def test_a_missing_gpu_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError) as error:
        train.pick_device("cuda")
    assert str(error.value) == ("device 'cuda': expected a GPU that PyTorch can use, found none: use --device cpu")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StorageError, match=r"file/x\.pth: cannot be written"):
        write_atomically(blocked / "x.pth", lambda file: file.write(b"x"))


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"half")
        raise OSError("no space left on device")

    with pytest.raises(StorageError):
        write_atomically(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.pth"]
    assert path.read_bytes() == b"old"
