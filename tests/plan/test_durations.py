"""How long the work of a plan takes: by calibration, by similar work, and as one run measured it."""

import json
import math
from pathlib import Path

import pytest
import torch

from suite.core.files import write_json
from suite.encoders.architecture import BASE, MINI
from suite.errors import RequestError
from suite.experiments.costs.job import Job, Operation
from suite.experiments.costs.shape import Shape
from suite.experiments.costs.task import Split, Task
from suite.plan import calibrate as calibration
from suite.plan import rates, samples
from suite.plan.calibrate import calibrate, calibrate_forecast
from suite.plan.cards import group_seconds, makespan
from suite.plan.forecast import Entry, forecast, timed
from suite.plan.rates import Rates, load_rates, rates_elsewhere, seconds_of
from suite.plan.similar import in_proportion
from suite.plan.work import job_of, together
from suite.run.request import make_request
from tests.support.plan_example import ENCODER, EXAMPLE


def test_calibration_is_remembered(nothing: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    request = make_request(experiments=["object_retrieval"], encoders=["mae"], device="cpu", **nothing)
    estimate = forecast(request)
    job = Job((request.key(*next(request.tasks())),))
    job.encode(Shape("vit", MINI), 48, 8, "float32", 1_000)
    estimate.entries.append(Entry(job, None, ""))
    estimate.shapes["vit 48/8 96x4"] = Shape("vit", MINI)
    calibrate_forecast(estimate)
    first = timed(estimate).entries[-1]
    assert first.basis == "calibration"
    assert 0 < first.seconds < 1_000

    monkeypatch.setattr(calibration, "timed", lambda *_, **__: pytest.fail("timed again"))
    calibrate_forecast(estimate)
    again = load_rates(request.cache, "cpu", calibration.threads_of(estimate))
    assert again.seconds == estimate.rates.seconds
    assert load_rates(request.cache, "cpu", 99).seconds == {}, "other threads, other rates"


def test_a_card_that_is_not_here_is_planned_by_the_rates_given(nothing: dict[str, Path]) -> None:
    asked = {"profile": "paper", "encoders": ["dino"], "experiments": ["part_retrieval"], "device": "cuda"}
    request = make_request(**asked, here=False, **nothing)
    estimate = forecast(request, elsewhere="250TFLOP/s")
    flops = sum(entry.job.flops for entry in estimate.entries)
    assert flops > 0
    assert estimate.seconds == pytest.approx(flops / 250e12)
    with pytest.raises(RequestError, match="device 'cuda': "):
        make_request(**asked, **nothing)


def test_a_card_is_found_by_its_name_among_the_remembered_and_by_a_file(tmp_path: Path) -> None:
    names = ("NVIDIA H100 80GB HBM3", "NVIDIA H200")
    first, second = (tmp_path / "plan" / f"{name} torch 2.14.1 {rates._code()}.json" for name in names)
    for path, seconds in ((first, 1.0), (second, 2.0), (tmp_path / "plan/NVIDIA H100 of other code.json", 3.0)):
        write_json(path, {"seconds": {"fit 1 2 3 4 5": seconds}, "derived": []})
    assert rates_elsewhere(tmp_path, "nvidia h100").seconds == {"fit 1 2 3 4 5": 1.0}
    assert rates_elsewhere(tmp_path, str(second)).seconds == {"fit 1 2 3 4 5": 2.0}
    with pytest.raises(RequestError) as refused:
        rates_elsewhere(tmp_path, "NVIDIA")
    assert str(refused.value) == (
        "--rates 'NVIDIA': expected so many TFLOP/s (250TFLOP/s), a file, or the name of one card that this code has "
        f"measured; {tmp_path / 'plan'} has {first.stem}, {second.stem}"
    )
    (tmp_path / "damaged.json").write_text("[]")
    for text in ("0TFLOP/s", "A100", str(tmp_path / "damaged.json")):
        with pytest.raises(RequestError):
            rates_elsewhere(tmp_path, text)


def test_the_time_on_several_cards_is_that_of_groups_side_by_side(nothing: dict[str, Path]) -> None:
    asked = {"encoders": ["dino", "mae"], "experiments": ["image_classification", "part_retrieval"]}
    request = make_request(profile="paper", device="cuda", here=False, **asked, **nothing)
    hours = {"image_classification/imagenet1k": 8.0, "part_retrieval/coco": 3.0, "part_retrieval/cub200": 1.0}
    estimate = forecast(request, elsewhere="250TFLOP/s")
    estimate.entries[:] = [
        Entry(entry.job, hours[str(entry.job.keys[0]).rpartition("/")[0]], "") for entry in estimate.entries
    ]
    assert sum(group_seconds(estimate).values()) == 24.0
    assert [makespan(estimate, cards) for cards in (1, 2, 3, 8)] == [24.0, 12.0, 8.0, 8.0]
    assert [makespan(estimate, cards, 2) for cards in (2, 4)] == [12.0, 7.0]


def test_what_there_is_no_time_for_follows_by_floating_point_operations(tmp_path: Path) -> None:
    shapes = {"vit 48/8 96x4": Shape("vit", MINI)}
    small, large = (Operation("encode", "vit 48/8 96x4 float32", (side, 8)) for side in (48, 96))
    rates = Rates(tmp_path / "rates.json")
    calibrate(rates, [large], shapes, device="cpu", threads=1, budget_s=0)
    assert rates.seconds == {}, "nothing to go by"
    rates.seconds[str(small)] = 1.0
    timings = [(small, 1.0)]
    derived = in_proportion(large, timings, shapes)
    assert derived == pytest.approx(shapes["vit 48/8 96x4"].flops(96) / shapes["vit 48/8 96x4"].flops(48))


def test_work_of_another_encoder_goes_by_its_floating_point_operations() -> None:
    shapes = {"vit 48/8 96x4": Shape("vit", MINI), "vit 224/16 768x12": Shape("vit", BASE)}
    timings = [
        (Operation("encode", "vit 48/8 96x4 float32", (48, 8)), 1.0),
        (Operation("encode", "gone", (48, 8)), 9.0),
    ]
    base = Operation("encode", "vit 224/16 768x12 float32", (224, 8))
    ratio = shapes["vit 224/16 768x12"].flops(224) / shapes["vit 48/8 96x4"].flops(48)
    assert in_proportion(base, timings, shapes) == pytest.approx(ratio)
    assert in_proportion(Operation("decode", sizes=(99,)), timings, shapes) is None


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
    assert rates.seconds.keys() == {str(operation) for operation in operations}
    assert all(0 < seconds < 10 and math.isfinite(seconds) for seconds in rates.seconds.values())
    assert not rates.derived


def test_work_that_memory_has_no_room_for_is_estimated_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A run does it in parts; the plan of it must not end."""
    small, large = (Operation("decode", sizes=(pixels,)) for pixels in (10_000, 40_000))
    picture = samples._picture

    def short(path: Path, pixels: int) -> Path:
        if pixels == 40_000:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return picture(path, pixels)

    monkeypatch.setattr(samples, "_picture", short)
    rates = Rates(tmp_path / "rates.json")
    calibrate(rates, [large, small], {}, device="cpu", threads=1, budget_s=20)
    assert rates.seconds[str(large)] == pytest.approx(4 * rates.seconds[str(small)])
    assert rates.derived == {str(large)}
    assert capsys.readouterr().err == (
        f"warning: not timed, as memory has no room for it: {large}; estimated from what was timed\n"
    )


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
