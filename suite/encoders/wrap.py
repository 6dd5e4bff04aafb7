"""Parts that a user writes to bring an encoder: a module that returns tokens, and five facts about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from suite.encoders.encoder import Encoder, Tokens
from suite.errors import RequestError

REQUIRED = ("patch_size", "image_size", "mean", "std")
OPTIONAL = ("prefix_tokens", "class_token", "blocks", "projector")


class TokensTrunk(nn.Module):
    """Any module that maps images to a sequence of tokens, or to `Tokens`; raw layers are caught at its blocks."""

    def __init__(
        self,
        module: nn.Module,
        call: Callable[[Tensor], Any] | None,
        blocks: Sequence[nn.Module],
        *,
        patch_size: int,
        prefix_tokens: int,
        class_token: bool,
    ) -> None:
        super().__init__()
        self.module = module
        # the bound method: a module here would be registered, and digested, a second time
        self.call: Callable[[Tensor], Any] = (call or module).__call__  # type: ignore[operator]
        self.blocks = list(blocks)  # a list: they are registered as parts of the module already
        self.patch_size, self.prefix_tokens, self.class_token = patch_size, prefix_tokens, class_token

    def forward(self, images: Tensor, layers: tuple[int, ...]) -> tuple[Tensor, dict[int, Tensor]]:
        """See `Encoder.__init__`, trunk; tokens between the class token and the patches are dropped.

        Raises:
            RequestError: what the module returns is no sequence of that many tokens.
        """
        raw: dict[int, Any] = {}
        hooks = [self.blocks[i].register_forward_hook(_keep(raw, i)) for i in layers]
        try:
            output = self.call(images.to(_dtype(self.module)))
        finally:
            for hook in hooks:
                hook.remove()
        count = math.prod(side // self.patch_size for side in images.shape[-2:])
        if isinstance(output, Tokens):
            tokens = output.sequence
            self._check(tokens, len(images), count, prefix=1)
        else:
            tokens = self._cls_first(output, len(images), count)
        return tokens, {i: self._cls_first(raw[i], len(images), count) for i in layers}

    def _cls_first(self, tokens: Any, batch: int, count: int) -> Tensor:
        self._check(tokens, batch, count, prefix=self.prefix_tokens)
        patches = tokens[:, self.prefix_tokens :]
        class_tokens = tokens[:, :1] if self.class_token and self.prefix_tokens else patches.mean(dim=1, keepdim=True)
        return torch.cat([class_tokens, patches], dim=1)

    def _check(self, tokens: Any, batch: int, count: int, *, prefix: int) -> None:
        if not isinstance(tokens, Tensor) or tokens.ndim != 3 or tokens.shape[:2] != (batch, prefix + count):
            name = type(self.module).__name__
            raise RequestError(
                f"{name}: tokens: expected (B, prefix_tokens + h * w, D), here ({batch}, {prefix} + {count}, D), "
                f"got {_advised(tokens)}"
            )


def wrap(
    module: nn.Module,
    *,
    patch_size: int,
    image_size: int,
    mean: Sequence[float],
    std: Sequence[float],
    prefix_tokens: int = 1,
    class_token: bool = True,
    blocks: Sequence[nn.Module] | None = None,
    tokens: Callable[[Tensor], Tensor | Tokens] | None = None,
    projector: nn.Module | None = None,
    name: str = "",
) -> Encoder:
    """Make an `Encoder` of any module that turns images into tokens.

    Args:
        module: (B, 3, H, W) -> (B, prefix_tokens + h * w, D) tokens after the final norm, patches row by row; or
            `Tokens`.
        patch_size: side of a patch, pixels.
        image_size: side of the images it is to see, pixels: a multiple of `patch_size`.
        mean: per channel, of images in [0, 1]. There is no default: a wrong one costs points and raises no error.
        std: per channel.
        prefix_tokens: tokens before the patches: class token and registers.
        class_token: whether the first of them is one; where there is none, the mean patch stands for it.
        blocks: its transformer blocks, whose outputs (B, prefix_tokens + h * w, D) segmentation reads; default:
            `module.blocks`; without any, segmentation cannot run.
        tokens: called in place of `module`, e.g. `module.forward_features`.
        projector: (B, D) normed class tokens -> (B, P).
        name: shown in messages; default: the module's class.

    Raises:
        RequestError: an argument that cannot be, or a module that does not return such tokens.
    """
    name = name or type(module).__name__
    mean, std = (_three(name, word, values) for word, values in (("mean", mean), ("std", std)))
    _check_sizes(name, patch_size, image_size, prefix_tokens)
    block_list = list(blocks if blocks is not None else getattr(module, "blocks", ()))
    trunk = TokensTrunk(
        module, tokens, block_list, patch_size=patch_size, prefix_tokens=prefix_tokens, class_token=class_token
    )
    with torch.no_grad():
        width = trunk.eval()(torch.zeros(1, 3, image_size, image_size, device=_device(module)), ())[0].shape[-1]
    return Encoder(
        name,
        trunk,
        patch_size=patch_size,
        embed_dim=width,
        depth=len(block_list),
        image_size=image_size,
        mean=mean,
        std=std,
        projector=projector,
    )


def wrap_described(module: nn.Module, location: str) -> Encoder:
    """Call `wrap` with the module's own attributes of those names.

    Raises:
        RequestError: `patch_size`, `image_size`, `mean` or `std` is not stated.
    """
    missing = [word for word in REQUIRED if not hasattr(module, word)]
    if missing:
        raise RequestError(
            f"{location}: the {type(module).__name__} that the factory returned does not state {', '.join(missing)}: "
            "set them as attributes, or return suite.encoders.wrap(module, patch_size=, image_size=, mean=, std=)"
        )
    facts = {word: getattr(module, word) for word in (*REQUIRED, *OPTIONAL) if hasattr(module, word)}
    return wrap(module, **facts, name=location)


def _three(name: str, word: str, values: object) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3:
        raise RequestError(f"{name}: {word}: expected three numbers, of images in [0, 1], got {values!r}")
    return numbers


def _check_sizes(name: str, patch_size: object, image_size: object, prefix_tokens: object) -> None:
    sizes = {"patch_size": (patch_size, 1), "image_size": (image_size, 1), "prefix_tokens": (prefix_tokens, 0)}
    for word, (value, minimum) in sizes.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise RequestError(f"{name}: {word}: expected an integer of at least {minimum}, got {value!r}")
    assert isinstance(image_size, int)
    assert isinstance(patch_size, int)
    if image_size % patch_size:
        raise RequestError(f"{name}: image_size: expected a multiple of patch_size {patch_size}, got {image_size}")


def _keep(raw: dict[int, Any], index: int) -> Callable[[nn.Module, Any, Any], None]:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        raw[index] = output[0] if isinstance(output, tuple) else output

    return hook


def _advised(tokens: Any) -> str:
    """Return what was given in place of tokens, and what to do about it."""
    if isinstance(tokens, Tensor) and tokens.ndim == 3:
        advice = "state prefix_tokens (class token and registers; 0 if there are none) and patch_size"
        return f"{tuple(tokens.shape)}; {advice}"
    what = str(tuple(tokens.shape)) if isinstance(tokens, Tensor) else type(tokens).__name__
    keys = f" of {', '.join(map(str, tokens))}" if isinstance(tokens, Mapping) else ""
    return f"{what}{keys}; pass tokens=, a function that makes tokens of it (docs/how-to/recipes.md)"


def _dtype(module: nn.Module) -> torch.dtype:
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())


def _device(module: nn.Module) -> torch.device:
    return next((p.device for p in module.parameters()), torch.device("cpu"))
