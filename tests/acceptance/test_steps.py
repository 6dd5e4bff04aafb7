"""Each step of the acceptance, with the CPU in the place of a card: it passes what is right, and sees what is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from suite.acceptance import cards, images, numerics, rates
from suite.acceptance.site import Site
from suite.encoders import forward
from suite.encoders.encoder import Tokens
from suite.encoders.forward import Forward
from suite.imagenet_pipeline.images import ImageStream
from suite.run.leases import Lease
from suite.segmentation.ahead import CropsAhead
from suite.segmentation.batch import Batch
from suite.segmentation.fused import FastestLoss
from suite.verification.outcome import Check

MakeSite = Callable[..., Site]


def test_the_environment_is_described(stand_in: MakeSite) -> None:
    answer = cards.environment(stand_in())
    assert answer.status == "passed"
    assert answer.detail == "no GPU, driver unknown, 1 cards"
    assert {"environment", "numerics", "cards"} == answer.facts.keys()


def test_outside_its_container_nothing_is_promised(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUITE_RUNTIME", raising=False)
    assert cards.container(stand_in()).status == "not applicable"


def test_a_container_that_is_open_fails(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ = Check("container", "isolation", "failed", "runs as root")
    monkeypatch.setattr(cards, "isolation", lambda: open_)
    answer = cards.container(stand_in())
    assert answer.status == "failed"
    assert answer.detail.startswith("runs as root; ")


def test_the_loss_that_training_takes_is_the_plain_one(stand_in: MakeSite) -> None:
    answer = numerics.kernel(stand_in())
    assert answer.status == "passed"
    assert sorted(answer.facts["differences"]) == ["taken 19", "tiled 19"]
    assert 0 < max(answer.facts["differences"].values()) < answer.facts["allowed"] == 1e-5


def test_a_kernel_that_is_off_by_a_thousandth_fails(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(FastestLoss):
        def __call__(self, logits: torch.Tensor, target: torch.Tensor, **options: int) -> torch.Tensor:
            return super().__call__(logits, target, **options) * 1.001

    monkeypatch.setattr(numerics, "FastestLoss", Wrong)
    answer = numerics.kernel(stand_in())
    assert answer.status == "failed"
    assert answer.detail == "gradients differ from float64 by 1.0e-03 of the largest at most, allowed 1e-05"


def test_a_kernel_that_was_not_used_on_a_gpu_fails(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unused(FastestLoss):
        def __call__(self, logits: torch.Tensor, target: torch.Tensor, **options: int) -> torch.Tensor:
            self.reason = "no C compiler"
            return super().__call__(logits, target, **options)

    monkeypatch.setattr(numerics, "FastestLoss", Unused)
    answer = numerics.kernel(stand_in())
    assert answer.status == "failed"
    assert answer.detail.endswith("allowed 1e-05; the kernel was not used: no C compiler")


def test_products_and_an_encoder_keep_their_precision(stand_in: MakeSite) -> None:
    answer = numerics.precision(stand_in())
    assert answer.status == "passed", answer.detail
    assert sorted(answer.facts["errors"]) == [
        "convolution", "encoder bfloat16", "encoder float16", "encoder float32", "product", "product afterwards",
        "product in TF32",
    ]  # fmt: skip
    assert answer.facts["errors"].keys() == answer.facts["allowed"].keys()


def test_a_product_that_is_rounded_like_tf32_fails(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    matmul = torch.Tensor.__matmul__

    def rounded(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if a.dtype == torch.float32 and a.shape == (1024, 1024):
            a, b = ((x.view(torch.int32) & ~0x1FFF).view(torch.float32) for x in (a.contiguous(), b.contiguous()))
        return matmul(a, b)

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    answer = numerics.precision(stand_in())
    assert answer.status == "failed"
    assert answer.detail.endswith("; out of bounds: product, product afterwards")
    assert numerics.TF32[0] <= answer.facts["errors"]["product"] <= numerics.TF32[1]


def test_what_is_trained_twice_has_the_same_bits(stand_in: MakeSite) -> None:
    answer = numerics.repeated(stand_in())
    assert answer.status == "passed", answer.detail
    assert answer.facts["trained_twice"] == {"segmentation heads": True, "probes": True}


def test_a_training_that_drifts_fails(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = iter(range(9))
    monkeypatch.setattr(numerics, "_train_probes", lambda _device: {"weight": torch.tensor(next(noise))})
    answer = numerics.repeated(stand_in())
    assert answer.status == "failed"
    assert answer.detail == "probes: two trainings gave different weights"


def test_jpegs_are_decoded_as_pil_does(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "COUNT", 4)
    answer = images.decoding(stand_in())
    assert answer.status == "passed", answer.detail
    assert answer.facts["decoded_on_device"] == 4


def test_a_device_that_decodes_nothing_fails(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "COUNT", 2)
    monkeypatch.setattr("suite.imagenet_pipeline.device.decodes", lambda _device: False)
    answer = images.decoding(stand_in())
    assert answer.status == "failed"
    assert answer.detail.endswith("; the device decoded none: torchvision without nvJPEG, or a driver that refuses")


def test_batches_made_ahead_have_the_same_bits(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "COUNT", 7)
    site = stand_in()
    images.decoding(site)
    answer = images.stream(site)
    assert answer.status == "passed"
    assert answer.facts["same"] == {"copied": True, "made on the device": True}


def test_a_batch_that_another_overwrites_fails(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "COUNT", 7)
    site, batches, calls = stand_in(), ImageStream.batches, iter(range(9))

    def overwritten(self: ImageStream, *arguments: Any) -> Any:
        spoilt = next(calls) == 1
        for indices, pixels in batches(self, *arguments):
            yield indices, pixels.roll(1) if spoilt else pixels

    images.decoding(site)
    monkeypatch.setattr(ImageStream, "batches", overwritten)
    answer = images.stream(site)
    assert answer.status == "failed"
    assert answer.detail == "batches copied ahead are others"


def test_crops_made_ahead_have_the_same_bits(stand_in: MakeSite) -> None:
    answer = images.crops(stand_in())
    assert (answer.status, answer.detail) == ("passed", "crops of 8 steps made ahead have the same bits")


def test_crops_that_another_step_overwrites_fail(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    made = CropsAhead.__call__

    def overwritten(self: CropsAhead, step: int) -> Batch:
        batch = made(self, step)
        if step in {2, 5}:
            batch.pixels[1] = batch.pixels[0]
        return batch

    monkeypatch.setattr(CropsAhead, "__call__", overwritten)
    answer = images.crops(stand_in())
    assert (answer.status, answer.detail) == ("failed", "crops made ahead are others in steps 2, 5 of 8")


def test_every_card_is_leased_once(stand_in: MakeSite) -> None:
    answer = cards.leases(stand_in(cards=3))
    assert (answer.status, answer.detail) == ("passed", "each of 3 cards was leased once")


def test_a_card_that_is_leased_twice_fails(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unlocked:
        def close(self) -> None:
            pass

    monkeypatch.setattr(cards, "lease", lambda *_args, **_kwargs: [Lease(0, Unlocked())])  # type: ignore[arg-type]
    answer = cards.leases(stand_in(cards=2))
    assert answer.status == "failed"
    assert answer.detail == "leased [0, 0], expected each card once; a card was leased twice"


@pytest.mark.slow
def test_two_processes_sum(stand_in: MakeSite) -> None:
    answer = cards.nccl(stand_in(cards=2))
    assert (answer.status, answer.detail) == ("passed", "1 + 2 over two processes gave 3")


def test_one_card_sums_alone(stand_in: MakeSite) -> None:
    answer = cards.nccl(stand_in(cards=1))
    assert (answer.status, answer.detail) == ("passed", "one process, for want of a second card: 1 gave 1")


def test_a_sum_that_is_wrong_fails(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor.zero_())
    answer = cards.nccl(stand_in(cards=1))
    assert (answer.status, answer.detail) == ("failed", "one process, for want of a second card: 1 gave 0")


def test_a_pass_that_is_halved_keeps_its_tokens(stand_in: MakeSite) -> None:
    answer = cards.out_of_memory(stand_in())
    assert answer.status == "passed", answer.detail
    assert answer.facts["difference"] <= 1e-3


def test_a_pass_that_is_halved_wrongly_fails(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def reordered(parts: Sequence[Tokens]) -> Tokens:
        return joined(parts[::-1])

    joined = forward._joined
    monkeypatch.setattr(forward, "_joined", reordered)
    assert cards.out_of_memory(stand_in()).status == "failed"


def test_a_pass_that_nobody_halves_fails(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Forward, pixels: torch.Tensor) -> Any:
        if len(pixels) > 8:
            raise torch.OutOfMemoryError("no room")
        return type("Tokens", (), {"sequence": torch.zeros(len(pixels), 3, 2)})

    monkeypatch.setattr(Forward, "__call__", full)
    answer = cards.out_of_memory(stand_in())
    assert (answer.status, answer.detail) == ("failed", "a pass of 32 images was not halved: no room")


def test_speed_is_told_of_every_kind_of_work(stand_in: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "timed", lambda call, **_: (call(), 0.5)[1])

    def timed_all(known: Any, operations: Any, _shapes: Any, **_: Any) -> None:
        known.seconds.update({str(operation): 0.25 for operation in operations})

    monkeypatch.setattr(rates, "calibrate", timed_all)
    answer = rates.throughput(stand_in())
    assert answer.status == "passed"
    assert set(answer.facts["units_per_second"].values()) == {4.0}
    assert answer.facts["bf16_product_tflops"] == round(2 * 256**3 * 5 / 0.5 / 1e12, 2)
    kinds = {name.partition(" ")[0] for name in answer.facts["units_per_second"]}
    assert {"match"} <= kinds
    assert np.isfinite([*answer.facts["units_per_second"].values()]).all()
