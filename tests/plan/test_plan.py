"""`plan`: what is there, what is missing, how large it is, how to get it, and what it keeps from running."""

from pathlib import Path

import pytest

from suite.cli.main import main
from suite.encoders.catalogue import CATALOGUE
from suite.fetch.catalogue import download_size, how_to_get, sources
from suite.plan.pieces import pieces, total_download
from suite.run.request import make_request
from suite.verification import record
from suite.verification.outcome import Check


@pytest.fixture
def places(nothing: dict[str, Path]) -> dict[str, Path]:
    """Where a plan looks for what there is."""
    return {name: nothing[name] for name in ("data", "weights")}


def there(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def test_everything_missing(places: dict[str, Path]) -> None:
    request = make_request(profile="paper", **places)
    inventory = pieces(request)
    assert not any(piece.there for piece in inventory)
    tasks = {task[1] for task in request.tasks()}
    assert [piece.name for piece in inventory] == [*(d for d in request.profile.datasets if d in tasks), *CATALOGUE]
    for piece in inventory:
        assert (piece.size, piece.how) == (download_size(piece.name), how_to_get(piece.name))
    weights = [piece for piece in inventory if piece.kind == "weights"]
    assert sum(len(piece.cells) for piece in weights) == len(request.cells()), "every cell needs one checkpoint"
    data = [piece for piece in inventory if piece.kind == "data"]
    assert sum(len(piece.cells) for piece in data) == len(request.cells()), "every cell needs one dataset"


def test_what_a_piece_keeps_from_running(places: dict[str, Path]) -> None:
    request = make_request(profile="paper", encoders=["dino", "mae"], experiments=["part_retrieval"], **places)
    by_name = {piece.name: piece for piece in pieces(request)}
    assert list(by_name) == ["cub200", "coco", "dino", "mae"] or list(by_name) == ["coco", "cub200", "dino", "mae"]
    assert by_name["cub200"].experiments == ("part_retrieval",)
    settings, metrics = ("encoded", "cls", "projected"), ("ap", "map", "ap_excluding_self")
    ours = {f"part_retrieval/cub200/dino/{s}/{m}" for s in settings for m in metrics}
    ours |= {f"part_retrieval/cub200/mae/{s}/{m}" for s in settings[:2] for m in metrics}
    assert by_name["cub200"].cells == ours
    assert len(by_name["mae"].cells) == 12


def test_what_is_there_is_found_under_any_name_that_is_looked_for(places: dict[str, Path]) -> None:
    there(places["weights"] / "mae.pth")
    there(places["weights"] / CATALOGUE["dino"].sources[1].file_name)
    there(places["data"] / "cub200" / "images.txt")
    (places["data"] / "coco").mkdir()  # empty: not there
    request = make_request(profile="paper", encoders=["dino", "mae", "cae"], experiments=["part_retrieval"], **places)
    by_name = {piece.name: piece for piece in pieces(request)}
    assert {name: piece.there for name, piece in by_name.items()} == {
        "cub200": True,
        "coco": False,
        "dino": True,
        "mae": True,
        "cae": False,
    }
    assert by_name["mae"].place == places["weights"] / "mae.pth"
    assert by_name["mae"].size is None


def test_a_file_of_ones_own_and_encoders_without_a_file(places: dict[str, Path], tmp_path: Path) -> None:
    there(tmp_path / "mine.pth")
    encoders = [f"dino@{tmp_path / 'mine.pth'}", f"mae@{tmp_path / 'gone.pth'}", "timm:vit_tiny_patch16_224"]
    encoders.append("timm:vit_tiny_patch16_224@random")
    request = make_request(profile="paper", encoders=encoders, experiments=["part_retrieval"], **places)
    checkpoints = [piece for piece in pieces(request) if piece.kind == "weights"]
    assert [(piece.name, piece.there, piece.size) for piece in checkpoints] == [
        (encoders[0], True, None),
        (encoders[1], False, None),
    ]


def test_a_folder_of_transformers_is_there_or_says_what_is_amiss(places: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "vit").mkdir()
    specs = [f"hf:{tmp_path}/vit?mean=none", f"hf:{tmp_path}/none"]
    request = make_request(encoders=specs, experiments=["part_retrieval"], **places)
    found = [piece for piece in pieces(request) if piece.kind == "weights"]
    assert [(piece.name, piece.there, piece.place, piece.how) for piece in found] == [
        (specs[0], True, tmp_path / "vit", ""),
        (specs[1], False, tmp_path / "none", "expected a folder of transformers, with config.json, got no such folder"),
    ]


def test_a_file_that_two_datasets_share_is_downloaded_once(places: dict[str, Path]) -> None:
    class Two:
        def __init__(self, name: str) -> None:
            self.name, self.size = name, download_size(name)

    total, unknown = total_download([Two("pascal_part"), Two("pascal_object")])
    assert {*sources("pascal_part")} == {*sources("pascal_object")}
    assert (total, unknown) == (download_size("pascal_part"), 0)
    assert total_download([Two("lip")])[1] == sum(file.size is None for file in sources("lip")) > 0


def test_the_verb(places: dict[str, Path], capsys: pytest.CaptureFixture) -> None:
    ask = [
        "plan",
        "--no-calibrate",
        "--profile",
        "paper",
        "--experiment",
        "part_retrieval",
        "--dataset",
        "cub200",
        "--encoder",
        "beit",
    ]
    ask += [f"--{name}={path}" for name, path in places.items()]
    assert main(ask) == 2
    output = capsys.readouterr().out
    assert "cub200" in output
    assert "1.2 GB" in output
    assert "by hand" in output
    assert "2 missing: 1.5 GB to download; 6 of 6 cells cannot be measured without them." in output
    assert "without cub200: no part_retrieval on it" in output
    there(places["data"] / "cub200" / "images.txt")
    there(places["weights"] / "beit.pth")
    path = places["data"] / record.FILE
    record.save(path, [Check("cub200", "images", "failed", "1 bad", ("x",), 1)], {}, {"sample": 9})
    assert main(ask) == 0
    output = capsys.readouterr().out
    assert "Everything is there" in output
    assert ": images: 1 bad" in output, "what verify found is told"


def test_the_mini_study_needs_nothing(places: dict[str, Path], capsys: pytest.CaptureFixture) -> None:
    assert main(["plan", "--no-calibrate", f"--data={places['data']}"]) == 0
    output = capsys.readouterr().out
    assert "drawn when run" in output
    assert "Nothing to download" in output


def test_a_wrong_request_is_refused(capsys: pytest.CaptureFixture) -> None:
    assert main(["plan", "--encoder", "dinov9"]) == 3
    assert capsys.readouterr().err.startswith("error: unknown encoder 'dinov9'")
