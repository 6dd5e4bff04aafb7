"""Spec: the words by which a user names an encoder, `NAME[@FILE][?option=value&...]`, taken apart in one place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from suite.errors import RequestError, unknown

HF = "hf:"
"""Start of the spec of a folder of transformers."""
PREFIXES = ("timm:", HF)
"""Beginnings of names that are looked up in a library."""
FORMS = ("METHOD@FILE", "timm:NAME", "hf:NAME_OR_FOLDER", "package.module:function")
_HUBS = ("hf-hub:", "hf_hub:", "huggingface:", "transformers:")
_NUMBER = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?")
_TIMM = ("vit_", "deit3_", "eva02_", "beit3_", "aimv2_")
"""Beginnings of names that timm's vision transformers have."""
_WEIGHTS = {".bin", ".ckpt", ".npz", ".onnx", ".pt", ".pth", ".safetensors"}


@dataclass(frozen=True)
class Spec:
    """Parts of an encoder's spec.

    Attributes:
        text: all of it, as the user wrote it: it is part of what identifies the encoder.
        name: `dino`, `timm:NAME`, `hf:NAME_OR_FOLDER` or `module:function`.
        file: of its weights, or `random`; empty where none is named.
        options: name -> text, in the order in which they stand.
    """

    text: str
    name: str
    file: str = ""
    options: dict[str, str] = field(default_factory=dict)

    @property
    def is_factory(self) -> bool:
        """Return whether it is `module:function`, code of a user's."""
        return ":" in self.name and not self.name.startswith(PREFIXES)


def parse(text: str) -> Spec:
    """Take a spec apart.

    Raises:
        RequestError: an option without a value or a name, or one that stands twice; no file behind `@`; what stands
            before `:` or behind it is no name of Python's. It says what may have been meant.
    """
    address, mark, tail = text.partition("?")
    is_folder = address.startswith(HF)  # which may have an @ in its name
    name, at, file = (address, "", "") if is_folder else address.partition("@")
    options: dict[str, str] = {}
    for word in tail.split("&") if mark else ():
        option, equals, value = word.partition("=")
        if not (option and equals and value):
            raise RequestError(f"encoder {text!r}: expected options as ?name=value&name=value, got {word!r}")
        if option in options:
            raise RequestError(f"encoder {text!r}: option {option}: expected once, got it twice")
        options[option] = value
    if at and not file:
        raise RequestError(f"encoder {text!r}: expected a file behind @, got none")
    words = Spec(text, name, file, options)
    if words.is_factory:
        _check_function(text, name)
    return words


def _check_function(text: str, name: str) -> None:
    """Refuse what cannot be `package.module:function`."""
    module, _, function = name.partition(":")
    prefix = f"{module.lower()}:"
    expected = "expected package.module:function"
    if "://" in name:
        expected = "expected a file of this machine: fetch it, then METHOD@FILE or timm:NAME@FILE"
    elif prefix in PREFIXES:
        expected = f"expected {prefix}{function}"
    elif prefix in _HUBS:
        expected = f"expected hf:{function}, a folder or what the hub's cache has"
    elif module.endswith(".py"):
        path = Path(module)
        place = "" if path.parent == Path() else f", with {path.parent} on PYTHONPATH"
        expected = f"expected {path.stem}:{function}{place}: a module's name, not its file's"
    elif function.endswith(")"):
        expected = f"expected {module}:{function.partition('(')[0]}; its arguments are options, ?name=value"
    elif all(part.isidentifier() for part in [*module.split("."), function]):
        return
    raise RequestError(f"encoder {text!r}: {expected}")


def unknown_encoder(text: str, known: Iterable[str]) -> RequestError:
    """Return the error for a word that names no encoder, with what may have been meant.

    Args:
        text: the word, without `:` and `@`.
        known: names of encoders.
    """
    return RequestError(f"{unknown('encoder', text, [*known, *FORMS])}; {_meant(text, known)}")


def _meant(text: str, known: Iterable[str]) -> str:
    parts = text.split(".")
    is_on_a_hub = text.count("/") == 1 and not text.startswith((".", "/", "~"))
    guesses = (
        (text.lower() in known, f"{text.lower()!r} is meant?"),
        (_NUMBER.fullmatch(text), "numbers of one option are separated by colons: ?mean=0.5:0.5:0.5"),
        (Path(text).suffix in _WEIGHTS, f"a file does not say whose it is: METHOD@{text} or timm:NAME@{text}"),
        (text.startswith("timm/"), f"timm:{text.removeprefix('timm/')} is meant?"),
        (is_on_a_hub, f"of a model on a hub: hf:{text}"),
        (text.startswith(_TIMM), f"timm:{text} is meant?"),
        (
            len(parts) > 1 and all(part.isidentifier() for part in parts),
            f"a function stands behind a colon: {'.'.join(parts[:-1])}:{parts[-1]}",
        ),
    )
    fallback = "which spec for which encoder: docs/reference/encoders_2026.md"
    return next((advice for holds, advice in guesses if holds), fallback)


def check_options(spec: Spec, valid: tuple[str, ...]) -> None:
    """Refuse options that this kind of encoder does not have.

    Raises:
        RequestError: names the first one, and those that there are.
    """
    for option in spec.options:
        if option not in valid:
            expected = f"expected one of {', '.join(valid)}" if valid else "it takes none"
            raise RequestError(f"encoder {spec.text!r}: unknown option {option!r}: {expected}")
