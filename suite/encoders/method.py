"""Description of one release: where it comes from, how its file is laid out, how it is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from suite.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD
from suite.protocol.constants import constant
from suite.registry import title_of

Positions = Literal["bicubic", "shifted_bicubic", "relative"]


@dataclass(frozen=True)
class Source:
    """An official file.

    Attributes:
        file_name: as released, or with a few words more where files of two releases are called the same.
        url: of the file, or of the page from which a person has to fetch it.
        digest: "sha256:" or "md5:" and the first hex digits that its authors or users have published, or "".
        manual: True where no program can download it.
        size: in bytes, roughly: nobody publishes it to the byte; None where it is not known.
        what: what it holds, where a release has several files.
        branches: the networks that it holds, where these are not all that `Method.branches` names.
        steps: how a person gets it, where no program can.
    """

    file_name: str
    url: str
    digest: str = ""
    manual: bool = False
    size: int | None = None
    what: str = ""
    branches: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Place of an encoder in a file.

    Attributes:
        top: key of the dictionary of tensors; "" where the file is that dictionary.
        mark: pattern of a tensor in it by which the layout is recognised.
        trunk: prefix of the encoder's tensors.
        head: prefix of its projector's tensors; None where the file has none.
        ignore: patterns of the other tensors that the release is known to hold.
        branch: whose weights these are, where a file holds two networks.
        renamed: starts of the projector's names in this file, and what they are called now.
        positions: as in `Method`, where this file's are other than the method's.
        layer_scale: False where this file has none although the method has it.
    """

    top: str
    mark: str
    trunk: str = ""
    head: str | None = None
    ignore: tuple[str, ...] = ()
    branch: str = ""
    renamed: tuple[tuple[str, str], ...] = ()
    positions: Positions | None = None
    layer_scale: bool = True


@dataclass(frozen=True)
class Method:
    """One release.

    Attributes:
        name: as in a cell.
        sources: official files; the first is the one that the experiments use.
        epochs: of pretraining.
        licence: of the file.
        layouts: tried in order; the first is the default branch.
        trunk: "vit" has one bias for query, key and value; "beit" separate ones without key, and LayerScale.
        positions: what happens on another grid: "bicubic", "shifted_bicubic" (both absolute) or "relative".
        projector: "batch_norm_mlp", "prototypes" or None.
        norm_eps: of every LayerNorm.
        mean: per channel, of images in [0, 1].
        std: per channel.
        reported: top-1 on ImageNet-1K (per cent) that its own authors report, by protocol.
        notes: what a reader of a report should know.
    """

    name: str
    sources: tuple[Source, ...]
    epochs: int
    licence: str
    layouts: tuple[Layout, ...]
    trunk: Literal["vit", "beit"] = "vit"
    positions: Positions = "bicubic"
    projector: Literal["batch_norm_mlp", "prototypes"] | None = None
    norm_eps: float = constant("encoders", "norm_eps")
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    reported: tuple[tuple[str, float], ...] = ()
    notes: str = ""

    @property
    def title(self) -> str:
        """Name as people write it."""
        return title_of(self.name)

    @property
    def branches(self) -> tuple[str, ...]:
        """Names of the networks that its files hold, the default first; empty where there is only one."""
        return tuple(dict.fromkeys(layout.branch for layout in self.layouts if layout.branch))
