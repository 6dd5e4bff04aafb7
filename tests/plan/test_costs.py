"""The costs of a plan: counts, floating-point operations, durations, budgets, and plan against actual."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from suite.cli.main import main
from suite.encoders.architecture import BASE, MINI, Architecture
from suite.experiments.costs import probing
from suite.experiments.costs.job import Job, Operation
from suite.experiments.costs.shape import Shape
from suite.experiments.costs.task import Split, Task
from suite.plan import calibrate as calibration
from suite.plan.calibrate import calibrate, calibrate_forecast
from suite.plan.forecast import Entry, forecast, timed, write_plan
from suite.plan.rates import Rates, load_rates, seconds_of
from suite.plan.record import against_actual, save_plan
from suite.plan.shapes import build
from suite.plan.similar import in_proportion
from suite.plan.work import job_of, together
from suite.report import html, markdown
from suite.results.store import Result, Store
from suite.run.request import Request, make_request
from tests.support import report_sample
from tests.support.plan_example import ENCODER, EXAMPLE


@pytest.fixture
def nothing(tmp_path: Path) -> dict[str, Path]:
    """Empty folders: no data, no weights, nothing remembered."""
    return {name: tmp_path / name for name in ("data", "weights", "cache", "run")}


def paper(nothing: dict[str, Path], **asked: object) -> Request:
    return make_request(profile="paper", device="cpu", **asked, **nothing)


def amount(job: Job, kind: str) -> float:
    return sum(count for work in (job.steps, job.reading) for each, count in work.items() if each.kind == kind)


# --- floating-point operations ---


def test_vit_b_16_at_224_costs_17_6_giga_multiply_accumulates() -> None:
    assert Shape("vit", BASE).flops(224) / 2e9 == pytest.approx(17.6, abs=0.05)


@pytest.mark.parametrize("kind", ["vit", "beit"])
@pytest.mark.parametrize(("sizes", "side"), [(MINI, 48), (MINI, 64), (Architecture(32, 4, 64, 2, 2.0), 32)])
def test_the_formula_is_what_a_forward_pass_does(kind: str, sizes: Architecture, side: int) -> None:
    encoder = build(Shape(kind, sizes), "cpu")
    # the fused attention of CPUs is not counted by torch; the plain one does the same products
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        encoder(torch.zeros(2, 3, side, side))
    assert counted.get_total_flops() == 2 * Shape(kind, sizes).flops(side)


# --- counts ---


def test_part_retrieval_of_the_paper(nothing: dict[str, Path]) -> None:
    made = forecast(paper(nothing, experiments=["part_retrieval"], datasets=["cub200"], encoders=["dino", "mae"]))
    dino, mae = (entry.job for entry in made.entries)
    assert dino.encoded == mae.encoded == 30_543  # all patches of the official rule, in one pass
    assert dino.flops == 30_543 * Shape("vit", BASE).flops(224)
    assert amount(mae, "match") == 2 * 2 * 30_543**2 * 768, "encoded and cls"
    assert amount(dino, "match") - amount(mae, "match") == 2 * 30_543**2 * 65_536, "projected, too"
    assert made.unknown == 2, "nothing was ever timed here"
    assert made.seconds is None


def memory_of(monkeypatch: pytest.MonkeyPatch, gib: int) -> None:
    monkeypatch.setattr(probing, "available_bytes", lambda: gib << 30)


def test_part_classification_keeps_tokens_that_fit(nothing: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    memory_of(monkeypatch, 128)
    asked = {"experiments": ["part_classification"], "encoders": ["dino"]}
    job = forecast(paper(nothing, datasets=["cub200"], **asked)).entries[0].job
    assert job.host_bytes == 4 * 30_543 * 197 * 768, "and nothing else: DINO's projections are not asked for"
    assert job.encoded == 30_543
    assert job.features_bytes == 0, "either split is too large for the cache"
    assert amount(job, "fit") == 90 * 15_508
    assert amount(job, "predict") == 90 * 15_035


def test_part_classification_encodes_anew_what_does_not_fit(
    nothing: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"experiments": ["part_classification"], "datasets": ["coco"], "encoders": ["mae"], "seeds": [0, 1]}
    held = {}
    for gib, passes in {128: (180, 1), 512: (1, 1), 8: (180, 180)}.items():
        memory_of(monkeypatch, gib)
        job = forecast(paper(nothing, **asked)).entries[0].job
        assert job.encoded == passes[0] * 165_000 + passes[1] * 7_000, gib
        assert amount(job, "fit") == 180 * 165_000
        held[gib] = job.host_bytes
        if gib == 128:  # in random order an image is decoded for each of its patches, else once
            assert job.images == 180 * 165_000 + 2_693
    assert held[512] == 4 * 172_000 * 197 * 768 > 100e9
    assert held[8] < held[128] < 6e9


def test_a_large_gpu_keeps_what_memory_has_no_room_for(
    nothing: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_of(monkeypatch, 128)
    monkeypatch.setattr(probing, "total_device_bytes", lambda _device: 139 << 30)
    asked = {"experiments": ["part_classification"], "datasets": ["coco"], "encoders": ["mae"]}
    job = forecast(paper(nothing, **asked)).entries[0].job
    assert job.encoded == 165_000 + 7_000, "each once, not in each of 90 epochs"
    assert job.images == 64_115 + 2_693
    assert amount(job, "fit") == 90 * 165_000
    tokens = 4 * 197 * 768
    assert job.host_bytes == 7_000 * tokens, "the evaluation tokens fit into memory"
    assert 165_000 * tokens < job.device_bytes < 139 << 30
    monkeypatch.setattr(probing, "total_device_bytes", lambda _device: 79 << 30)
    assert forecast(paper(nothing, **asked)).entries[0].job.encoded == 90 * 165_000 + 7_000


def test_nothing_of_the_paper_needs_more_than_128_gib(
    nothing: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_of(monkeypatch, 128)
    made = forecast(paper(nothing))
    needed = {str(entry.job.keys[0]): entry.job.host_bytes for entry in made.entries}
    assert len({name.partition("/")[0] for name in needed}) >= 7
    assert {name: size for name, size in needed.items() if size > 64 << 30} == {}, "two side by side fit, too"
    assert made.disk_bytes < 64 << 30
    retrieval = next(e.job for e in made.entries if str(e.job.keys[0]) == "part_retrieval/coco/dino")
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


def test_image_classification_encodes_every_image_in_every_epoch(nothing: dict[str, Path]) -> None:
    asked = {"experiments": ["image_classification"], "encoders": ["mae"]}
    job = forecast(paper(nothing, seeds=[0, 1], **asked)).entries[0].job
    assert job.encoded == 2 * 90 * (1_281_167 + 50_000)
    limited = forecast(paper(nothing, limit=100, **asked)).entries[0].job
    assert limited.encoded == 90 * 100 + 100  # so few evaluation tokens are kept
    assert amount(limited, "encode") == limited.encoded, "passes are no longer than the limit"


def test_passes_that_are_filled_up_take_as_long_as_full_ones(nothing: dict[str, Path]) -> None:
    asked = {"experiments": ["image_classification"], "encoders": ["mae"]}
    job = forecast(paper(nothing, **asked)).entries[0].job
    assert amount(job, "encode") == 90 * 128 * (10_010 + 391), "1,281,167 and 50,000 images in passes of 128"


def test_image_classification_fits_every_image_in_every_epoch(nothing: dict[str, Path]) -> None:
    limited = forecast(paper(nothing, limit=100, experiments=["image_classification"])).entries[0].job
    assert amount(limited, "fit") == 90 * 100


def test_the_disk_keeps_what_the_cache_takes(nothing: dict[str, Path]) -> None:
    made = forecast(paper(nothing, experiments=["part_retrieval"], datasets=["coco"], encoders=["dino", "mae"]))
    dino, mae = (entry.job for entry in made.entries)
    assert dino.features_bytes == 0, "44 GB in one entry"
    assert mae.features_bytes == made.disk_bytes == 4 * 165_000 * 2 * 768


def test_a_bank_of_heads_encodes_a_crop_once(nothing: dict[str, Path]) -> None:
    asked = {"encoders": ["mae"], "experiments": ["object_segmentation", "part_segmentation"]}
    trio = ["ade20k", "ade20k_object", "ade20k_part"]
    bank = forecast(paper(nothing, datasets=trio, **asked)).entries
    alone = forecast(paper(nothing, datasets=trio[:1], **asked)).entries
    assert [len(entry.job.keys) for entry in bank] == [3]
    assert str(bank[0].job.keys[0]) == "object_segmentation/ade20k/mae"
    windows = 10 * 2_000 * 1.85
    assert alone[0].job.encoded == 160_000 * 16 + windows
    assert bank[0].job.encoded == pytest.approx(160_000 * 1.65 * 16 + windows)
    assert bank[0].job.encoded < 3 * alone[0].job.encoded * 0.6
    # half a pass of eight is filled up on average; the windows of an evaluation fill whole passes
    assert amount(bank[0].job, "encode") == pytest.approx(160_000 * (1.65 * 16 + 3.5) + 10 * 3_704)
    assert amount(bank[0].job, "learn") == 3 * amount(alone[0].job, "learn") == 3 * 160_000 * 16


def test_a_sweep_shares_the_head_at_the_primary_rate(nothing: dict[str, Path]) -> None:
    asked = {"encoders": ["mae"], "datasets": ["lip"]}
    both = forecast(paper(nothing, experiments=["part_segmentation", "learning_rate_sweep"], **asked)).entries
    sweep = forecast(paper(nothing, experiments=["learning_rate_sweep"], **asked)).entries
    assert [str(key) for key in both[0].job.keys] == ["learning_rate_sweep/lip/mae", "part_segmentation/lip/mae"]
    assert both[0].job.steps == sweep[0].job.steps, "4e-4 is among the six"


def test_the_limit_is_honoured_by_segmentation(nothing: dict[str, Path]) -> None:
    asked = {"encoders": ["mae"], "datasets": ["ade20k"], "experiments": ["object_segmentation"]}
    job = forecast(paper(nothing, limit=4, **asked)).entries[0].job
    assert amount(job, "learn") == 4 * 4, "four steps of the four images"
    # of ten evaluations those of steps 0 and 4 are one
    assert job.encoded == 4 * 4 + 4 * 4 * 1.85
    assert amount(job, "encode") == 4 * 8 + 4 * 8, "a pass is filled up to eight"


def test_encoders_on_one_stream_decode_an_image_once(nothing: dict[str, Path]) -> None:
    asked = {"experiments": ["image_classification"], "encoders": ["mae", "dino", "cae"]}
    alone = forecast(paper(nothing, **asked)).entries
    assert [len(entry.job.keys) for entry in alone] == [1, 1, 1]
    [shared] = forecast(paper(nothing, share_stream=True, **asked)).entries
    assert len(shared.job.keys) == 3
    assert amount(shared.job, "stream") == amount(alone[0].job, "stream") == 90 * 1_331_167
    assert shared.job.images == alone[0].job.images
    assert shared.job.encoded == 3 * alone[0].job.encoded
    assert amount(shared.job, "fit") == 3 * amount(alone[0].job, "fit")


def test_the_mini_study_before_it_is_drawn_cannot_be_counted(nothing: dict[str, Path]) -> None:
    request = make_request(experiments=["part_retrieval"], encoders=["mae"], device="cpu", **nothing)
    made = forecast(request)
    assert made.entries == []
    assert [str(key) for key in made.unplanned] == ["part_retrieval/cub200/mae", "part_retrieval/coco/mae"]


# --- durations ---


def test_calibration_is_remembered(nothing: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    request = make_request(experiments=["object_retrieval"], encoders=["mae"], device="cpu", **nothing)
    made = forecast(request)
    job = Job((request.key(*next(request.tasks())),))
    job.encode(Shape("vit", MINI), 48, 8, "float32", 1_000)
    made.entries.append(Entry(job, None, ""))
    made.shapes["vit 48/8 96x4"] = Shape("vit", MINI)
    calibrate_forecast(made)
    first = timed(made).entries[-1]
    assert first.basis == "calibration"
    assert 0 < first.seconds < 1_000

    monkeypatch.setattr(calibration, "timed", lambda *_, **__: pytest.fail("timed again"))
    calibrate_forecast(made)
    again = load_rates(request.cache, "cpu", calibration.threads_of(made))
    assert again.seconds == made.rates.seconds
    assert load_rates(request.cache, "cpu", 99).seconds == {}, "other threads, other rates"


def test_what_there_is_no_time_for_follows_by_floating_point_operations(tmp_path: Path) -> None:
    shapes = {"vit 48/8 96x4": Shape("vit", MINI)}
    small, large = (Operation("encode", "vit 48/8 96x4 float32", (side, 8)) for side in (48, 96))
    rates = Rates(tmp_path / "rates.json")
    calibrate(rates, [large], shapes, device="cpu", threads=1, budget_s=0)
    assert rates.seconds == {}, "nothing to go by"
    rates.seconds[str(small)] = 1.0
    known = [(small, 1.0)]
    derived = in_proportion(large, known, shapes)
    assert derived == pytest.approx(shapes["vit 48/8 96x4"].flops(96) / shapes["vit 48/8 96x4"].flops(48))


def test_work_of_another_encoder_goes_by_its_floating_point_operations() -> None:
    shapes = {"vit 48/8 96x4": Shape("vit", MINI), "vit 224/16 768x12": Shape("vit", BASE)}
    known = [(Operation("encode", "vit 48/8 96x4 float32", (48, 8)), 1.0), (Operation("encode", "gone", (48, 8)), 9.0)]
    base = Operation("encode", "vit 224/16 768x12 float32", (224, 8))
    ratio = shapes["vit 224/16 768x12"].flops(224) / shapes["vit 48/8 96x4"].flops(48)
    assert in_proportion(base, known, shapes) == pytest.approx(ratio)
    assert in_proportion(Operation("decode", sizes=(99,)), known, shapes) is None


@pytest.mark.parametrize(
    "operation",
    [
        Operation("rank"),
        Operation("decode", sizes=(180_000,)),
        Operation("encode", "timm:vit@/my file 3.pth 224/16 768x12 float32", (224, 8)),
        Operation("learn", "bfloat16", (3072, 32, 512, 150)),
    ],
)
def test_an_operation_can_be_read_from_its_text(operation: Operation) -> None:
    assert Operation.parse(str(operation)) == operation


SIZES = {
    "decode": (20_000,),
    "stream": (48, 20_000),
    "draw": (48,),
    "rank": (),
    "match": (),
    "fit": (96, 37, 4, 3, 64),
    "predict": (96, 37, 4, 3, 64),
    "crop": (64, 256, 64, 20_000, 2),
    "learn": (384, 8, 64, 20),
    "score": (384, 8, 20, 64, 43, 256, 64, 20_000),
}


def test_every_kind_of_work_can_be_timed(tmp_path: Path) -> None:
    operations = [Operation(kind, "float32" if kind == "learn" else "", sizes) for kind, sizes in SIZES.items()]
    rates = Rates(tmp_path / "rates.json")
    calibrate(rates, operations, {}, device="cpu", threads=1, budget_s=20)
    assert rates.seconds.keys() == {str(each) for each in operations}
    assert all(0 < seconds < 10 and math.isfinite(seconds) for seconds in rates.seconds.values())
    assert not rates.derived


def test_timing_takes_the_quickest_call(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks, clock = iter([0, 5, 5, 7, 7, 8]), iter([0, 5, 7, 99])  # a warm-up of 5 s, then calls of 2 s and 1 s
    monkeypatch.setattr(calibration.time, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(calibration.time, "monotonic", lambda: next(clock))
    assert calibration.timed(lambda: None, share_s=20, device="cpu") == 1
    assert next(ticks, None) is None


def test_the_model_agrees_with_a_measured_run(nothing: dict[str, Path]) -> None:
    """Amounts of work by the model, rates of a calibration, and what the trials took, all of one machine and hour."""
    example = json.loads(EXAMPLE.read_text())
    rates = Rates(Path("none"), example["rates"])
    request = make_request(device="cpu", encoders=[ENCODER], **nothing)
    tasks = [
        Task(
            *(request, experiment, dataset, spec, Shape("vit", MINI)),
            {name: Split(**split) for name, split in example["splits"][f"{experiment.name}/{dataset}"].items()},
        )
        for experiment, dataset, spec in request.tasks()
    ]
    planned, taken = {}, {}
    for group in together(tasks):
        name = str(group[0].key)
        planned[name] = seconds_of(job_of(group), rates, device="cpu", threads=1)
        taken[name] = sum(example["taken"][str(task.key)] for task in group)
    assert len(planned) == 11, "fifteen trials, seven of them in three banks of heads"
    assert {name: (planned[name], taken[name]) for name in planned if not 1 / 2 < taken[name] / planned[name] < 2} == {}
    assert sum(planned.values()) == pytest.approx(sum(taken.values()), rel=0.25)


# --- the verb, and plan against actual ---


def test_the_verb_prints_costs_and_a_budget(nothing: dict[str, Path], capsys: pytest.CaptureFixture) -> None:
    ask = ["plan", "--no-calibrate", "--profile=paper", "--experiment=part_retrieval", "--encoder=mae", "--device=cpu"]
    assert main([*ask, "--budget=8h", *(f"--{name}={path}" for name, path in nothing.items())]) == 2
    said = capsys.readouterr().out
    assert "0 of 2 trials are measured already" in said
    assert "195,543" in said, "30,543 patches of CUB and 165,000 of COCO"
    assert "2 trials of unknown duration" in said
    assert "Within 8 h 00 min: 0 trials" in said
    assert not (nothing["cache"] / "plan").exists()
    assert main([*ask, "--budget=soon"]) == 3


def test_plan_against_actual(tmp_path: Path) -> None:
    assert against_actual(tmp_path, []) is None
    jobs = [
        {"trials": ["a/x/mae", "b/x/mae"], "seconds": 10.0},
        {"trials": ["a/x/dino"], "seconds": 4.0},
        {"trials": ["a/x/cae"], "seconds": None},
        {"trials": ["c/x/mae"], "seconds": 5.0},
    ]
    save_plan(tmp_path, jobs, processes=2)

    def cost(trial: str, seconds: float, *, reused: bool = False) -> dict[str, object]:
        experiment, dataset, method = trial.split("/")
        place = {"experiment": experiment, "dataset": dataset, "method": method}
        return place | {"seconds": seconds, "reused": reused}

    costs = [cost("a/x/mae", 18.0), cost("b/x/mae", 0.5), cost("a/x/dino", 2.5), cost("c/x/mae", 1.0, reused=True)]
    first, last = against_actual(tmp_path, costs)
    assert first == {
        "experiment": "a",
        "trials": 3,
        "planned_s": 14.0,
        "measured_s": 21.0,
        "unknown": 1,
        "ratio": 1.5,
    }
    assert (last["trials"], last["unknown"], last["ratio"]) == (0, 1, None), "a reused result took no time now"


def test_without_rates_a_run_plans_by_its_earlier_results(nothing: dict[str, Path]) -> None:
    request = paper(nothing, experiments=["part_retrieval"], encoders=["mae"], datasets=["cub200"])
    key = request.key(*next(request.tasks()))
    inputs = {"seeds": [0], "code": "of yesterday"}
    store = Store(request.run)
    store.save(Result(key, {}, {}, inputs, {"limit": None}, {"seconds": 7.5, "device": "cpu", "seeds": []}))
    write_plan(request)
    [job] = json.loads((request.run / "plan.json").read_text())["jobs"]
    assert job == {"trials": [str(key)], "seconds": 7.5, "basis": "earlier run"}
    write_plan(replace(request, limit=3))
    assert json.loads((request.run / "plan.json").read_text())["jobs"][0]["seconds"] is None, "of another size"


def test_a_run_plans_what_was_never_timed_by_similar_work(nothing: dict[str, Path]) -> None:
    request = paper(
        nothing, experiments=["part_retrieval"], encoders=["mae", "timm:test_vit@random"], datasets=["coco"]
    )
    made = forecast(request)
    rates = load_rates(request.cache, "cpu", calibration.threads_of(made))
    texts = dict.fromkeys(map(str, made.entries[0].job.steps), 1e-3) | {"decode 1": 1e-9, "draw 1": 1e-9}
    replace(rates, seconds=texts).save()
    write_plan(request)
    mae, timm = json.loads((request.run / "plan.json").read_text())["jobs"]
    assert (mae["basis"], timm["basis"]) == ("similar work", "similar work")
    assert mae["seconds"] > timm["seconds"] > 0


def test_the_report_shows_plan_against_actual(tmp_path: Path) -> None:
    report = report_sample.report()
    for page in (markdown.render(report), html.render(report, tmp_path)):
        assert page.count("Plan against actual") >= 1
        assert "1.21" in page
        assert "18 of 18" in page
        assert "0 of 8" not in page, "nothing to compare"
    assert "Plan against actual" not in markdown.render(report | {"plan": None})
