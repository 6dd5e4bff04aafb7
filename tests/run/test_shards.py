"""A shard is every N-th group of trials, in an order that follows from the request alone."""

import itertools
from pathlib import Path

import pytest

from suite.errors import RequestError
from suite.experiments.costs import probing
from suite.plan.forecast import forecast
from suite.run.groups import COSTS, groups_of, ordered_groups
from suite.run.request import Request, make_request
from suite.run.shards import Shard, exit_codes, shard, shards_of

METHODS = ("beit", "cae", "deit", "dino", "ibot", "mae", "mocov3")
RULE = "expected K/N, the K-th of N parts, K from 1 to N, N at most 100000, e.g. 3/8"


def asked(tmp_path: Path, **options: object) -> Request:
    return make_request(device="cpu", run=tmp_path / "run", data=tmp_path / "none", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["0/4", "5/4", "x", "", "3", "/", "1/0", "-1/4", "1/-4", "1.5/4", "1/2/3", "²/4", "1/100001", "1 /4"]
)
def test_what_is_no_shard_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        shard("--shard", text)
    assert str(caught.value) == f"--shard {text!r}: {RULE}"


def test_a_shard_is_read_and_written_alike(tmp_path: Path) -> None:
    assert shard("--shard", "3/8") == Shard(count=8, number=3)
    assert str(shard("--shard", " 3/8 ")) == "3/8"
    assert shard("--shard", "3/8").folder(tmp_path) == tmp_path / "shards" / "3-of-8"
    assert shard("--shard", "03/8").folder(tmp_path) == tmp_path / "shards" / "3-of-8"


@pytest.mark.parametrize("count", [1, 2, 5, 77, 100])
def test_shards_share_all_groups_of_the_paper_and_no_group_twice(tmp_path: Path, count: int) -> None:
    groups = ordered_groups(asked(tmp_path, profile="paper"))
    parts = [Shard(count, number).part(groups) for number in range(1, count + 1)]
    trials = [trial for part in parts for group in part for trial in group]
    assert len(groups) == 77
    assert sorted(trials) == sorted(groups_of(asked(tmp_path, profile="paper")))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_the_longest_groups_come_first_and_ties_by_name(tmp_path: Path) -> None:
    groups = ordered_groups(asked(tmp_path, profile="paper"))
    assert [group[0] for group in groups[:8]] == [
        *(
            f"image_classification/imagenet1k/{name}"
            for name in ("beit", "cae", "deit", "dino", "ibot", "mae", "mocov3")
        ),
        "object_segmentation/ade20k/beit",
    ]
    assert groups[-1] == ["object_retrieval/cifar10/mocov3"]


def test_the_order_is_that_of_the_request_whatever_its_own_order_is(tmp_path: Path) -> None:
    one = asked(tmp_path, encoders=["mae", "dino"], datasets=["cub200", "coco"])
    other = asked(tmp_path / "elsewhere", encoders=["dino", "mae"], datasets=["coco", "cub200"])
    assert ordered_groups(one) == ordered_groups(other)


def test_costs_are_those_of_the_plan_of_the_paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # what is kept in memory and what is computed anew follows from it
    monkeypatch.setattr(probing, "available_bytes", lambda: 20 * 10**9)
    plan = forecast(asked(tmp_path, profile="paper", weights=tmp_path / "none", cache=tmp_path / "cache"))
    planned = {
        (key.experiment, key.dataset): round(entry.job.flops / 1e15, 1)
        for entry in plan.entries
        for key in entry.job.keys
    }
    assert planned == COSTS


def test_folders_of_shards_are_listed_in_order_and_others_are_none(tmp_path: Path) -> None:
    for name in ("10-of-12", "2-of-12", "1-of-1", "5-of-4", "0-of-4", "x-of-4", "1-of-2.old"):
        (tmp_path / "shards" / name).mkdir(parents=True)
    (tmp_path / "shards" / "1-of-3").write_text("a file")
    assert [*map(str, shards_of(tmp_path))] == ["1/1", "2/12", "10/12"]
    assert [*shards_of(tmp_path / "nothing")] == []


@pytest.mark.parametrize(
    ("text", "codes"), [("137\n", [137]), ("143\n\n0\n", [143, 0]), ("-9\nx\n\0\n12345\n2", [-9, 2]), ("", [])]
)
def test_exit_codes_are_read_line_by_line(tmp_path: Path, text: str, codes: list[int]) -> None:
    (tmp_path / "exit_code").write_text(text)
    assert exit_codes(tmp_path) == codes


def test_a_shard_without_exit_codes_has_none(tmp_path: Path) -> None:
    assert exit_codes(tmp_path) == []
    (tmp_path / "exit_code").mkdir()
    assert exit_codes(tmp_path) == []


def test_parts_are_the_same_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ordered_groups(asked(tmp_path))
    monkeypatch.setattr("suite.run.groups.usable_processors", lambda: 64)
    (tmp_path / "run" / "cells").mkdir(parents=True)
    assert ordered_groups(asked(tmp_path)) == before
    assert [*itertools.chain(*(Shard(3, k).part(before) for k in (1, 2, 3)))] != before
