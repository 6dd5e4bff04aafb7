"""A download is what it is only if something says so: a status, a range, a length, first bytes, a size, an opening."""

import gzip
import hashlib
from pathlib import Path

import pytest

from suite.errors import FetchError
from suite.fetch.download import ATTEMPTS, download
from suite.fetch.remote import Remote
from tests.support import hostile_server as hostile
from tests.support.fetching import CONTENT, HALF, Fetcher
from tests.support.hostile_server import Server

ROUGHLY = 300_000
PAGE = b"<html><title>Sign in</title></html>"


def test_a_416_without_a_length_says_nothing_so_the_file_is_asked_for_whole(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.dropping_after(HALF), hostile.status(416)]
    assert fetch() == server.sha256
    assert server.ranges == [None, f"bytes={HALF}-", None]
    assert fetch.target.read_bytes() == CONTENT


def test_a_416_that_calls_half_the_file_whole_is_not_believed(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.dropping_after(HALF), hostile.status(416, Content_Range=f"bytes */{HALF}")]
    assert fetch() == server.sha256
    assert fetch.target.read_bytes() == CONTENT


def test_a_server_that_answers_416_to_everything_is_refused(fetch: Fetcher, server: Server) -> None:
    server.always = hostile.status(416)
    assert fetch.fails().startswith(f"{server.url}/file.bin: the server answers 416: ")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": {"code": 403}}', """JSON ('{"error": {"code": 403}}')"""),
        (b'[{"message": "quota"}]', """JSON ('[{"message": "quota"}]')"""),
        (b"Too many requests\n", "text ('Too many requests')"),
        (b"\n\n  Too many\r\nrequests", "text ('Too many requests')"),
        (b"", "nothing at all"),
        (PAGE, "a web page"),
        (b"\xef\xbb\xbf" + PAGE, "a web page"),
        (b"\n" * 2000 + PAGE, "a web page"),
        (b"\xff\xfe" + PAGE.decode().encode("utf-16-le"), "a web page"),
        ("<html>Zugriff verweigert, größe".encode("latin-1"), "a web page"),
        (b"<!-- error -->" + PAGE, "a web page"),
        (
            b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
            "a store's error (AccessDenied)",
        ),
        (b"<rss></rss>", "an XML document ('<rss></rss>')"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "a Git LFS pointer"),
    ],
)
@pytest.mark.parametrize("length", [True, False])
def test_a_text_in_place_of_a_file_is_named(
    fetch: Fetcher, server: Server, body: bytes, expected: str, length: bool
) -> None:
    server.always = hostile.answering(body, length=length)
    message = fetch.fails(size=ROUGHLY)
    if not body and not length:
        expected = f"gave up after {ATTEMPTS} attempts: the connection ends before the first byte; 0 B are kept in"
        assert message.startswith(f"{server.url}/file.bin: {expected}")
        return
    advice = "open it in a browser, or try again later"
    assert message == f"{server.url}/file.bin: expected a file, got {expected}; {advice}"
    assert fetch.left() == []
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [201, 203, 204, 205, 207])
def test_another_status_than_200_is_no_file(fetch: Fetcher, server: Server, code: int) -> None:
    server.always = hostile.answering(b"" if code in {204, 205} else CONTENT, code)
    assert f": the server answers {code} " in fetch.fails()
    assert fetch.left() == []
    assert len(server.asked) == 1


def test_a_202_is_asked_again_until_the_file_is_there(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.answering(b'{"status": "thawing"}', 202)] * 2
    assert fetch() == server.sha256
    assert fetch.waits == [1.0, 2.0]


def test_an_encoded_answer_is_refused(fetch: Fetcher, server: Server) -> None:
    server.always = hostile.answering(gzip.compress(PAGE), Content_Encoding="gzip")
    assert fetch.fails() == (
        f"{server.url}/file.bin: expected the file as it is, got it encoded (gzip); fetch it by hand"
    )


def test_of_a_file_that_is_gzip_itself_a_server_may_say_that_it_is_encoded(fetch: Fetcher, server: Server) -> None:
    server.content = gzip.compress(CONTENT)
    server.always = hostile.answering(server.content, Content_Encoding="x-gzip")
    assert fetch(path="/file.tar.gz") == server.sha256


@pytest.mark.parametrize("size", [1_300_000, 70_000])
def test_a_file_of_another_size_by_far_than_stated_is_refused(fetch: Fetcher, server: Server, size: int) -> None:
    message = fetch.fails(size=size)
    expected = {
        1_300_000: "expected about 1.3 MB, got 300 kB: the file there is another one, or cut off",
        70_000: "expected about 70 kB, the server offers 300 kB: the file there is another one now",
    }
    assert message == f"{server.url}/file.bin: {expected[size]}"
    assert fetch.left() == []


def test_the_length_of_the_first_answer_holds_for_one_without(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.dropping_after(HALF), hostile.cut_without_length(HALF + 1000)]
    assert fetch() == server.sha256
    assert fetch.target.read_bytes() == CONTENT


def test_without_a_version_the_length_of_the_first_answer_holds_as_well(fetch: Fetcher, server: Server) -> None:
    server.etag = None
    server.behaviours = [hostile.dropping_after(HALF), hostile.cut_without_length(HALF + 1000)]
    assert fetch() == server.sha256


def test_chunks_that_break_off_are_no_end(fetch: Fetcher, server: Server) -> None:
    server.behaviours = [hostile.chunked(HALF), hostile.chunked()]
    assert fetch() == server.sha256
    assert fetch.target.read_bytes() == CONTENT


@pytest.mark.parametrize("most", [3, HALF])
def test_what_came_without_a_length_is_fetched_once_more_if_it_does_not_open(
    fetch: Fetcher, server: Server, most: int
) -> None:
    server.behaviours = [hostile.cut_without_length(most)]
    assert opened(fetch, server) == server.sha256
    assert len(server.asked) == 2


def test_what_comes_cut_each_time_is_kept_and_called_so(fetch: Fetcher, server: Server) -> None:
    server.always = hostile.cut_without_length(HALF)
    with pytest.raises(FetchError) as caught:
        opened(fetch, server)
    kept = fetch.folder / "file.bin.refused"
    assert str(caught.value) == (
        f"{server.url}/file.bin: it is cut off; what arrived is kept as {kept}; "
        "it may have been cut off, or changed on its way: try again later"
    )
    assert kept.read_bytes() == CONTENT[:HALF]
    assert fetch.left() == ["file.bin.refused"]


def opened(fetch: Fetcher, server: Server, pin: str = "") -> str:
    """Download what opens only whole."""

    def open_whole(path: Path) -> str:
        return "" if path.read_bytes() == CONTENT else "it is cut off"

    remote = Remote("file.bin", f"{server.url}/file.bin")
    return download(remote, fetch.folder, pin, open_whole, timeout=0.3, sleep=fetch.waits.append)


@pytest.mark.parametrize(
    "answer",
    [
        hostile.ranged(0, 999, str(len(CONTENT))),
        hostile.ranged(HALF + 1, len(CONTENT) - 1, str(len(CONTENT))),
        hostile.ranged(HALF, len(CONTENT) - 1, str(len(CONTENT) + 1)),
        hostile.ranged(HALF, len(CONTENT) - 2, str(len(CONTENT) - 1)),
        hostile.ranged(HALF, HALF + 999, "*"),
        hostile.ranged(HALF, HALF + 999, str(HALF)),
        hostile.ranged(HALF, HALF + 999, str(len(CONTENT))),
    ],
    ids=["from 0", "from elsewhere", "of more", "of less", "a piece of unknown", "beyond its total", "a piece"],
)
def test_another_range_than_asked_for_is_not_glued_on(
    fetch: Fetcher, server: Server, answer: hostile.Behaviour
) -> None:
    server.behaviours = [hostile.dropping_after(HALF), answer]
    assert fetch() == server.sha256
    assert fetch.target.read_bytes() == CONTENT


def test_a_pin_that_does_not_hold_keeps_what_came_and_names_the_pins(fetch: Fetcher, server: Server) -> None:
    with pytest.raises(FetchError) as caught:
        opened(fetch, server, pin="0" * 64)
    kept, pins = fetch.folder / "file.bin.refused", fetch.folder / "pins.toml"
    assert str(caught.value) == (
        f"{server.url}/file.bin: expected sha256:{'0' * 64} as on first download, got sha256:{server.sha256}; what "
        f"arrived is kept as {kept}: if it is right, remove the entry of file.bin in {pins} and run again"
    )
    assert kept.read_bytes() == CONTENT
    assert opened(fetch, server) == server.sha256
    assert fetch.left() == ["file.bin"]
    assert len(server.asked) == 1, "what was kept is taken once its pin is gone"


def test_what_was_refused_is_thrown_away_once_the_right_file_comes(fetch: Fetcher, server: Server) -> None:
    server.content, server.etag = CONTENT[::-1], '"v0"'
    with pytest.raises(
        FetchError, match=r"as on first download, got sha256:[0-9a-f]{64} \(it is cut off\); what arriv"
    ):
        opened(fetch, server, pin=hashlib.sha256(CONTENT).hexdigest())
    server.content, server.etag = CONTENT, '"v1"'
    assert opened(fetch, server, pin=server.sha256) == server.sha256
    assert fetch.left() == ["file.bin"]


def test_a_digest_of_fewer_than_eight_digits_vouches_for_no_file(fetch: Fetcher, server: Server) -> None:
    digit = f"md5:{hashlib.md5(CONTENT).hexdigest()[0]}"
    with pytest.raises(FetchError) as caught:
        fetch(digit)
    assert str(caught.value).startswith(
        f"{server.url}/file.bin: expected a published digest of at least 8 digits, got {digit}; "
    )
    assert not fetch.target.exists()
