"""Layout of a method that a file has, and what in it is the encoder's and the projector's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import Tensor

from suite.encoders.checkpoint import shown, tensors_of
from suite.encoders.files import Flat
from suite.encoders.method import Layout, Method
from suite.errors import CheckpointError, unknown

_TRUNK = re.compile(r"cls_token|pos_embed|rel_pos_bias\..+|patch_embed\.proj\..+|blocks\.\d+\..+|norm\.(weight|bias)")
_CLASSIFIER = ("head.weight", "head.bias", "fc_norm.weight", "fc_norm.bias")
"""Tensors that fine-tuning adds to an encoder's."""
_HEADS = {
    "batch_norm_mlp": re.compile(r"\d\..+"),
    "prototypes": re.compile(r"(mlp\.\d\.(weight|bias)|last_layer\.weight(_[gv])?)"),
}


@dataclass(frozen=True)
class Network:
    """One network's tensors in a file, named as there, and the layout by which they were found."""

    layout: Layout
    tensors: dict[str, Tensor]

    @property
    def head(self) -> dict[str, Tensor]:
        """The projector's tensors."""
        return {name: value for name, value in self.tensors.items() if _of_head(name, self.layout)}

    @property
    def trunk(self) -> dict[str, Tensor]:
        """All other tensors: one that belongs nowhere is among them, to be reported as unexpected."""
        return {name: value for name, value in self.tensors.items() if not _of_head(name, self.layout)}


def select(content: Mapping[str, object], method: Method, branch: str | None, location: str) -> Network:
    """Pick `method`'s network out of what `read_file` returned.

    Args:
        content: see `read_file`.
        method: whose layouts to look for.
        branch: "student" or "teacher" where the file may hold both; None for the catalogue's default.
        location: starts the message of an error.

    Raises:
        RequestError: the method has no such branch.
        CheckpointError: no layout of the method fits.
    """
    if branch is not None and branch not in method.branches:
        raise unknown(f"branch of {method.name}", branch, method.branches or ("none",))
    branch_name = branch or (method.branches or ("",))[0]
    layouts = [layout for layout in method.layouts if layout.branch == branch_name]
    for layout in layouts:
        group = _group(content, layout)
        if _marked(group, layout):
            return Network(layout, tensors_of(group, location, layout.ignore))
    expected = " or ".join(dict.fromkeys(f"{layout.top}/{layout.mark}".lstrip("/") for layout in layouts))
    inside = next((layout.top for layout in layouts if layout.top and layout.top in content), "")
    is_first = bool(inside) and inside == layouts[0].top
    names = shown(sorted(map(str, _group(content, layouts[0]) if is_first else content)))
    actual = f"in {inside}: {names}" if is_first else names
    raise CheckpointError(f"{location}: not in {method.title}'s layout: expected {expected}, got {actual or 'nothing'}")


def recognise(
    content: Mapping[str, object], methods: Iterable[Method], *, with_classifier: bool = False
) -> list[Method]:
    """Return the methods in whose layout a file is, every name in it being known.

    Args:
        content: see `read_file`.
        methods: whose layouts to look for.
        with_classifier: the file may hold a classifier besides, as it does when fine-tuned.
    """
    ignore = _CLASSIFIER if with_classifier else ()
    return [method for method in methods if any(_fits(content, layout, method, ignore) for layout in method.layouts)]


def places_of(tensor: str, content: Mapping[str, object]) -> list[str]:
    """Return where in a file tensors of this name lie, each as `dictionary/prefix.` in whatever layout it is."""
    groups = {"": content} | {f"{top}/": group for top, group in content.items() if isinstance(group, Mapping)}
    names = [(top, str(name)) for top, group in groups.items() for name in group]
    return [top + name.removesuffix(tensor) for top, name in names if f".{name}".endswith(f".{tensor}")]


def _group(content: Mapping[str, object], layout: Layout) -> Mapping[str, object]:
    """Return the dictionary in which a layout keeps its tensors; empty if there is none.

    A safetensors file has no dictionaries inside: `model.norm.bias` stands for `model` and in it `norm.bias`,
    and a dictionary that says nothing of whose weights it holds may have been left out.
    """
    if not layout.top:
        return content
    inner = content.get(layout.top)
    if isinstance(inner, Mapping):
        return inner
    if not isinstance(content, Flat):
        return {}
    start = f"{layout.top}."
    nested = {name.removeprefix(start): value for name, value in content.items() if name.startswith(start)}
    return nested or (content if layout.top in ("model", "state_dict") else {})


def _marked(group: Mapping[str, object], layout: Layout) -> bool:
    return any(fnmatchcase(str(name), layout.mark) for name in group)


def _fits(content: Mapping[str, object], layout: Layout, method: Method, ignore: tuple[str, ...]) -> bool:
    group = _group(content, layout)
    patterns = (*layout.ignore, *(layout.trunk + pattern for pattern in ignore))
    names = [str(name) for name in group if not any(fnmatchcase(str(name), pattern) for pattern in patterns)]
    trunk = [name for name in names if not _of_head(name, layout)]
    heads = [_renamed(name, layout) for name in names if _of_head(name, layout)]
    return (
        _marked(group, layout)
        and all(name.startswith(layout.trunk) and _TRUNK.fullmatch(name[len(layout.trunk) :]) for name in trunk)
        and all(_HEADS[method.projector or ""].fullmatch(name) for name in heads)
        # CAE's and BEiT's biases are apart, everybody else's are not
        and any(name.endswith("attn.q_bias") for name in trunk) == (method.trunk == "beit")
        and any(name.endswith("gamma_1") for name in trunk) == (method.trunk == "beit" and layout.layer_scale)
    )


def head_names(tensors: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Return a projector's tensors under the names they have in the module."""
    return {_renamed(name, layout): value for name, value in tensors.items()}


def _of_head(name: str, layout: Layout) -> bool:
    return layout.head is not None and name.startswith(layout.head)


def _renamed(name: str, layout: Layout) -> str:
    name = name.removeprefix(layout.head or "")
    for old, new in layout.renamed:
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
