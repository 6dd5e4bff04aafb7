"""Network in a file: the one dictionary and prefix under which every tensor fits, or a question to the user."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import Tensor

from suite.encoders.checkpoint import shown, strip, tensors_of
from suite.errors import CheckpointError

HEADS = ("head.*", "head_dist.*", "attn_pool.*")
"""Tensors that classify, or pool for it: no part of an encoder."""
_DEEPEST = 3
_USUAL = ("model", "state_dict")
"""Dictionaries of which an error speaks where no network fits, in the order in which they are looked for."""
_WRAPPERS = ("module.", "_orig_mod.", "model.", "backbone.", "encoder.", "teacher.", "student.", "net.", "network.")
"""Prefixes that wrappers put before all names, which are taken off for an official release that timm converts."""

Convert = Callable[[dict[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Fitting:
    """Tensors of one network in a file, under the names of the module.

    Attributes:
        group: dictionaries that lead to it, joined by dots; empty for the file's own.
        prefix: of its names there.
        tensors: name -> value.
        left_out: names beside it in the same dictionary.
        converted: whether an official release's names were turned into timm's.
        pooled: whether the final norm stood behind a pooling, as `fc_norm`.
    """

    group: str
    prefix: str
    tensors: dict[str, Tensor]
    left_out: tuple[str, ...] = ()
    converted: bool = False
    pooled: bool = False

    @property
    def options(self) -> str:
        """The part of a spec that chooses it."""
        words = [f"group={self.group}"] if self.group else []
        return "?" + "&".join(words + ([f"prefix={self.prefix}"] if self.prefix else []))

    @property
    def title(self) -> str:
        """Words for it in a record or a message."""
        words = [self.group or "the file's own dictionary"]
        return ", ".join(words + ([f"names after {self.prefix!r}"] if self.prefix else []))


def unwrap(
    content: Mapping[str, object],
    expected: Mapping[str, Tensor],
    location: str,
    *,
    convert: Convert,
    group: str | None = None,
    prefix: str | None = None,
) -> tuple[dict[str, Tensor], list[str]]:
    """Find the network that a file is read for.

    Args:
        content: see `suite.encoders.files.read_file`.
        expected: the module's state, whose names have to be had, every one and no other.
        location: starts the message of an error.
        convert: turns an official release's names into the module's; returns others as they are.
        group: dictionary that was chosen; None for any.
        prefix: of the names that was chosen: others in the dictionary are then left out; None for any.

    Returns:
        Its tensors, and what is to go on record about where they were found. Where none fits, those of the usual
        place, which are reported as they are.

    Raises:
        CheckpointError: no such group or prefix, or several networks fit: the message names them.
    """
    groups = dict(dictionaries(content))
    if group is not None and group not in groups:
        raise CheckpointError(
            f"{location}: group {group!r}: no such dictionary of tensors: expected one of "
            f"{shown([name for name in groups if name]) or 'none: leave ?group= out'}"
        )
    candidates = [
        fitting
        for name, tensors in groups.items()
        if group in {None, name}
        for fitting in _fittings(name, tensors, expected, convert, prefix)
    ]
    whole = [fitting for fitting in candidates if prefix is not None or not fitting.left_out]
    if len(whole) == 1:
        others = [name for name in groups if name != whole[0].group]
        return tensors_of(whole[0].tensors, location), _notes(whole[0], others)
    if candidates:
        raise CheckpointError(f"{location}: {_question(whole or candidates)}")
    if prefix is not None:
        return _behind(prefix, _usual(content, group, location), location), []
    tensors = _unprefixed(_usual(content, group, location))
    return _final_norm(tensors if tensors.keys() == expected.keys() else convert(tensors), expected), []


def dictionaries(
    content: Mapping[str, object], path: str = "", depth: int = 0
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield the dictionaries in a file that hold tensors: path, and its tensors less classifiers."""
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        yield path, tensors
    for name, value in content.items():
        if isinstance(value, Mapping) and depth < _DEEPEST:
            yield from dictionaries(value, f"{path}.{name}".lstrip("."), depth + 1)


def _fittings(
    group: str,
    tensors: dict[str, Tensor],
    expected: Mapping[str, Tensor],
    convert: Convert,
    prefix: str | None,
) -> Iterator[Fitting]:
    """Yield the networks in a dictionary: those of one prefix each under which every expected name is."""
    anchor = next(iter(expected))
    ends = (name for name in tensors if f".{name}".endswith(f".{anchor}"))
    prefixes = [name.removesuffix(anchor) for name in ends] if prefix is None else [prefix]
    fittings = []
    for start in dict.fromkeys(prefixes):
        inside = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
        network, is_pooled = _network(inside, expected)
        if network is not None:
            outside = (name for name in tensors if not name.startswith(start))
            left_out = tuple(name for name in outside if not _is_head(name, start))
            fittings.append(Fitting(group, start, network, left_out, pooled=is_pooled))
    if fittings:
        yield from fittings
        return
    inside = {name: value for name, value in tensors.items() if name.startswith(prefix or "")}
    bare = strip(inside, prefix) if prefix else _unprefixed(inside)
    converted = convert(bare)
    network, is_pooled = _network(converted, expected)
    if network is not None and bare.keys() != converted.keys():
        start = next(iter(tensors)).removesuffix(next(iter(bare), "")) if prefix is None else prefix
        yield Fitting(group, start, network, converted=True, pooled=is_pooled)


def _network(tensors: dict[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[dict[str, Tensor] | None, bool]:
    """Return the tensors less classifiers, None if they are not those expected; and whether `fc_norm` is the norm."""
    renamed = _final_norm(tensors, expected)
    kept = {n: v for n, v in renamed.items() if n in expected or not any(fnmatchcase(n, head) for head in HEADS)}
    return (kept if kept.keys() == expected.keys() else None), renamed is not tensors


def _final_norm(tensors: dict[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with the norm behind a pooling, `fc_norm`, as the final norm, where the file has no other."""
    if "norm.weight" in tensors or "norm.weight" not in expected or "fc_norm.weight" not in tensors:
        return tensors
    return {f".{name}".replace(".fc_norm.", ".norm.", 1)[1:]: value for name, value in tensors.items()}


def _behind(prefix: str, tensors: dict[str, Tensor], location: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    inside = {name: value for name, value in tensors.items() if name.startswith(prefix)}
    if not inside:
        raise CheckpointError(f"{location}: prefix {prefix!r}: no name begins with it: got {shown(sorted(tensors))}")
    return strip(inside, prefix)


def _is_head(name: str, prefix: str) -> bool:
    """Tell whether a name beside a network is its classifier's or projector's: `head.` beside `backbone.`, too."""
    outer = prefix.rstrip(".").rpartition(".")[0]
    inner = name.removeprefix(f"{outer}.") if outer else name
    return any(fnmatchcase(inner, head) for head in HEADS)


def _unprefixed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the wrappers' prefixes that all their names have."""
    while True:
        start = next((word for word in _WRAPPERS if tensors and all(n.startswith(word) for n in tensors)), "")
        if not start:
            return tensors
        tensors = strip(tensors, start)


def _usual(content: Mapping[str, object], group: str | None, location: str) -> dict[str, Tensor]:
    """Return the tensors of the place that errors speak of, or refuse what else lies among them."""
    place: object = content
    if group is not None:
        for word in group.split(".") if group else ():
            place = place[word] if isinstance(place, Mapping) and word in place else place
    else:
        place = next((content[key] for key in _USUAL if isinstance(content.get(key), Mapping)), content)
    return tensors_of(place, location, ignore=HEADS)


def _question(fittings: list[Fitting]) -> str:
    listed = ", ".join(f"{fitting.options} ({fitting.title}{_beside(fitting)})" for fitting in fittings[:6])
    if len(fittings) == 1:
        return f"this network is one part of it: to read that part alone, add {listed} to the spec"
    return f"{len(fittings)} networks in it fit: choose one in the spec: {listed}"


def _beside(fitting: Fitting) -> str:
    left_out = fitting.left_out
    return f"; leaves out {len(left_out)} tensors: {shown(sorted(left_out), 2)}" if left_out else ""


def _notes(fitting: Fitting, others: list[str]) -> list[str]:
    notes = []
    if fitting.group or fitting.prefix or others:
        notes.append(f"read from {fitting.title}")
    if others:
        notes.append(f"not read: {shown([name or 'the file itself' for name in others])}")
    if fitting.left_out:
        notes.append(f"left out {len(fitting.left_out)} tensors beside it: {shown(sorted(fitting.left_out), 2)}")
    notes += ["official names converted by timm's rules"] if fitting.converted else []
    return notes + (["the norm behind the pooling (fc_norm) is the final norm"] if fitting.pooled else [])
