"""Kind of a file that is not what was expected, told by its first bytes: pages and other texts, archives, pictures."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

GLANCE = 1024
"""Bytes by which a kind is told; fewer where the file has no more."""
_FETCH, _UNPACK = "fetch the file itself", "unpack it"
_MAGIC = (
    (b"\x1f\x8b", "gzip-compressed", _UNPACK),
    (b"BZh", "bzip2-compressed", _UNPACK),
    (b"\xfd7zXZ\0", "xz-compressed", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x89PNG\r\n\x1a\n", "a PNG image", _FETCH),
    (b"\xff\xd8\xff", "a JPEG image", _FETCH),
    (b"GIF8", "a GIF image", _FETCH),
    (b"%PDF-", "a PDF document", _FETCH),
    (b"\x7fELF", "a program", _FETCH),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _FETCH),
    (b"\x93NUMPY", "a NumPy array", _FETCH),
    (b"GGUF", "a GGUF file", _FETCH),
)
_TAR_PLACE, _TAR = 257, b"ustar"
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_HTML = re.compile(r"<(!doctype\s+html|html|head|body|title|meta|script|!--)", re.IGNORECASE)
_FEW = 24
"""Bytes below which letters beyond ASCII may be anything."""
_QUOTED = 60


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: as it stands after "it is": "a web page".
        remedy: what to do to have the file that was expected.
        is_text: it is for people to read, as what servers send in place of a file.
    """

    name: str
    remedy: str
    is_text: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return self == EMPTY


EMPTY = Kind("empty", _FETCH, is_text=True)


def kind_of(path: Path) -> Kind | None:
    """Return the kind of a file; None where it is none of those known here.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(GLANCE)
        while start.isspace() and (more := file.read(GLANCE)):
            start = b"\n" + more
        return kind_of_bytes(start)


def kind_of_bytes(start: bytes) -> Kind | None:
    """Return the kind of a file that starts with these bytes: `GLANCE` of them, or all where it has fewer."""
    if not start:
        return EMPTY
    for magic, name, remedy in _MAGIC:
        if start.startswith(magic):
            return Kind(name, remedy)
    if start[_TAR_PLACE:].startswith(_TAR):
        return Kind("a tar archive", _UNPACK)
    if len(start) >= 64 and not any(start):
        return Kind("zeros from its first byte on, as an unfinished download leaves", _FETCH)
    text = _text(start)
    return None if text is None else _kind_of_text(text)


def _text(start: bytes) -> str | None:
    """Return bytes as text, whatever its encoding, without blanks at its start; None where they are no text."""
    for bom, encoding in _BOMS:
        if start.startswith(bom):
            return start.removeprefix(bom).decode(encoding, "replace").lstrip()
    if _NOT_IN_TEXT.search(start) or (len(start) < _FEW and not start.isascii()):
        return None
    return start.decode("utf-8", "replace").lstrip()


def _kind_of_text(text: str) -> Kind:
    if text.startswith("version https://git-lfs"):
        return Kind("a Git LFS pointer", f"{_FETCH} (git lfs pull)", is_text=True)
    code = re.search(r"<Code>(\w+)</Code>", text)
    if code:  # of the stores that speak S3's protocol
        return Kind(f"a store's error ({code[1]})", _FETCH, is_text=True)
    if _HTML.search(text):
        return Kind("a web page", _FETCH, is_text=True)
    if text.startswith("<"):
        return Kind(f"an XML document ({_quoted(text)})", _FETCH, is_text=True)
    name = "JSON" if re.match(r'\{\s*["}]|\[\s*["{\[\]]', text) else "text"
    return Kind(f"{name} ({_quoted(text)})", _FETCH, is_text=True)


def _quoted(text: str) -> str:
    """Quote the start of a text on one line, whatever is in it."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * _QUOTED])
    words = " ".join(line.split())
    return f"'{words[:_QUOTED]}{'…' if len(words) > _QUOTED else ''}'"
