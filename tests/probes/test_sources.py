"""Tokens kept and tokens computed again are the same bits, in any order, however they are cut."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from suite.core import memory
from suite.core.paths import MINI_WEIGHTS as WEIGHTS
from suite.datasets.views import View, ViewSet
from suite.encoders import load_encoder
from suite.features import Passes
from suite.probes import sources
from suite.probes.bank import train_bank
from suite.probes.learner import ProbeSpec
from suite.probes.sources import KeptTokens, RecomputedTokens, token_source
from suite.training.schedules import Cosine
from tests.support.devices import GPU

COUNT = 23


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> ViewSet:
    """Crops of a few files, those of one file far apart."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(rng.integers(0, 256, (90, 80, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    boxes = [(left, left - 5, left + 40, left + 35) for left in range(COUNT)]
    crops = [View(folder / f"{number % 5}.png", box) for number, box in enumerate(boxes)]
    return ViewSet(crops, np.arange(COUNT), tuple(map(str, range(COUNT))))


def passes(views: ViewSet, *, permute: bool = False, device: str = "cpu") -> Passes:
    return Passes(load_encoder("mae", weights=WEIGHTS, device=device), views, "square_train", permute, batch_size=8)


def free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(sources, "available_bytes", lambda: size)


@pytest.mark.parametrize("permute", [False, True])
@pytest.mark.parametrize("chunk", [1, 5, 8, 16, COUNT])
def test_both_sources_give_the_same_bits(
    views: ViewSet, chunk: int, permute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = passes(views, permute=permute)
    free(monkeypatch, 1 << 40)
    kept = token_source(how, "mae")
    free(monkeypatch, 0)
    recomputed = token_source(how, "mae")
    assert isinstance(kept, KeptTokens)
    assert isinstance(recomputed, RecomputedTokens)
    assert len(kept) == len(recomputed) == COUNT
    for epoch in range(2):
        chunks = torch.randperm(COUNT, generator=torch.Generator().manual_seed(epoch)).split(chunk)
        pairs = list(zip(kept.tokens(epoch, chunks), recomputed.tokens(epoch, chunks), strict=True))
        assert len(pairs) == len(chunks)
        for part, (one, other) in zip(chunks, pairs, strict=True):
            assert one.keys() == other.keys() == {"mae"}
            assert one["mae"].shape == (len(part), 37, 96)
            assert torch.equal(one["mae"], other["mae"])


def test_probes_learn_the_same_from_either(views: ViewSet, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule, labels = Cosine(2), torch.arange(COUNT) % 3
    specs = [
        ProbeSpec(kind, "mae", kind, 96, 3, lr=0.1, batch_size=8, schedule=schedule, num_heads=3)
        for kind in ("linear", "attentive")
    ]
    heads = []
    for size in (1 << 40, 0):
        free(monkeypatch, size)
        source = token_source(passes(views), "mae")
        trained = train_bank(specs, source, labels, seed=0, judge=lambda _: {})
        heads.append({f"{kind} {name}": v for kind in trained for name, v in trained[kind].head.state_dict().items()})
    assert heads[0].keys() == heads[1].keys()
    assert all(torch.equal(value, heads[1][name]) for name, value in heads[0].items())
    assert heads[0]["linear fc.weight"].abs().max() > 0.05, "it learned something"


def test_a_share_of_an_epoch_is_the_same_as_in_the_whole(views: ViewSet) -> None:
    source = RecomputedTokens(passes(views), "mae")
    [whole] = source.tokens(0, [torch.arange(COUNT)])
    empty, share = source.tokens(0, [torch.arange(0), torch.tensor([20, 3, 11])])
    assert torch.equal(share["mae"], whole["mae"][[20, 3, 11]])
    assert empty["mae"].shape == (0, 37, 96)
    assert list(source.tokens(0, [])) == []


def test_tokens_are_kept_up_to_a_share_of_the_memory(views: ViewSet, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 4 * COUNT * 37 * 96
    free(monkeypatch, 4 * size)
    assert isinstance(token_source(passes(views), "mae"), KeptTokens)
    free(monkeypatch, 4 * size - 1)
    assert isinstance(token_source(passes(views), "mae"), RecomputedTokens)


@pytest.mark.parametrize("device", ["cpu", GPU])
def test_tokens_that_memory_has_no_room_for_stay_on_the_gpu(
    views: ViewSet, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU it goes the same way if it is said to have the room of a GPU."""
    how, size = passes(views, device=device), 4 * COUNT * 37 * 96
    free(monkeypatch, 4 * size)
    kept = token_source(how, "mae")
    free(monkeypatch, 4 * size - 1)
    monkeypatch.setattr(sources, "free_device_bytes", lambda _device: size * 4 // 3 - 1)
    assert isinstance(token_source(how, "mae"), RecomputedTokens)
    monkeypatch.setattr(sources, "free_device_bytes", lambda _device: size * 4 // 3 + 1)
    monkeypatch.setattr(sources, "extract", lambda *_, **__: pytest.fail("in memory after all"))
    on_device = token_source(how, "mae")
    assert isinstance(on_device, KeptTokens)
    chunks = torch.randperm(COUNT).split(9)
    for one, other in zip(kept.tokens(0, chunks), on_device.tokens(0, chunks), strict=True):
        assert other["mae"].device.type == device
        assert torch.equal(one["mae"], other["mae"].cpu())


def test_the_cpu_is_no_gpu() -> None:
    assert memory.free_device_bytes("cpu") == memory.total_device_bytes("cpu") == 0


# --- memory ---


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel's files, of our own; the machine has 1,000 bytes free."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "self")
    monkeypatch.setattr(memory, "MOUNT", tmp_path / "fs")
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1_000}))
    return tmp_path


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_without_a_limit_the_machine_decides(kernel: Path) -> None:
    assert memory.available_bytes() == 1_000
    (kernel / "self").write_text("0::/\n")
    write(kernel / "fs", memory__max="max\n", memory__current="900\n")
    assert memory.available_bytes() == 1_000


def test_the_tightest_group_decides_and_cached_files_count_as_free(kernel: Path) -> None:
    (kernel / "self").write_text("0::/outer/inner\n")
    write(
        kernel / "fs" / "outer", memory__max="500\n", memory__current="300\n", memory__stat="anon 9\ninactive_file 50\n"
    )
    write(kernel / "fs" / "outer" / "inner", memory__max="max\n", memory__current="200\n")
    assert memory.available_bytes() == 500 - 300 + 50
    write(kernel / "fs" / "outer" / "inner", memory__max="210\n")
    assert memory.available_bytes() == 10
    write(kernel / "fs" / "outer" / "inner", memory__current="230\n")
    assert memory.available_bytes() == 0, "over its limit"


def test_groups_of_version_1(kernel: Path) -> None:
    (kernel / "self").write_text("5:cpu,cpuacct:/a\n4:memory:/a\n")
    write(
        kernel / "fs" / "memory",
        memory__limit_in_bytes="400\n",
        memory__usage_in_bytes="100\n",
        memory__stat="total_inactive_file 7\n",
    )
    assert memory.available_bytes() == 307
