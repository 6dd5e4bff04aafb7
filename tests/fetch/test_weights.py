"""`python -m suite fetch weights`: what it brings, checks, pins and says."""

import hashlib
import tomllib
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.encoders.catalogue import CATALOGUE
from suite.fetch.catalogue import download_size, how_to_get, sources
from suite.fetch.remote import human
from tests.support import hostile_server as hostile
from tests.support.served_weights import Weights, checkpoint

MOCO = "vit-b-300ep.pth.tar"
CAE = "cae_base_1600ep.pth"


def fetch(folder: Path, *arguments: str) -> int:
    return main(["fetch", "weights", *arguments, "--weights", str(folder)])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_all_that_can_be_downloaded_is_and_the_rest_is_explained(
    weights: Weights, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(folder) == 2
    out = capsys.readouterr().out
    automatic = [m.sources[0].file_name for m in CATALOGUE.values() if not m.sources[0].manual]
    assert names(folder) == sorted([*automatic, "pins.toml"])
    assert len(weights.server.asked) == len(automatic) == 5
    for method in ("beit", "cae"):
        source = CATALOGUE[method].sources[0]
        assert (
            f"{method}: {source.file_name} cannot be downloaded by a program. By hand:\n  1. open {source.url}" in out
        )
        assert f"put it, under this name, into {folder}/" in out
        assert f"run python -m suite fetch weights {method}: it pins the file's digest" in out


def test_what_is_there_is_verified_and_not_downloaded(
    weights: Weights, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(folder, "mae", "mocov3,deit") == 0
    first = capsys.readouterr().out
    size = human(len(weights.files[MOCO]))
    assert (
        f"{MOCO}: downloaded, {size}; pinned now, since no digest is published; sha256 {weights.sha256(MOCO)}" in first
    )
    assert "; pinned now, since only 6 digits of its digest are published; sha256 " in first
    assert fetch(folder, "mae", "mocov3,deit") == 0
    again = capsys.readouterr().out
    assert "already there; verified by the published start of its digest and its pin" in again, "deit, of 8 digits"
    assert "already there; verified by its pin" in again
    assert len(weights.server.asked) == 3


def test_the_pins_hold_what_came_and_a_change_names_both_digests(
    weights: Weights, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(folder, "mocov3")
    pins = tomllib.loads((folder / "pins.toml").read_text())
    assert pins["vit-b-300ep.pth.tar"]["sha256"] == weights.sha256(MOCO)
    assert pins["vit-b-300ep.pth.tar"]["url"].endswith("/mocov3/vit-b-300ep.pth.tar")
    (folder / "vit-b-300ep.pth.tar").write_bytes(b"other")
    other = hashlib.sha256(b"other").hexdigest()
    assert fetch(folder, "mocov3") == 2
    error = capsys.readouterr().err
    assert f"expected sha256:{weights.sha256(MOCO)} as on first download, got sha256:{other}" in error
    assert f"or remove its entry in {folder / 'pins.toml'} if the change is meant" in error


def test_a_pin_outlives_its_file(weights: Weights, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(folder, "mocov3")
    (folder / MOCO).unlink()
    pinned = weights.sha256(MOCO)
    weights.serve("mocov3", MOCO, checkpoint("mocov3", seed=1))
    assert fetch(folder, "mocov3") == 2
    url = f"{weights.server.url}/mocov3/{MOCO}"
    assert capsys.readouterr().err == (
        f"mocov3: error: {url}: expected sha256:{pinned} as on first download, got sha256:{weights.sha256(MOCO)}; "
        f"what arrived is kept as {folder / MOCO}.refused: if it is right, remove the entry of {MOCO} in "
        f"{folder / 'pins.toml'} and run again\n"
    )
    assert names(folder) == ["pins.toml", f"{MOCO}.refused"]
    assert (folder / f"{MOCO}.refused").read_bytes() == weights.files[MOCO]


def test_a_whole_published_digest_needs_no_pin(weights: Weights, folder: Path) -> None:
    assert fetch(folder, "dino", "--file", "dino_vitbase16_pretrain.pth") == 0
    assert names(folder) == ["dino_vitbase16_pretrain.pth"]


def test_a_file_brought_by_hand_is_pinned(weights: Weights, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir()
    (folder / CAE).write_bytes(weights.files[CAE])
    assert fetch(folder, "cae") == 0
    assert "already there; pinned now, since no digest is published" in capsys.readouterr().out
    assert tomllib.loads((folder / "pins.toml").read_text())[CAE]["sha256"] == weights.sha256(CAE)
    assert weights.server.asked == []


def test_a_file_under_the_users_own_name_is_taken_as_it_is(
    weights: Weights, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    (folder / "beit.pth").write_bytes(b"mine")
    assert fetch(folder, "beit") == 0
    assert "beit.pth is there and will be used: your own file" in capsys.readouterr().out


def test_all_files_of_a_release(weights: Weights, folder: Path) -> None:
    assert fetch(folder, "dino", "ibot", "--all-files") == 0
    wanted = [source.file_name for method in ("dino", "ibot") for source in CATALOGUE[method].sources]
    assert names(folder) == sorted([*wanted, "pins.toml"])


def test_one_that_fails_does_not_keep_the_others(
    weights: Weights, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights.server.behaviours = [hostile.status(404)]
    assert fetch(folder, "deit", "mae") == 2
    assert names(folder) == ["mae_pretrain_vit_base.pth", "pins.toml"]
    assert "deit: error: http://127.0.0.1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vit"], "error: unknown method 'vit': expected one of deit, mocov3, dino"),
        (["dino", "--file", "x.pth"], "error: unknown file 'x.pth': expected one of dino_vitbase16_pretrain_full"),
    ],
)
def test_what_does_not_exist(
    weights: Weights, folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(folder, *arguments) == 3
    assert message in capsys.readouterr().err
    assert not folder.exists()


def test_pins_that_cannot_be_read_are_not_written_over(
    weights: Weights, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    for text in ("not toml", '["vit-b-300ep.pth.tar"]\nsha = 1\n', '"vit-b-300ep.pth.tar" = 3\n'):
        (folder / "pins.toml").write_text(text)
        assert fetch(folder, "mocov3") == 2
        assert "pins.toml: " in capsys.readouterr().err
        assert (folder / "pins.toml").read_text() == text


def test_the_list_names_every_file_and_fetches_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "weights", "--list"]) == 0
    out = capsys.readouterr().out
    for method in CATALOGUE.values():
        assert all(source.file_name in out for source in method.sources)
        assert method.licence in out
    assert "linear 70.3, attentive 77.2, fine-tune 83.9" in out


def test_every_source_says_how_it_is_got() -> None:
    for method in CATALOGUE.values():
        assert len({source.file_name for source in method.sources}) == len(method.sources)
        for source in method.sources:
            assert source.url.startswith("https://"), source
            assert source.manual == bool(source.steps), source
            assert source.size, source


def test_what_a_plan_asks() -> None:
    assert download_size("dino") == 1_700_000_000
    assert how_to_get("dino") == "python -m suite fetch weights dino"
    assert how_to_get("cae") == "by hand: python -m suite fetch weights cae prints the steps"
    assert [remote.name for remote in sources("mae")] == ["mae_pretrain_vit_base.pth"]
