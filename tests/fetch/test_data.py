"""`python -m suite fetch data`: archives end as the folders that the readers read, or not at all."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.datasets import DATASETS, cifar10, coco, cub200
from suite.datasets.segmentation import segmentation
from suite.errors import RequestError
from suite.fetch import catalogue
from suite.fetch.catalogue import Piece, download_size, entries, how_to_get, sources
from suite.fetch.remote import Remote
from suite.mini.digests import SAMPLE
from suite.mini.render import render
from tests.support import hostile_server as hostile
from tests.support.archives import write_tar, write_zip
from tests.support.hostile_server import Server, serving

IMAGES = {f"train/{i}.jpg": bytes([i]) * 100 for i in range(3)}
NOTES = {"notes/index.txt": b"1 a\n"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves two archives of "pets", of which "cats" is prepared; "dogs" are to be had by hand only."""
    folder = tmp_path / "remote"
    folder.mkdir()
    files = {
        "/images.zip": write_zip(folder / "images.zip", IMAGES).read_bytes(),
        "/notes.tgz": write_tar(folder / "notes.tgz", NOTES).read_bytes(),
    }
    with serving(files=files) as running:
        sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        (folder / "catalogue.toml").write_text(f"""
[pets]
own_title = "Pets"
page = "https://example.org"
licence = "free"
[[pets.pieces]]
file = "images.zip"
url = "{running.url}/images.zip"
bytes = {len(files["/images.zip"])}
digests = ["sha256:{sha256["/images.zip"]}"]
inside = "train"
unpacked = 300
places = ["pets/images/train", "pets/train"]
holds = {{ "*.jpg" = 3 }}
[[pets.pieces]]
file = "notes.tgz"
url = "{running.url}/notes.tgz"
about = 200
digests = ["sha256:{sha256["/notes.tgz"]}"]
inside = "notes"
unpacked = 10
places = ["pets/notes"]
sums = {{ "index.txt" = "md5:{hashlib.md5(NOTES["notes/index.txt"]).hexdigest()}" }}
[cats]
own_title = "Cats"
page = "https://example.org"
licence = "free"
needs = ["pets"]
ready = {{ places = ["cats"], holds = {{ "img/*" = 0 }} }}
[dogs]
own_title = "Dogs"
page = "https://example.org"
licence = "theirs"
steps = ["ask for them", "unpack to {{data}}/dogs"]
[[dogs.pieces]]
places = ["dogs"]
holds = {{ "*.jpg" = 2 }}
""")
        monkeypatch.setattr(catalogue, "FILE", folder / "catalogue.toml")
        monkeypatch.setattr(catalogue, "DATASETS", ("cats", "dogs"))
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def fetch(data: Path, *arguments: str) -> int:
    return main(["fetch", "data", *arguments, "--data", str(data)])


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder but locks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def placed(images: str = "pets/images") -> dict[str, bytes]:
    return {f"{images}/{name}": content for name, content in IMAGES.items()} | {
        f"pets/{name}": content for name, content in NOTES.items()
    }


def test_archives_become_the_folders_that_readers_read(
    server: Server, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(data, "pets") == 0
    assert files(data) == placed()
    assert f"verified and unpacked to {data / 'pets/images/train'}" in capsys.readouterr().out
    assert fetch(data, "pets") == 0
    assert capsys.readouterr().out.count("already there and whole") == 2
    assert len(server.asked) == 2


def test_archives_are_kept_on_demand(server: Server, data: Path) -> None:
    assert fetch(data, "pets", "--keep-archives") == 0
    assert set(files(data)) == {*placed(), "archives/images.zip", "archives/notes.tgz"}
    shutil.rmtree(data / "pets")
    assert fetch(data, "pets") == 0
    assert files(data) == placed()
    assert len(server.asked) == 2


def test_a_missing_piece_goes_where_the_others_are(server: Server, data: Path) -> None:
    for name, content in IMAGES.items():
        (data / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        (data / "pets" / name).write_bytes(content)
    assert fetch(data, "pets") == 0
    assert files(data) == placed("pets")


@pytest.mark.parametrize("spoil", ["remove", "change"])
def test_what_is_not_whole_is_said_and_left_alone(
    server: Server, data: Path, spoil: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(data, "pets")
    if spoil == "remove":
        (data / "pets/images/train/1.jpg").unlink()
        expected = f"{data / 'pets/images/train'}: expected 3 of *.jpg, got 2; move it away and run again"
    else:
        (data / "pets/notes/index.txt").write_bytes(b"1 b\n")
        expected = f"{data / 'pets/notes'}: expected index.txt with md5:"
    before = files(data)
    assert fetch(data, "pets") == 2
    assert expected in capsys.readouterr().err
    assert files(data) == before


def test_an_archive_that_lacks_files_is_not_put_in_place(
    server: Server, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = catalogue.FILE.read_text()
    catalogue.FILE.write_text(text.replace('"*.jpg" = 3', '"*.jpg" = 4'))
    assert fetch(data, "pets") == 2
    assert "images.zip: when unpacked, expected 4 of *.jpg, got 3" in capsys.readouterr().err
    assert "pets/images/train/0.jpg" not in files(data)


def test_what_is_prepared_from_others_brings_those(
    server: Server, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(data, "cats") == 0
    assert files(data) == placed()
    assert capsys.readouterr().out.endswith("cats: next: python -m suite prepare cats\n")
    shutil.rmtree(data)
    (data / "cats/img").mkdir(parents=True)
    (data / "cats/img/a.jpg").touch()
    assert fetch(data, "cats") == 0
    assert capsys.readouterr().out == f"cats: already there, {data / 'cats'}\n"
    assert set(files(data)) == {"cats/img/a.jpg"}


def test_without_names_all_come_and_the_rest_is_explained(
    server: Server, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(data) == 2
    assert files(data) == placed()
    out = capsys.readouterr().out
    assert "dogs: cannot be downloaded by a program (licence: theirs). By hand:\n  1. ask for them\n" in out
    assert f"  2. unpack to {data}/dogs\n" in out
    (data / "dogs").mkdir()
    (data / "dogs/a.jpg").touch()
    assert fetch(data, "dogs") == 2
    assert "dogs is not whole: expected 2 of *.jpg, got 1" in capsys.readouterr().out
    (data / "dogs/b.jpg").touch()
    assert fetch(data, "dogs") == 0


def test_what_systems_leave_behind_makes_no_set_more_or_less_whole(
    server: Server, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "dogs/@eaDir").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "._b.jpg", ".c.jpg", "@eaDir/a.jpg"):
        (data / "dogs" / name).touch()
    assert fetch(data, "dogs") == 0
    assert capsys.readouterr().out == f"dogs: already there, {data}/dogs\n"
    (data / "dogs/b.jpg").unlink()
    assert fetch(data, "dogs") == 2
    assert "dogs is not whole: expected 2 of *.jpg, got 1" in capsys.readouterr().out
    (data / "dogs/b.jpg").symlink_to("nowhere")
    assert fetch(data, "dogs") == 2
    assert f"{data}/dogs is not whole: {data}/dogs/b.jpg: cannot be read (No such file" in capsys.readouterr().out


def test_a_folder_with_nothing_but_what_systems_leave_behind_is_fetched_into(server: Server, data: Path) -> None:
    for place in ("pets/images/train/@eaDir", "pets/notes/.ipynb_checkpoints"):
        (data / place).mkdir(parents=True)
        (data / place / "thumbnail").write_bytes(b"theirs")
    assert fetch(data, "pets") == 0
    thumbnails = ("pets/images/train/@eaDir/thumbnail", "pets/notes/.ipynb_checkpoints/thumbnail")
    assert files(data) == placed() | dict.fromkeys(thumbnails, b"theirs")


def test_a_file_in_the_place_of_a_folder_is_named_and_kept(
    server: Server, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "pets/images").mkdir(parents=True)
    (data / "pets/images/train").write_bytes(b"theirs")
    assert fetch(data, "pets") == 2
    fault = "expected a folder, got a file; move it away and run again to have it fetched anew"
    assert f"pets: error: {data}/pets/images/train: {fault}\n" in capsys.readouterr().err
    assert (data / "pets/images/train").read_bytes() == b"theirs"


def test_one_that_fails_does_not_keep_the_others(
    server: Server, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.behaviours = [hostile.status(404)]
    assert fetch(data, "cats", "dogs") == 2
    caught = capsys.readouterr()
    assert "pets: error: http://127.0.0.1" in caught.err
    assert "dogs: cannot be downloaded" in caught.out
    assert "next:" not in caught.out


def test_room_is_asked_for_archive_and_content_before_anything_comes(
    server: Server, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = shutil.disk_usage("/")
    size = len(server.files["/images.zip"])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000_000 + size + 299))
    assert fetch(data, "pets") == 3
    assert (
        f"images.zip with what it unpacks to needs {size + 300} B, got {size + 299} B free" in capsys.readouterr().err
    )
    assert server.asked == []


def test_an_unknown_name(server: Server, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch(data, "birds") == 3
    assert "error: unknown dataset 'birds': expected one of pets, cats, dogs" in capsys.readouterr().err


def test_every_dataset_of_the_paper_can_be_fetched_or_is_explained() -> None:
    listing = entries()
    assert set(listing) == {*DATASETS, "pascal"}
    for name, entry in listing.items():
        assert entry.title == DATASETS[name].title if name in DATASETS else entry.ready is None
        assert set(entry.needs) <= set(listing)
        by_hand = any(piece.archive is None for piece in entry.pieces)
        assert by_hand == bool(entry.steps) == bool(entry.by_hand), name
        assert entry.pieces or entry.needs, name
        for file in entry.files:
            assert file in entry.by_hand or file.recognisable, file
        for piece in entry.pieces:
            assert piece.folder.holds or piece.folder.sums
            assert not any(Path(place).is_absolute() or ".." in place for place in piece.folder.places)


def test_what_a_plan_asks() -> None:
    listing = entries()
    assert download_size("coco") == 19_336_861_798 + 815_585_330 + 252_907_541
    assert download_size("pascal_part") == download_size("pascal_object") == download_size("pascal")
    assert download_size("lip") is None
    assert how_to_get("cifar10") == "python -m suite fetch data cifar10"
    assert how_to_get("pascal_part") == "python -m suite fetch data pascal, then python -m suite prepare pascal_part"
    assert how_to_get("imagenet1k") == "by hand: python -m suite fetch data imagenet1k prints the steps"
    assert sources("ade20k_object") == listing["ade20k"].files
    for ask in (sources, download_size, how_to_get):
        with pytest.raises(RequestError, match="unknown"):
            ask("mnist")


def test_the_list_names_every_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "data", "--list"]) == 0
    out = capsys.readouterr().out
    for entry in entries().values():
        assert all(file.name in out for file in entry.files), entry.name


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few drawn images of each dataset, in the layout of its readers."""
    data = tmp_path_factory.mktemp("sample")
    render(data, share=SAMPLE, workers=1, progress=False)
    return data


def test_the_places_of_the_catalogue_are_those_of_the_readers(sample: Path) -> None:
    for name in DATASETS:
        entry = entries()[name]
        for folder in [entry.ready] if entry.ready else [piece.folder for piece in entry.pieces]:
            there = [sample / place for place in folder.places if (sample / place).is_dir()]
            assert there, name
            for pattern in (*folder.holds, *folder.sums):
                assert any(any(place.glob(pattern)) for place in there), (name, pattern)


def pack(piece: Piece, sample: Path, folder: Path) -> bytes:
    """The archive that this piece comes in, made of the drawn images."""
    assert piece.archive
    content = next(sample / place for place in piece.folder.places if (sample / place).is_dir())
    files = {
        f"{piece.inside}/{path.relative_to(content).as_posix()}": path.read_bytes()
        for path in content.rglob("*")
        if path.is_file()
    }
    write = write_zip if piece.archive.name.endswith(".zip") else write_tar
    return write(folder / piece.archive.name, files).read_bytes()


@pytest.mark.parametrize("name", ["cifar10", "coco", "cub200", "ade20k"])
def test_what_is_fetched_can_be_read(
    name: str, sample: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = entries()[name]
    with serving() as server:
        pieces = []
        for piece in entry.pieces:
            assert piece.archive
            server.files[f"/{piece.archive.name}"] = pack(piece, sample, tmp_path)
            archive = Remote(piece.archive.name, f"{server.url}/{piece.archive.name}")
            folder = replace(piece.folder, sums={}, holds=dict.fromkeys(piece.folder.holds, 0))
            pieces.append(replace(piece, archive=archive, folder=folder))
        smaller = {name: replace(entry, pieces=tuple(pieces))}
        monkeypatch.setattr(catalogue, "entries", lambda: smaller)
        assert fetch(data, name) == 0
    read = {
        "cifar10": lambda root: cifar10.images(root).views,
        "coco": lambda root: coco.part_patches(root, "val2017"),
        "cub200": cub200.part_patches,
        "ade20k": lambda root: segmentation("ade20k", root, "val").records,
    }[name]
    assert len(read(data / name)) == len(read(sample / name)) > 0
