"""Plain vision transformers of transformers, from a local folder: built by that library, filled exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from suite.encoders.checkpoint import load_exactly, shown, undrawn
from suite.encoders.encoder import Encoder
from suite.encoders.hf_families import FAMILIES, Family, Inputs, unmasked
from suite.encoders.hf_folder import CONFIG, find_folder, read_config, read_images, read_tensors, square_side
from suite.encoders.options import normalisation, whole_number
from suite.encoders.wrap import wrap
from suite.errors import CheckpointError, RequestError, SuiteError
from suite.specs import Spec, check_options

_TWICE = 2
"""Times as many numbers as its file holds that a configuration may describe before it is refused unbuilt."""
_UNHEEDED = ("auto_map", "fusion_config")
"""Words of a configuration by which it would reach for other code."""


def hf_encoder(spec: Spec) -> Encoder:
    """Load `hf:FOLDER`, or `hf:NAME` from the local cache of the hub: a configuration and weights of transformers.

    What is not measured (classifiers, decoders, text towers, pooling heads) is left out, and the notes say so; any
    other tensor that is missing or too many is an error. Nothing is downloaded, and no code of a folder is run.
    Options: `img_size`, `mean` and `std`, where they are not to be those of `preprocessor_config.json`.

    Raises:
        RequestError: no such folder, an architecture that is not read, an option that is none, or no transformers.
        CheckpointError: a file of the folder is missing, damaged, unsafe or of another architecture.
    """
    check_options(spec, ("img_size", "mean", "std"))
    transformers = _transformers(spec)
    folder = find_folder(spec)
    words = read_config(folder)
    family = _family(spec, words)
    tensors, left_out = read_tensors(folder, family.beside)
    with _quiet(transformers):
        config = _config(transformers, folder, words, family)
        model, norm = _model(transformers, folder, family, config, tensors)
    patch = square_side(config.patch_size)
    if patch is None:
        raise CheckpointError(f"{folder / CONFIG}: patch_size: expected a square, got {config.patch_size!r}")
    images = read_images(folder)
    size = whole_number(spec, "img_size") if "img_size" in spec.options else images.size or _own_size(config, patch)
    if size is None or size % patch:
        near = max(1, round((size or 224) / patch)) * patch
        raise RequestError(
            f"encoder {spec.text!r}: image size: expected a multiple of its patches' {patch} pixels, "
            f"got {size or 'none stated'}: add it as an option, e.g. ?img_size={near}"
        )
    mean, std = normalisation(spec, images.mean, images.std)
    try:
        encoder = wrap(
            model,
            tokens=_tokens(model, norm, family.inputs, patch),
            blocks=_blocks(model, config.num_hidden_layers),
            patch_size=patch,
            image_size=size,
            mean=mean,
            std=std,
            prefix_tokens=family.prefix_tokens + (getattr(config, "num_register_tokens", 0) or 0),
            class_token=family.prefix_tokens > 0,
            name=spec.text,
        )
    except SuiteError:
        raise
    except Exception as error:  # a configuration may describe a model that takes no such images
        raise RequestError(
            f"encoder {spec.text!r}: its model fails on a black image of {size} pixels: {_line(error)}"
        ) from error
    encoder.notes = (
        f"{family.model} of transformers {transformers.__version__}",
        *([f"left out {len(left_out)} tensors beside it: {shown(sorted(left_out), 2)}"] if left_out else []),
        *_norm_notes(family, model, norm),
        *(["no patch is masked"] if family.inputs is unmasked else []),
    )
    return encoder


def _transformers(spec: Spec) -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise RequestError(
            f"encoder {spec.text!r}: transformers cannot be imported ({_line(error)}): make setup installs it, "
            "with all of requirements.lock"
        ) from error
    return transformers


def _family(spec: Spec, words: Mapping[str, Any]) -> Family:
    kind = words["model_type"]
    family = FAMILIES.get(kind.removesuffix("_vision_model"))
    if family is None:
        raise RequestError(
            f"encoder {spec.text!r}: model_type {kind!r}: expected one of {', '.join(FAMILIES)}: wrap another in a "
            "factory of yours, MODULE:FUNCTION, as docs/how-to/recipes.md shows"
        )
    return family


def _config(transformers: ModuleType, folder: Path, words: Mapping[str, Any], family: Family) -> Any:
    """Return the configuration of the vision model, also out of that of a model of images and texts."""
    if "quantization_config" in words:
        raise CheckpointError(f"{folder / CONFIG}: expected plain weights, got quantised ones (quantization_config)")
    with _explained(folder):
        whole = transformers.CONFIG_MAPPING[words["model_type"]].from_dict(dict(words))
        config = getattr(whole, "vision_config", whole)
        for word in _UNHEEDED:
            config.__dict__.pop(word, None)
        for word, value in family.config.items():
            setattr(config, word, value)
        config.return_dict = True
    return config


def _model(
    transformers: ModuleType, folder: Path, family: Family, config: Any, tensors: dict[str, Tensor]
) -> tuple[nn.Module, nn.Module | None]:
    """Return the model with the folder's weights, every one of them, and the norm behind its pooling."""
    settings = dict(family.settings)
    has_norm = bool(family.norm)
    if family.norm.startswith("pooler."):
        tensors = _final_norm_pooled(tensors, config)
        has_norm = any(f".{name}".endswith(f".{family.norm}.weight") for name in tensors)
        settings["add_pooling_layer"] = has_norm
    build = getattr(transformers, family.model)
    _check_size(folder, config, partial(build, config, **settings), tensors)
    if whole := [name for name, tensor in tensors.items() if not tensor.is_floating_point()]:
        raise CheckpointError(f"{folder}: not floating {shown(sorted(whole))}")
    with _explained(folder):
        model, found = build.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            dtype=torch.float32,
            attn_implementation="sdpa",
            local_files_only=True,
            ignore_mismatched_sizes=True,  # reported below, like all that does not fit
            output_loading_info=True,
            **settings,
        )
    state = model.state_dict()
    loaded = {name: value for name, value in state.items() if name not in found["missing_keys"]}
    loaded |= {name: torch.empty(shape, device="meta") for name, shape, _ in found["mismatched_keys"]}
    loaded |= {name: torch.empty(0) for name in found["unexpected_keys"]}
    load_exactly(model, loaded, str(folder))
    if len(tensors) != len(state):  # two names of the files were taken for one
        raise CheckpointError(f"{folder}: expected {len(state)} tensors, each under one name, got {len(tensors)}")
    return model, model.get_submodule(family.norm) if has_norm else None


def _check_size(folder: Path, config: Any, build: Callable[[], nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Refuse a configuration that asks for much more memory than its files account for."""
    depth = config.num_hidden_layers
    if not isinstance(depth, int) or depth > len(tensors):
        raise CheckpointError(f"{folder}: {CONFIG} describes {depth} blocks, and its files hold {len(tensors)} tensors")
    with _explained(folder):
        count = sum(parameter.numel() for parameter in undrawn(build).parameters())
    given = sum(tensor.numel() for tensor in tensors.values())
    if count > _TWICE * given:
        raise CheckpointError(f"{folder}: {CONFIG} describes {count:,} parameters, and its files hold {given:,}")


def _final_norm_pooled(tensors: dict[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Return the tensors of BEiT's pretraining with its final norm, `layernorm`, where fine-tuned files have it."""
    if not config.use_mean_pooling or "layernorm.weight" not in tensors:
        return tensors
    prefix = next((name.partition(".")[0] + "." for name in tensors if ".embeddings." in name), "")
    return {f"{prefix}pooler.{n}" if n.startswith("layernorm.") else n: value for n, value in tensors.items()}


def _tokens(model: nn.Module, norm: nn.Module | None, inputs: Inputs, patch: int) -> Callable[[Tensor], Tensor]:
    """Return images (B, 3, H, W) -> tokens (B, prefix_tokens + h * w, D) after the final norm."""
    takes_sizes = "interpolate_pos_encoding" in signature(model.forward).parameters
    sizes = {"interpolate_pos_encoding": True} if takes_sizes else {}

    def tokens(images: Tensor) -> Tensor:
        output: Tensor = model(**inputs(images, patch), **sizes).last_hidden_state
        return output if norm is None else norm(output)

    return tokens


def _blocks(model: nn.Module, depth: int) -> list[nn.Module]:
    lists = (module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) == depth)
    return list(next(lists, ()))


def _own_size(config: Any, patch: int) -> int | None:
    """Return the side of the images that the table of positions is for."""
    return (
        square_side(getattr(config, "image_size", None))
        or math.isqrt(getattr(config, "num_patches", 0)) * patch
        or None
    )


def _norm_notes(family: Family, model: nn.Module, norm: nn.Module | None) -> list[str]:
    if norm is not None:
        return [f"the norm behind the pooling ({family.norm}) is the final norm, on all tokens"]
    if family.norm and isinstance(getattr(model, "layernorm", None), nn.Identity):
        return ["its files hold no final norm: tokens are as the last block leaves them"]
    return []


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Blame the configuration for whatever building a model of it raises."""
    try:
        yield
    except Exception as error:
        raise CheckpointError(f"{folder / CONFIG}: transformers cannot build its model: {_line(error)}") from error


@contextmanager
def _quiet(transformers: ModuleType) -> Iterator[None]:
    """Keep back transformers' own report of loading and its bar: what does not fit is an error here."""
    log = transformers.utils.logging
    level, has_bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if has_bar:
            log.enable_progress_bar()


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"
