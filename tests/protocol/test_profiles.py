"""Profiles and variants: every hyper-parameter is there, with its source, and every wrong name is refused."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from suite.errors import ProtocolError, RequestError
from suite.protocol import profiles as protocol
from suite.protocol.profiles import load_profile
from suite.protocol.settings import ProbingSettings, ProfileSettings
from suite.protocol.tables import PROFILES, Parameter
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
        paper_experiment = paper.experiment(name)
        assert experiment.parameters.keys() == paper_experiment.parameters.keys()
        assert (experiment.datasets, experiment.cell_settings, experiment.metrics) == (
            paper_experiment.datasets,
            paper_experiment.cell_settings,
            paper_experiment.metrics,
        )


def test_the_paper_profile_lists_the_cells_of_the_published_tables() -> None:
    cells = Counter((c.experiment, c.setting, c.metric) for c in load_profile("paper").cells())
    assert cells["image_classification", "linear", "top1"] == 7
    assert cells["part_retrieval", "encoded", "ap"] == 14
    assert cells["part_retrieval", "projected", "ap"] == 6, "three methods have a projector"
    assert cells["part_classification", "attentive", "accuracy"] == 14
    assert cells["part_segmentation", "linear_head", "miou"] == 21


def test_the_probing_rates_are_the_published_ones() -> None:
    part = load_profile("paper").experiment("part_classification").settings
    assert part == ProbingSettings(
        epochs=90,
        batch_size=1024,
        lr_linear=0.4,
        lr_attentive=0.04,
        rate_factors=(0.25, 0.5, 2, 4),
        num_heads=12,
        eval_batch_size=256,
        eval_stride=1,
    )


def test_variants_default_to_the_primary_protocol() -> None:
    assert deviations(choose_variants([], "mini")) == {}
    choices = choose_variants(["keypoint-box=full", "encoder-token=cls"], "mini")
    assert deviations(choices) == {"keypoint-box": "full", "encoder-token": "cls"}
    assert choices["dino-weights"] == "teacher"


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
    assert refusal(tmp_path, monkeypatch, old, new).startswith(message)


def refusal(folder: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> str:
    """Return the error of the mini profile with another text in place of this one."""
    text = (protocol.PROTOCOLS / "mini.toml").read_text()
    assert old in text
    (folder / "mini.toml").write_text(text.replace(old, new))
    monkeypatch.setattr(protocol, "PROTOCOLS", folder)
    with pytest.raises(ProtocolError) as caught:
        load_profile("mini")
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "parameters.epochs = { value = 60",
            "parameters.epoch = { value = 60",
            "mini.toml: part_classification: parameters: unknown key 'epoch': expected one of batch_size, epochs, "
            "eval_batch_size, eval_stride, lr_attentive, lr_linear, num_heads, rate_factors",
        ),
        (
            "parameters.eval_stride = { value = 1,",
            "# {",
            "mini.toml: part_classification: parameters.eval_stride: expected a whole number >= 0, got none: add it, "
            "with its source",
        ),
        (
            "parameters.epochs = { value = 60",
            "parameters.epochs = { value = 60.5",
            "mini.toml: part_classification: parameters.epochs: expected a whole number >= 0, got 60.5",
        ),
        (
            "parameters.epochs = { value = 60",
            "parameters.epochs = { value = true",
            "mini.toml: part_classification: parameters.epochs: expected a whole number >= 0, got True",
        ),
        (
            "parameters.lr_linear = { value = 0.05",
            "parameters.lr_linear = { value = -0.05",
            "mini.toml: part_classification: parameters.lr_linear: expected a number >= 0, got -0.05",
        ),
        (
            "parameters.lr_linear = { value = 0.05",
            "parameters.lr_linear = { value = nan",
            "mini.toml: part_classification: parameters.lr_linear: expected a number >= 0, got nan",
        ),
        (
            "parameters.photometric = { value = true",
            "parameters.photometric = { value = 1",
            "mini.toml: object_segmentation: parameters.photometric: expected true or false, got 1",
        ),
        (
            'parameters.autocast = { value = "none", source = "ours: embedded',
            'parameters.autocast = { value = "half", source = "ours: embedded',
            "mini.toml: image_classification: parameters.autocast: expected one of none, float16, bfloat16, got 'half'",
        ),
        (
            'value = ["3:19", "16:29", "27:27"]',
            'value = ["3:19", 16]',
            "mini.toml: patch_search: parameters.queries: expected a list of texts, got ['3:19', 16]",
        ),
        (
            "parameters.ratio_range = { value = [0.5, 2.0]",
            "parameters.ratio_range = { value = [0.5]",
            "mini.toml: object_segmentation: parameters.ratio_range: expected a list of 2 numbers >= 0, got [0.5]",
        ),
        (
            "pascal_object = 21, pascal_part = 21, lip = 32",
            "pascal_object = 21, pascal_part = 21",
            "mini.toml: part_segmentation: parameters.stride_px.lip: expected a whole number >= 0, got none: add it",
        ),
        (
            "pascal_object = 21, pascal_part = 21, lip = 32",
            "pascal_object = 21, pascal_part = [21], lip = 32",
            "mini.toml: object_segmentation: parameters.stride_px.pascal_part: expected a whole number >= 0, got [21]",
        ),
        (
            "parameters.stride_px = { value = { ade20k = 43",
            "parameters.stride_px = { value = { ade21k = 43",
            "mini.toml: object_segmentation: parameters.stride_px: unknown key 'ade21k': expected one of ade20k, "
            "ade20k_object, ade20k_part, cifar10, coco, cub200, imagenet1k, lip, pascal_object, pascal_part",
        ),
        (
            "image_size = { value = 48",
            'image_size = { value = "48"',
            "mini.toml: profile: parameters.image_size: expected a whole number >= 0, got '48'",
        ),
        (
            "[patch_search]",
            "[patch_serach]",
            "mini.toml: unknown key 'patch_serach': expected one of image_classification, learning_rate_sweep, "
            "object_retrieval, object_segmentation, part_classification, part_retrieval, part_segmentation, "
            "patch_search",
        ),
    ],
)
def test_a_parameter_that_is_misspelt_missing_or_of_another_type_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    assert refusal(tmp_path, monkeypatch, old, new) == message


def test_retrieval_has_no_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = 'section = "section 4.2, Table 3 left"'
    new = f'{old}\nparameters.lr = {{ value = 1, source = "ours" }}'
    message = "mini.toml: part_retrieval: parameters: unknown key 'lr': expected none"
    assert refusal(tmp_path, monkeypatch, old, new) == message


def test_settings_are_those_of_the_parameters_wherever_these_are_replaced() -> None:
    profile = load_profile("mini")
    larger = replace(profile, parameters={**profile.parameters, "batch_size": Parameter(96, "this test")})
    assert larger.settings == ProfileSettings(image_size=48, batch_size=96)
    parts = profile.experiment("part_classification")
    longer = replace(parts, parameters={**parts.parameters, "epochs": Parameter(61, "this test")})
    assert longer.settings == replace(parts.settings, epochs=61)
    with pytest.raises(ProtocolError) as caught:
        replace(parts, parameters={**parts.parameters, "epochs": Parameter("61", "this test")})
    message = "mini.toml: part_classification: parameters.epochs: expected a whole number >= 0, got '61'"
    assert str(caught.value) == message
