"""The memory and the disk that a plan needs, and what is encoded anew where tokens do not fit."""

from dataclasses import replace
from pathlib import Path

import pytest

from suite.encoders.architecture import BASE
from suite.experiments.costs import probing
from suite.experiments.costs.shape import Shape
from suite.experiments.costs.task import Split, Task
from suite.plan.forecast import forecast
from suite.plan.work import job_of
from tests.support.plans import amount, paper


def memory_of(monkeypatch: pytest.MonkeyPatch, gib: int) -> None:
    monkeypatch.setattr(probing, "available_bytes", lambda: gib << 30)


def test_part_classification_keeps_tokens_that_fit(nothing: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    memory_of(monkeypatch, 128)
    options = {"experiments": ["part_classification"], "encoders": ["dino"]}
    job = forecast(paper(nothing, datasets=["cub200"], **options)).entries[0].job
    vectors = 4 * 30_543 * 2 * 768
    assert job.host_bytes == 4 * 30_543 * 197 * 768 + vectors, "DINO's projections take too much to come along"
    assert job.encoded == 30_543
    assert job.features_bytes == vectors, "the tokens of either split are too large for the cache"
    [entry] = forecast(paper(nothing, datasets=["cub200"], cache_gb=20, **options)).entries
    assert entry.job.features_bytes == job.host_bytes, "and not for a larger one"
    assert amount(job, "fit") == 90 * 15_508
    assert amount(job, "predict") == 90 * 15_035


def test_part_classification_encodes_anew_what_does_not_fit(
    nothing: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"experiments": ["part_classification"], "datasets": ["coco"], "encoders": ["mae"], "seeds": [0, 1]}
    held = {}
    for gib, passes in {128: (180, 1), 512: (1, 1), 8: (180, 180)}.items():
        memory_of(monkeypatch, gib)
        job = forecast(paper(nothing, **options)).entries[0].job
        assert job.encoded == passes[0] * 165_000 + passes[1] * 7_000, gib
        assert amount(job, "fit") == 180 * 165_000
        held[gib] = job.host_bytes
        if gib == 128:  # in random order an image is decoded for each of its patches, else once
            assert job.images == 180 * 165_000 + 2_693
    assert held[512] == 4 * 172_000 * (197 + 2) * 768 > 100e9
    assert held[8] < held[128] < 6e9


def test_a_large_gpu_keeps_what_memory_has_no_room_for(
    nothing: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_of(monkeypatch, 128)
    monkeypatch.setattr(probing, "total_device_bytes", lambda _device: 139 << 30)
    options = {"experiments": ["part_classification"], "datasets": ["coco"], "encoders": ["mae"]}
    job = forecast(paper(nothing, **options)).entries[0].job
    assert job.encoded == 165_000 + 7_000, "each once, not in each of 90 epochs"
    assert job.images == 64_115 + 2_693
    assert amount(job, "fit") == 90 * 165_000
    tokens = 4 * 197 * 768
    assert job.host_bytes == 7_000 * (tokens + 4 * 2 * 768), "the evaluation tokens fit into memory"
    assert 165_000 * tokens < job.device_bytes < 139 << 30
    monkeypatch.setattr(probing, "total_device_bytes", lambda _device: 79 << 30)
    assert forecast(paper(nothing, **options)).entries[0].job.encoded == 90 * 165_000 + 7_000


def test_nothing_of_the_paper_needs_more_than_128_gib(
    nothing: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_of(monkeypatch, 128)
    estimate = forecast(paper(nothing))
    needed = {str(entry.job.keys[0]): entry.job.host_bytes for entry in estimate.entries}
    assert len({name.partition("/")[0] for name in needed}) >= 7
    assert {name: size for name, size in needed.items() if size > 64 << 30} == {}, "two side by side fit, too"
    assert estimate.disk_bytes < 64 << 30
    retrieval = next(e.job for e in estimate.entries if str(e.job.keys[0]) == "part_retrieval/coco/dino")
    assert retrieval.host_bytes > 4 * 165_000 * (65_536 + 2 * 768), "projections of all patches"


def test_the_memory_of_a_search_does_not_grow_with_its_vectors(nothing: dict[str, Path]) -> None:
    request = paper(nothing, experiments=["patch_search", "part_retrieval"], encoders=["dino"])
    experiment, shape = request.profile.experiment("patch_search"), Shape("vit", BASE, 65_536)
    splits = [Split(images, images, 1e5, 1_000) for images in (1_000, 25_003)]
    small, large = (job_of([Task(request, experiment, "imagenet1k", "dino", shape, {"all": s})]) for s in splits)
    # scores of three queries in two settings, in chunks and joined
    assert large.host_bytes - small.host_bytes == 4 * 24_003 * 49 * 6 * 2
    assert 4 * 64 * 49 * 65_536 < large.host_bytes < 4e9
    assert large.encoded == 25_003 * 49 + 3, "the queries, too"
    # 390 chunks of 3,136 crops, one of 43 images, three queries: in passes of 128
    assert amount(large, "encode") == 390 * 3_200 + 2_176 + 128


def test_the_disk_keeps_what_the_cache_takes(nothing: dict[str, Path]) -> None:
    plan = forecast(paper(nothing, experiments=["part_retrieval"], datasets=["coco"], encoders=["dino", "mae"]))
    dino, mae = (entry.job for entry in plan.entries)
    vectors = 4 * 165_000 * 2 * 768
    assert mae.features_bytes == dino.features_bytes == plan.disk_bytes / 2 == vectors, "projections take 43 GB"
    assert forecast(replace(plan.request, cache_gb=1.5)).disk_bytes == 1.5e9
    assert forecast(replace(plan.request, cache_gb=0)).disk_bytes == 0
    assert forecast(replace(plan.request, cache_gb=100)).disk_bytes == 2 * vectors + 4 * 165_000 * 65_536
