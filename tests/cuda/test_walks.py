"""Every path that a GPU takes is walked on a stand-in for one, with the CPU's values."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType, SimpleNamespace

import pytest
import torch

from suite.cli.main import main
from suite.conformance import questions
from suite.core import environment, memory
from suite.core.paths import DOCS, ROOT, SUITE
from suite.encoders import load
from suite.experiments import conftest, head_training, imagenet
from suite.experiments.costs.job import Operation
from suite.imagenet_pipeline import prefetch
from suite.mini.pretrain.train import pick_device
from suite.plan import calibrate, costs_text, rates, samples
from suite.plan.forecast import forecast as make_forecast
from suite.probes import tiled_loss
from suite.reproduction import measure, settled
from suite.run.request import make_request, resolve_device
from suite.training import distributed
from suite.verification import determinism, quick
from tests.support.card import CARD, MEMORY, OnCard, card
from tests.support.card_walks import METHODS, WALKS, Values, branches, table
from tests.support.vits import TinyViT

PAGE = DOCS / "explanation" / "gpu.md"
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
"""A GPU's loss is summed in other tiles than the CPU's: rounding of float32, carried through a few steps."""


@contextlib.contextmanager
def calls() -> Iterator[set[str]]:
    """Collect the functions of the suite that are called, in any thread, as the page's table names them."""
    codes: set[CodeType] = set()
    names: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            codes.add(frame.f_code)

    sys.setprofile(note)
    threading.setprofile(note)
    try:
        yield names
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
        for code in codes:
            path = Path(code.co_filename)
            if path.is_relative_to(SUITE):
                name = code.co_qualname.replace(".<locals>", "")
                names.add(f"{path.relative_to(ROOT).as_posix()} {name}")


def promised(test: str) -> set[str]:
    """List the branches that the page says a test of this folder walks."""
    return {branch for branch, name in table(PAGE).items() if name.endswith(f"::{test}")}


def compare(values: Values, expected: Values) -> None:
    assert values.keys() == expected.keys()
    for name, value in values.items():
        torch.testing.assert_close(value, expected[name], msg=lambda text, name=name: f"{name}: {text}", **CLOSE)


@pytest.mark.parametrize("method", METHODS)
def test_every_encoder_is_loaded_and_run(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = WALKS["encoder"]("cpu", tmp_path, method=method)
    with card(monkeypatch), calls() as names:
        compare(WALKS["encoder"]("cuda", tmp_path, method=method), expected)
    assert promised("test_every_encoder_is_loaded_and_run") <= names


@pytest.mark.slow
@pytest.mark.parametrize("walk", [name for name in WALKS if name != "encoder"])
def test_every_walk_has_the_cpu_s_values(walk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = WALKS[walk]("cpu", tmp_path / "expected")
    with card(monkeypatch):
        compare(WALKS[walk]("cuda", tmp_path / "found"), expected)


@pytest.mark.slow
def test_the_walks_go_where_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for cached in (prefetch._side_stream, tiled_loss._tiles):
        cached.cache_clear()
    with card(monkeypatch), calls() as names:
        for name, walk in WALKS.items():
            walk("cuda", tmp_path / name)
    assert promised("test_the_walks_go_where_the_page_says") <= names
    assert promised("test_every_walk_has_the_cpu_s_values") == set(), "that test has no look at what is called"


def test_every_branch_on_the_device_has_a_row_and_a_test() -> None:
    rows = table(PAGE)
    assert branches(SUITE) - rows.keys() == set(), "what is new: add a row to the page, and a test that walks it"
    assert rows.keys() - branches(SUITE) == set(), "what is gone: drop its row"
    for branch, test in rows.items():
        path, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(), f"{branch}: no test {test}"


@pytest.mark.parametrize(
    "line",
    [
        'if device == "cuda":',
        'if x.device.type != "cpu":',
        'if device.startswith("cuda"):',
        "if x.is_cuda:",
        "if not x.is_cpu:",
        "if torch.cuda.is_available():",
        "if SIZES[x.device.type]:",
    ],
)
def test_a_new_branch_without_a_row_is_seen(line: str, tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(f"class A:\n    def step(self, x, device):\n        {line}\n            pass\n")
    assert branches(tmp_path) == {f"{tmp_path.name}/new.py A.step"}


@pytest.mark.slow
def test_decisions_about_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Precision, rates and samples of a plan, facts of the machine, and who has the GPU."""
    lower = SimpleNamespace(autocast="float16")
    task = SimpleNamespace(settings=lower, request=SimpleNamespace(device="cuda"))
    lines: list[str] = []
    with card(monkeypatch), calls() as names:
        assert head_training._lower(task) == torch.float16
        monkeypatch.setattr(imagenet, "token_encoder", lambda _encoder, **how: how["autocast"])
        stream = SimpleNamespace(**vars(task), encoder=None, forward_batch_size=2, permuted=False)
        assert imagenet._encode(stream) == torch.float16
        assert load.load_encoder("random_init", device="cuda").device == CARD
        assert (memory.free_device_bytes("cuda"), memory.total_device_bytes("cuda")) == (MEMORY, MEMORY)
        memory.release_memory()
        assert environment.capture("cuda")["gpu"]["name"] == "Stand-in"
        monkeypatch.setattr("suite.run.request.has_gpu", lambda: True)
        assert (resolve_device("cuda"), resolve_device("auto"), pick_device("auto").type) == ("cuda", "cuda", "cuda")
        assert calibrate.timed(lambda: None, share_s=0, device="cuda") >= 0
        assert rates.device_name("cuda", 1).startswith("Stand-in")
        times = SimpleNamespace(time=lambda seconds: seconds, flops_per_s=None)
        job = SimpleNamespace(steps=3.0, reading=8.0, devices=2)
        assert rates.seconds_of(job, times, device="cuda", threads=4) == 1.5
        monkeypatch.setattr(measure, "call", lambda _function, processes: (4, ["GPU 1: in use"]))
        assert measure._free_places(SimpleNamespace(device="cuda", processes_per_probe=2)) == 2
        assert settled._facts(SimpleNamespace(device="cuda")) is None
        assert [check.status for check in determinism.determinism("cuda")][:1] == ["passed"]
        monkeypatch.setattr(conftest, "LEASES", [])
        monkeypatch.setattr(conftest, "lease", lambda count, *, wait: lines.append(f"{count} {wait}") or [CARD])
        conftest._take_gpus(SimpleNamespace(device="cuda", processes_per_probe=1), wait=True)
        _plans(monkeypatch, tmp_path)
        _checks(monkeypatch)
    assert lines == ["1 True"]
    assert promised("test_decisions_about_the_device") <= names


def _plans(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Time full passes, steps and batches; count what GPUs share."""
    monkeypatch.setattr(samples, "_built", lambda _shape, device: TinyViT().wrapped().to(device))
    shapes = {"tiny": SimpleNamespace(flops=lambda _side: 10**12)}
    call, batch = samples._encode(Operation("encode", "tiny float32", (32, 3)), shapes, "cuda", folder)
    call()
    assert batch == 3
    call, count = samples._learn(Operation("learn", "float32", (8, 2, 16, 3)), {}, "cuda", folder)
    call()
    assert count == 16
    learners, tokens = samples._probes(Operation("fit", "", (12, 5, 3, 3, 40)), "cuda")
    assert (len(tokens), tokens.device, learners[0].device) == (40, CARD, CARD)
    places = {"data": folder / "data", "weights": folder / "weights", "cache": folder / "cache", "run": folder / "run"}
    options = {"experiments": ["image_classification"], "datasets": ["imagenet1k"], "encoders": ["mae"]}
    request = make_request(profile="paper", device="cuda", processes_per_probe=4, **options, **places)
    forecast = make_forecast(request)
    assert {entry.job.devices for entry in forecast.entries} == {4}
    assert "On the device about" in " ".join(costs_text._notes(forecast, here=True))


def _checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at encoder and machine."""
    encoder = load.load_encoder("random_init", device="cuda")
    assert questions.deterministic(encoder).text.startswith("two passes")
    assert questions.batch_invariant(encoder).text.startswith("largest change")
    for checks in (quick.machine, quick.packages, quick.isolation):
        for name in ("python", "lock_fits_project", "packages", "processor", "gpu", "kernel", "image", "isolation"):
            monkeypatch.setattr(checks, name, lambda *_: "looked at", raising=False)
    monkeypatch.setattr(quick, "determinism", lambda device: [device])
    assert quick.quick("mini", "cuda") == ["looked at"] * 8 + ["cuda"]


def test_a_plan_begins_with_the_state_of_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("suite.verification.machine.gpu", lambda name: SimpleNamespace(text=lambda: f"{name}: busy"))
    monkeypatch.setattr("suite.run.request.has_gpu", lambda: True)
    places = [f"--{name}={tmp_path / name}" for name in ("data", "weights", "cache", "run")]
    with card(monkeypatch), calls() as names:
        code = main(["plan", "--profile=paper", "--device=cuda", "--encoder=dino", "--dataset=cifar10", *places,
                     "--no-calibrate"])  # fmt: skip
    assert (code, capsys.readouterr().out[:12]) == (2, "paper: busy\n")
    assert promised("test_a_plan_begins_with_the_state_of_the_gpu") <= names


def test_processes_that_share_a_batch_have_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but NCCL itself: the places of the processes, the backend, votes on the GPU."""
    begun, groups, votes = [], [], []
    process = SimpleNamespace(start=lambda: None, join=lambda _s: None, kill=lambda: None, exitcode=0)
    context = SimpleNamespace(Process=lambda **how: begun.append(how["args"][:2]) or process)
    store = SimpleNamespace(port=7, set=lambda _key, _text: None, check=lambda _keys: False)
    monkeypatch.setattr(distributed, "TCPStore", lambda *_args, **_how: store)
    monkeypatch.setattr(distributed.multiprocessing, "get_context", lambda _kind: context)
    monkeypatch.setattr(distributed.dist, "init_process_group", lambda backend, **_how: groups.append(backend))
    monkeypatch.setattr(distributed.dist, "destroy_process_group", lambda: None)
    monkeypatch.setattr(distributed.dist, "get_backend", lambda: "nccl")
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda vote: votes.append(type(vote)))
    with card(monkeypatch), calls() as names:
        assert distributed.run_together(2, "cuda", [4, 6], lambda world: world.agree(True))
        distributed._follow((1, 2, 7), 6, lambda world: world.agree(False), ())
    assert (begun, groups, votes) == ([((1, 2, 7), 6)], ["nccl", "nccl"], [OnCard, OnCard])
    assert promised("test_processes_that_share_a_batch_have_a_gpu_each") <= names
