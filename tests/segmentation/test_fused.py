"""The GPU kernel of the loss: the plain loss's values, for every card that is named; and a gain, never a condition."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from suite.errors import MetricError
from suite.probes import segmentation_loss
from suite.segmentation import fused, toolchain
from suite.segmentation.bank import HeadLearner, HeadSpec
from suite.segmentation.fused import FastestLoss
from suite.training.schedules import Poly
from tests.support.segmentation_loss import assert_same, problem

SHAPE = (2, 5, 3, 2, 24, 10)
WARNING = "warning: segmentation: the loss is computed without the GPU kernel, so more slowly, equal to rounding"
INTERPRETED = """
import torch
from suite.segmentation.fused import fused_loss
from tests.support.segmentation_loss import assert_same, plain, problem
SHAPES = (2, 5, 3, 2, 24, 10), (1, 130, 2, 2, 6, 6), (1, 5, 1, 1, 3, 20), (1, 3, 5, 5, 4, 3), (1, 4, 1, 1, 20, 20)
for shape in SHAPES:
    for spread in (1, 200):
        logits, target = problem(shape)
        logits = (spread * logits.detach()).requires_grad_()
        assert_same(logits, 2 * fused_loss(logits, target), 2 * plain(logits, target))
"""


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let logits of the CPU pass for those of an H100, and every warning come."""
    monkeypatch.setattr(fused, "_is_on_gpu", lambda _logits: True)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _device: (9, 0))
    toolchain.prepare.cache_clear()
    fused._warn_once.cache_clear()


def broken(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def start(*_arguments: object, **_options: object) -> Tensor:
        raise error

    monkeypatch.setattr(fused, "fused_loss", start)


@pytest.mark.slow
def test_interpreted_on_the_cpu_it_gives_the_plain_way_s_gradient() -> None:
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": ".", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("classes", "architecture"), [(19, 90), (150, 90), (209, 90), (19, 80), (19, 100), (19, 120)])
def test_it_compiles_for_a_card_that_need_not_be_there_and_keeps_to_the_registers(
    classes: int, architecture: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registers are looked at for an H100 or H200 (compute capability 9.0)."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    triton = pytest.importorskip("triton")
    from suite.segmentation.kernel import ARCHITECTURES, compile_ahead

    assert architecture in ARCHITECTURES
    compiled = compile_ahead(classes, architecture)
    assert compiled.asm["cubin"].startswith(b"\x7fELF")
    if architecture == 90:
        (tmp_path / "kernel.ptx").write_text(compiled.asm["ptx"])
        assembler = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
        command = [assembler, "-arch=sm_90a", "-v", tmp_path / "kernel.ptx", "-o", tmp_path / "kernel.cubin"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        assert "0 bytes spill stores, 0 bytes spill loads" in printed, printed


@pytest.mark.usefixtures("on_a_gpu")
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            RuntimeError("0 active drivers ([]). There should only be one.\nmore"),
            "RuntimeError: 0 active drivers",
        ),
        (ImportError("stub.so: failed to map segment from shared object"), "ImportError: stub.so: failed to map"),
        (subprocess.CalledProcessError(1, ["gcc"]), "CalledProcessError: Command '['gcc']' returned non-zero exit"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_whatever_keeps_the_kernel_from_starting_is_told_once_and_the_plain_loss_goes_on(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(toolchain, "lacking", list)
    broken(monkeypatch, error)
    logits, target = problem(SHAPE)
    heads = FastestLoss(), FastestLoss()
    for loss in heads:
        for _step in range(3):
            assert_same(logits, loss(logits, target), segmentation_loss(logits, target), tolerance=0)
    printed = capsys.readouterr().err
    assert printed.startswith(f"{WARNING}: {reason}")
    assert printed.count("\n") == 1
    way = heads[0].way(3, torch.device("cuda"))
    assert way == f"tile by tile ({heads[0].reason})"
    assert heads[0].reason.startswith(reason)


@pytest.mark.usefixtures("on_a_gpu")
def test_without_a_driver_triton_itself_fails_and_the_plain_loss_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("triton")
    logits, target = problem(SHAPE)
    loss = FastestLoss()
    assert_same(logits, loss(logits, target), segmentation_loss(logits, target), tolerance=0)
    assert loss.fused == 0
    assert capsys.readouterr().err == f"{WARNING}: {loss.reason}\n"


@pytest.mark.usefixtures("on_a_gpu")
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MetricError("a wrong label")])
def test_what_is_not_the_kernel_s_own_trouble_is_not_hidden(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch, error)
    loss = FastestLoss()
    with pytest.raises(type(error), match=str(error)):
        loss(*problem(SHAPE))
    assert not loss.reason


@pytest.mark.usefixtures("on_a_gpu")
def test_a_card_that_triton_does_not_support_is_never_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _device: (7, 5))
    broken(monkeypatch, AssertionError("asked"))
    FastestLoss()(*problem(SHAPE))
    assert capsys.readouterr().err == f"{WARNING}: the card's compute capability is 7.5: Triton needs 8.0\n"


@pytest.mark.usefixtures("on_a_gpu")
def test_a_head_s_checkpoint_keeps_how_its_losses_were_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "fused_loss", segmentation_loss)
    monkeypatch.setattr(toolchain, "lacking", list)

    def learner() -> HeadLearner:
        return HeadLearner(HeadSpec("a", "parts", 5), 6, Poly(4, 1), torch.device("cpu"))

    features, labels = torch.ones(2, 6, 3, 2), problem(SHAPE)[1]
    first, second = learner(), learner()
    for _step in range(2):
        first.learn(features, labels)
    assert first.way == "fused kernel"
    second.restore(first.state())
    broken(monkeypatch, RuntimeError("device lost"))
    second.learn(features, labels)
    assert second.loss.way(second.step, torch.device("cuda")) == (
        "fused kernel in 2 of 3 steps, tile by tile in the others (RuntimeError: device lost)"
    )
    third = learner()
    third.restore(second.state())
    assert third.loss.way(third.step, torch.device("cuda")) == (
        "fused kernel in 2 of 3 steps, tile by tile in the others (for a reason that an earlier process told)"
    )
    assert FastestLoss().way(3, torch.device("cpu")) == "tile by tile (no GPU)"


def test_the_driver_that_torch_has_loaded_is_shown_to_triton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("libcuda.so.1", "libcuda.so.580.95.05"):
        (tmp_path / name).touch()
    line = f"7f0000000000-7f0000001000 r-xp 00000000 08:01 1234                       {tmp_path}/libcuda.so.580.95.05"
    (tmp_path / "maps").write_text(f"7f00-7f01 rw-p 00000000 00:00 0\n{line}\n")
    monkeypatch.setattr(toolchain, "_MAPS", tmp_path / "maps")
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _device: (9, 0))
    monkeypatch.delenv("TRITON_LIBCUDA_PATH", raising=False)
    toolchain.prepare.cache_clear()
    toolchain.prepare(torch.device("cuda", 0))
    assert os.environ.pop("TRITON_LIBCUDA_PATH") == str(tmp_path)
    toolchain.prepare.cache_clear()


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for Triton's cache; Triton looks for a compiler anew."""
    build = pytest.importorskip("triton.runtime.build")
    build._find_compiler.cache_clear()
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build() -> str:
    """Build a stub; return why it could not be, empty where it could."""
    try:
        toolchain.build_stub()
    except Exception as error:
        return toolchain.reason(error)
    return ""


def test_a_missing_compiler_is_named_with_its_remedy(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fresh))
    assert build() == "no C compiler: install gcc (Debian, Ubuntu: apt-get install gcc libc6-dev)"
    monkeypatch.setenv("CC", "/nowhere/cc")
    assert build() == "the C compiler that CC names is not there (/nowhere/cc): correct or unset CC"


def test_a_cache_that_cannot_be_written_is_named_with_its_remedy(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.write_text("a file where the folder should be")
    monkeypatch.setenv("TRITON_CACHE_DIR", f"{fresh}/deeper")
    remedy = "set TRITON_CACHE_DIR to a folder of yours where programs may run"
    assert build() == f"Triton's cache {fresh}/deeper: Not a directory: {remedy}"


def test_missing_headers_and_a_cache_mounted_noexec_are_named(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.shutil, "which", lambda _name: "/usr/bin/gcc")
    monkeypatch.setattr(toolchain.sysconfig, "get_paths", lambda _scheme: {"include": str(fresh.parent)})
    monkeypatch.setattr(toolchain.os, "statvfs", lambda _path: type("Mount", (), {"f_flag": os.ST_NOEXEC}))
    assert toolchain.lacking() == [
        f"no Python.h in {fresh.parent}: install Python's headers (Debian, Ubuntu: apt-get install python3-dev)",
        f"Triton's cache {fresh}: its file system is mounted noexec, so nothing can be loaded from it: "
        "set TRITON_CACHE_DIR to a folder of yours where programs may run",
    ]


@pytest.mark.skipif(toolchain.lacking() != [], reason="this machine lacks what Triton needs")
def test_where_nothing_is_lacking_a_stub_is_compiled_and_loaded(fresh: Path) -> None:
    assert build() == ""
    assert [path.name.split(".")[0] for path in fresh.glob("*/*.so")] == ["suite_stub"]
