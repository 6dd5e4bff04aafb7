"""What can change a bit is described, is in every key, and differs wherever it could change one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from suite import features
from suite.core import numerics
from suite.core.numerics import device_model, differences, digest_of_environment, environment_line, environment_of
from suite.core.precision import tf32_matmul
from suite.datasets.views import View, ViewSet
from suite.encoders import load_encoder
from suite.features import Cache, Passes
from tests.support import probe_bank, segmentation_bank

H100 = SimpleNamespace(name="NVIDIA H100 80GB HBM3", major=9, minor=0)
A100 = SimpleNamespace(name="NVIDIA A100-SXM4-40GB", major=8, minor=0)


@pytest.fixture(autouse=True)
def _described_anew() -> None:
    numerics._fixed.cache_clear()


@pytest.fixture
def other_torch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and this process has another torch."""
    fixed = numerics._fixed

    def change() -> None:
        described = fixed("cpu")
        packages = described["packages"] | {"torch": "2.5.0"}
        monkeypatch.setattr(numerics, "_fixed", lambda _kind: described | {"packages": packages})

    return change


def gpus(monkeypatch: pytest.MonkeyPatch, *properties: SimpleNamespace) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(properties))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties[index])
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91300)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    numerics._fixed.cache_clear()


def test_it_names_packages_instructions_and_precision_and_survives_a_file() -> None:
    environment = environment_of("cpu")
    assert set(environment["packages"]) == {"torch", "torchvision", "timm", "numpy", "pillow", "scipy"}
    assert environment["torch_build"] == torch.__version__
    assert environment["device"]["instructions"] == torch.backends.cpu.get_cpu_capability()
    assert environment["precision"] == {"float32_products": "highest", "deterministic": False}
    assert json.loads(json.dumps(environment)) == environment == environment_of(torch.device("cpu"))
    assert environment_line(environment).startswith(
        f"{device_model(environment)}, {environment['device']['instructions']}; torch 2."
    )


def test_it_does_not_name_the_number_of_threads() -> None:
    before, threads = environment_of("cpu"), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert environment_of("cpu") == before
    finally:
        torch.set_num_threads(threads)


def test_another_gpu_is_another_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, H100, H100)
    environment = environment_of("cuda")
    assert (environment["device"]["model"], environment["device"]["cuda"]) == ("NVIDIA H100 80GB HBM3 (9.0)", "13.0")
    assert environment_of(torch.device("cuda", 1)) == environment, "every process of a run says the same"
    gpus(monkeypatch, A100)
    assert differences(environment_of("cuda"), environment) == [
        "device.model NVIDIA A100-SXM4-40GB (8.0), not NVIDIA H100 80GB HBM3 (9.0)"
    ]
    gpus(monkeypatch, H100, A100)
    assert device_model(environment_of("cuda")) == "NVIDIA A100-SXM4-40GB (8.0) and NVIDIA H100 80GB HBM3 (9.0)"


def test_precision_counts_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, H100)
    exact = environment_of("cuda")
    with tf32_matmul(True):
        assert "precision.tf32_products True, not False" in differences(environment_of("cuda"), exact)
    assert digest_of_environment(environment_of("cuda")) == digest_of_environment(exact)


@pytest.mark.parametrize(
    "name", ["OPENBLAS_CORETYPE", "TIMM_FUSED_ATTN", "ONEDNN_DEFAULT_FPMATH_MODE", "GLIBC_TUNABLES"]
)
def test_kernels_that_a_user_chooses_count(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = environment_of("cpu")
    monkeypatch.setenv(name, "other")
    assert differences(environment_of("cpu"), before) == [f"variables.{name} other, not None"]


def extract(cache: Path) -> None:
    images = [np.full((48, 48, 3), value, np.uint8) for value in range(3)]
    views = ViewSet([View(image) for image in images], np.arange(3), tuple("abc"))
    features.extract(Passes(load_encoder("random_init"), views, "square"), {"encoded"}, cache=Cache(cache, 4))


def probe(folder: Path) -> None:
    probe_bank.train(folder=folder)


def heads(folder: Path) -> None:
    segmentation_bank.train(folder=folder)


@pytest.mark.parametrize("keep", [extract, probe, heads])
def test_nothing_kept_by_another_torch_is_gone_on_with(
    keep: Callable[[Path], Any], tmp_path: Path, other_torch: Callable[[], None]
) -> None:
    keep(tmp_path)
    first = set(tmp_path.rglob("*.safetensors"))
    keep(tmp_path)
    assert set(tmp_path.rglob("*.safetensors")) == first
    other_torch()
    keep(tmp_path)
    assert len(set(tmp_path.rglob("*.safetensors")) - first) == len(first) > 0
