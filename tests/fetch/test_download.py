"""A download ends in the right file or in none, whatever the server does."""

import errno
import fcntl
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest

from suite.errors import FetchError, StorageError
from suite.fetch import http
from suite.fetch.download import ATTEMPTS, download
from suite.fetch.remote import Remote
from tests.support import hostile_server as hostile
from tests.support.fetching import CONTENT, HALF, Fetcher
from tests.support.hostile_server import Server


def test_a_file_comes_whole_under_its_name_and_is_not_asked_for_again(fetch: Fetcher, server: Server) -> None:
    assert fetch(f"sha256:{server.sha256}", size=len(CONTENT), exact=True) == server.sha256
    assert fetch.target.read_bytes() == CONTENT
    assert fetch.left() == ["file.bin"]
    assert fetch(f"sha256:{server.sha256[:8]}") == server.sha256
    assert server.ranges == [None]


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


def test_two_at_once_fetch_it_once(fetch: Fetcher, server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    started = threading.Event()

    def slowly(handler: hostile.Handler) -> None:
        started.set()
        time.sleep(0.2)
        hostile.honest(handler)

    server.always = slowly
    digests = list[str]()
    first = threading.Thread(target=lambda: digests.append(fetch()))
    first.start()
    assert started.wait(5)
    digests.append(fetch())
    first.join()
    assert digests == [server.sha256] * 2
    assert len(server.asked) == 1
    assert re.fullmatch(rf"file.bin: process {os.getpid()} on .+ is at it; waiting\n", capfd.readouterr().err)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_a_disk_without_locks_is_fetched_to_with_a_warning(
    fetch: Fetcher, server: Server, number: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def without(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", without)
    assert fetch() == server.sha256
    assert f"/.file.bin.lock: cannot be locked ({os.strerror(number)}): " in capfd.readouterr().err


def test_a_folder_that_cannot_be_written(fetch: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "made").write_text("a file")
    with pytest.raises(StorageError, match="cannot be created: Not a directory; choose another folder"):
        fetch()
