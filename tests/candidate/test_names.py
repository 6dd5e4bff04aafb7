"""Names of encoders: distinct within a run and in a sweep, and what a run folder holds is never another encoder's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from suite.cells import METHODS, method_name, method_names
from suite.cli.main import main
from suite.errors import RequestError
from suite.results.store import Key, Store
from suite.run.folder import check_encoders, check_weights
from suite.run.request import make_request
from tests.support.candidate_run import MINE


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("dino", "dino"),
        ("my_encoder:build", "my_encoder-build"),
        ("timm:test_vit@random", "timm-test_vit-random"),
        ("timm:test_vit@/some/where/vit.pth", "timm-test_vit-vit.pth"),
        ("dino@checkpoint.pth", "dino-checkpoint.pth"),
        ("dino@epoch100/checkpoint.pth", "dino-epoch100-checkpoint.pth"),
        ("dino@epoch200/../epoch300/last.ckpt", "dino-epoch300-last.ckpt"),
        ("timm:x@runs/a/model_0100.pth?img_size=224", "timm-x-a-model_0100.pth-img_size-224"),
        ("timm:x@a/vit.pth?img_size=224&mean=x/y", "timm-x-vit.pth-img_size-224-mean-x-y"),
        ("my:build?ckpt=a/b.pth", "my-build-ckpt-a-b.pth"),
    ],
)
def test_a_name_has_the_folder_of_a_file_that_every_training_calls_so_and_the_options(spec: str, name: str) -> None:
    assert method_name(spec) == name


def test_a_long_name_is_cut_and_stays_distinct() -> None:
    names = {method_name(f"my:build?ckpt={'folder/' * 40}{epoch}.pth") for epoch in (100, 200)}
    assert len(names) == 2
    assert {len(name) for name in names} == {150}


@pytest.mark.parametrize(
    ("specs", "names"),
    [
        (["dino@a/x.pth", "dino@b/x.pth", "mae"], ["dino-a-x.pth", "dino-b-x.pth", "mae"]),
        (["dino@a/c/x.pth", "dino@b/c/x.pth"], ["dino-a-c-x.pth", "dino-b-c-x.pth"]),
        (["m:f?k=a b", "m:f?k=a+b"], ["m-f-k-a-b-3560ae05", "m-f-k-a-b-e86023b3"]),
        (
            ["dino@a/x.pth", "dino@b/x.pth", "dino@a-x.pth"],
            ["dino-a-x.pth-5840de9a", "dino-b-x.pth", "dino-a-x.pth-c019e7a7"],
        ),
        (["dino@a/x.pth", "timm:v@a/x.pth"], ["dino-x.pth", "timm-v-x.pth"]),
    ],
)
def test_names_in_a_run_are_distinct(specs: list[str], names: list[str]) -> None:
    assert list(method_names(specs).values()) == names
    request = make_request(encoders=specs)
    assert {request.key(*task).method for task in request.tasks()} == set(names)


def test_a_run_folder_of_another_encoder_is_refused(run: Path) -> None:
    request = make_request(encoders=["mine@build"], run=run)
    with pytest.raises(RequestError) as error:
        check_encoders(replace(request, encoders=("mine?=:build",)))
    assert str(error.value) == (
        f"{run}: holds a run of 'mine:build', which 'mine?=:build' would replace under the same name 'mine-build': "
        f"choose another folder, e.g. RUN={run}-2, or remove this one"
    )
    check_encoders(make_request(encoders=["mine:build", *METHODS], run=run))


def test_results_of_other_weights_are_not_replaced(run: Path) -> None:
    request = make_request(encoders=["mine:build"], run=run)
    check_weights(request, "mine:build", "a" * 64)
    with pytest.raises(RequestError) as error:
        check_weights(request, "mine:build", "b" * 64)
    assert str(error.value) == (
        f"{run}: holds results of 'mine:build' with other weights, aaaaaaaaaaaa, where it now has bbbbbbbbbbbb: choose "
        f"another folder, e.g. RUN={run}-bbbbbbbb, or remove this one"
    )
    assert Store(run).load(Key("part_retrieval", "cub200", MINE)) is not None


def test_reproduce_and_check_refuse_the_folder_before_anything_is_measured(run: Path, capsys) -> None:
    evidence = (run / "run.json").read_bytes()
    for verb in (["check"], ["reproduce", "--encoder"]):
        assert main([*verb, "mine@b/build", "--run", str(run)]) == 3
        assert "which 'mine@b/build' would replace" in capsys.readouterr().err
    assert (run / "run.json").read_bytes() == evidence
