"""The loss of segmentation, in bands and by the fused kernel, is the plain one with its gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from suite.errors import MetricError, RequestError
from suite.probes import SegmentationHead, segmentation_loss, sliding_windows
from suite.probes.upsampling import enlarge
from suite.segmentation.fused import neighbours
from tests.support.segmentation_loss import assert_same, plain, problem

SHAPES = [(2, 19, 5, 4, 80, 64), (1, 7, 3, 3, 50, 41), (1, 5, 1, 1, 8, 8), (2, 150, 2, 3, 32, 48), (1, 3, 6, 5, 6, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_value_and_gradient_are_those_of_the_plain_way(shape):
    logits, target = problem(shape)
    assert_same(logits, segmentation_loss(logits, target), plain(logits, target))


def test_tiles_that_cut_through_the_image_change_nothing(monkeypatch):
    logits, target = problem((1, 19, 7, 6, 61, 53), dtype=torch.float64)
    for size in (1, 30_000, 60_000):
        monkeypatch.setattr("suite.probes.tiled_loss._TILE_BYTES", {"cpu": size})
        assert_same(logits, segmentation_loss(logits, target), plain(logits, target), 1e-12)


def test_ignored_pixels_add_nothing_but_are_counted():
    logits, target = problem((1, 4, 2, 2, 8, 8), ignored=0)
    whole = segmentation_loss(logits, target)
    half = target.clone()
    half[:, 4:] = 255
    kept = plain(logits, target) * 0 + F.cross_entropy(
        F.interpolate(logits, size=(8, 8), mode="bilinear")[:, :, :4], target[:, :4].long(), reduction="sum"
    )
    assert_same(logits, segmentation_loss(logits, half), kept / 64)
    assert segmentation_loss(logits, half) < whole


def test_nothing_but_ignored_pixels_gives_zero_and_no_gradient():
    logits, target = problem((1, 4, 2, 2, 8, 8), ignored=1)
    loss = segmentation_loss(logits, target)
    assert loss == 0
    assert not torch.autograd.grad(loss, logits)[0].any()


def test_the_ignored_label_wins_over_the_class_of_that_number():
    logits, target = problem((1, 4, 2, 2, 8, 8), ignored=0)
    assert_same(logits, segmentation_loss(logits, target, ignore_index=2), plain(logits, target, 2))
    signed = target.to(torch.int16)
    signed[:, :3] = -1
    assert_same(logits, segmentation_loss(logits, signed, ignore_index=-1), plain(logits, signed, -1))


def test_probabilities_too_small_for_float32_keep_their_loss():
    logits, target = problem((1, 6, 3, 3, 24, 24))
    large = (100 * logits.detach()).requires_grad_()
    assert plain(large, target) > 150  # exp(-150) is 0 in float32
    assert_same(large, segmentation_loss(large, target), plain(large, target))


def test_the_gradient_is_scaled_by_what_comes_after():
    logits, target = problem(SHAPES[0])
    assert_same(logits, 0.4 * segmentation_loss(logits, target), 0.4 * plain(logits, target))


def test_half_precision_logits_are_worked_on_in_float32():
    logits, target = problem(SHAPES[0])
    half = logits.detach().bfloat16().requires_grad_()
    loss = segmentation_loss(half, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, plain(half.float(), target))
    assert torch.autograd.grad(loss, half)[0].dtype == torch.bfloat16


def test_enlarging_in_two_steps_equals_enlarging_the_features_first():
    head = SegmentationHead(12, 7, generator=torch.Generator().manual_seed(0)).double()
    features = torch.randn(2, 12, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    target = problem((2, 7, 4, 5, 64, 80))[1]
    wide = F.interpolate(features, scale_factor=4, mode="bilinear", align_corners=False)
    expected = torch.autograd.grad(plain(head(wide), target), head.fc.weight)[0]
    obtained = torch.autograd.grad(segmentation_loss(enlarge(head(features), 16, 20), target), head.fc.weight)[0]
    once = torch.autograd.grad(segmentation_loss(head(features), target), head.fc.weight)[0]
    torch.testing.assert_close(obtained, expected, rtol=1e-10, atol=1e-14)
    assert (once - expected).abs().max() > 1e-3 * expected.abs().max()  # so the variant is one


def test_a_head_is_a_1x1_convolution_drawn_from_its_generator():
    one, same = (SegmentationHead(300, 50, generator=torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(one.fc.weight, same.fc.weight)
    assert not one.fc.bias.any()
    assert one.fc.weight.std().item() == pytest.approx(0.01, rel=0.03)
    with torch.no_grad():
        one.fc.bias.normal_(generator=torch.Generator().manual_seed(5))
    features = torch.randn(2, 300, 3, 4, generator=torch.Generator().manual_seed(6))
    torch.testing.assert_close(one(features), F.conv2d(features, one.fc.weight[:, :, None, None], one.fc.bias))


@pytest.mark.parametrize(("bad", "label"), [(19, 19), (200, 200)])
def test_an_illegal_label_is_refused(bad, label):
    logits, target = problem(SHAPES[0])
    target[1, 3, 4] = bad
    with pytest.raises(MetricError, match=rf"expected classes in \[0, 19\) or 255, got {label} in 1 pixels"):
        segmentation_loss(logits, target)


def test_shapes_that_do_not_fit_are_refused():
    logits, target = problem(SHAPES[0])
    for bad in (target[0], target[:1], target[:, :0]):
        with pytest.raises(MetricError, match="segmentation loss: expected logits"):
            segmentation_loss(logits, bad)


def official_windows(height: int, width: int, crop: int, stride: int) -> list[tuple[int, int, int, int]]:
    """mmseg 0.11, encoder_decoder.py, `slide_inference`, as it stands there."""
    windows = []
    for h_idx in range(max(height - crop + stride - 1, 0) // stride + 1):
        for w_idx in range(max(width - crop + stride - 1, 0) // stride + 1):
            y2, x2 = min(h_idx * stride + crop, height), min(w_idx * stride + crop, width)
            windows.append((max(y2 - crop, 0), max(x2 - crop, 0), y2, x2))
    return windows


def test_windows_are_the_official_ones():
    for height in range(1, 40, 3):
        for width in (1, 9, 17, 30):
            for crop, stride in ((8, 5), (8, 8), (11, 1), (1, 1), (40, 27)):
                obtained = sliding_windows(height, width, crop=crop, stride=stride)
                assert obtained == official_windows(height, width, crop, stride)


def test_windows_of_an_ade20k_image():
    assert sliding_windows(512, 683, crop=512, stride=341) == [(0, 0, 512, 512), (0, 171, 512, 683)]


def test_a_stride_that_leaves_gaps_is_refused():
    with pytest.raises(RequestError, match="stride of at most the crop, got image 9 x 9, crop 4, stride 5"):
        sliding_windows(9, 9, crop=4, stride=5)


@pytest.mark.parametrize(("source", "target"), [(4, 64), (3, 50), (1, 8), (9, 5), (5, 5)])
def test_neighbours_blend_to_the_bilinear_weights(source, target):
    starts, shares = neighbours(source, target, torch.device("cpu"))
    signal = torch.randn(source, generator=torch.Generator().manual_seed(0))
    blended = torch.empty(target)
    for i in range(source):
        pixels = slice(starts[i], starts[i + 1])
        blended[pixels] = signal[i] * (1 - shares[pixels]) + signal[min(i + 1, source - 1)] * shares[pixels]
    expected = F.interpolate(signal[None, None], size=target, mode="linear", align_corners=False)[0, 0]
    torch.testing.assert_close(blended, expected)
