"""Any plain vision transformer of timm: its own weights, a file's, or none, all through the same exact check."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import load_pretrained
from timm.models.eva import Eva
from timm.models.eva import checkpoint_filter_fn as eva_filter
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer import checkpoint_filter_fn as vit_filter
from torch import Tensor, nn

from suite.encoders.checkpoint import load_exactly, tensors_of
from suite.encoders.encoder import Encoder
from suite.encoders.files import read_file
from suite.encoders.options import normalisation, whole_number
from suite.encoders.unwrap import HEADS, unwrap
from suite.encoders.wrap import wrap
from suite.errors import CheckpointError, RequestError
from suite.specs import Spec, check_options

PLAIN = (VisionTransformer, Eva)
"""timm's families that take images of any size and keep one token per patch."""
RANDOM = "random"
_PATCHES = "patch_embed.proj.weight"


class _RawTensors(Exception):  # noqa: N818
    """Carries timm's own weights out of its loader, before that fills a model by halves."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        super().__init__()
        self.content = content


def timm_encoder(spec: Spec) -> Encoder:
    """Load `timm:NAME` with timm's pretrained weights, or `timm:NAME@FILE`, or `timm:NAME@random`.

    The file holds timm's own tensor names, or those of an official release that timm converts (DINOv2's, for one).
    `@random` is the architecture before any training, drawn from seed 0: the baseline under a trained one.
    Options: `img_size`, `mean` and `std` (see `normalisation`); of a file also `group` and `prefix`.

    Raises:
        RequestError: timm has no such model, it is no plain vision transformer, or an option is none.
        CheckpointError: the weights cannot be had, or are another model's.
    """
    has_file = bool(spec.file) and spec.file != RANDOM
    check_options(spec, ("img_size", "mean", "std", *(("group", "prefix") if has_file else ())))
    name = spec.name.removeprefix("timm:")
    if not timm.is_model(name):
        near = get_close_matches(name.partition(".")[0], timm.list_models(), n=2, cutoff=0.8)
        advice = f"{' or '.join(near)} is meant?" if near else "see timm.list_models('vit_*')"
        raise RequestError(f"encoder {spec.text!r}: timm has no model {name!r}; {advice}")
    vit = _create(spec, name)
    config: Mapping[str, Any] = vit.pretrained_cfg
    mean, std = normalisation(spec, config["mean"], config["std"])
    notes: list[str] = []
    if has_file:
        notes = load_timm(vit, Path(spec.file), **_choice(spec))
    elif not spec.file:
        content, origin = _pretrained(spec, name, vit), f"encoder {spec.text!r}: timm's own weights"
        notes = fill(vit, content, origin, resize="img_size" in spec.options)
    encoder = wrap(
        vit,
        tokens=vit.forward_features,
        patch_size=vit.patch_embed.patch_size[0],
        image_size=vit.patch_embed.img_size[0],
        mean=mean,
        std=std,
        prefix_tokens=vit.num_prefix_tokens,
        class_token=vit.cls_token is not None,
        name=spec.text,
    )
    encoder.notes = tuple(notes)
    return encoder


def load_timm(
    vit: VisionTransformer | Eva,
    path: Path,
    *,
    group: str | None = None,
    prefix: str | None = None,
    resize: bool = False,
) -> list[str]:
    """Fill `vit` from a file, exactly: classifier heads are left out, every other tensor must be used.

    Args:
        vit: see `fill`.
        path: the file.
        group: the dictionary in it; None for the one in which every tensor fits.
        prefix: of the names there; None for the one with which every tensor fits.
        resize: see `fill`.

    Returns:
        What is to go on record: where the tensors were found.

    Raises:
        CheckpointError: the file is missing or damaged, holds another architecture, or several networks that fit.
    """
    return fill(vit, read_file(path), str(path), group=group, prefix=prefix, resize=resize)


def fill(
    vit: VisionTransformer | Eva,
    content: Mapping[str, object],
    location: str,
    *,
    group: str | None = None,
    prefix: str | None = None,
    resize: bool = False,
) -> list[str]:
    """Fill `vit` from what a file or timm's loader holds; `resize` lets timm fit the table of positions to the grid."""
    state = vit.state_dict()
    tensors, notes = unwrap(
        content, state, location, convert=lambda given: _converted(given, vit), group=group, prefix=prefix
    )
    table = tensors.get("pos_embed")
    if resize and table is not None and "pos_embed" in state and table.shape != state["pos_embed"].shape:
        tensors = {**tensors, "pos_embed": _by_timm({"pos_embed": table}, vit)["pos_embed"]}
        notes.append(f"positions resized from {table.shape[1]} to {state['pos_embed'].shape[1]} by timm's rule")
    load_exactly(vit, tensors, location)
    return notes


def _choice(spec: Spec) -> dict[str, Any]:
    options: dict[str, Any] = {name: spec.options[name] for name in ("group", "prefix") if name in spec.options}
    return {**options, "resize": "img_size" in spec.options}


def _create(spec: Spec, name: str) -> VisionTransformer | Eva:
    # global_pool "" keeps the final norm on all tokens, num_classes 0 drops the classifier
    settings: dict[str, Any] = {"num_classes": 0, "global_pool": "", "dynamic_img_size": True}
    if "img_size" in spec.options:
        settings["img_size"] = whole_number(spec, "img_size")
    try:
        torch.manual_seed(0)  # of a forked state: see load_encoder
        vit = timm.create_model(name, pretrained=False, **settings)
    except TypeError:
        vit = None
    except Exception as error:  # of many kinds: what is no vision transformer takes no such settings
        if not spec.file:
            raise _unavailable(spec, name, error) from error
        raise RequestError(f"encoder {spec.text!r}: timm cannot build it headless: wrap it in a factory") from error
    if not isinstance(vit, PLAIN):
        raise RequestError(f"encoder {spec.text!r}: not a plain vision transformer; wrap it in a factory")
    if isinstance(vit.norm, nn.Identity) and not isinstance(vit.fc_norm, nn.Identity):
        vit.norm, vit.fc_norm = vit.fc_norm, vit.norm  # behind the pooling, which is left out here
    return vit


def _pretrained(spec: Spec, name: str, vit: VisionTransformer | Eva) -> Mapping[str, Any]:
    """Return timm's own weights as its loader has them, before it fits them to a model."""

    def hand_over(content: Mapping[str, Any], _: nn.Module) -> None:
        raise _RawTensors(content)

    try:
        with torch.no_grad():
            for parameter in vit.parameters():
                parameter.fill_(torch.nan)  # what a loader of its own kind leaves out is seen
        with _quiet_hub():
            load_pretrained(vit, vit.pretrained_cfg, num_classes=0, filter_fn=hand_over)
    except _RawTensors as raw:
        return raw.content
    except Exception as error:  # network, hub and file errors of many kinds: the weights cannot be had
        raise _unavailable(spec, name, error) from error
    return {name: value.clone() for name, value in vit.state_dict().items()}


@contextlib.contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keep back what the hub's client says of each attempt without a network: one line says it all afterwards."""
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def _unavailable(spec: Spec, name: str, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"encoder {spec.text!r}: no pretrained weights ({type(error).__name__}); give a file, timm:{name}@FILE, "
        f"or try it untrained, timm:{name}@{RANDOM}"
    )


def _converted(tensors: dict[str, Tensor], vit: VisionTransformer | Eva) -> dict[str, Tensor]:
    """Return an official release in timm's names, by timm's own rules; unchanged if they do not apply."""
    kernel = vit.patch_embed.proj.weight.shape[2:]
    if any(n.endswith(_PATCHES) and v.ndim == 4 and v.shape[2:] != kernel for n, v in tensors.items()):
        return tensors  # patches of another size are another network: timm would resample them
    try:
        converted = _by_timm(tensors, vit)
    except Exception:  # written for known releases, it may fail on others: those are reported as they are
        return tensors
    return tensors_of(converted, "timm", ignore=HEADS) if converted.keys() & vit.state_dict().keys() else tensors


def _by_timm(tensors: dict[str, Tensor], vit: VisionTransformer | Eva) -> dict[str, Tensor]:
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it tries
        return dict(eva_filter(dict(tensors), vit) if isinstance(vit, Eva) else vit_filter(dict(tensors), vit))
