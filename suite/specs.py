"""Spec: the words by which a user names an encoder, `NAME[@FILE][?option=value&...]`, taken apart in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from suite.errors import RequestError

HF = "hf:"
"""Start of the spec of a folder of transformers."""


@dataclass(frozen=True)
class Spec:
    """Parts of an encoder's spec.

    Attributes:
        text: all of it, as the user wrote it: it is part of what identifies the encoder.
        name: `dino`, `timm:NAME`, `hf:FOLDER` or `module:function`.
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
        return ":" in self.name and not self.name.startswith(("timm:", HF))


def parse(text: str) -> Spec:
    """Take a spec apart.

    Raises:
        RequestError: an option without a value or a name, or one that stands twice.
    """
    address, mark, tail = text.partition("?")
    name, _, file = (address, "", "") if address.startswith(HF) else address.partition("@")  # a folder may have an @
    options: dict[str, str] = {}
    for word in tail.split("&") if mark else ():
        option, equals, value = word.partition("=")
        if not (option and equals and value):
            raise RequestError(f"encoder {text!r}: expected options as ?name=value&name=value, got {word!r}")
        if option in options:
            raise RequestError(f"encoder {text!r}: option {option}: expected once, got it twice")
        options[option] = value
    return Spec(text, name, file, options)


def check_options(spec: Spec, valid: tuple[str, ...]) -> None:
    """Refuse options that this kind of encoder does not have.

    Raises:
        RequestError: names the first one, and those that there are.
    """
    for option in spec.options:
        if option not in valid:
            expected = f"expected one of {', '.join(valid)}" if valid else "it takes none"
            raise RequestError(f"encoder {spec.text!r}: unknown option {option!r}: {expected}")
