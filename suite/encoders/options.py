"""Options of a spec that every kind of published encoder has: how its images are normalised, and their size."""

from __future__ import annotations

import re
from typing import Any

from timm.data import constants

from suite.errors import RequestError
from suite.specs import Spec

NORMALISATIONS = {
    "imagenet": (constants.IMAGENET_DEFAULT_MEAN, constants.IMAGENET_DEFAULT_STD),
    "inception": (constants.IMAGENET_INCEPTION_MEAN, constants.IMAGENET_INCEPTION_STD),
    "clip": (constants.OPENAI_CLIP_MEAN, constants.OPENAI_CLIP_STD),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def normalisation(spec: Spec, mean: Any, std: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation, as the options `mean` and `std` of a spec say; else those given.

    An option is three numbers with `:` between them, one for all channels, or a name: `imagenet`, `inception`, `clip`,
    `none`. A mean by name brings its standard deviation along.

    Args:
        spec: of the encoder.
        mean: per channel, of images in [0, 1]; None where nothing but an option can tell.
        std: the same.

    Raises:
        RequestError: it is none of these, or nothing tells.
    """
    words = spec.options
    if words.get("mean") in NORMALISATIONS:
        std = NORMALISATIONS[words["mean"]][1]
    values = {"mean": mean, "std": std}
    for place, option in enumerate(("mean", "std")):
        if option in words:
            values[option] = _three(spec, option, words[option], place)
        if values[option] is None:
            raise RequestError(
                f"encoder {spec.text!r}: {option} of its images is stated nowhere: add it as an option, e.g. "
                f"?mean=imagenet or ?mean=0.5:0.5:0.5&std=0.5:0.5:0.5"
            )
    return tuple(values["mean"]), tuple(values["std"])


def _three(spec: Spec, option: str, text: str, place: int) -> tuple[float, ...]:
    if text in NORMALISATIONS:
        return NORMALISATIONS[text][place]
    try:
        numbers = tuple(float(word) for word in re.split("[:,/]", text))
    except ValueError:
        numbers = ()
    if len(numbers) not in {1, 3}:
        raise RequestError(
            f"encoder {spec.text!r}: option {option}: expected {', '.join(NORMALISATIONS)}, or one or three numbers "
            f"as 0.5:0.5:0.5, got {text!r}"
        )
    return numbers * (3 // len(numbers))


def whole_number(spec: Spec, option: str) -> int:
    """Return an option that is a whole number of at least 1.

    Raises:
        RequestError: it is none.
    """
    text = spec.options[option]
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) < 1:
        raise RequestError(f"encoder {spec.text!r}: option {option}: expected a whole number of pixels, got {text!r}")
    return int(text)
