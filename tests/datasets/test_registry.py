import hashlib
from pathlib import Path

import pytest

from suite.datasets import DATASETS, dataset_root, digest, digests, require
from suite.datasets.files import RESTORE
from suite.errors import DatasetError, RequestError


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_every_dataset_has_a_title_a_home_page_and_a_folder(tmp_path: Path) -> None:
    assert list(DATASETS) == [
        *("cifar10", "coco", "cub200", "imagenet1k", "ade20k", "ade20k_object", "ade20k_part"),
        *("pascal_object", "pascal_part", "lip"),
    ]
    assert all(dataset.title and dataset.url.startswith("http") for dataset in DATASETS.values())
    assert dataset_root(tmp_path, "coco") == tmp_path / "coco"
    with pytest.raises(RequestError, match="unknown dataset 'mnist': expected one of cifar10, coco, "):
        dataset_root(tmp_path, "mnist")


def test_a_missing_an_empty_and_a_wrong_folder(tmp_path: Path) -> None:
    root = tmp_path / "lip"

    def error() -> str:
        with pytest.raises(DatasetError) as caught:
            require(root, "lip")
        return str(caught.value)

    assert error() == f"{root}: expected the folder of LIP, found nothing: {RESTORE}"
    write(root, {".stamp": "x"})
    assert error() == f"{root}: expected the folder of LIP, found an empty folder: {RESTORE}"
    write(root, {"img/a.jpg": "x"})
    assert require(root, "lip") == root
    root = write(tmp_path, {"file": "x"}) / "file"
    assert error() == f"{root}: expected the folder of LIP, found a file: {RESTORE}"


def test_the_digest_is_that_of_sorted_paths_and_contents(tmp_path: Path) -> None:
    root = write(tmp_path, {"b.txt": "two", "a/c.jpg": "one"})
    lines = [
        f"{name} {hashlib.sha256(content).hexdigest()}\n" for name, content in (("a/c.jpg", b"one"), ("b.txt", b"two"))
    ]
    expected = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert digest(root) == expected
    write(root, {".cache/x": "1", "a/.hidden": "2", "__pycache__/y": "3"})
    assert digest(root) == expected


@pytest.mark.parametrize("change", [{"a/c.jpg": "eno"}, {"b.txt": "TWO"}, {"d.jpg": ""}])
def test_the_digest_changes_with_any_file(tmp_path: Path, change: dict[str, str]) -> None:
    root = write(tmp_path, {"b.txt": "two", "a/c.jpg": "one"})
    before = digest(root)
    write(root, change)
    assert digest(root) != before


def test_of_a_large_folder_images_count_by_name_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, {"b.txt": "two", "a/c.jpg": "one"})
    monkeypatch.setattr(digests, "CONTENT_LIMIT", 5)
    before = digest(root)
    assert digest(write(root, {"a/c.jpg": "ONE"})) == before
    assert digest(write(root, {"a/c.jpg": "longer"})) != before
    write(root, {"a/c.jpg": "one"})
    assert digest(write(root, {"b.txt": "TWO"})) != before
    assert digests.file_keys([root / "a/c.jpg", root / "b.txt"]) == ["a/c.jpg:3", f"{root.name}/b.txt:3"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DatasetError) as caught:
        digest(tmp_path)
    assert str(caught.value) == f"{tmp_path}/dangling.jpg: cannot be read (No such file or directory): {RESTORE}"
