"""Encoders that the user brings: any ViT of timm, or a factory in a module of theirs."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn
from torch import Tensor, nn

from suite.encoders.checkpoint import load_exactly, strip, tensors_of
from suite.encoders.encoder import Encoder
from suite.encoders.files import read_file
from suite.encoders.wrap import wrap, wrap_described
from suite.errors import CheckpointError, RequestError, SuiteError

PLAIN = (VisionTransformer, Eva)
"""timm's families that take images of any size and keep one token per patch."""
RANDOM = "random"
HEADS = ("head.*", "head_dist.*", "attn_pool.*")
"""Tensors of timm's files that classify, or pool for it: no part of an encoder."""


def timm_encoder(spec: str) -> Encoder:
    """Load `timm:<name>` with timm's pretrained weights, or `timm:<name>@<file>`, or `timm:<name>@random`.

    The file holds timm's own tensor names, or those of an official release that timm converts (DINOv2's, for one).
    `@random` is the architecture before any training, drawn from seed 0: the baseline under a trained one.

    Raises:
        RequestError: timm has no such model, or it is no plain vision transformer.
        CheckpointError: the weights cannot be had, or are another model's.
    """
    name, _, file = spec.removeprefix("timm:").partition("@")
    if not timm.is_model(name):
        raise RequestError(f"encoder {spec!r}: timm has no model {name!r}; see timm.list_models('vit_*')")
    vit = _create(spec, name, pretrained=not file)
    if file and file != RANDOM:
        load_timm(vit, Path(file))
    config: Mapping[str, Any] = vit.pretrained_cfg
    return wrap(
        vit,
        tokens=vit.forward_features,
        patch_size=vit.patch_embed.patch_size[0],
        image_size=vit.patch_embed.img_size[0],
        mean=config["mean"],
        std=config["std"],
        prefix_tokens=vit.num_prefix_tokens,
        class_token=vit.cls_token is not None,
        name=spec,
    )


def load_timm(vit: VisionTransformer, path: Path) -> None:
    """Fill `vit` from a file, exactly: classifier heads are left out, every other tensor must be used.

    Raises:
        CheckpointError: the file is missing or damaged, or holds another architecture.
    """
    content = read_file(path)
    group = next((content[key] for key in ("model", "state_dict") if isinstance(content.get(key), Mapping)), content)
    tensors = tensors_of(group, str(path), ignore=HEADS)
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = strip(tensors, "module.")
    if tensors.keys() != vit.state_dict().keys():
        tensors = _converted(tensors, vit)
    load_exactly(vit, tensors, str(path))


def factory_encoder(spec: str) -> Encoder:
    """Load `package.module:factory`: an `Encoder`, or a module that states what `suite.encoders.wrap` has to know.

    The module is looked for in the current folder, then where Python looks (PYTHONPATH).

    Raises:
        RequestError: no such module or function, it fails, or it returns something else.
    """
    module_name, _, function_name = spec.partition(":")
    location = f"encoder {spec!r}"
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        factory = getattr(importlib.import_module(module_name), function_name)
    except ModuleNotFoundError as error:
        ours = error.name == module_name.split(".")[0] or error.name == module_name
        hint = "; it has to be in the current folder or on PYTHONPATH" if ours else f", which {module_name} imports"
        raise RequestError(f"{location}: no module {error.name!r}{hint}") from error
    except AttributeError as error:
        raise RequestError(f"{location}: {' '.join(str(error).split())}; expected MODULE:FUNCTION") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module of the user's may fail in any way
        raise RequestError(f"{location}: {module_name} cannot be imported: {_description(error)}") from error
    if not callable(factory):
        raise RequestError(f"{location}: expected a function, got {type(factory).__name__}")
    try:
        candidate = factory()
    except SuiteError as error:
        raise type(error)(f"{location}: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise RequestError(f"{location}: the factory raised {_description(error)}") from error
    if not isinstance(candidate, nn.Module):
        raise RequestError(
            f"{location}: expected the factory to return an Encoder or a module, got {type(candidate).__name__}"
        )
    encoder = candidate if isinstance(candidate, Encoder) else _wrapped(candidate, location)
    encoder.name = spec
    encoder.code = code_of(factory, encoder)
    return encoder


def code_of(factory: object, encoder: Encoder) -> str:
    """Return the SHA-256 of the user's files behind an encoder, which decide its features as much as the weights do.

    Those are the file, or the whole package, of the factory and of every class of its modules, except for what is
    installed and for this suite.
    """
    suite_folder = Path(__file__).parent.parent
    files: set[Path] = set()
    for source in (factory, *{type(module) for module in encoder.modules()}):
        module = inspect.getmodule(source)
        place = getattr(module, "__file__", None)
        if module is None or place is None or "site-packages" in place or Path(place).is_relative_to(suite_folder):
            continue
        package = sys.modules[module.__name__.split(".")[0]]
        folders = getattr(package, "__path__", None)
        files |= {Path(place)} if folders is None else {p for f in folders for p in Path(f).rglob("*.py")}
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def _wrapped(module: nn.Module, location: str) -> Encoder:
    try:
        return wrap_described(module, location)
    except SuiteError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # its forward pass may fail in any way
        raise RequestError(f"{location}: its module fails on one black image: {_description(error)}") from error


def _converted(tensors: dict[str, Tensor], vit: VisionTransformer) -> dict[str, Tensor]:
    """Return an official release in timm's names, by timm's own rules; unchanged if they do not apply."""
    try:
        converted = checkpoint_filter_fn(dict(tensors), vit)
    except Exception:  # written for known releases, it may fail on others: those are reported as they are
        return tensors
    return tensors_of(converted, "timm", ignore=HEADS) if converted.keys() & vit.state_dict().keys() else tensors


def _create(spec: str, name: str, *, pretrained: bool) -> VisionTransformer:
    # global_pool "" keeps the final norm on all tokens, num_classes 0 drops the classifier
    settings = {"num_classes": 0, "global_pool": "", "dynamic_img_size": True}
    try:
        torch.manual_seed(0)  # of a forked state: see load_encoder
        vit = timm.create_model(name, pretrained=pretrained, **settings)
    except TypeError:
        vit = None
    except Exception as error:  # network, hub and file errors of many kinds: the weights cannot be had
        if not pretrained:
            raise RequestError(f"encoder {spec!r}: timm cannot build it headless: wrap it in a factory") from error
        raise CheckpointError(
            f"encoder {spec!r}: no pretrained weights ({type(error).__name__}); give a file, timm:{name}@FILE, "
            f"or try it untrained, timm:{name}@{RANDOM}"
        ) from error
    if not isinstance(vit, PLAIN):
        raise RequestError(f"encoder {spec!r}: not a plain vision transformer; wrap it in a factory")
    return vit


def _description(error: BaseException) -> str:
    """Return `ValueError: text (my_encoder.py, line 12)`: one line, and the last line of the user's that was run."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    suite = str(Path(__file__).parent.parent)
    user_frames = [f for f in frames if not f.filename.startswith((suite, "<")) and "importlib" not in f.filename]
    place = f" ({Path(user_frames[-1].filename).name}, line {user_frames[-1].lineno})" if user_frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"
