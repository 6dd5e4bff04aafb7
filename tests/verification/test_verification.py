"""`verify data` on look-alikes: silent where nothing is wrong, and it names every problem where something is."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.cli.main import main
from suite.datasets import cub200
from suite.datasets.digests import file_digest
from suite.errors import StorageError
from suite.report.variables import variables
from suite.verification import data, facts, record
from suite.verification.outcome import LISTED, Check, Findings, exit_code, summary
from tests.support.lookalike_data import SIZES
from tests.support.lookalikes import noise, save, truncate


@pytest.fixture
def folder(lookalike_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Look-alikes which `facts` takes for the real thing."""
    copy = tmp_path / "data"
    shutil.copytree(lookalike_data, copy)
    patches = Counter(patch.part for patch in cub200.part_patches(copy / "cub200"))
    made_up = {
        "SPLITS": {**SIZES, "ade20k_part": {}},
        "CIFAR10_MD5": md5(copy / "cifar10/cifar-10-batches-py", facts.CIFAR10_MD5),
        "CUB200_MD5": md5(copy / "cub200/CUB_200_2011", facts.CUB200_MD5),
        "CUB200_PATCHES": dict(patches),
        "COCO_PEOPLE": dict.fromkeys(("train2017", "val2017"), (6, 5)),
        "COCO_OBJECTS": (6, 2),
        "IMAGENET_CLASSES": 2,
        "IMAGENET_CLASS_SIZES": {"train": (1, 1), "val": (2, 4)},
        "IMAGENET_VAL_FOLDERS": {"ILSVRC2012_val_00000001.JPEG": "n01440764"},
    }
    for name, value in made_up.items():
        monkeypatch.setattr(facts, name, value)
    return copy


def md5(folder: Path, names: dict[str, str]) -> dict[str, str]:
    return {name: file_digest(folder / name, "md5") for name in names}


def verify(folder: Path, name: str, **how: int | None) -> dict[str, Check]:
    (subject,) = data.subjects([name], folder, "paper", **how)
    return {check.name: check for check in data.verify(subject)}


def problems(folder: Path, name: str, **how: int | None) -> dict[str, list[str]]:
    """Check -> its problems, of the checks that failed."""
    checks = verify(folder, name, **how)
    return {check.name: list(check.problems) for check in checks.values() if check.status == "failed"}


NO_REFERENCE = {("coco", "digests"), ("ade20k_part", "splits")}


@pytest.mark.parametrize("name", data.CHECKS)
def test_intact_data_pass_every_check(folder: Path, name: str) -> None:
    checks = verify(folder, name)
    assert list(checks) == list(data.CHECKS[name])
    for check in checks.values():
        expected = "no reference" if (name, check.name) in NO_REFERENCE else "passed"
        assert (check.status, check.problems) == (expected, ()), check


def test_a_missing_dataset_is_missing_and_not_wrong(tmp_path: Path) -> None:
    (check,) = verify(tmp_path, "lip").values()
    assert (check.name, check.status) == ("folder", "missing")
    assert "expected the folder of LIP, found nothing" in check.detail


def test_every_problem_of_a_segmentation_set_is_said_at_once(folder: Path) -> None:
    root = folder / "lip"
    (root / "ann/train/train_1.png").unlink()
    (root / "ann/train/stray.png").write_bytes((root / "ann/val/val_1.png").read_bytes())
    Image.fromarray(np.full((40, 60), 20, np.uint8)).save(root / "ann/val/val_1.png")  # one label too many
    Image.fromarray(np.zeros((41, 60), np.uint8)).save(root / "ann/train/train_10.png")  # of another size
    save(root / "ann/val/val_10.png", noise(60, 40))  # in colour
    truncate(root / "img/val/val_1.jpg")
    (root / "img/train/sub/train_2.jpg").write_bytes(b"")
    (root / "img/val/sub/val_2.jpg").unlink()
    assert problems(folder, "lip") == {
        "splits": ["val: expected 3 images, got 2"],
        "pairs": [
            "ann/train/train_1.png: expected the mask of train_1.jpg",
            "ann/train/stray.png: expected an image of the same name",
            "ann/val/sub/val_2.png: expected an image of the same name",
        ],
        "images": [
            "img/train/sub/train_2.jpg: cannot be read (expected a whole JPEG or PNG image, got an empty file)",
            "img/val/val_1.jpg: cannot be read (image file is truncated (12 bytes not processed))",
        ],
        "masks": [
            "ann/train/train_10.png: expected the (40, 60) pixels of train_10.jpg, got (60, 41)",
            "ann/val/val_1.png: cannot be read (expected labels 0 to 19 and 255, got 20)",
            "ann/val/val_10.png: cannot be read (expected a mask of one 8-bit channel (L or P), got mode RGB)",
        ],
    }


def test_a_sample_finds_empty_files_outside_it_and_all_images_find_truncated_ones(folder: Path) -> None:
    images = [truncate(path) for path in sorted((folder / "ade20k/images/training").rglob("*.jpg"))]
    assert len(problems(folder, "ade20k", sample=None)["images"]) == 3
    assert len(problems(folder, "ade20k", sample=1)["images"]) == 1
    (other,) = data.subjects(["ade20k"], folder, "paper", sample=1, seed=0)
    unseen = next(path for path in images if path not in other.choose(images, "train"))
    unseen.write_bytes(b"")
    messages = problems(folder, "ade20k", sample=1)["images"]
    assert f"{unseen.relative_to(folder / 'ade20k')}: it is empty" in messages


def test_the_sample_follows_the_seed_alone(folder: Path) -> None:
    items = list(range(1000))
    draws = [data.subjects(["lip"], folder, "paper", sample=5, seed=s)[0].choose(items, "val") for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert draws[0] == sorted(draws[0])


def test_fewer_images_are_a_warning_where_masks_were_processed(folder: Path) -> None:
    (folder / "pascal_part/img/val/val_1.jpg").unlink()
    (folder / "pascal_part/ann/val/val_1.png").unlink()
    check = verify(folder, "pascal_part")["splits"]
    assert check.status == "warning"
    assert check.detail == "train 3, val 2; val: 3 images are annotated, of which processed masks may leave some out"


def edit(path: str, old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / path).write_text((folder / path).read_text().replace(old, new, 1))


def change(path: str, how: Callable[[dict], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        document = json.loads((folder / path).read_text())
        how(document)
        (folder / path).write_text(json.dumps(document))

    return apply


def swap(folder: Path) -> None:
    """Two validation images in one another's folders, as if the devkit's class order were that of wnids."""
    val = folder / "imagenet1k/val"
    for number, source, target in ((1, "n01440764", "n02105855"), (3, "n02105855", "n01440764")):
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        (val / source / name).rename(val / target / name)


PEOPLE = "coco/annotations/person_keypoints_train2017.json"
CUB = "cub200/CUB_200_2011"


@pytest.mark.parametrize(
    ("name", "damage", "check", "problem"),
    [
        ("cifar10", lambda d: truncate(d / "cifar10/cifar-10-batches-py/data_batch_3"), "digests", "data_batch_3: exp"),
        ("cifar10", lambda d: truncate(d / "cifar10/cifar-10-batches-py/data_batch_3"), "splits", "truncated"),
        ("cifar10", lambda d: (d / "cifar10/cifar-10-batches-py/test_batch").unlink(), "digests", "found nothing"),
        ("cub200", edit(f"{CUB}/parts/part_locs.txt", "1 9 20.0", "1 9 21.0"), "digests", "parts/part_locs.txt"),
        ("cub200", edit(f"{CUB}/parts/part_locs.txt", "1 9 20.0 20.0 1", "1 9 20.0 20.0 0"), "patches", "left wing"),
        ("cub200", edit(f"{CUB}/train_test_split.txt", "1 1", "1 0"), "splits", "train: expected 3 images, got 2"),
        ("cub200", edit(f"{CUB}/train_test_split.txt", "6 0\n", ""), "splits", "expected the 6 rows of images.txt"),
        ("cub200", lambda d: next((d / CUB).rglob("Bird_4*.jpg")).unlink(), "splits", "Bird_4_0004.jpg: its index"),
        ("cub200", lambda d: truncate(next((d / CUB).rglob("Bird_4*.jpg"))), "images", "Bird_4_0004.jpg: cannot be"),
        ("coco", lambda d: (d / PEOPLE).unlink(), "digests", "person_keypoints_train2017.json: expected a file"),
        ("coco", lambda d: truncate(d / PEOPLE), "splits", "person_keypoints_train2017.json: cannot be read"),
        ("coco", change(PEOPLE, lambda x: x["annotations"].pop()), "annotations", "expected (6, 5) people, got (5, 5)"),
        ("coco", change(PEOPLE, lambda x: x["images"].pop()), "splits", "train2017: expected 5 images, got 4"),
        ("coco", change(PEOPLE, lambda x: x["images"][0].update(width=161)), "images", "(161, 120) pixels as its ind"),
        ("coco", lambda d: (d / "coco/images/val2017/000000000005.jpg").unlink(), "splits", "val2017/000000000005.jpg"),
        ("imagenet1k", swap, "classes", "val/n02105855/ILSVRC2012_val_00000001.JPEG: expected in n01440764"),
        ("imagenet1k", lambda d: shutil.rmtree(d / "imagenet1k/val/n01440764"), "classes", "a folder in train only"),
        ("imagenet1k", lambda d: shutil.rmtree(d / "imagenet1k/val/n01440764"), "splits", "expected 6 images, got 4"),
        ("imagenet1k", lambda d: (d / "imagenet1k/val/tench").mkdir(), "classes", "tench: expected a wnid"),
        ("imagenet1k", lambda d: (d / "imagenet1k/val/n3").mkdir(), "splits", "val/n3: expected images, found none"),
    ],
)
def test_each_kind_of_damage_is_found(
    folder: Path, name: str, damage: Callable[[Path], object], check: str, problem: str
) -> None:
    damage(folder)
    failures = problems(folder, name)
    assert any(problem in text for text in failures[check]), failures


def test_problems_are_counted_beyond_those_listed() -> None:
    findings = Findings()
    for i in range(LISTED + 5):
        findings.problem("bad files", f"file {i}")
    findings.problem("lost files", "another kind is listed all the same")
    check = findings.check("lip", "images")
    assert (check.count, len(check.problems), check.detail) == (16, 11, "15 bad files, 1 lost files")
    assert check.text().splitlines()[-1] == "  ... and 5 more"


def test_a_copy_under_another_spelling_shares_a_mask(folder: Path) -> None:
    (folder / "lip/img/val/val_1.JPG").write_bytes((folder / "lip/img/val/val_1.jpg").read_bytes())
    assert problems(folder, "lip")["pairs"] == ["ann/val/val_1.png: expected one image, got val_1.JPG and val_1.jpg"]


@pytest.mark.parametrize(
    ("statuses", "code", "strict"),
    [
        (["passed"], 0, 0),
        (["passed", "warning"], 0, 2),
        (["no reference"], 0, 2),
        (["passed", "missing"], 2, 2),
        (["passed", "failed"], 2, 2),
    ],
)
def test_exit_codes(statuses: list, code: int, strict: int) -> None:
    checks = [Check("lip", "x", status, "") for status in statuses]
    assert exit_code(checks) == code
    assert exit_code(checks, strict=True) == strict
    assert summary(checks).startswith(f"{len(checks)} checks: ")


def test_the_verb_prints_everything_and_records_it(folder: Path, capsys: pytest.CaptureFixture) -> None:
    ask = ["verify", "data", "lip", "ade20k_part", "--profile", "paper", "--data", str(folder)]
    assert main(ask) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "8 checks: 1 no reference, 7 passed"
    assert main([*ask, "--strict"]) == 2, "no size of ADE20K-Part is published"
    (folder / "lip/ann/val/val_1.png").unlink()
    assert main(ask) == 2
    shutil.rmtree(folder / "ade20k_part")
    assert main(["verify", "data", "ade20k_part", "--profile", "paper", "--data", str(folder)]) == 2
    output = capsys.readouterr().out
    assert "  ann/val/val_1.png: expected the mask of val_1.jpg" in output
    written = record.read(folder / record.FILE)
    assert set(written["subjects"]) == {"lip", "ade20k_part"}, "what is known of the other dataset stays"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "weather"], "error: verify 'weather': expected data, or the folder of a run"),
        (["verify", "data", "mnist"], "error: unknown dataset 'mnist': expected one of cifar10, coco, "),
        (["verify", "data", "--sample", "0"], "error: --sample '0': expected a whole number from 1 to 1000000000"),
        (["verify", "data", "--profile", "big"], "error: unknown profile 'big': expected one of mini, paper"),
    ],
)
def test_a_wrong_request(arguments: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    assert main(arguments) == 3
    assert capsys.readouterr().err.startswith(message)


def test_data_that_cannot_be_written_to_are_verified_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("verification.json: cannot be written: Read-only file system")

    monkeypatch.setattr(record, "write_json", refuse)
    ask = ["verify", "data", "lip", "--profile", "paper", "--data", str(folder)]
    assert main(ask) == 0
    assert "not recorded" in capsys.readouterr().err
    assert main([*ask, "--out", str(folder / "x.json")]) == 3


def test_a_run_takes_the_outcome_along_and_its_report_tells_it(folder: Path, tmp_path: Path) -> None:
    main(["verify", "data", "lip", "cifar10", "--profile", "paper", "--data", str(folder)])
    run = tmp_path / "run"
    record.take_along(folder, run, ["lip", "coco"])
    digests = record.digests_of(data.subjects(["lip"], folder, "paper"))
    (sentence,) = record.verified(run, digests).values()
    assert sentence.startswith("verified on 2")
    assert sentence.endswith("a sample of 100 opened")
    (stale,) = record.verified(run, {"lip": "0" * 64}).values()
    assert stale.endswith("but the data were others then")
    assert record.verified(tmp_path, digests) == {}
    evidence = {
        text: variables(profile="paper", environment={}, request={}, protocol={"digests": {"data": digests}} | extra)[2]
        for text, extra in (
            ("none", {}),
            ("good", {"verification": {"lip": sentence}}),
            ("bad", {"verification": {"lip": stale}}),
        )
    }
    assert [evidence[text]["status"] for text in ("none", "good", "bad")] == ["provided", "provided", "partial"]
    assert f"lip {sentence}" in evidence["good"]["evidence"]


def test_a_problem_is_told_in_the_report(folder: Path, tmp_path: Path) -> None:
    (folder / "lip/ann/val/val_1.png").unlink()
    main(["verify", "data", "lip", "--profile", "paper", "--data", str(folder)])
    record.take_along(folder, tmp_path / "run", ["lip"])
    digests = record.digests_of(data.subjects(["lip"], folder, "paper"))
    assert record.verified(tmp_path / "run", digests)["lip"].endswith(": pairs: 1 missing masks")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"schema": 1}', b'{"schema": 9, "subjects": {}}', b"\xff"])
def test_a_damaged_record_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.json").write_bytes(content)
    assert record.read(tmp_path / "v.json") is None


def test_the_published_sizes_cover_every_dataset() -> None:
    assert facts.SPLITS.keys() == data.CHECKS.keys() == SIZES.keys()
    assert sum(facts.CUB200_PATCHES.values()) == 30_543
    assert sum(facts.SPLITS["cub200"].values()) == 11_788
