"""A download that breaks off goes on where it broke, and never glues halves that do not belong together."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from suite.errors import StorageError
from suite.fetch.download import ATTEMPTS
from tests.support import hostile_server as hostile
from tests.support.fetching import CONTENT, HALF, Fetcher
from tests.support.hostile_server import Server


def test_a_dropped_connection_is_resumed_where_it_broke(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.dropping_after(HALF), hostile.dropping_after(1000)]
    assert fetch() == server.sha256
    assert server.ranges == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]
    assert [request["if_range"] for request in server.asked] == [None, '"v1"', '"v1"']
    assert fetch.left() == ["file.bin"]


def test_as_long_as_it_gets_on_it_never_gives_up(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.dropping_after(10_000)] * (3 * ATTEMPTS)
    assert fetch() == server.sha256
    assert fetch.waits == [1.0] * (3 * ATTEMPTS)


def test_a_stalled_connection_counts_as_dropped(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.stalling_after(HALF)]
    assert fetch() == server.sha256
    assert server.ranges == [None, f"bytes={HALF}-"]


def test_a_server_that_announces_more_than_it_has(fetch: Fetcher, server: Server) -> None:
    server.always = hostile.lying_by(1)
    message = fetch.fails()
    assert "gave up after 6 attempts: the connection ends at 300,000 of 300,001 bytes; 300 kB are kept in" in message
    assert len(server.asked) == ATTEMPTS


def test_a_server_that_knows_no_ranges_sends_it_whole(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.dropping_after(HALF), hostile.without_ranges]
    assert fetch() == server.sha256
    assert fetch.target.read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_drops_is_given_up(fetch: Fetcher, server: Server) -> None:
    def dropping_at(most: int) -> hostile.Behaviour:
        return lambda handler: hostile.without_ranges(handler, most=most)

    # more than the last time is not yet more than ever
    server.behaviours = [dropping_at(HALF), dropping_at(HALF // 2)] * 10
    assert "gave up after 6 attempts" in fetch.fails()
    assert len(server.asked) == ATTEMPTS


@pytest.mark.parametrize("behaviour", [hostile.honest, hostile.deaf_to_if_range])
def test_halves_of_two_versions_are_never_glued(fetch: Fetcher, server: Server, behaviour: hostile.Behaviour) -> None:
    server.behaviours = [hostile.dropping_after(HALF), hostile.status(404)]
    fetch.fails()
    assert fetch.part.stat().st_size == HALF
    server.content, server.etag, server.always = CONTENT[::-1], '"v2"', behaviour
    assert fetch() == server.sha256
    assert fetch.target.read_bytes() == CONTENT[::-1]


def test_without_version_and_digest_nothing_is_resumed(fetch: Fetcher, server: Server) -> None:
    server.etag = None
    server.behaviours = [hostile.dropping_after(HALF)]
    assert fetch() == server.sha256
    assert server.ranges == [None, None]


def test_without_version_a_whole_digest_vouches_for_the_halves(fetch: Fetcher, server: Server) -> None:
    server.etag = None
    server.behaviours = [hostile.dropping_after(HALF)]
    fetch(f"sha256:{server.sha256}")
    assert server.ranges == [None, f"bytes={HALF}-"]


def test_halves_that_do_not_belong_together_are_fetched_anew(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.dropping_after(HALF), hostile.status(404)]
    fetch.fails()
    fetch.part.write_bytes(bytes(HALF))
    assert fetch(f"sha256:{server.sha256}") == server.sha256
    assert server.ranges[2:] == [f"bytes={HALF}-", None]


def test_a_part_that_was_whole_needs_no_server(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.dropping_after(HALF), hostile.status(404)]
    fetch.fails()
    fetch.part.write_bytes(CONTENT)
    fetch()
    assert len(server.asked) == 2


def test_a_part_longer_than_the_file_is_thrown_away(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.dropping_after(HALF), hostile.status(404)]
    fetch.fails()
    fetch.part.write_bytes(CONTENT + b"more")
    assert fetch() == server.sha256


def test_a_disk_that_fills_up_keeps_what_came(fetch: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, chunk: bytes) -> None:
            if self.file.tell() + len(chunk) > HALF:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.file.write(chunk)

    plain = Path.open

    def opened(path: Path, mode: str = "r", **options: Any) -> Any:
        file = plain(path, mode, **options)
        return Full(file) if mode == "ab" else file

    with monkeypatch.context() as patch:
        patch.setattr("suite.fetch.http.CHUNK", 10_000)
        patch.setattr(Path, "open", opened)
        with pytest.raises(StorageError, match=r"file.bin.part: cannot be written: No space left on device; what is"):
            fetch()
    had = fetch.part.stat().st_size
    assert HALF - 10_000 <= had <= HALF
    assert fetch() == server.sha256
    assert server.ranges == [None, f"bytes={had}-"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_it_goes_on_from_there(fetch: Fetcher, server: Server, how: signal.Signals) -> None:
    server.behaviours = [hostile.stalling_after(HALF)]
    code = f"""
from pathlib import Path
from suite.fetch.download import download
from suite.fetch.remote import Remote
download(Remote("file.bin", "{server.url}/file.bin"), Path("{fetch.folder}"))
"""
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 20
        while not (fetch.part.exists() and fetch.part.stat().st_size > HALF // 2) and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(how)
        process.communicate(timeout=20)
    had = fetch.part.stat().st_size
    assert HALF // 2 < had <= HALF
    assert had == HALF or how == signal.SIGKILL
    assert not fetch.target.exists()
    assert fetch() == server.sha256
    assert server.ranges == [None, f"bytes={had}-"]
