"""Questions about faults that give numbers all the same: untrained, normalised twice, not normed, shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from suite.conformance.questions import Answer, CheckError, view
from suite.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD, Encoder

SAME = 0.02
"""Relative difference below which two statistics are called the same."""


def trained(encoder: Encoder) -> Answer:
    """Look for a norm layer that training has moved: initial ones have weights of 1 and biases of 0."""
    norms = [module for module in encoder.modules() if _is_norm(module) and getattr(module, "weight", None) is not None]
    if len(norms) < 2:
        return Answer("too few norm layers to tell")
    moved_count = sum(not _is_initial(norm) for norm in norms)
    if moved_count == 0:
        text = f"looks untrained: all {len(norms)} norm layers have their initial values; was a checkpoint loaded?"
        return Answer(text, warning=True)
    return Answer(f"{moved_count} of {len(norms)} norm layers have moved from their initial values")


def normalised_once(encoder: Encoder) -> Answer:
    """Check that the first layer sees the images as they were given, not normalised a second time.

    Surely wrong is what has the mean and the standard deviation of a second pass with its own, ImageNet's or
    (0.5, 0.5) normalisation; another change is a hint.
    """
    images = view(encoder, 1).float()
    seen = _first_input(encoder, images)
    if seen is None or seen.numel() != images.numel():
        return Answer("no layer sees the pixels as such: cannot tell")
    if not any(encoder.mean) and all(value == 1 for value in encoder.std):
        return Answer("images are given in [0, 1]: it normalises them itself, if at all")
    if _is_like(seen, images):
        return Answer("its first layer sees images as they were given")
    halves = (0.5, 0.5, 0.5)
    for mean, std in ((encoder.mean, encoder.std), (IMAGENET_MEAN, IMAGENET_STD), (halves, halves)):
        mean_column, std_column = (torch.tensor(values).view(3, 1, 1).to(images) for values in (mean, std))
        if _is_like(seen, (images - mean_column) / std_column):
            raise CheckError(
                f"its first layer sees images normalised twice (standard deviation {float(seen.std()):.2f} in place of "
                f"{float(images.std()):.2f}): state mean 0, 0, 0 and std 1, 1, 1 if it normalises them itself, or take "
                "that out of it"
            )
    text = (
        f"its first layer sees other values than it was given: mean {float(seen.mean()):.2f}, standard deviation "
        f"{float(seen.std()):.2f} in place of {float(images.mean()):.2f} and {float(images.std()):.2f}"
    )
    return Answer(text, warning=True)


def final_norm(encoder: Encoder) -> Answer:
    """Look for tokens that leave the last block as they are: most encoders norm them, and a probe feels it.

    It is a hint, since an encoder may be meant so.
    """
    if not encoder.depth or not any(map(_is_norm, encoder.modules())):
        return Answer("no blocks are named, or it has no norm layers: cannot tell")
    last = encoder.depth - 1
    with _recorded(encoder) as calls:
        tokens = encoder(view(encoder, 1), layers=(last,))
    names = [type(module).__name__ for module, _ in calls]
    norms = tokens.patches.float().norm(dim=1)
    text = f"token norms {float(norms.mean()):.3g}, from {float(norms.min()):.3g} to {float(norms.max()):.3g}"
    if torch.equal(tokens.patches, tokens.layers[last]) and calls and not _is_norm(calls[-1][0]):
        return Answer(f"no final norm: tokens are what the last block left, after {names[-1]}; {text}", warning=True)
    return Answer(text)


def block_order(encoder: Encoder) -> Answer:
    """Check that blocks run in the order in which they are named, and that their tokens are ordered as the last ones.

    After a final norm each channel is a multiple of what it was in the last block, place by place: where every
    token fits another place than its own, the order was changed in between.
    """
    if not encoder.depth:
        return Answer("no blocks are named")
    blocks = list(getattr(encoder.trunk, "blocks", ()))
    order: list[int] = []
    hooks = [block.register_forward_hook(_note(order, number)) for number, block in enumerate(blocks, start=1)]
    last = encoder.depth - 1
    try:
        tokens = encoder(view(encoder, 1), layers=(last,))
    finally:
        for hook in hooks:
            hook.remove()
    runs = list(dict.fromkeys(order))
    if runs != sorted(runs):
        raise CheckError(f"blocks run in another order than they are named in: {', '.join(map(str, runs))}")
    before, after = (_standard(t[0].float().flatten(1)) for t in (tokens.layers[last], tokens.patches))
    similarity = (before.T @ after).abs() / len(before)
    if len(after.T) < 4 or not after.any():
        return Answer(f"{len(runs)} blocks in order")
    best = similarity.max(dim=0)
    places = torch.arange(len(best.indices), device=best.indices.device)
    strays = (best.indices != places) & (best.values > 2 * similarity.diagonal().clamp_min(1e-6))
    share = float(strays.float().mean())
    if share > 0.5:
        raise CheckError(
            f"tokens of the last block stand in another order than those at the end: {share:.0%} fit another place "
            "better"
        )
    return Answer(f"{len(runs) or encoder.depth} blocks in order")


def _standard(tokens: Tensor) -> Tensor:
    """Standardise each channel of (D, n) over places."""
    return (tokens - tokens.mean(dim=1, keepdim=True)) / tokens.std(dim=1, keepdim=True, correction=0).clamp_min(1e-12)


def _is_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower() and not list(module.children())


def _is_initial(norm: nn.Module) -> bool:
    bias = getattr(norm, "bias", None)
    weight = norm.weight
    is_one = isinstance(weight, Tensor) and bool((weight == 1).all())
    return is_one and not (isinstance(bias, Tensor) and bool(bias.any()))


def _is_like(a: Tensor, b: Tensor) -> bool:
    return bool((a.mean() - b.mean()).abs() < SAME * b.std()) and bool((a.std() / b.std() - 1).abs() < SAME)


def _first_input(encoder: Encoder, images: Tensor) -> Tensor | None:
    """Return what the first layer with weights is called with; None where none is."""
    with _recorded(encoder) as calls:
        encoder(images)
    return next((value.float() for _, value in calls if isinstance(value, Tensor)), None)


@contextmanager
def _recorded(encoder: Encoder) -> Iterator[list[tuple[nn.Module, Any]]]:
    """Record the layers with weights of their own that a pass calls, in order, each with its first argument."""
    calls: list[tuple[nn.Module, Any]] = []

    def record(module: nn.Module, inputs: Any) -> None:
        calls.append((module, inputs[0] if inputs else None))

    leaves = [m for m in encoder.modules() if not list(m.children()) and list(m.parameters(recurse=False))]
    hooks = [module.register_forward_pre_hook(record) for module in leaves]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _note(order: list[int], number: int) -> Callable[..., None]:
    def hook(_module: nn.Module, _inputs: Any, _output: Any) -> None:
        order.append(number)

    return hook
