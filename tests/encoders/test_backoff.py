"""A pass of an encoder for which memory has no room is halved and tried again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from suite.core.memory import is_out_of_memory
from suite.core.paths import MINI_WEIGHTS
from suite.encoders import Encoder, load_encoder
from suite.encoders.encoder import Tokens
from suite.encoders.forward import Forward, fitting_size, smaller_passes

TOLERANCE = 2e-6
"""Difference that the length of a pass may make to a float32 output, as a share of the output's largest value.

Sums of a few hundred products, in another order: some tens of times float32's 6e-8.
"""
OUT = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


@pytest.fixture
def encoder() -> Encoder:
    return load_encoder("mae", weights=MINI_WEIGHTS)


@pytest.fixture
def pixels(encoder: Encoder) -> Tensor:
    size, generator = encoder.image_size, torch.Generator().manual_seed(0)
    return torch.randint(256, (7, 3, size, size), generator=generator, dtype=torch.uint8)


@pytest.fixture
def passes(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Let memory have room for so many images; return the list of the passes tried."""

    def limit(room: int, error: BaseException = OUT) -> list[int]:
        tried, forward = [], Encoder.forward

        def small(images: Tensor, **how: object) -> Tokens:
            tried.append(len(images))
            if len(images) > room:
                raise error
            return forward(encoder, images, **how)

        monkeypatch.setattr(encoder, "forward", small)
        return tried

    return limit


def outputs(tokens: Tokens, count: int) -> dict[str, Tensor]:
    tensors = {"cls": tokens.cls, "patches": tokens.patches, "projected": tokens.projected}
    tensors |= {f"layer {index}": value for index, value in tokens.layers.items()}
    return {name: value[:count] for name, value in tensors.items() if value is not None}


def test_a_pass_is_halved_until_it_fits_and_the_next_ones_begin_there(
    encoder: Encoder, pixels: Tensor, passes: Callable[..., list[int]]
) -> None:
    tried = passes(2)
    forward = Forward(encoder, batch_size=8)
    assert len(forward(pixels).cls) >= len(pixels)
    assert tried == [8, 4, 2, 2, 2, 2]
    tried.clear()
    forward(pixels)
    Forward(encoder, batch_size=8)(pixels[:3])  # of another experiment
    assert tried == [2, 2, 2, 2, 2, 2]
    assert fitting_size(encoder, 8) == 2
    assert fitting_size(encoder, 2) == 2
    assert smaller_passes(encoder) == ["mae: passes of 2 images in place of 8, for which memory had no room"]


@pytest.mark.parametrize("asked", [{}, {"layers": (0, 2)}, {"autocast": torch.bfloat16}])
def test_values_are_those_of_the_smaller_pass_to_the_bit_and_of_the_larger_to_rounding(
    encoder: Encoder, pixels: Tensor, passes: Callable[..., list[int]], asked: dict[str, object]
) -> None:
    def encoded(size: int) -> dict[str, Tensor]:
        parts = [outputs(Forward(encoder, batch_size=size, **asked)(part), len(part)) for part in pixels.split(size)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    whole, halves = encoded(8), encoded(4)
    passes(4)
    tensors = encoded(8)
    assert tensors.keys() == whole.keys()
    for name, value in tensors.items():
        assert torch.equal(value, halves[name]), name
        tolerance = TOLERANCE if "autocast" not in asked else 2**-8
        assert (value - whole[name]).abs().max() <= tolerance * whole[name].abs().max(), name


def test_patches_are_permuted_by_the_images_own_numbers_in_every_part(
    encoder: Encoder, pixels: Tensor, passes: Callable[..., list[int]]
) -> None:
    seeds = np.arange(40, 47)
    whole = Forward(encoder, batch_size=8, permute=True)(pixels, seeds)
    passes(2)
    features = Forward(encoder, batch_size=8, permute=True)(pixels, seeds)
    torch.testing.assert_close(features.cls[:7], whole.cls[:7], rtol=1e-4, atol=1e-5)


def test_a_pass_of_as_many_as_come_is_halved_too(
    encoder: Encoder, pixels: Tensor, passes: Callable[..., list[int]]
) -> None:
    tried = passes(3)
    assert len(Forward(encoder)(pixels).cls) >= 7
    assert tried == [7, 4, 2, 2, 2, 2]


def test_projections_come_along(pixels: Tensor) -> None:
    encoder = load_encoder("dino", weights=MINI_WEIGHTS)
    whole = Forward(encoder, batch_size=8)(pixels, project=True)
    encoder.forward = _wide_only(encoder.forward)
    features = Forward(encoder, batch_size=8)(pixels, project=True)
    assert features.projected is not None
    assert whole.projected is not None
    torch.testing.assert_close(features.projected[:7], whole.projected[:7], rtol=1e-4, atol=1e-5)


def _wide_only(forward: Callable[..., Tokens]) -> Callable[..., Tokens]:
    def small(images: Tensor, **how: object) -> Tokens:
        if len(images) > 4:
            raise OUT
        return forward(images, **how)

    return small


def test_a_single_image_for_which_there_is_no_room_is_the_end(
    encoder: Encoder, pixels: Tensor, passes: Callable[..., list[int]]
) -> None:
    tried = passes(0)
    with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate"):
        Forward(encoder, batch_size=4)(pixels[:4])
    assert tried == [4, 2, 1]


def test_other_errors_are_not_taken_for_it(encoder: Encoder, pixels: Tensor, passes: Callable[..., list[int]]) -> None:
    tried = passes(0, RuntimeError("CUDA error: device-side assert triggered"))
    with pytest.raises(RuntimeError, match="device-side"):
        Forward(encoder, batch_size=4)(pixels[:4])
    assert tried == [4]
    assert smaller_passes(encoder) == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OUT, True),
        (torch.OutOfMemoryError("Tried to allocate 20.00 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("Triton Error [CUDA]: out of memory"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
        (KeyboardInterrupt(), False),
    ],
)  # fmt: skip
def test_every_way_in_which_torch_says_that_memory_has_no_room_is_known(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_what_torch_says_on_this_machine_is_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
