"""A download ends in the right file or in none, whatever the server does."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request

import numpy as np
import pytest

from suite.errors import FetchError, StorageError
from suite.fetch import http
from suite.fetch.download import ATTEMPTS, download
from suite.fetch.remote import Remote
from tests.support import hostile_server as hostile
from tests.support.hostile_server import Server, serving

CONTENT = np.random.default_rng(0).bytes(300_000)
HALF = 120_000


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(CONTENT) as running:
        yield running


class Fetcher:
    """`download` into one folder, without waiting."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder, self.waits = server, folder, list[float]()
        self.target, self.part = folder / "file.bin", folder / "file.bin.part"

    def __call__(self, *digests: str, path: str = "/file.bin", **facts: Any) -> str:
        remote = Remote("file.bin", self.server.url + path, digests, **facts)
        return download(remote, self.folder, timeout=0.3, sleep=self.waits.append)

    def fails(self, *digests: str, **facts: Any) -> str:
        with pytest.raises(FetchError) as caught:
            self(*digests, **facts)
        assert not self.target.exists()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("."))


@pytest.fixture
def fetch(server: Server, tmp_path: Path) -> Fetcher:
    return Fetcher(server, tmp_path / "made" / "on demand")


def test_a_file_comes_whole_under_its_name_and_is_not_asked_for_again(fetch: Fetcher, server: Server) -> None:
    assert fetch(f"sha256:{server.sha256}", size=len(CONTENT), exact=True) == server.sha256
    assert fetch.target.read_bytes() == CONTENT
    assert fetch.left() == ["file.bin"]
    assert fetch(f"sha256:{server.sha256[:8]}") == server.sha256
    assert server.ranges == [None]


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


@pytest.mark.parametrize(
    ("code", "why"), [(404, "no such file"), (403, "refuses"), (410, "no such file"), (401, "login")]
)
def test_a_refusal_is_final(fetch: Fetcher, server: Server, code: int, why: str) -> None:
    server.always = hostile.status(code)
    message = fetch.fails()
    assert f"the server answers {code}" in message
    assert why in message
    assert len(server.asked) == 1


def test_a_busy_server_is_asked_again(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.status(503), hostile.status(429, Retry_After="7"), hostile.status(500)]
    assert fetch() == server.sha256
    assert fetch.waits == [1.0, 7.0, 4.0]


def test_a_server_that_stays_busy_is_given_up(fetch: Fetcher, server: Server) -> None:
    server.always = hostile.status(503)
    assert "gave up after 6 attempts: the server answers 503" in fetch.fails()
    assert len(server.asked) == ATTEMPTS
    assert fetch.waits == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_nobody_there(fetch: Fetcher, server: Server) -> None:
    server.url = "http://127.0.0.1:9"  # discard: nothing listens
    assert "the connection fails: Connection refused" in fetch.fails()


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "md5:8cad7c", "sha256:12345678"])
def test_another_file_than_published_is_refused_and_leaves_nothing(fetch: Fetcher, server: Server, digest: str) -> None:
    message = fetch.fails(digest)
    assert f"expected {digest} as published, got {digest.partition(':')[0]}:" in message
    assert fetch.left() == []
    assert len(server.asked) == 1


def test_a_pin_that_no_longer_holds_names_both_digests(fetch: Fetcher, server: Server) -> None:
    fetch()
    with pytest.raises(
        FetchError, match=rf"expected sha256:{'0' * 64} as on first download, got sha256:{server.sha256}"
    ):
        download(Remote("file.bin", server.url), fetch.folder, pin="0" * 64)
    assert fetch.target.exists()


def test_a_file_that_is_there_and_wrong_is_left_for_its_owner(fetch: Fetcher, server: Server) -> None:
    fetch.folder.mkdir(parents=True)
    fetch.target.write_bytes(b"mine")
    with pytest.raises(FetchError, match=r"expected 300,000 bytes, got 4; move file.bin away and fetch it again"):
        fetch(size=len(CONTENT), exact=True)
    assert fetch.target.read_bytes() == b"mine"
    assert server.asked == []


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_instead_of_a_file(fetch: Fetcher, server: Server, kind: str) -> None:
    server.behaviours = [hostile.redirecting_to("/login")]
    server.always = hostile.page(kind)
    assert "got a web page" in fetch.fails()
    assert fetch.left() == []


def test_redirects_are_followed_and_keep_the_range(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.dropping_after(HALF), hostile.redirecting_to("/elsewhere")]
    assert fetch() == server.sha256
    assert [(request["path"], request["range"]) for request in server.asked][1:] == [
        ("/file.bin", f"bytes={HALF}-"),
        ("/elsewhere", f"bytes={HALF}-"),
    ]


def test_a_redirect_without_end(fetch: Fetcher, server: Server) -> None:
    server.always = hostile.redirecting_to("/file.bin")
    assert "it redirects without end" in fetch.fails()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_only_the_web_is_asked(fetch: Fetcher, server: Server, url: str, tmp_path: Path) -> None:
    server.always = hostile.redirecting_to(url)
    assert re.search("refused to follow a redirect|away from the web", fetch.fails())
    with pytest.raises(FetchError, match="expected an http or https address"):
        download(Remote("x", url), tmp_path)


def test_a_secure_address_does_not_lead_to_an_open_one() -> None:
    with pytest.raises(FetchError, match="redirect from https to http"):
        http._Redirect().redirect_request(Request("https://a/"), None, 302, "", None, "http://a/")  # type: ignore[arg-type]


def test_another_size_than_published_is_refused_before_it_comes(fetch: Fetcher, server: Server) -> None:
    message = fetch.fails(size=299_999, exact=True)
    assert "expected 299,999 bytes as published, the server offers 300,000" in message


@pytest.mark.parametrize("facts", [{"size": 299_999, "exact": True}, {"size": 70_000}])
def test_more_than_promised_is_cut_short(fetch: Fetcher, server: Server, facts: dict[str, Any]) -> None:
    server.always = hostile.without_length
    assert "bytes at most, more arrive" in fetch.fails(**facts)
    assert fetch.left() == []


def test_less_than_published_from_a_server_that_states_no_length(fetch: Fetcher, server: Server) -> None:
    server.always = hostile.without_length
    assert "the connection ends at 300,000 of 400,000 bytes" in fetch.fails(size=400_000, exact=True)


def test_a_disk_that_would_be_full(fetch: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_299_999))
    with pytest.raises(StorageError, match=r"file.bin needs 300 kB, got 300 kB free; free space or choose"):
        fetch()
    assert fetch.left() == []


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


def test_two_at_once_fetch_it_once(fetch: Fetcher, server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    started = threading.Event()

    def slowly(handler: hostile.Handler) -> None:
        started.set()
        time.sleep(0.2)
        hostile.honest(handler)

    server.always = slowly
    found = list[str]()
    first = threading.Thread(target=lambda: found.append(fetch()))
    first.start()
    assert started.wait(5)
    found.append(fetch())
    first.join()
    assert found == [server.sha256] * 2
    assert len(server.asked) == 1
    assert "another process is at it; waiting" in capfd.readouterr().err


def test_a_folder_that_cannot_be_written(fetch: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "made").write_text("a file")
    with pytest.raises(StorageError, match="cannot be created: Not a directory; choose another folder"):
        fetch()
