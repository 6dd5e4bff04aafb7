"""The questions of the conformance checks, each a function of an encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.conformance.pictures import pictures
from suite.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD, Encoder, Tokens

HITS = 0.75
"""Share of disturbed patches whose own token has to move most."""
TOLERANCE = {"cpu": 1e-3, "cuda": 1e-2}
"""Largest change, in standard deviations of a token, that a batch may cause: summation order, TF32 on a GPU."""
LARGE_PX = 512
"""Side at which the paper segments; small encoders are asked for twice their own size."""


NO_BLOCKS = (
    "no blocks are named, whose outputs segmentation reads: name them (blocks= of wrap, or an attribute blocks), or "
    "leave segmentation out (EXPERIMENT=)"
)


class CheckError(Exception):
    """A question answered with no."""


@dataclass(frozen=True)
class Answer:
    """A question answered with yes, perhaps with a word of warning."""

    text: str
    warning: bool = False


def normalised(encoder: Encoder, pixels: Tensor) -> Tensor:
    """Normalise images (B, 3, H, W) in [0, 1] as the encoder wants to see them."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (encoder.mean, encoder.std))
    return ((pixels - mean) / std).to(encoder.device)


def view(encoder: Encoder, count: int, height: int | None = None, width: int | None = None) -> Tensor:
    """Return the first pictures, at the encoder's own size unless told otherwise."""
    side = encoder.image_size
    return normalised(encoder, pictures(count, height or side, width or side))


def normalisation(encoder: Encoder) -> Answer:
    """Check that mean and standard deviation are three numbers each, of images in [0, 1]."""
    mean, std = tuple(map(float, encoder.mean)), tuple(map(float, encoder.std))
    for word, values in (("mean", mean), ("std", std)):
        if len(values) != 3 or not all(map(math.isfinite, values)):
            raise CheckError(f"{word}: expected three finite numbers, got {values}")
    if max(mean) > 1 or max(std) > 1:
        raise CheckError(f"mean {mean}, std {std}: expected those of images in [0, 1]: divide by 255")
    if min(mean) < 0 or min(std) <= 0:
        raise CheckError(f"mean {mean}, std {std}: expected a mean in [0, 1] and a std in (0, 1]")
    text = f"mean {_short(mean)}, std {_short(std)}"
    if not _close(mean, IMAGENET_MEAN) or not _close(std, IMAGENET_STD):
        return Answer(f"{text}; not ImageNet's: right if it was trained so", warning=True)
    return Answer(f"{text}: ImageNet's")


def shapes(encoder: Encoder) -> Answer:
    """Check shapes: class token (B, D), patches (B, D, h, w), every layer like them, all finite."""
    side = encoder.image_size // encoder.patch_size
    layers = tuple(sorted({0, encoder.depth - 1})) if encoder.depth else ()
    tokens = encoder(view(encoder, 2), layers=layers, project=encoder.has_projector)
    _check_tokens(encoder, tokens, (2, side, side), layers)
    text = f"{side} x {side} patches of {encoder.patch_size} pixels, {encoder.embed_dim} wide"
    if not encoder.depth:
        return Answer(f"{text}; no blocks are named, so segmentation cannot read its layers", warning=True)
    spread = tokens.patches.float().std(dim=(0, 2, 3)).mean().item()
    if spread == 0:
        return Answer(f"{text}; every patch token of every picture is the same", warning=True)
    return Answer(text)


def patch_order(encoder: Encoder) -> Answer:
    """Disturb one patch: its own token should move most, at the first block and at the end.

    Attention spreads a change over all tokens, but adds to each token's own way through the residual connections,
    so that at the first block the test is sure. After the last one it is a hint: trained encoders keep notes in
    tokens of other places.
    """
    side = encoder.image_size // encoder.patch_size
    if side < 2:
        return Answer("a single patch has no order")
    rows, columns = side, side + 1 if _takes(encoder, side, side + 1) else side
    early_moves, late_moves = _largest_moves(encoder, rows, columns)
    for place, moves in (("the first block", early_moves), ("the end", late_moves)):
        if moves is not None:
            _check_order(moves, rows, columns, place)
    if _hits(early_moves if early_moves is not None else late_moves) >= HITS:
        return Answer(f"row by row; {_hits(late_moves):.0%} of disturbed patches move their own token most at the end")
    if early_moves is None or _hits(early_moves) == 0 == _hits(late_moves):
        text = f"cannot tell: only {_hits(late_moves):.0%} of disturbed patches move their own token most"
        return Answer(f"{text}; make sure that patches come row by row", warning=True)
    raise CheckError(
        f"only {_hits(early_moves):.0%} of disturbed patches move their own token most at the first block: "
        "expected patches row by row after prefix_tokens others"
    )


def frozen(encoder: Encoder) -> Answer:
    """Check that there is no gradient, no training mode, no tensor that a pass changes."""
    trainable_names = [name for name, parameter in encoder.named_parameters() if parameter.requires_grad]
    if trainable_names:
        raise CheckError(f"{trainable_names[0]} and {len(trainable_names) - 1} more require a gradient")
    encoder.train()
    training_names = [name for name, module in encoder.named_modules() if module.training]
    if training_names:
        raise CheckError(
            f"after train(), {training_names[0] or 'the encoder'} is in training mode: dropout would be on"
        )
    initial_state = {name: value.clone() for name, value in encoder.state_dict().items()}
    tokens = encoder(view(encoder, 1))
    changed_names = [
        name for name, value in encoder.state_dict().items() if not torch.equal(value, initial_state[name])
    ]
    if changed_names:
        raise CheckError(f"a pass changed {changed_names[0]}")
    if tokens.cls.requires_grad or tokens.patches.requires_grad:
        raise CheckError("its tokens require a gradient")
    return Answer(f"{len(initial_state)} tensors, none changes")


def deterministic(encoder: Encoder) -> Answer:
    """Check that two passes under different random seeds give the same bytes, so nothing is drawn or masked."""
    images = view(encoder, 1)
    torch.manual_seed(0)
    first_tokens = encoder(images)
    torch.manual_seed(1)
    second_tokens = encoder(images)
    for name in ("cls", "patches"):
        difference = _largest_difference(getattr(first_tokens, name), getattr(second_tokens, name))
        if difference > (0 if images.device.type == "cpu" else TOLERANCE["cuda"]):
            raise CheckError(f"{name}: two passes differ by {difference:.2g} standard deviations: is something random?")
    return Answer("two passes under different seeds are the same")


def batch_invariant(encoder: Encoder) -> Answer:
    """Check that an image gets the same tokens alone, together and in another order."""
    images = view(encoder, 2)
    batch_tokens = encoder(images)
    single_tokens = [encoder(image[None]) for image in images]
    reversed_tokens = encoder(images.flip(0))
    difference = max(
        _largest_difference(batch_tokens.patches, torch.cat([tokens.patches for tokens in single_tokens])),
        _largest_difference(batch_tokens.cls, torch.cat([tokens.cls for tokens in single_tokens])),
        _largest_difference(batch_tokens.patches, reversed_tokens.patches.flip(0)),
    )
    is_half_precision = batch_tokens.patches.dtype in {torch.float16, torch.bfloat16}
    if difference > TOLERANCE.get(images.device.type, 1e-2) * (30 if is_half_precision else 1):
        raise CheckError(
            f"an image's tokens change by {difference:.2g} standard deviations with its batch: batch norm?"
        )
    return Answer(f"largest change {difference:.1g} standard deviations")


def other_sizes(encoder: Encoder) -> Answer:
    """Check, at segmentation's size and oblong, that the grid fits, tokens are finite and resemble those at its own."""
    patch, side = encoder.patch_size, encoder.image_size
    target = LARGE_PX if side >= LARGE_PX // 3 else 2 * side
    large_side = max(2, round(target / patch)) * patch
    grid = large_side // patch
    own_tokens = encoder(view(encoder, 1))
    large_tokens = encoder(view(encoder, 1, large_side, large_side))
    _check_tokens(encoder, large_tokens, (1, grid, grid), ())
    oblong_tokens = encoder(view(encoder, 1, side + patch, side))
    _check_tokens(encoder, oblong_tokens, (1, side // patch + 1, side // patch), ())
    if side // patch < 2:
        return Answer(f"{large_side} pixels: {grid} x {grid} patches")
    pooled_patches = torch.nn.functional.adaptive_avg_pool2d(
        large_tokens.patches.float(), own_tokens.patches.shape[-2:]
    )
    correlation, transposed_correlation = (
        _mean_correlation(pooled_patches, own_tokens.patches.float()),
        _mean_correlation(pooled_patches.mT, own_tokens.patches.float()),
    )
    text = (
        f"{large_side} pixels: {grid} x {grid} patches, correlation {correlation:.2f} with those at {side} "
        f"(transposed {transposed_correlation:.2f})"
    )
    if not correlation > max(transposed_correlation, 0.1):
        return Answer(f"{text}: hardly alike; are positions interpolated rightly?", warning=True)
    return Answer(text)


def _check_tokens(encoder: Encoder, tokens: object, grid: tuple[int, int, int], layers: tuple[int, ...]) -> None:
    if not isinstance(tokens, Tokens):
        raise CheckError(f"expected Tokens, got {type(tokens).__name__}")
    count, rows, columns = grid
    expected = {"cls": (count, encoder.embed_dim), "patches": (count, encoder.embed_dim, rows, columns)}
    expected |= {f"layer {index}": expected["patches"] for index in layers}
    tensors = {"cls": tokens.cls, "patches": tokens.patches} | {f"layer {i}": t for i, t in tokens.layers.items()}
    for name, shape in expected.items():
        if name not in tensors:
            raise CheckError(f"{name}: expected {shape}, got nothing")
        if tuple(tensors[name].shape) != shape:
            raise CheckError(f"{name}: expected {shape}, got {tuple(tensors[name].shape)}")
        if not tensors[name].isfinite().all():
            raise CheckError(f"{name}: not finite")


def _takes(encoder: Encoder, rows: int, columns: int) -> bool:
    """Return whether it sees an oblong image, which tells rows from columns even where few patches are disturbed."""
    try:
        encoder(view(encoder, 1, rows * encoder.patch_size, columns * encoder.patch_size))
    except KeyboardInterrupt:
        raise
    except BaseException:  # that is the question
        return False
    return True


def _largest_moves(
    encoder: Encoder, rows: int, columns: int
) -> tuple[list[tuple[int, int]] | None, list[tuple[int, int]]]:
    """Return (disturbed, moved most) places, counted row by row, for up to 8 places and a few spread over the grid.

    At the first block, None where no blocks are named, and at the end.
    """
    patch, count = encoder.patch_size, rows * columns
    images = view(encoder, 2, rows * patch, columns * patch)
    step = max(1, count // 8)
    places = [place for place in range(step // 2, count, step) if count > 4] or list(range(count))
    batch = images[:1].repeat(len(places) + 1, 1, 1, 1)
    for index, place in enumerate(places, start=1):
        top, left = (patch * p for p in divmod(place, columns))
        batch[index, :, top : top + patch, left : left + patch] = (
            images[1, :, top : top + patch, left : left + patch].flip(-1) * -1
        )
    parts = [encoder(piece, layers=(0,) if encoder.depth else ()) for piece in batch.split(4)]

    def moves(tokens: Tensor) -> list[tuple[int, int]]:
        change = (tokens[1:] - tokens[:1]).norm(dim=1).flatten(1)
        return list(zip(places, change.argmax(dim=1).tolist(), strict=True))

    late_moves = moves(torch.cat([part.patches for part in parts]).float())
    early_moves = moves(torch.cat([part.layers[0] for part in parts]).float()) if encoder.depth else None
    return early_moves, late_moves


def _hits(moves: list[tuple[int, int]]) -> float:
    return sum(place == moved_place for place, moved_place in moves) / len(moves)


def _check_order(moves: list[tuple[int, int]], rows: int, columns: int, depth: str) -> None:
    """Refuse an order that is wrong in one of two ways that can be named."""
    if _hits(moves) >= HITS:
        return
    transposed_moves = [((place % columns) * rows + place // columns, moved_place) for place, moved_place in moves]
    if _hits(transposed_moves) >= HITS:
        raise CheckError(f"at {depth}, patches come column by column: expected row by row")
    shifts = [moved_place - place for place, moved_place in moves]
    usual_shift = max(set(shifts), key=shifts.count)
    if usual_shift and shifts.count(usual_shift) / len(shifts) >= HITS:
        raise CheckError(f"at {depth}, patches are shifted by {usual_shift}: is prefix_tokens right?")


def _largest_difference(a: Tensor, b: Tensor) -> float:
    scale = a.float().std().clamp_min(1e-12)
    return float((a.float() - b.float()).abs().max() / scale)


def _mean_correlation(a: Tensor, b: Tensor) -> float:
    """Return the mean correlation over places of tokens (B, D, h, w), each channel less its mean over the picture."""
    a, b = (t - t.mean(dim=(2, 3), keepdim=True) for t in (a, b))
    return float(torch.nn.functional.cosine_similarity(a, b, dim=1).mean())


def _close(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return all(abs(x - y) < 5e-3 for x, y in zip(a, b, strict=True))


def _short(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3g}" for value in values)
