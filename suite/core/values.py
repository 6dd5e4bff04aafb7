"""Values as users write them: each kind is read here and nowhere else, so that every verb refuses the same ones.

A reader takes the option's name, for its message, and the text; `reader` binds the name for argparse.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from suite.errors import RequestError
from suite.specs import HF, parse

T = TypeVar("T")
AN_ENCODER = "an encoder, e.g. timm:NAME, METHOD@FILE, hf:FOLDER or package.module:factory"
LARGEST_COUNT = 10**9
LARGEST_SEED = 2**32 - 1
"""NumPy's largest; torch would take more."""
LARGEST_SECONDS = 3_660 * 86_400
"""Ten years."""
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "min": 60, "s": 1}
_DURATION = r"([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(min|[dhms])\s*"
_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_IMAGE = (
    rf"(?:(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z][\w+.-]*:[0-9A-Fa-f]{32,})?"
)
"""Source: https://github.com/distribution/reference, reference.go."""


def reader(read: Callable[[str, str], T], name: str) -> Callable[[str], T]:
    """Bind a reader of this module to an option, as argparse's `type`."""
    return functools.partial(read, name)


def refusal(name: str, value: object, expected: str) -> RequestError:
    """Return the error of a value that is none."""
    return RequestError(f"{name} {value!r}: expected {expected}")


def count(name: str, text: str) -> int:
    """Read a number of things, at least one: digits only.

    Raises:
        RequestError: it is none, like every reader here.
    """
    number = int(text) if re.fullmatch(r"\s*[0-9]{1,10}\s*", text) else 0
    if not 1 <= number <= LARGEST_COUNT:
        raise refusal(name, text, f"a whole number from 1 to {LARGEST_COUNT}")
    return number


def seed(name: str, text: str) -> int:
    """Read a seed that every generator takes."""
    number = int(text) if re.fullmatch(r"\s*[0-9]{1,10}\s*", text) else -1
    return check_seed(name, number, text)


def seeds(name: str, text: str) -> list[int]:
    """Read `0,1,2`: seeds, each once."""
    return list(once(name, [seed(name, word) for word in names(name, [text])]))


def check_seed(name: str, number: int, text: str | None = None) -> int:
    """Return a seed that is in the range of every generator."""
    if not 0 <= number <= LARGEST_SEED:
        raise refusal(
            name, number if text is None else text, f"whole numbers from 0 to {LARGEST_SEED}, e.g. 0 or 0,1,2"
        )
    return number


def seconds(name: str, text: str) -> float:
    """Read `8h`, `1h30m`, `90min`, `2d`: a duration of at least a second."""
    parts = re.findall(_DURATION, text.lower()) if re.fullmatch(rf"\s*(?:{_DURATION})+", text.lower()) else []
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not 1 <= total <= LARGEST_SECONDS:
        raise refusal(name, text, "a duration from a second to ten years, e.g. 8h, 90m or 1h30m")
    return total


def gigabytes(name: str, text: str) -> float:
    """Read a size in 10^9 bytes; 0 is one."""
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not 0 <= size <= LARGEST_COUNT:
        raise refusal(name, text, f"a number of 10^9 bytes from 0 to {LARGEST_COUNT}, e.g. 0.5 or 100")
    return size


def points(name: str, text: str) -> float:
    """Read a difference in points of per cent; 0 is one."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 100:
        raise refusal(name, text, "points of per cent from 0 to 100, e.g. 0.5")
    return number


def path(name: str, text: str) -> Path:
    """Read a path: `~` and `~user` stand for a home folder, `$NAME` for itself, as the shell has had its turn."""
    if not text.strip() or "\0" in text:
        raise refusal(name, text, "a path; . is the current folder")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise refusal(name, text, "a path; there is no home folder of this name (write ./~ for a file)") from error


def spec(name: str, text: str) -> str:
    """Read an encoder's spec; the file of `METHOD@FILE` and the folder of `hf:FOLDER` are paths."""
    if not text.strip():
        raise refusal(name, text, AN_ENCODER)
    text = text.strip()
    parse(text)
    if text.startswith(HF):
        place = text.removeprefix(HF)
        return f"{HF}{path(name, place)}" if place.startswith("~") else text
    method, _, file = text.partition("@")
    return f"{method}@{path(name, file)}" if file.startswith("~") else text


def specs(name: str, texts: Sequence[str]) -> list[str]:
    """Read encoders: names, of which some are specs with a file."""
    return [spec(name, word) for word in names(name, texts)]


def check_folder(name: str, folder: Path) -> Path:
    """Return a path that is a folder, or that nothing is at yet."""
    try:
        place = next((place for place in (folder, *folder.parents) if place.exists()), folder)
        if place.exists() and not place.is_dir():
            problem = "got a file" if place == folder else f"but {place} is a file"
            raise refusal(name, str(folder), f"a folder, {problem}")
    except OSError as error:
        raise refusal(name, str(folder), f"a path that the system takes, got: {error.strerror}") from error
    return folder


def names(name: str, texts: Sequence[str]) -> list[str]:
    """Split `["a,b", "c"]` into `["a", "b", "c"]`: each once, none of them empty."""
    words = [(text, word.strip()) for text in texts for word in text.split(",")]
    for text, word in words:
        if not word:
            raise refusal(name, text, "names separated by single commas, got an empty one")
    return list(once(name, [word for _, word in words]))


def once(name: str, values: Sequence[T]) -> Sequence[T]:
    """Return the values if none comes twice."""
    for index, value in enumerate(values):
        if value in values[:index]:
            raise refusal(name, value, "each once, got it twice")
    return values


def line(name: str, text: str) -> str:
    """Read a text that is not empty, as one line."""
    words = " ".join(text.split())
    if not words:
        raise refusal(name, text, "a text, got nothing")
    return words


def digest(name: str, text: str) -> str:
    """Read a SHA-256 or its beginning, as reports print them."""
    if not re.fullmatch(r"(sha256:)?[0-9a-fA-F]{12,64}", text):
        raise refusal(name, text, "12 to 64 hexadecimal digits, as the report prints them")
    return text


def licence(name: str, text: str) -> str:
    """Read a licence: the URL of one, or an SPDX identifier, of which the URL is returned."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        address = urlsplit(text)
        if address.scheme in {"http", "https"} and address.hostname and not re.search(r"\s", text):
            return text
        identifier = str(canonicalize_license_expression(text))
    except (ValueError, InvalidLicenseExpression):
        identifier = ""
    if not re.fullmatch(r"(?!LicenseRef-)[A-Za-z0-9.+-]+", identifier):
        raise refusal(name, text, "one SPDX identifier (https://spdx.org/licenses), e.g. CC-BY-4.0, or a licence's URL")
    return f"https://spdx.org/licenses/{identifier}"


def image(name: str, text: str) -> str:
    """Read the name of a container's image."""
    if not re.fullmatch(_IMAGE, text):
        raise refusal(name, text, "the name of an image, e.g. registry.example/name:tag")
    return text


def network(name: str, text: str) -> str:
    """Read the name of a container's network."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.:-]*", text):
        raise refusal(name, text, "the name of a network, e.g. host")
    return text
