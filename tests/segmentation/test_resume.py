from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from suite.core.signals import stop_on_signals
from suite.errors import RequestError, StorageError
from tests.support.segmentation_bank import SPECS, assert_same, train

KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from safetensors import safe_open
from tests.support.segmentation_bank import train

torch.set_num_threads(1)
train(iterations=1)  # what the first step loads, children need not
folder, moments, kills = Path(sys.argv[1]), random.Random(0), 20

def steps(path):
    with safe_open(path, "pt") as file:
        return file.get_slice("losses").get_shape()[0]

while True:
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        train(iterations=200, folder=folder, on_round=lambda *_: os.write(told, b"."))
        os._exit(0)
    os.close(told)
    if kills == 0:
        sys.exit(os.waitpid(child, 0)[1])
    for _ in range(moments.randrange(8)):
        os.read(heard, 1)
    time.sleep(moments.uniform(0, 0.01))  # anywhere in the step after, or while its checkpoints are written
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "it was faster than the kills"
    os.close(heard)
    kills -= 1
    print(sorted(steps(path) for path in folder.glob("*.safetensors")), flush=True)
"""


def interrupted_after(step: int, folder: Path, specs=SPECS, **options) -> None:
    """Train and stop after so many steps of the first head."""
    calls = iter(range(1, 1000))
    with pytest.raises(KeyboardInterrupt, match=f"stopped after step {step} of 12"):
        train(specs, folder=folder, stop=lambda: next(calls) == step, **options)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


@pytest.mark.slow
def test_killed_at_twenty_moments_it_ends_with_the_same_bits(tmp_path):
    environment = os.environ | {"PYTHONPATH": ".", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    after_kills = [tuple(json.loads(line)) for line in done.stdout.splitlines()]
    assert len(after_kills) == 20
    assert len(set(after_kills)) > 5  # the kills hit a training that went on, not its start only
    steps = []
    finished = train(iterations=200, folder=tmp_path, batches=steps.append)
    assert not steps
    assert_same(finished, train(iterations=200))


@pytest.mark.parametrize("step", [1, 4, 11])
def test_stopped_between_steps_it_ends_with_the_same_bits(tmp_path, step):
    interrupted_after(step, tmp_path, checkpoint_s=1e9)
    assert_same(train(folder=tmp_path), train())


def test_a_resumed_training_asks_for_no_crop_again(tmp_path):
    from tests.support.segmentation_bank import batches

    interrupted_after(7, tmp_path)
    steps = []
    train(folder=tmp_path, batches=lambda step: (steps.append(step), batches(step))[1])
    assert steps == [7, 8, 9, 10, 11]


def test_killed_between_two_files_the_head_that_is_ahead_waits_for_the_other(tmp_path):
    interrupted_after(3, tmp_path, SPECS[:1])
    interrupted_after(7, tmp_path, SPECS[1:2])
    assert_same(train(SPECS[:2], folder=tmp_path), train(SPECS[:2]))


def test_a_bank_that_grows_trains_its_new_heads_only(tmp_path):
    train(SPECS[:2], folder=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in files(tmp_path)}
    told = []
    grown = train(SPECS, folder=tmp_path, evaluate_at=(12,), on_evaluate=lambda _, heads: told.extend(heads))
    assert told == ["objects", "twice"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert_same(grown, train())


@pytest.mark.slow
@pytest.mark.parametrize(
    "other", [{"identity": "b"}, {"iterations": 13}, {"warmup": 3}], ids=["identity", "iterations", "warmup"]
)
def test_a_checkpoint_of_another_configuration_is_left_alone(tmp_path, other):
    interrupted_after(5, tmp_path)
    before = {path: path.read_bytes() for path in files(tmp_path)}
    assert_same(train(folder=tmp_path, **other), train(**other))
    assert {path: path.read_bytes() for path in before} == before
    assert len(files(tmp_path)) == 2 * len(before)


def test_a_checkpoint_under_the_name_of_another_is_ignored_with_a_warning(tmp_path, capsys):
    interrupted_after(5, tmp_path, SPECS[:1])
    (checkpoint,) = files(tmp_path)
    train(SPECS[:1], folder=tmp_path, identity="b")
    (other,) = set(files(tmp_path)) - {checkpoint}
    other.replace(checkpoint)
    assert_same(train(SPECS[:1], folder=tmp_path), train(SPECS[:1]))
    assert f"warning: {checkpoint}: is of another configuration" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0, 7, 200, -1])
def test_a_truncated_checkpoint_is_ignored_with_a_warning(tmp_path, capsys, keep):
    interrupted_after(5, tmp_path)
    first = files(tmp_path)[0]
    first.write_bytes(first.read_bytes()[:keep])
    assert_same(train(folder=tmp_path), train())
    assert f"warning: {first}: cannot be read" in capsys.readouterr().err


def test_an_altered_checkpoint_is_ignored_with_a_warning(tmp_path, capsys):
    interrupted_after(5, tmp_path)
    first = files(tmp_path)[0]
    content = bytearray(first.read_bytes())
    content[-1] ^= 1  # a bit of a weight
    first.write_bytes(content)
    assert_same(train(folder=tmp_path), train())
    assert f"warning: {first}: is altered: its content is not that of its SHA-256" in capsys.readouterr().err


def test_a_full_disk_is_an_error_that_loses_nothing(tmp_path, monkeypatch):
    interrupted_after(5, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(StorageError, match="cannot be written: No space left on device"):
            train(folder=tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert_same(train(folder=tmp_path), train())


def test_evaluation_that_a_kill_cut_short_comes_again(tmp_path):
    seen = []

    def cut_short(step, heads):
        seen.append((step, heads["low"].fc.weight.detach().clone()))
        if len(seen) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(folder=tmp_path, evaluate_at=(6,), on_evaluate=cut_short)
    train(folder=tmp_path, evaluate_at=(6,), on_evaluate=cut_short)
    assert [step for step, _ in seen] == [6, 6]
    assert torch.equal(seen[0][1], seen[1][1])


def test_a_signal_ends_the_training_after_its_step(tmp_path):
    with stop_on_signals() as stop, pytest.raises(KeyboardInterrupt, match="stopped after step 5 of 12"):
        train(
            folder=tmp_path,
            checkpoint_s=1e9,
            on_round=lambda done, *_: os.kill(os.getpid(), signal.SIGTERM) if done == 4 else None,
            stop=stop,
        )
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert_same(train(folder=tmp_path), train())


def test_checkpoints_need_to_know_what_the_training_depends_on(tmp_path):
    with pytest.raises(RequestError, match="checkpoints need `identity`"):
        train(folder=tmp_path, identity=None)
