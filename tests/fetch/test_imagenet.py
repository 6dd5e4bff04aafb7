"""ImageNet's archives, brought by hand, become folders by class."""

import io
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from suite.cli.main import main
from suite.datasets import imagenet1k
from suite.errors import FetchError
from suite.fetch import catalogue
from suite.fetch.catalogue import entries
from suite.fetch.imagenet import DEVKIT, TRAIN, VAL, validation_wnids
from tests.support.archives import write_tar
from tests.support.holders import holding, kill

IDS = {1: "n00000030", 2: "n00000010", 3: "n00000020", 4: "n00000001"}
"""ILSVRC id -> wnid, not in their order; 4 is an inner node."""
TRUTH = [2, 2, 3, 1]


def tar_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def write_devkit(folder: Path, truth: list[int] = TRUTH) -> Path:
    kind = np.dtype([("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("num_children", object)])
    synsets = np.array([(i, wnid, "a name", 3 if i == 4 else 0) for i, wnid in IDS.items()], dtype=kind)
    stream = io.BytesIO()
    savemat(stream, {"synsets": synsets[:, None]})
    root = "ILSVRC2012_devkit_t12/data"
    text = "".join(f"{i}\n" for i in truth).encode()
    return write_tar(
        folder / DEVKIT, {f"{root}/ILSVRC2012_validation_ground_truth.txt": text, f"{root}/meta.mat": stream.getvalue()}
    )


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the three archives, and a catalogue that expects as many images as they hold."""
    folder = tmp_path / "data/archives"
    folder.mkdir(parents=True)
    leaves = [wnid for i, wnid in IDS.items() if i != 4]
    write_tar(
        folder / TRAIN, {f"{w}.tar": tar_of({f"{w}_{i}.JPEG": f"{w}{i}".encode() for i in range(2)}) for w in leaves}
    )
    write_tar(folder / VAL, {f"ILSVRC2012_val_{n:08d}.JPEG": str(n).encode() for n in range(1, 5)})
    write_devkit(folder)
    entry = entries()["imagenet1k"]
    counts = [{"n*": 3}, {"n*": 3, "n*/*.JPEG": 4}]
    pieces = (
        replace(piece, folder=replace(piece.folder, holds=holds))
        for piece, holds in zip(entry.pieces, counts, strict=True)
    )
    by_hand = tuple(replace(file, digests=(), exact=False) for file in entry.by_hand)
    smaller = {"imagenet1k": replace(entry, pieces=tuple(pieces), by_hand=by_hand)}
    monkeypatch.setattr(catalogue, "entries", lambda: smaller)
    return tmp_path / "data"


def fetch(data: Path) -> int:
    return main(["fetch", "data", "imagenet1k", "--data", str(data)])


def test_each_image_goes_to_the_folder_of_its_class(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch(data) == 0
    root = data / "imagenet1k"
    labels = {path.name: path.parent.name for path in root.glob("val/*/*")}
    assert labels == {f"ILSVRC2012_val_{n:08d}.JPEG": IDS[i] for n, i in enumerate(TRUTH, 1)}
    assert (root / "val/n00000030/ILSVRC2012_val_00000004.JPEG").read_bytes() == b"4"
    assert {p.relative_to(root).as_posix(): p.read_bytes() for p in root.glob("train/n00000020/*")} == {
        f"train/n00000020/n00000020_{i}.JPEG": f"n00000020{i}".encode() for i in range(2)
    }
    assert sorted(path.name for path in (data / "archives").glob("[!.]*")) == sorted([TRAIN, VAL, DEVKIT])
    assert imagenet1k.images(root, "val").labels.tolist() == [0, 0, 1, 2]  # by the rank of the wnid
    assert fetch(data) == 0
    assert capsys.readouterr().out.count("already there") == 2


def test_who_waits_for_another_s_unpacking_finds_it_done(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch(data) == 0
    unpacked, aside = data / "imagenet1k/val", data / "aside"
    unpacked.rename(aside)
    codes: list[int] = []
    with holding(data / "archives" / f".{VAL}.unpacking.lock") as holder:
        waiting = threading.Thread(target=lambda: codes.append(fetch(data)))
        waiting.start()
        while "is at it; waiting" not in (err := capsys.readouterr().err):
            assert waiting.is_alive(), err
            time.sleep(0.05)
        aside.rename(unpacked)
        kill(holder)
        waiting.join(20)
    assert codes == [0]


def test_without_the_archives_the_steps_are_printed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "archives" / TRAIN).unlink()
    assert fetch(data) == 2
    out = capsys.readouterr().out
    assert f"put them, under their names, into {data}/archives" in out
    assert "{train,val}/<wnid>/" in out
    assert (data / "imagenet1k/val").is_dir()


def test_without_the_labels_nothing_is_sorted(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "archives" / DEVKIT).unlink()
    assert fetch(data) == 2
    assert f"{DEVKIT}: expected the development kit, which holds the labels, got nothing" in capsys.readouterr().err
    assert not (data / "imagenet1k/val").exists()


def test_an_image_without_label_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_devkit(data / "archives", TRUTH[:3])
    assert fetch(data) == 2
    assert "expected images 1 to 3 (ILSVRC2012_val_...), got 'ILSVRC2012_val_00000004.JPEG'" in capsys.readouterr().err
    assert not (data / "imagenet1k/val").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"n00000010.tar": b"no tar at all" * 100}, "cannot be unpacked"),
        ({"n00000010.tar": tar_of({"a.JPEG": b""})}, "when unpacked, expected 3 of n"),
        ({"n00000010.tar": tar_of({"../../a.JPEG": b""})}, "leads out of its folder"),
        ({"../n00000010.tar": tar_of({})}, "leads out of its folder"),
        ({"images.tar": tar_of({})}, "expected a tar for each class"),
        ({"n00000010.tar": tar_of({"below/": b""})}, "below is no file"),
    ],
)
def test_another_training_archive_is_refused(
    data: Path, files: dict[str, bytes], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tar(data / "archives" / TRAIN, files)
    assert fetch(data) == 2
    assert message in capsys.readouterr().err
    assert not (data / "imagenet1k/train").exists()


def test_a_wrong_digest_is_refused_before_anything_is_read(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = catalogue.entries()["imagenet1k"]
    files = tuple(replace(file, digests=("md5:00000000",)) if file.name == DEVKIT else file for file in entry.by_hand)
    monkeypatch.setattr(catalogue, "entries", lambda: {"imagenet1k": replace(entry, by_hand=files)})
    assert fetch(data) == 2
    assert f"{DEVKIT}: expected md5:00000000 as published" in capsys.readouterr().err
    assert not (data / "imagenet1k/val").exists()


@pytest.mark.parametrize("files", [{}, {"x/data/meta.mat": b"no matrix", "x/data/y": b""}])
def test_a_development_kit_of_something_else(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(
        FetchError, match=r"expected data/ILSVRC2012_validation_ground_truth.txt and data/meta.mat in it"
    ):
        validation_wnids(write_tar(tmp_path / DEVKIT, files))
