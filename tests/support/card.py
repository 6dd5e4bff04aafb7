"""A stand-in for a GPU: tensors that say `cuda:0`, hold real numbers, and refuse what a GPU's tensors refuse.

Every call of torch passes through `Card`. It keeps what is asked for on "cuda" as an `OnCard`, whose numbers lie in
ordinary memory, and raises torch's own error where a call mixes tensors of both places. So whole experiments run, also
where what they do depends on the data, and their values can be held against the CPU's.

torch's `FakeTensorMode` does the same with shapes alone: there every path ends at the first number that is looked at.
What this cannot see: numerics of the GPU's kernels, streams that do not wait for one another, memory.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

CARD = torch.device("cuda", 0)
HOST = torch.device("cpu")
MEMORY = 80 << 30
_INDEXED = (torch.Tensor.__getitem__, torch.Tensor.__setitem__)
_FREE = (torch.Tensor.copy_, torch.Tensor.type_as, torch._has_compatible_shallow_copy_type)
_JOINED = (torch.cat, torch.stack)
_Plain = torch.Tensor


class OnCard(torch.Tensor):
    """A tensor on the card. Its numbers are those of the tensor that it was made of."""

    device = property(lambda self: CARD)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    @property
    def grad(self) -> torch.Tensor | None:
        """The gradient, which is on the card too."""
        gradient = _Plain.grad.__get__(self)
        return None if gradient is None else on_card(gradient)

    @grad.setter
    def grad(self, gradient: torch.Tensor | None) -> None:
        _Plain.grad.__set__(self, gradient)

    def numpy(self, **_: object) -> Any:
        """Refuse, in torch's words."""
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )

    def __array__(self, *_: object, **__: object) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        """Copy to the host, which torch does by itself here."""
        return self.cpu().tolist()

    def get_device(self) -> int:
        """Return the card's number."""
        return 0

    def pin_memory(self, *_: object) -> Any:
        """Refuse, in torch's words."""
        raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned")

    def record_stream(self, _stream: object) -> None:
        """Accept: nothing is given back early here."""


def on_card(tensor: torch.Tensor) -> OnCard:
    """Return the same numbers as a tensor on the card."""
    return tensor if isinstance(tensor, OnCard) else tensor.as_subclass(OnCard)


def _off_card(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.as_subclass(_Plain) if isinstance(tensor, OnCard) else tensor


class Card(TorchFunctionMode):
    """Everything that is asked of torch within is held to the rules of a machine with one GPU."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Do what is asked for; see the module."""
        kwargs = dict(kwargs or {})
        with torch._C.DisableTorchFunctionSubclass():
            if func in (_Plain.to, _Plain.cuda, _Plain.cpu):
                return _moved(func, args, kwargs)
            if getattr(func, "__name__", "") in {"__get__", "__set__", "__delete__"} or func is _Plain.as_subclass:
                return func(*args, **kwargs)
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, _Plain)]
            _check(func, args, tensors)
            place = kwargs.pop("device", None)
            kwargs.pop("pin_memory", None)
            is_here = any(isinstance(t, OnCard) for t in tensors)
            if place is not None:
                is_here = torch.device(place).type == "cuda"
                kwargs["device"] = HOST
            result = func(*args, **kwargs)
            return tree_map(lambda leaf: _placed(leaf, is_here), result) if is_here or tensors else result


def _placed(leaf: Any, is_here: bool) -> Any:
    if not isinstance(leaf, _Plain) or is_here == isinstance(leaf, OnCard):
        return leaf
    return on_card(leaf) if is_here else _off_card(leaf)


def _moved(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """Move a tensor, or convert its numbers."""
    tensor, *rest = args
    if func in (_Plain.cuda, _Plain.cpu):
        target, rest = (CARD if func is _Plain.cuda else HOST), []
    else:
        names = [a for a in rest if isinstance(a, str | torch.device)] + [kwargs.pop("device", None)]
        others = [a.device for a in rest if isinstance(a, _Plain)]
        target = next((torch.device(name) for name in [*names, *others] if name is not None), tensor.device)
        rest = [_off_card(a) for a in rest if isinstance(a, _Plain)] + [a for a in rest if isinstance(a, torch.dtype)]
    same_place = (target.type == "cuda") == isinstance(tensor, OnCard)
    kwargs.pop("non_blocking", None)
    result = tensor.to(*rest, **kwargs) if rest or kwargs else tensor
    if same_place:
        return _placed(result, target.type == "cuda")
    copied = result.clone() if result is tensor else result  # another place is other memory
    return on_card(_off_card(copied)) if target.type == "cuda" else _off_card(copied)


def _check(func: Callable[..., Any], args: tuple[Any, ...], tensors: list[torch.Tensor]) -> None:
    """Refuse tensors of both places, but for what torch allows.

    A CPU's tensor of no dimension goes with a GPU's, a GPU's tensor may be indexed by a CPU's, and numbers are copied
    between both by name, or by assignment to a slice.
    """
    if func in _FREE:
        return
    here = [t for t in tensors if isinstance(t, OnCard)]
    there = [t for t in tensors if not isinstance(t, OnCard) and (t.ndim or func in _JOINED)]
    if func in _INDEXED:
        index = [t for t in tree_leaves(args[1]) if isinstance(t, _Plain)]
        values = list(args[2:]) if index else []
        mixed = [t for t in ([*index, *values] if not isinstance(args[0], OnCard) else values) if isinstance(t, _Plain)]
        wrong = [t for t in mixed if isinstance(t, OnCard) != isinstance(args[0], OnCard) and t.ndim]
        here, there = wrong, wrong
    if here and there:
        name = getattr(func, "__name__", str(func))
        raise RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu (in {name})")


class Stream:
    """A stream, on which everything is done at once."""

    device = CARD

    def __init__(self, *_: object, **__: object) -> None:
        self.waited: list[object] = []

    def wait_event(self, event: object) -> None:
        """Note what it would wait for."""
        self.waited.append(event)

    def wait_stream(self, stream: object) -> None:
        """Note what it would wait for."""
        self.waited.append(stream)

    def record_event(self, *_: object) -> object:
        """Return a mark of what was done so far."""
        return SimpleNamespace(synchronize=lambda: None, query=lambda: True)

    def synchronize(self) -> None:
        """Wait for nothing."""

    def is_capturing(self) -> bool:
        """Deny that calls are written down as a graph."""
        return False


@contextmanager
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process believe that it has one GPU, in every thread that begins within."""
    current = Stream()
    facts = SimpleNamespace(
        name="Stand-in", total_memory=MEMORY, major=9, minor=0, multi_processor_count=1, uuid="0" * 8, is_integrated=0
    )
    stand_ins = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda _device: None,
        "device": lambda _device: nullcontext(),
        "current_stream": lambda _device=None: current,
        "Stream": Stream,
        "stream": lambda _stream: nullcontext(),
        "Event": Stream,
        "synchronize": lambda _device=None: None,
        "empty_cache": lambda: None,
        "mem_get_info": lambda _device=None: (MEMORY, MEMORY),
        "get_device_properties": lambda _device=None: facts,
        "get_device_name": lambda _device=None: facts.name,
        "get_device_capability": lambda _device=None: (9, 0),
        "is_current_stream_capturing": lambda: False,
        "is_initialized": lambda: True,
        "manual_seed_all": lambda _seed: None,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.accelerator, "current_stream", lambda _device=None: current)
    _autocast(monkeypatch)
    _decoder(monkeypatch)
    run = threading.Thread.run

    def run_with_card(self: threading.Thread) -> None:
        with Card():
            run(self)

    monkeypatch.setattr(threading.Thread, "run", run_with_card)
    overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # a parameter on another device is another one
    try:
        with Card():
            yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwrites)


def _autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let autocast of the card lower the precision of products on the CPU, where they are computed."""
    plain = torch.autocast

    @functools.wraps(plain)
    def autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return plain("cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    monkeypatch.setattr(torch, "autocast", autocast)


def _decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let libjpeg decode for the card."""

    def decode(files: list[torch.Tensor], mode: int, device: torch.device) -> list[torch.Tensor]:
        assert all(not isinstance(file, OnCard) for file in files)  # nvJPEG reads them from the host
        return [torch.ops.image.decode_jpeg(file, mode).to(device) for file in files]

    monkeypatch.setattr(torch.ops.image, "decode_jpegs_cuda", decode, raising=False)
