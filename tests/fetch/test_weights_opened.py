"""`python -m suite fetch weights` pins nothing that does not open as the weights it should be."""

import gzip
import hashlib
import io
import json
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from suite.cli.main import main
from tests.support import hostile_server as hostile
from tests.support.served_weights import Weights, checkpoint

MOCO = "vit-b-300ep.pth.tar"
CAE = "cae_base_1600ep.pth"
ERROR = b'{"error": {"code": 403, "message": "quota exceeded"}}'


def fetch(folder: Path, method: str = "mocov3") -> int:
    return main(["fetch", "weights", method, "--weights", str(folder)])


def pin(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "pins.toml").write_text(f'["{name}"]\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n')


def tarred(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("checkpoint.pth")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda content: content[: len(content) // 2], "it is damaged or no checkpoint (BadZipFile)"),
        (gzip.compress, "it is gzip-compressed; unpack it"),
        (tarred, "it is a tar archive; unpack it"),
        (lambda _: bytes(4000), "it is zeros from its first byte on, as an unfinished download leaves; fetch the file"),
        (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(99), "it is a PNG image; fetch the file itself"),
        (lambda _: checkpoint("mae"), "; it looks like MAE's; what arrived is kept as"),
        (lambda _: checkpoint("deit"), "it has a classifier, as DeiT's and all fine-tuned files have: nothing in it"),
    ],
    ids=["half", "gzip", "tar", "zeros", "image", "another release", "with a classifier"],
)
def test_what_does_not_open_as_the_weights_it_should_be_is_kept_and_not_pinned(
    weights: Weights,
    folder: Path,
    spoil: Callable[[bytes], bytes],
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    right = weights.files[MOCO]
    weights.serve("mocov3", MOCO, spoil(right))
    assert fetch(folder) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"mocov3: error: {weights.server.url}/mocov3/{MOCO}: ")
    assert expected in error
    assert ".part" not in error
    assert error.count("\n") == 1
    assert error.endswith(f"; what arrived is kept as {folder / MOCO}.refused\n")
    assert not (folder / "pins.toml").exists()
    assert not (folder / MOCO).exists()
    weights.serve("mocov3", MOCO, right)
    assert fetch(folder) == 0
    assert tomllib.loads((folder / "pins.toml").read_text())[MOCO]["sha256"] == weights.sha256(MOCO)
    assert not (folder / f"{MOCO}.refused").exists()


@pytest.mark.parametrize(
    "behaviour",
    [
        hostile.answering(ERROR),
        hostile.answering(ERROR, length=False),
        hostile.answering(b""),
        hostile.answering(gzip.compress(ERROR), Content_Encoding="gzip"),
        hostile.answering(b"", 204),
    ],
    ids=["json", "without length", "empty", "gzip", "204"],
)
def test_a_server_that_is_well_again_is_believed(
    weights: Weights, folder: Path, behaviour: hostile.Behaviour, capsys: pytest.CaptureFixture[str]
) -> None:
    weights.server.behaviours = [behaviour]
    assert fetch(folder) == 2
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == []
    assert fetch(folder) == 0
    assert (folder / MOCO).read_bytes() == weights.files[MOCO]


def test_a_transfer_that_is_cut_without_a_length_is_made_once_more(weights: Weights, folder: Path) -> None:
    weights.server.behaviours = [hostile.cut_without_length(len(weights.files[MOCO]) // 2)]
    assert fetch(folder) == 0
    assert (folder / MOCO).read_bytes() == weights.files[MOCO]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xef\xbb\xbf\n\n<!DOCTYPE html><title>Google Drive - Quota exceeded</title>", "a web page"),
        (ERROR, f"JSON ('{ERROR.decode()}')"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    ],
)
def test_a_page_saved_by_hand_as_the_checkpoint_is_named_and_not_pinned(
    weights: Weights, folder: Path, content: bytes, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    (folder / CAE).write_bytes(content)
    assert fetch(folder, "cae") == 2
    lfs = " (git lfs pull)" if "LFS" in kind else ""
    assert capsys.readouterr().err == (
        f"cae: error: {folder / CAE}: cannot be read as weights: it is {kind}; fetch the file itself{lfs}; "
        f"move {CAE} away and fetch it again\n"
    )
    assert [path.name for path in folder.iterdir()] == [CAE]


def test_a_page_that_was_pinned_is_not_verified_by_its_pin(
    weights: Weights, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pin(folder, MOCO, ERROR)
    (folder / MOCO).write_bytes(ERROR)
    assert fetch(folder) == 2
    assert capsys.readouterr().err == (
        f"mocov3: error: {folder / MOCO}: cannot be read as weights: it is JSON ('{ERROR.decode()}'); fetch the file "
        f"itself; move {MOCO} away, remove its entry in {folder / 'pins.toml'}, by which it was pinned, and fetch it "
        "again\n"
    )


def test_the_right_file_against_a_wrong_pin_is_taken_once_the_pin_is_gone(
    weights: Weights, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pin(folder, MOCO, ERROR)
    for times in (1, 2):
        assert fetch(folder) == 2
        assert f"remove the entry of {MOCO} in {folder / 'pins.toml'} and run again" in capsys.readouterr().err
        assert (folder / f"{MOCO}.refused").read_bytes() == weights.files[MOCO]
        assert len(weights.server.asked) == times
    (folder / "pins.toml").unlink()
    assert fetch(folder) == 0
    assert len(weights.server.asked) == 2
    assert tomllib.loads((folder / "pins.toml").read_text())[MOCO]["sha256"] == weights.sha256(MOCO)


@pytest.mark.parametrize("sha256", ["", "2", "0" * 63, "x" * 64])
def test_a_pin_of_a_few_digits_pins_nothing(
    weights: Weights, folder: Path, sha256: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    (folder / "pins.toml").write_text(f'["{MOCO}"]\nsha256 = {json.dumps(sha256)}\n')
    assert fetch(folder) == 2
    assert capsys.readouterr().err == (
        f'mocov3: error: {folder / "pins.toml"}: expected ["{MOCO}"] with sha256 = "..." of 64 hex digits, '
        f"got {sha256!r}; mend it, or move it away\n"
    )
    assert weights.server.asked == []
