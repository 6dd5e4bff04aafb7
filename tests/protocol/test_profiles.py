"""Profiles and variants: every hyper-parameter is there, with its source, and every wrong name is refused."""

from collections import Counter
from pathlib import Path

import pytest

from suite.errors import ProtocolError, RequestError
from suite.protocol import profiles as protocol
from suite.protocol.profiles import load_profile
from suite.protocol.tables import PROFILES
from suite.protocol.variants import choose_variants, deviations, load_variants


@pytest.mark.parametrize("name", PROFILES)
def test_every_parameter_has_a_source(name: str) -> None:
    profile = load_profile(name)
    parameters = [p for e in profile.experiments.values() for p in e.parameters.values()]
    assert all(p.source.startswith(("paper", "code", "ours")) for p in parameters)
    assert len(parameters) > 15


def test_both_profiles_run_the_same_experiments_with_the_same_parameters() -> None:
    mini, paper = load_profile("mini"), load_profile("paper")
    assert mini.experiments.keys() == paper.experiments.keys()
    for name, experiment in mini.experiments.items():
        other = paper.experiment(name)
        assert experiment.parameters.keys() == other.parameters.keys()
        assert (experiment.datasets, experiment.settings, experiment.metrics) == (
            other.datasets,
            other.settings,
            other.metrics,
        )


def test_the_paper_profile_lists_the_cells_of_the_published_tables() -> None:
    cells = Counter((c.experiment, c.setting, c.metric) for c in load_profile("paper").cells())
    assert cells["image_classification", "linear", "top1"] == 7
    assert cells["part_retrieval", "encoded", "ap"] == 14
    assert cells["part_retrieval", "projected", "ap"] == 6, "three methods have a projector"
    assert cells["part_classification", "attentive", "accuracy"] == 14
    assert cells["part_segmentation", "linear_head", "miou"] == 21


def test_the_probing_rates_are_the_published_ones() -> None:
    part = load_profile("paper").experiment("part_classification")
    assert (part["epochs"], part["batch_size"], part["lr_linear"], part["lr_attentive"]) == (90, 1024, 0.4, 0.04)


def test_variants_default_to_the_primary_protocol() -> None:
    assert deviations(choose_variants([], "mini")) == {}
    chosen = choose_variants(["keypoint-box=full", "encoder-token=cls"], "mini")
    assert deviations(chosen) == {"keypoint-box": "full", "encoder-token": "cls"}
    assert chosen["dino-weights"] == "teacher"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keypoint-box=third", "unknown choice of variant keypoint-box 'third': expected one of half, full"),
        ("deit-weights=vit-in21k", "variant deit-weights=vit-in21k: the mini profile has no such checkpoint"),
    ],
)
def test_a_wrong_choice_is_refused(text: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        choose_variants([text], "mini")
    assert str(caught.value) == message


def test_an_unknown_variant_lists_the_valid_ones() -> None:
    with pytest.raises(
        RequestError, match=r"unknown variant 'keypoint=full': expected one of keypoint-box=half\|full, "
    ):
        choose_variants(["keypoint=full"], "mini")


def test_a_variant_applies_to_its_experiments_datasets_and_methods_only() -> None:
    student = load_variants()["dino-weights"]
    assert student.applies("part_retrieval", "cub200", "dino")
    assert not student.applies("part_retrieval", "cub200", "ibot")
    assert not student.applies("another", "cub200", "dino")
    distance = load_variants()["keypoint-distance"]
    assert [distance.applies("part_retrieval", dataset, "dino") for dataset in ("coco", "cub200")] == [True, False]


def test_a_variant_applies_to_a_release_whose_file_is_named_unless_it_picks_the_file() -> None:
    variants = load_variants()
    assert variants["mae-order"].applies("part_retrieval", "cub200", "mae@some/file.pth")
    assert variants["dino-weights"].applies("part_retrieval", "cub200", "dino@some/file.pth")
    assert not variants["mae-order"].applies("part_retrieval", "cub200", "timm:vit_base_patch16_224@mae")
    assert {name for name, variant in variants.items() if variant.picks_file} == {"deit-weights", "ibot-weights"}
    assert variants["ibot-weights"].applies("part_retrieval", "cub200", "ibot")
    assert not variants["ibot-weights"].applies("part_retrieval", "cub200", "ibot@some/file.pth")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('section = "section 4.2, Table 3 left"', 'sektion = "x"', "mini.toml: part_retrieval: unknown key 'sektion'"),
        ('section = "section 4.2, Table 3 left"\n', "", "mini.toml: part_retrieval: key 'section' is missing"),
        (', source = "ours: none"', "", "mini.toml: patch_search: parameters.numbers_also: key 'source' is missing"),
    ],
)
def test_a_profile_that_breaks_the_schema_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    text = (protocol.PROTOCOLS / "mini.toml").read_text()
    assert old in text
    (tmp_path / "mini.toml").write_text(text.replace(old, new))
    monkeypatch.setattr(protocol, "PROTOCOLS", tmp_path)
    with pytest.raises(ProtocolError) as caught:
        load_profile("mini")
    assert str(caught.value).startswith(message)
