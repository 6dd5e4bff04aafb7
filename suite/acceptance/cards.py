"""Steps on the machine: what it is, how closed the container is, cards that are shared out, and memory that ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # not in its __all__

from suite.acceptance.site import Answer, Site, verdict
from suite.core.environment import capture
from suite.core.numerics import environment_of
from suite.encoders import BASE, MINI, Encoder
from suite.encoders.forward import Forward
from suite.errors import BusyError
from suite.experiments.costs.shape import Shape
from suite.plan.shapes import build
from suite.run.leases import Gpu, Lease, granted_gpus, lease
from suite.training.distributed import World, group, run_together
from suite.verification.isolation import image, isolation
from suite.verification.outcome import Check

BACKED_OFF = 1e-3
"""Largest difference of float32 tokens, of the largest, between passes of one size and of another: kernels differ."""


def environment(site: Site) -> Answer:
    """Describe machine, driver, card and packages."""
    facts: dict[str, Any] = {"environment": capture(site.device), "numerics": environment_of(site.device)}
    gpu = facts["environment"]["gpu"]
    facts["cards"] = site.cards
    missing = [name for name in ("name", "driver", "cuda", "cudnn") if not gpu.get(name)] if site.is_gpu else []
    detail = f"{gpu.get('name') or 'no GPU'}, driver {gpu.get('driver') or 'unknown'}, {site.cards} cards"
    return verdict(not missing, detail + (f"; cannot be told: {', '.join(missing)}" if missing else ""), **facts)


def container(_site: Site) -> Answer:
    """Hold the container against what its page promises."""
    checks: list[Check] = [isolation(), image()]
    detail = "; ".join(check.detail for check in checks)
    if all(check.status == "no reference" for check in checks):
        return Answer("not applicable", detail)
    return verdict(all(c.acceptable for c in checks), detail, checks=[check.record() for check in checks])


def leases(site: Site) -> Answer:
    """Lease every card, each once; one more is refused, and what is given back can be had again."""
    folder = site.folder / "leases"
    folder.mkdir(exist_ok=True)
    gpus = granted_gpus() if site.is_gpu else [Gpu(index, f"stand-in-{index}") for index in range(site.cards)]
    held: list[Lease] = []
    problems = []
    try:
        for _ in gpus:
            held += lease(1, gpus=lambda: gpus, folder=folder)
        if sorted(one.index for one in held) != [gpu.index for gpu in gpus]:
            problems.append(f"leased {sorted(one.index for one in held)}, expected each card once")
        try:
            held += lease(1, gpus=lambda: gpus, folder=folder)
            problems.append("a card was leased twice")
        except BusyError:
            pass
        held.pop(0).close()
        held += lease(1, gpus=lambda: gpus, folder=folder)
    finally:
        for one in held:
            one.close()
    return verdict(not problems, "; ".join(problems) or f"each of {len(gpus)} cards was leased once", cards=len(gpus))


def nccl(site: Site) -> Answer:
    """Sum over two processes with a card each; with one card, over one: the library starts at least."""
    if site.cards < 2:
        tensor = torch.ones(4, device=site.device)
        with group(TCPStore("127.0.0.1", 0, 1, is_master=True), 0, 1, site.device):
            dist.all_reduce(tensor)
        return verdict(tensor.tolist() == [1.0] * 4, f"one process, for want of a second card: 1 gave {tensor[0]:g}")
    summed = run_together(2, site.device, range(2), _summed, site.device)
    return verdict(summed == [3.0] * 4, f"1 + 2 over two processes gave {summed[0]:g}", summed=summed)


def _summed(device: str, world: World) -> list[float]:
    tensor = torch.full((4,), float(world.rank + 1), device=device)
    world.add([tensor])
    world.wait()
    return tensor.tolist()


def out_of_memory(site: Site) -> Answer:
    """Give an encoder passes that do not fit: they are halved until they do, and the tokens stay."""
    encoder = build(Shape("vit", BASE if site.is_gpu else MINI), site.device)
    side, count, small = encoder.image_size, 256 if site.is_gpu else 32, 8
    images = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0)).to(site.device)
    with torch.inference_mode():
        expected = _tokens(Forward(encoder, batch_size=small), images, small)
        with _too_little_memory(site, encoder, images, small):
            try:
                tokens = _tokens(Forward(encoder, batch_size=count), images, count)
            except torch.OutOfMemoryError as error:
                return Answer(
                    "failed", f"a pass of {count} images was not halved: {' '.join(str(error).split())[:160]}"
                )
    difference = float((tokens - expected).abs().max() / expected.abs().max())
    return verdict(
        difference <= BACKED_OFF,
        f"a pass of {count} images was made in parts; tokens differ by {difference:.1e}, allowed {BACKED_OFF:.0e}",
        images=count,
        difference=difference,
        allowed=BACKED_OFF,
    )


def _tokens(forward: Forward, images: Tensor, size: int) -> Tensor:
    return torch.cat([forward(part).sequence[: len(part)] for part in images.split(size)])


@contextmanager
def _too_little_memory(site: Site, encoder: Encoder, images: Tensor, small: int) -> Iterator[None]:
    """Leave memory for a few small passes; on a stand-in an encoder that refuses more than two of them at once."""
    if not site.is_gpu:
        hook = encoder.register_forward_pre_hook(lambda _module, arguments: _refuse(len(arguments[0]) > 2 * small))
        try:
            yield
        finally:
            hook.remove()
        return
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved()
    encoder(images[:small])
    one = torch.cuda.max_memory_reserved() - before
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_reserved() + 4 * one) / total))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def _refuse(too_large: bool) -> None:
    if too_large:
        raise torch.OutOfMemoryError("stand-in: out of memory")
