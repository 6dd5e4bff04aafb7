"""A variant changes what is computed wherever it is recorded, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from suite.cells import CellId
from suite.datasets.views import View, ViewSet
from suite.encoders import load_encoder
from suite.expected import Expected
from suite.experiments.probing import probe_specs
from suite.experiments.trial import Trial, load
from suite.references import references
from suite.request import make_request
from tests import checkpoints


def trial_of(folder: Path, spec: str, *variants: str, experiment: str = "part_retrieval", **places: Path) -> Trial:
    """A trial of the paper's profile."""
    asked = {"profile": "paper", "encoders": [spec], "experiments": [experiment], "variants": variants}
    places = {"weights": folder, "data": folder, "cache": folder / "cache", "run": folder / "run"} | places
    request = make_request(**asked, device="cpu", **places)
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


def test_accepted_values_of_a_named_file_do_not_judge_a_variant_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [CellId("part_retrieval", "cub200", "mae-mine.pth", "encoded", metric) for metric in ("ap", "map")]
    accepted = {c: Expected(c, 10.0, "percent", 0.0, None, "us", True, 0.05, 0.3, "why") for c in cells}
    monkeypatch.setattr("suite.references.load_accepted", lambda _profile, _folder: accepted)

    def found(**variants: str) -> set[CellId]:
        chosen = {name.replace("_", "-"): choice for name, choice in variants.items()}
        return set(references("mini", chosen, None, ["weights/mae.pth", "mae@some/mine.pth"])) & set(cells)

    assert found() == found(dino_weights="student") == set(cells)
    assert found(mae_order="permuted") == set()
