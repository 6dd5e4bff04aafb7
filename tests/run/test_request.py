"""What is asked for is checked before anything runs."""

from pathlib import Path

import pytest
import torch

from suite.cells import METHODS, CellId, method_name, method_names
from suite.core.paths import ROOT
from suite.errors import RequestError, StorageError
from suite.experiments.context import Context
from suite.plan.shapes import shape_of
from suite.run.request import check_writable, make_request, resolve_device
from tests.support.nvidia_machine import nvidia_machine


def test_by_default_everything_of_the_mini_profile_is_asked_for() -> None:
    request = make_request(device="cpu")
    assert request.encoders == ("deit", "mocov3", "dino", "beit", "mae", "cae", "ibot", "random_init", "raw_pixels")
    assert request.run == Path("runs/mini")
    assert {task[0].name for task in request.tasks()} == {
        "object_retrieval", "image_classification", "part_retrieval", "part_classification", "patch_search",
        "object_segmentation", "part_segmentation", "learning_rate_sweep",
    }  # fmt: skip
    assert len(list(request.tasks())) == 9 * 8 + 8 * 7, "raw pixels have no grid to segment"


def test_a_narrow_request_wants_its_cells_only() -> None:
    request = make_request(encoders=["mae"], experiments=["part_retrieval"], datasets=["coco"], device="cpu")
    names = [f"part_retrieval/coco/mae/{s}/{m}" for s in ("encoded", "cls") for m in ("ap", "map", "ap_excluding_self")]
    assert request.cells() == [CellId.parse(name) for name in names]


def test_variants_name_the_run() -> None:
    request = make_request(variants=["keypoint-box=full", "encoder-token=patches"], device="cpu")
    assert request.run == Path("runs/mini+keypoint-box=full")


def test_a_users_encoder_gets_a_name_that_fits_a_path() -> None:
    assert method_name("timm:vit_tiny_patch16_224@my file.pth") == "timm-vit_tiny_patch16_224-my-file.pth"
    assert method_name("hf:/path/to/my vit?mean=none") == "hf-my-vit-mean-none"
    assert method_name("hf:runs/a/checkpoint-500/") == "hf-a-checkpoint-500"
    assert method_name("hf:facebook/dinov2-base") == "hf-dinov2-base"
    assert method_name("hf:hub/models--facebook--dinov2-base/snapshots/0123abcd") == "hf-models--facebook--dinov2-base"
    assert method_names(["hf:a/vit", "hf:b/vit"]) == {"hf:a/vit": "hf-a-vit", "hf:b/vit": "hf-b-vit"}
    request = make_request(encoders=["mypackage.models:make"], experiments=["part_retrieval"], device="cpu")
    assert [request.key(*task).method for task in request.tasks()] == ["mypackage.models-make"] * 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"profile": "big"}, "unknown profile 'big': expected one of mini, paper"),
        ({"encoders": ["dinov9"]}, "unknown encoder 'dinov9': expected one of deit, mocov3, dino, beit, mae, cae, "),
        ({"datasets": ["mnist"]}, "unknown dataset 'mnist': expected one of cifar10, coco, imagenet1k, cub200, "),
        (
            {"experiments": ["knn"]},
            "unknown experiment 'knn': expected one of object_retrieval, image_classification, ",
        ),
        ({"variants": ["keypoint-box"]}, "unknown choice of variant keypoint-box '': expected one of half, full"),
        ({"device": "tpu"}, "unknown device 'tpu': expected one of auto, cpu, cuda"),
        ({"seeds": [1, 1]}, "--seed 1: expected each once, got it twice"),
        ({"seeds": []}, "--seed: expected one or more different whole numbers, e.g. SEED=0,1,2, got none"),
        ({"seeds": [2**32]}, "--seed 4294967296: expected whole numbers from 0 to 4294967295, e.g. 0 or 0,1,2"),
        ({"seeds": [-1]}, "--seed -1: expected whole numbers from 0 to 4294967295, e.g. 0 or 0,1,2"),
        ({"experiments": ["part_retrieval"] * 2}, "--experiment 'part_retrieval': expected each once, got it twice"),
        ({"datasets": ["cub200"] * 2}, "--dataset 'cub200': expected each once, got it twice"),
        ({"encoders": ["mae", "dino", "mae"]}, "--encoder 'mae': expected each once, got it twice"),
        (
            {"variants": ["keypoint-box=full", "keypoint-box=half"]},
            "variant keypoint-box=half: expected one choice of keypoint-box, got keypoint-box=full too",
        ),
        ({"run": Path(__file__)}, f"--run {__file__!r}: expected a folder, got a file"),
        (
            {"run": Path(__file__) / "x"},
            f"--run '{Path(__file__) / 'x'}': expected a folder, but {__file__} is a file",
        ),
        (
            {"data": Path("x" * 300)},
            f"--data '{'x' * 300}': expected a path that the system takes, got: File name too long",
        ),
        ({"run": ROOT}, f"--run {str(ROOT)!r}: expected a folder of its own, got the checkout"),
        ({"limit": 0}, "limit 0: expected at least 1"),
        ({"experiments": ["patch_search"]}, "patch_search: pictures only, nothing to judge: add an experiment"),
        (
            {"experiments": ["part_segmentation"], "encoders": ["raw_pixels"], "datasets": ["lip"]},
            "nothing to run: part_segmentation on lip: they leave out raw_pixels",
        ),
        (
            {"experiments": ["part_retrieval"], "datasets": ["cifar10"]},
            "nothing to run: part_retrieval on cifar10: no experiment uses these datasets",
        ),
    ],
)
def test_a_wrong_word_is_refused_with_the_valid_ones(wrong: dict, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        make_request(**{"device": "cpu", **wrong})
    assert str(caught.value).startswith(message)


def test_a_word_asks_for_the_seven_or_for_the_floors() -> None:
    request = make_request(profile="paper", encoders=["seven", "floors"], device="cpu")
    assert request.encoders == (*METHODS, "random_init", "raw_pixels")
    assert make_request(profile="paper", device="cpu").encoders == METHODS, "floors are asked for, and never by default"
    with pytest.raises(RequestError, match=r"^--encoder 'dino': expected each once, got it twice"):
        make_request(encoders=["dino", "seven"], device="cpu")


def test_floors_of_the_paper_are_measured_where_they_say_something() -> None:
    request = make_request(profile="paper", encoders=["floors"], device="cpu")
    asked = {
        spec: {experiment.name for experiment, _, by in request.tasks() if by == spec} for spec in request.encoders
    }
    segmentation = {"object_segmentation", "part_segmentation", "learning_rate_sweep"}
    assert asked["random_init"] - asked["raw_pixels"] == segmentation
    shapes = [shape_of(request, spec).architecture for spec in request.encoders]
    assert [(s.image_size, s.patch_size, s.embed_dim) for s in shapes] == [(224, 16, 768), (224, 224, 432)]


@pytest.mark.parametrize(("profile", "size"), [("mini", 48), ("paper", 224)])
def test_a_floor_has_the_size_of_its_profile(profile: str, size: int) -> None:
    request = make_request(
        profile=profile, encoders=["raw_pixels"], experiments=["part_retrieval"], datasets=["cub200"], device="cpu"
    )
    [task] = request.tasks()
    encoder = Context(request, *task).encoder
    assert (encoder.image_size, encoder.patch_size) == (size, size)


def test_cuda_without_a_gpu_is_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_machine(tmp_path, monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError) as caught:
        resolve_device("cuda")
    assert str(caught.value) == "device 'cuda': no NVIDIA GPU on this machine; or pass DEVICE=cpu"
    assert resolve_device("auto") == "cpu"


def test_a_gpu_that_cannot_be_used_is_not_left_aside_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nvidia_machine(tmp_path, monkeypatch).has({}, version="570.86.15")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    assert capsys.readouterr().err == (
        "warning: on the CPU, since the GPU cannot be used: the NVIDIA driver is too old: expected 580 or newer, for "
        "CUDA 13, got 570.86.15: install NVIDIA's driver 580 or newer\n"
    )
    assert resolve_device("cpu") == "cpu"
    assert capsys.readouterr().err == "", "nobody asked for one"


@pytest.mark.parametrize("size", ["-1", "nan", "inf"])
def test_a_size_of_the_cache_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(RequestError) as caught:
        make_request(cache_gb=float(size), device="cpu")
    assert str(caught.value) == (
        f"cache {float(size)} GB: expected a number from 0, e.g. CACHE_GB=100; 0 keeps no features"
    )


def test_a_folder_that_cannot_be_written_is_found_out_at_once(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cannot be written: Not a directory; free space or"):
        check_writable(tmp_path / "runs" / "mini")
