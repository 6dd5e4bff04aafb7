"""A web server that misbehaves to order, and remembers what it was asked."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[["Handler"], None]


@dataclass
class Server:
    """What it serves under every path, and how it behaves: the next request by the first of `behaviours`, if any."""

    content: bytes
    etag: str | None = '"v1"'
    behaviours: list[Behaviour] = field(default_factory=list)
    asked: list[dict[str, str | None]] = field(default_factory=list)
    always: Behaviour | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def ranges(self) -> list[str | None]:
        return [request["range"] for request in self.asked]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    server: "_Http"

    def do_GET(self) -> None:
        state = self.server.state
        state.asked.append(
            {"path": self.path, "range": self.headers.get("Range"), "if_range": self.headers.get("If-Range")}
        )
        behaviour = state.behaviours.pop(0) if state.behaviours else state.always or honest
        behaviour(self)

    def begin(self, status: int, headers: dict[str, object]) -> None:
        self.send_response(status)
        if self.server.state.etag:
            self.send_header("ETag", self.server.state.etag)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    @property
    def content(self) -> bytes:
        return self.server.state.files.get(self.path, self.server.state.content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    state: Server

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the game."""


@contextmanager
def serving(content: bytes = b"", **options: object) -> Iterator[Server]:
    state = Server(content, **options)  # type: ignore[arg-type]
    http = _Http(("127.0.0.1", 0), Handler)
    http.state = state
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        http.shutdown()
        http.server_close()


def _start(handler: Handler, *, heed_if_range: bool = True) -> int:
    """The byte from which a request wants the file."""
    wanted, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
    if not wanted or (heed_if_range and condition and condition != handler.server.state.etag):
        return 0
    return int(wanted.removeprefix("bytes=").rstrip("-"))


def honest(handler: Handler, *, heed_if_range: bool = True, most: int | None = None) -> None:
    """Ranges and conditions as RFC 9110 has them; hangs up after `most` bytes of the body."""
    content, start = handler.content, _start(handler, heed_if_range=heed_if_range)
    if start and start >= len(content):
        handler.begin(416, {"Content-Range": f"bytes */{len(content)}"})
        return
    headers: dict[str, object] = {"Content-Length": len(content) - start, "Content-Type": "application/octet-stream"}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    handler.begin(206 if start else 200, headers)
    handler.wfile.write(content[start:][:most])


def dropping_after(most: int) -> Behaviour:
    return lambda handler: honest(handler, most=most)


def stalling_after(most: int) -> Behaviour:
    def behave(handler: Handler) -> None:
        honest(handler, most=most)
        handler.wfile.flush()
        handler.server.state.closing.wait(20)

    return behave


def without_ranges(handler: Handler, most: int | None = None) -> None:
    handler.begin(200, {"Content-Length": len(handler.content)})
    handler.wfile.write(handler.content[:most])


def deaf_to_if_range(handler: Handler) -> None:
    honest(handler, heed_if_range=False)


def lying_by(extra: int) -> Behaviour:
    """Announces more than there is."""

    def behave(handler: Handler) -> None:
        handler.begin(200, {"Content-Length": len(handler.content) + extra})
        handler.wfile.write(handler.content)

    return behave


def without_length(handler: Handler) -> None:
    handler.begin(200, {})
    handler.wfile.write(handler.content)


def status(code: int, **headers: str) -> Behaviour:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.begin(code, {"Content-Length": 0, **named})


def page(content_type: str) -> Behaviour:
    body = b"\n<!DOCTYPE html><title>Are you sure?</title>"

    def behave(handler: Handler) -> None:
        handler.begin(200, {"Content-Length": len(body), "Content-Type": content_type})
        handler.wfile.write(body)

    return behave


def redirecting_to(url: str) -> Behaviour:
    return status(302, Location=url)


def answering(body: bytes, code: int = 200, *, length: bool = True, **headers: str) -> Behaviour:
    """Sends this body, with its length or without."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def behave(handler: Handler) -> None:
        handler.begin(code, ({"Content-Length": len(body)} if length else {}) | named)
        handler.wfile.write(body)

    return behave


def cut_without_length(most: int) -> Behaviour:
    """Announces no length and hangs up early: to its client the file ends there."""

    def behave(handler: Handler) -> None:
        handler.begin(200, {})
        handler.wfile.write(handler.content[:most])

    return behave


def chunked(most: int | None = None) -> Behaviour:
    """Sends it in chunks, whole or up to a byte in the middle of one."""

    def behave(handler: Handler) -> None:
        handler.begin(200, {"Transfer-Encoding": "chunked"})
        body = b"".join(
            b"%x\r\n%s\r\n" % (len(chunk), chunk)
            for chunk in (handler.content[at : at + 50_000] for at in range(0, len(handler.content), 50_000))
        )
        handler.wfile.write((body + b"0\r\n\r\n")[:most])

    return behave


def ranged(first: int, last: int, total: str) -> Behaviour:
    """Answers with this range, whatever was asked for."""

    def behave(handler: Handler) -> None:
        body = handler.content[first : last + 1]
        handler.begin(206, {"Content-Range": f"bytes {first}-{last}/{total}", "Content-Length": len(body)})
        handler.wfile.write(body)

    return behave
