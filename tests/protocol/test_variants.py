"""A variant changes what is computed wherever it is recorded, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from suite.cells import CellId
from suite.core.digests import digest_of
from suite.datasets.segmentation_classes import CLASSES
from suite.datasets.views import View, ViewSet
from suite.encoders import CATALOGUE, load_encoder
from suite.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD
from suite.errors import CheckpointError
from suite.experiments.context import load
from suite.experiments.judge import Trial
from suite.experiments.probing import probe_specs
from suite.features import identity
from suite.plan.pieces import checkpoint, total_download
from suite.protocol.profiles import load_profile
from suite.protocol.variants import load_variants
from suite.reference.expected import Expected
from suite.reference.select import references
from suite.run.request import make_request
from suite.segmentation.augment import mirror_table
from tests.support import checkpoints


def trial_of(folder: Path, spec: str, *variants: str, experiment: str = "part_retrieval", **places: Path) -> Trial:
    """A trial of the paper's profile."""
    options = {"profile": "paper", "encoders": [spec], "experiments": [experiment], "variants": variants}
    places = {"weights": folder, "data": folder, "cache": folder / "cache", "run": folder / "run"} | places
    request = make_request(**options, device="cpu", **places)
    return Trial(request, *next(iter(request.tasks())))


def test_the_patches_of_a_named_file_of_mae_are_permuted_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    for spec in ("mae", f"mae@{file}"):
        assert trial_of(tmp_path, spec, "mae-order=permuted").permuted, spec
        assert trial_of(tmp_path, spec, "mae-order=permuted").protocol()["variants"]["mae-order"] == "permuted", spec
        assert not trial_of(tmp_path, spec).permuted, spec
    for spec in ("dino", f"timm:vit_base_patch16_224@{file}"):
        assert not trial_of(tmp_path, spec, "mae-order=permuted").permuted, spec
        assert "mae-order" not in trial_of(tmp_path, spec, "mae-order=permuted").protocol()["variants"], spec
    trial = trial_of(tmp_path, "mae", "mae-order=permuted", experiment="part_segmentation")
    assert (trial.permuted, "mae-order" in trial.protocol()["variants"]) == (False, False)


def test_the_student_of_a_named_file_of_dino_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    checkpoints.write("dino", file)
    digests = {branch: load_encoder(f"dino@{file}", branch=branch).digest for branch in ("teacher", "student")}
    assert digests["teacher"] != digests["student"]
    for branch, digest in digests.items():
        trial = trial_of(tmp_path, f"dino@{file}", f"dino-weights={branch}")
        assert (trial.encoder.digest, trial.protocol()["variants"]["dino-weights"]) == (digest, branch)


@pytest.mark.parametrize("variant", ["deit-weights=vit-in21k", "ibot-weights=block-mask"])
def test_a_variant_that_picks_a_file_leaves_a_named_one_alone_and_does_not_claim_it(
    tmp_path: Path, variant: str
) -> None:
    method = variant.partition("-")[0]
    file = tmp_path / "mine.pth"
    checkpoints.write(method, file)
    load.cache_clear()
    trial = trial_of(tmp_path, f"{method}@{file}", variant)
    assert trial.encoder.digest == load_encoder(f"{method}@{file}").digest
    assert f"{method}-weights" not in trial.protocol()["variants"]
    assert f"{method}-weights" in trial_of(tmp_path, method, variant).protocol()["variants"]


def test_probes_by_caes_protocol_start_from_its_first_weights(tmp_path: Path) -> None:
    file = tmp_path / "deit.pth"
    checkpoints.write("deit", file)
    views = ViewSet([View(np.zeros((2, 2, 3), np.uint8), None)] * 2, np.zeros(2, np.int64), ("one",))
    zero = {}
    for protocol in ("summary", "cae"):
        trial = trial_of(tmp_path, "deit", f"imagenet-protocol={protocol}", experiment="image_classification")
        [attentive] = [spec for spec in probe_specs(trial, views, seed=0) if spec.kind == "attentive"]
        zero[protocol] = not attentive.head().query.count_nonzero()
    assert zero == {"summary": False, "cae": True}


def write_timm(path: Path, seed: int) -> None:
    """A classifier of timm: DeiT's names, in no dictionary."""
    torch.save(checkpoints.write("deit", path, seed=seed)["model"], path)


@pytest.mark.parametrize(
    ("variant", "kind", "file"),
    [
        ("deit-weights=vit-in21k", "timm", "jx_vit_base_p16_224-80ecf9dd.pth"),
        ("ibot-weights=block-mask", "", "checkpoint_block_mask.pth"),
        ("ibot-weights=block-mask", "backbone", "checkpoint_teacher_block_mask.pth"),
        ("ibot-weights=block-mask", "", "ibot_block_mask.pth"),
    ],
)
def test_a_variant_reads_its_own_file_beside_the_default_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str, kind: str, file: str
) -> None:
    monkeypatch.setattr("suite.encoders.load.check_digest", lambda *_: None)
    method = variant.partition("-")[0]
    checkpoints.write(method, tmp_path / CATALOGUE[method].sources[0].file_name)
    if kind == "timm":
        write_timm(tmp_path / file, seed=1)
    else:
        checkpoints.write(method, tmp_path / file, seed=1, variant=kind)
    load.cache_clear()
    default_encoder, other_encoder = trial_of(tmp_path, method).encoder, trial_of(tmp_path, method, variant).encoder
    assert default_encoder.digest == load_encoder(method, weights=tmp_path).digest
    checkpoints.write(method, tmp_path / "same.pth", seed=1, variant="" if kind == "timm" else kind)
    assert other_encoder.digest == load_encoder(f"{method}@{tmp_path / 'same.pth'}").digest != default_encoder.digest
    assert (other_encoder.mean, other_encoder.std) == (IMAGENET_MEAN, IMAGENET_STD)


@pytest.mark.parametrize(
    ("spec", "variant", "message"),
    [
        (
            "deit",
            "deit-weights=vit-in21k",
            "no weights of deit_vit_in21k: expected deit_vit_in21k.pth or deit_vit_in21k.safetensors or "
            "jx_vit_base_p16_224-80ecf9dd.pth; run python -m suite fetch weights deit_vit_in21k, or name a file with "
            "deit_vit_in21k@FILE",
        ),
        (
            "ibot",
            "ibot-weights=block-mask",
            "no weights of ibot_block_mask: expected ibot_block_mask.pth or ibot_block_mask.safetensors or "
            "checkpoint_block_mask.pth or checkpoint_teacher_block_mask.pth; run python -m suite fetch weights "
            "ibot_block_mask, or name a file with ibot_block_mask@FILE",
        ),
        (
            "dino",
            "dino-weights=student",
            "no weights of dino with its student: expected dino.pth or dino.safetensors or "
            "dino_vitbase16_pretrain_full_checkpoint.pth; run python -m suite fetch weights dino, or name a file with "
            "dino@FILE",
        ),
    ],
)
def test_a_variant_whose_file_is_missing_says_how_to_get_it_and_so_does_the_plan(
    tmp_path: Path, spec: str, variant: str, message: str
) -> None:
    for source in CATALOGUE[spec].sources[-1:]:  # the default's file is there, DINO's without the student
        checkpoints.write(spec, tmp_path / source.file_name)
    trial = trial_of(tmp_path, spec, variant)
    with pytest.raises(CheckpointError) as caught:
        _ = trial.encoder
    assert str(caught.value) == f"{tmp_path}: {message}"
    piece = checkpoint(trial.request, spec)
    assert (piece.there, piece.how) == (False, message.partition("; run ")[2].partition(",")[0])
    assert total_download([piece]) == (piece.size, 0)
    assert checkpoint(trial_of(tmp_path, spec).request, spec).there


def test_a_digest_guards_the_files_of_variants(tmp_path: Path) -> None:
    for spec, name, digits in (
        ("deit_vit_in21k", "jx_vit_base_p16_224-80ecf9dd.pth", "80ecf9dd"),
        (
            "ibot_block_mask",
            "checkpoint_teacher_block_mask.pth",
            "734b9c49f46cd330d740f6c35d6a83517aab770a3efd86d7f1175ced582c9b7f",
        ),
    ):
        checkpoints.write("deit", tmp_path / name)
        with pytest.raises(CheckpointError) as caught:
            load_encoder(spec, weights=tmp_path)
        assert str(caught.value).startswith(f"{tmp_path / name}: expected sha256 {digits} (published), got ")


def test_caes_epsilon_changes_its_tokens_a_little_and_its_identity(tmp_path: Path) -> None:
    checkpoints.write("cae", tmp_path / "cae.pth")
    images = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    for spec in ("cae", f"cae@{tmp_path / 'cae.pth'}"):
        encoders = {eps: trial_of(tmp_path, spec, f"cae-epsilon={eps}").encoder for eps in ("1e-6", "1e-5")}
        assert {m.eps for m in encoders["1e-5"].modules() if isinstance(m, nn.LayerNorm)} == {1e-5}
        difference = (encoders["1e-5"](images).patches - encoders["1e-6"](images).patches).abs().max()
        assert 1e-6 < difference < 0.05
        assert digest_of(identity(encoders["1e-5"])) != digest_of(identity(encoders["1e-6"]))
        default_encoder = load_encoder(spec, weights=tmp_path)
        assert identity(default_encoder) == identity(encoders["1e-6"])
        assert torch.equal(default_encoder(images).patches, encoders["1e-6"](images).patches)
    trial = trial_of(tmp_path, "cae", "cae-epsilon=1e-5", experiment="part_segmentation")
    assert (trial.encoder.norm_eps, "cae-epsilon" in trial.protocol()["variants"]) == (1e-6, False)
    assert trial_of(tmp_path, "mae", "cae-epsilon=1e-5").choice("cae-epsilon") == "1e-6"


def test_a_variant_of_some_datasets_is_not_claimed_of_others_and_leaves_their_references(tmp_path: Path) -> None:
    trial = trial_of(tmp_path, "deit", "keypoint-distance=person")
    variants_by_dataset = {
        d: Trial(trial.request, trial.experiment, d, "deit").protocol()["variants"] for d in ("cub200", "coco")
    }
    assert variants_by_dataset["coco"]["keypoint-distance"] == "person"
    assert "keypoint-distance" not in variants_by_dataset["cub200"]
    datasets = {
        cell.dataset for cell in references("mini", {"keypoint-distance": "person"}, None) if "part_" in cell.experiment
    }
    assert "cub200" in datasets
    assert "coco" not in datasets


def test_labels_have_sides_where_the_variant_that_swaps_them_says() -> None:
    datasets = load_profile("mini").experiment("part_segmentation").datasets
    sided = {name for name in datasets if mirror_table(CLASSES[name]).tolist() != list(range(256))}
    assert sided == set(load_variants()["flip-labels"].datasets)


def test_accepted_values_of_a_named_file_do_not_judge_a_variant_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [CellId("part_retrieval", "cub200", "mae-mine.pth", "encoded", metric) for metric in ("ap", "map")]
    accepted_values = {c: Expected(c, 10.0, "percent", 0.0, None, "us", True, 0.05, 0.3, "why") for c in cells}
    monkeypatch.setattr("suite.reference.select.load_accepted", lambda _profile, _folder: accepted_values)

    def selected_cells(**variants: str) -> set[CellId]:
        choices = {name.replace("_", "-"): choice for name, choice in variants.items()}
        return set(references("mini", choices, None, ["weights/mae.pth", "mae@some/mine.pth"])) & set(cells)

    assert selected_cells() == selected_cells(dino_weights="student") == set(cells)
    assert selected_cells(mae_order="permuted") == set()
