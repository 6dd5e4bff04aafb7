"""Asking a server for a file, whole or from some byte on; what it answers is sorted into try again and give up."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import io
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from suite.errors import FetchError
from suite.fetch.remote import CHUNK

SCHEMES = ("http", "https")
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_WAIT = 120.0
_REFUSALS = {
    401: "it asks for a login",
    403: "it refuses this network or program",
    404: "it has no such file (any more)",
    410: "it has no such file any more",
}


class TransientError(Exception):
    """Failure of the server or the network that may pass.

    Attributes:
        wait: seconds the server asks to be left alone, or None.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """A file, or its end, on its way.

    Attributes:
        start: byte of the file at which the body starts.
        end: byte of the file before which the body ends; None where the server does not say.
        total: bytes of the whole file; None where the server does not say.
        validator: what names this version of the file (ETag, or time of change), or "".
    """

    start: int
    end: int | None
    total: int | None
    validator: str
    _response: Any

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it arrives, up to where it ends or breaks off.

        Raises:
            TransientError: the connection broke or stalled.
        """
        try:
            while chunk := self._response.read1(CHUNK):
                yield chunk
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(_reason(error)) from error


@contextlib.contextmanager
def ask(url: str, *, start: int = 0, validator: str = "", timeout: float = 60.0) -> Iterator[Answer]:
    """Ask for a file from byte `start` on.

    Args:
        url: http or https.
        start: first byte that is wanted; the answer may start at 0 all the same.
        validator: of the version whose first bytes are had already; another version is sent whole.
        timeout: seconds without a byte after which the connection counts as dead.

    Raises:
        FetchError: asking again would not help.
        TransientError: it may.
    """
    require_web(url)
    headers = {"User-Agent": "part-aware-repro", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    try:
        response = _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # nothing is left from `start` on: all of it is had, or another file is there
            total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
            # without a length nothing says that what is had is all of it
            length = int(total[1]) if total else 0
            yield Answer(start, start, length, _validator(error.headers) or validator, io.BytesIO())
            return
        raise _refusal(url, error) from error
    except (OSError, http.client.HTTPException) as error:
        if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
            raise FetchError(f"{url}: its certificate does not hold; check the clock and certificates here") from error
        raise TransientError(_reason(error)) from error
    with response:
        yield _answer(url, response)


def require_web(url: str) -> None:
    """Refuse any address but http and https.

    Raises:
        FetchError: it is another.
    """
    if urlsplit(url).scheme not in SCHEMES:
        raise FetchError(f"{url}: expected an http or https address")


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Handler that follows a redirect to the web only, and never from https to http."""

    def redirect_request(  # noqa: PLR0917 -- urllib's signature
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        new_scheme, old_scheme = urlsplit(newurl).scheme, urlsplit(req.full_url).scheme
        if new_scheme not in SCHEMES or (old_scheme == "https" and new_scheme == "http"):
            raise FetchError(
                f"{req.full_url}: refused to follow a redirect from {old_scheme} to {new_scheme}: {newurl}"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Build the opener as urllib does, less the schemes file, ftp and data."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Redirect(),
    ):
        opener.add_handler(handler)
    return opener


def _answer(url: str, response: Any) -> Answer:
    headers = response.headers
    if headers.get_content_type() == "text/html":
        raise FetchError(f"{url}: expected a file, got a web page (a login or a question?); open it in a browser")
    if response.status == 202:
        raise TransientError("the server answers 202 Accepted: it has yet to make the file")
    if response.status not in {200, 206}:
        raise FetchError(
            f"{url}: the server answers {response.status} {response.reason}: expected 200 and the file; "
            "open it in a browser"
        )
    encoding = (headers["Content-Encoding"] or "identity").strip().lower()
    # of a file that is gzip itself some servers say that it were its encoding
    if encoding != "identity" and not ("gzip" in encoding and urlsplit(url).path.endswith((".gz", ".tgz"))):
        raise FetchError(f"{url}: expected the file as it is, got it encoded ({encoding}); fetch it by hand")
    length = int(headers["Content-Length"]) if (headers["Content-Length"] or "").isdecimal() else None
    validator = _validator(headers)
    if response.status != 206:
        return Answer(0, length, length, validator, response)
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", headers["Content-Range"] or "")
    start, last = (int(match[1]), int(match[2])) if match else (0, -1)
    total = int(match[3]) if match and match[3] != "*" else None
    if last < start or (total is not None and last >= total) or length not in {None, last + 1 - start}:
        raise TransientError(f"its Content-Range makes no sense: {headers['Content-Range']!r}")
    return Answer(start, last + 1, total, validator, response)


def _validator(headers: Any) -> str:
    etag = headers["ETag"] or ""
    return etag if etag and not etag.startswith("W/") else headers["Last-Modified"] or ""


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    if error.code in _AGAIN:
        return TransientError(
            f"the server answers {error.code} {error.reason}", _wait(error.headers.get("Retry-After", ""))
        )
    if 300 <= error.code < 400:
        return FetchError(f"{url}: it redirects without end, or away from the web ({error.code}); open it in a browser")
    cause = _REFUSALS.get(error.code, str(error.reason))
    return FetchError(f"{url}: the server answers {error.code}: {cause}; try from elsewhere or fetch it by hand")


def _wait(text: str) -> float | None:
    """Return the seconds of a Retry-After header, which holds seconds or a date."""
    if text.isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(date.timestamp() - time.time(), 0.0), _LONGEST_WAIT)


def _reason(error: BaseException) -> str:
    """Return one phrase for a person."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return "nothing arrives (timeout)"
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return f"the connection fails: {text}"
