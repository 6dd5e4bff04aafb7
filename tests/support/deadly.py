"""Encoders that end the process that uses them, as a fault in C code or the kernel does when memory runs out."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from suite.core.paths import MINI_WEIGHTS
from suite.encoders import Encoder, load_encoder


def killed_when_made() -> Encoder:
    """Die before there is an encoder."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def killed() -> Encoder:
    """Die in the first forward pass, which tells who the encoder is."""
    return _with(lambda _: os.kill(os.getpid(), signal.SIGKILL))


def killed_by_a_batch() -> Encoder:
    """Die in the first forward pass of several images."""
    return _with(lambda images: os.kill(os.getpid(), signal.SIGKILL) if len(images) > 1 else None)


def crashing() -> Encoder:
    """Die there of a fault in C code."""
    return _with(lambda _: os.kill(os.getpid(), signal.SIGSEGV))


def leaving() -> Encoder:
    """End the program there, as scripts do."""
    return _with(lambda _: sys.exit(0))


def cancelled() -> Encoder:
    """Raise there what is no `Exception`."""
    return _with(_cancel)


def _cancel(_images: Tensor) -> None:
    raise asyncio.CancelledError


def wide() -> Encoder:
    """Find no memory for more than 64 images."""
    return _with(_refuse)


def stubborn() -> Encoder:
    """Find no memory for more than 64 images, nor after that for any, as where what was taken is never given back."""
    tried: list[int] = []

    def refuse(images: Tensor) -> None:
        tried.append(len(images))
        if max(tried) > 64:
            raise torch.OutOfMemoryError("Tried to allocate 20.00 GiB")

    return _with(refuse)


def _refuse(images: Tensor) -> None:
    if len(images) > 64:
        raise torch.OutOfMemoryError("Tried to allocate 20.00 GiB")


def _with(act: Callable[[Tensor], None]) -> Encoder:
    encoder = load_encoder("mae", weights=MINI_WEIGHTS)
    forward = encoder.forward

    def deadly(images: Tensor, *arguments: object, **options: object) -> object:
        act(images)
        return forward(images, *arguments, **options)

    encoder.forward = deadly
    return encoder
