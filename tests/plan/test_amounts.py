"""What the trials of a plan amount to: floating-point operations, encoded images, bytes and passes."""

from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from suite.encoders.architecture import BASE, MINI, Architecture
from suite.experiments.costs.shape import Shape
from suite.plan.forecast import forecast
from suite.plan.shapes import build
from suite.run.request import make_request
from tests.support.plans import amount, paper

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
    estimate = forecast(paper(nothing, experiments=["part_retrieval"], datasets=["cub200"], encoders=["dino", "mae"]))
    dino, mae = (entry.job for entry in estimate.entries)
    assert dino.encoded == mae.encoded == 30_543  # all patches of the official rule, in one pass
    assert dino.flops == 30_543 * Shape("vit", BASE).flops(224)
    assert amount(mae, "match") == 2 * 2 * 30_543**2 * 768, "encoded and cls"
    assert amount(dino, "match") - amount(mae, "match") == 2 * 30_543**2 * 65_536, "projected, too"
    assert estimate.unknown == 2, "nothing was ever timed here"
    assert estimate.seconds is None


def test_image_classification_encodes_every_image_in_every_epoch(nothing: dict[str, Path]) -> None:
    options = {"experiments": ["image_classification"], "encoders": ["mae"]}
    job = forecast(paper(nothing, seeds=[0, 1], **options)).entries[0].job
    assert job.encoded == 2 * 90 * (1_281_167 + 50_000)
    limited = forecast(paper(nothing, limit=100, **options)).entries[0].job
    assert limited.encoded == 90 * 100 + 100  # so few evaluation tokens are kept
    assert amount(limited, "encode") == limited.encoded, "passes are no longer than the limit"


def test_passes_that_are_filled_up_take_as_long_as_full_ones(nothing: dict[str, Path]) -> None:
    options = {"experiments": ["image_classification"], "encoders": ["mae"]}
    job = forecast(paper(nothing, **options)).entries[0].job
    assert amount(job, "encode") == 90 * 128 * (10_010 + 391), "1,281,167 and 50,000 images in passes of 128"


def test_image_classification_fits_every_image_in_every_epoch(nothing: dict[str, Path]) -> None:
    limited = forecast(paper(nothing, limit=100, experiments=["image_classification"])).entries[0].job
    assert amount(limited, "fit") == 90 * 100


def test_a_bank_of_heads_encodes_a_crop_once(nothing: dict[str, Path]) -> None:
    options = {"encoders": ["mae"], "experiments": ["object_segmentation", "part_segmentation"]}
    trio = ["ade20k", "ade20k_object", "ade20k_part"]
    bank = forecast(paper(nothing, datasets=trio, **options)).entries
    alone = forecast(paper(nothing, datasets=trio[:1], **options)).entries
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
    options = {"encoders": ["mae"], "datasets": ["lip"]}
    both = forecast(paper(nothing, experiments=["part_segmentation", "learning_rate_sweep"], **options)).entries
    sweep = forecast(paper(nothing, experiments=["learning_rate_sweep"], **options)).entries
    assert [str(key) for key in both[0].job.keys] == ["learning_rate_sweep/lip/mae", "part_segmentation/lip/mae"]
    assert both[0].job.steps == sweep[0].job.steps, "4e-4 is among the six"


def test_the_limit_is_honoured_by_segmentation(nothing: dict[str, Path]) -> None:
    options = {"encoders": ["mae"], "datasets": ["ade20k"], "experiments": ["object_segmentation"]}
    job = forecast(paper(nothing, limit=4, **options)).entries[0].job
    assert amount(job, "learn") == 4 * 4, "four steps of the four images"
    # of ten evaluations those of steps 0 and 4 are one
    assert job.encoded == 4 * 4 + 4 * 4 * 1.85
    assert amount(job, "encode") == 4 * 8 + 4 * 8, "a pass is filled up to eight"


def test_encoders_on_one_stream_decode_an_image_once(nothing: dict[str, Path]) -> None:
    options = {"experiments": ["image_classification"], "encoders": ["mae", "dino", "cae"]}
    alone = forecast(paper(nothing, **options)).entries
    assert [len(entry.job.keys) for entry in alone] == [1, 1, 1]
    [shared] = forecast(paper(nothing, share_stream=True, **options)).entries
    assert len(shared.job.keys) == 3
    assert amount(shared.job, "stream") == amount(alone[0].job, "stream") == 90 * 1_331_167
    assert shared.job.images == alone[0].job.images
    assert shared.job.encoded == 3 * alone[0].job.encoded
    assert amount(shared.job, "fit") == 3 * amount(alone[0].job, "fit")


def test_the_mini_study_before_it_is_drawn_cannot_be_counted(nothing: dict[str, Path]) -> None:
    request = make_request(experiments=["part_retrieval"], encoders=["mae"], device="cpu", **nothing)
    estimate = forecast(request)
    assert estimate.entries == []
    assert [str(key) for key in estimate.unplanned] == ["part_retrieval/cub200/mae", "part_retrieval/coco/mae"]
