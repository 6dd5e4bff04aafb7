"""From a file to an encoder: what is read out of it."""

from __future__ import annotations

import re
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from suite.cells import METHODS
from suite.encoders import CATALOGUE, load_encoder
from suite.errors import RequestError
from tests.checkpoints import Sizes, write

IMAGES = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (Sizes(), (48, 8, 96, 4, 3)),
        (Sizes(image=64, patch=16, width=128, depth=2, heads=2), (64, 16, 128, 2, 2)),
        (Sizes(image=32, patch=16, width=64, depth=1, heads=1), (32, 16, 64, 1, 1)),
    ],
)
@pytest.mark.parametrize("method", ["dino", "beit"])
def test_architecture_is_read_off_the_tensors(tmp_path, method, sizes, expected):
    write(method, tmp_path / "x.pth", sizes=sizes)
    encoder = load_encoder(f"{method}@{tmp_path / 'x.pth'}")
    heads = encoder.trunk.vit.blocks[0].attn.num_heads
    found = (encoder.image_size, encoder.patch_size, encoder.embed_dim, encoder.depth, heads)
    assert found == expected


@pytest.mark.parametrize("method", METHODS)
def test_official_and_short_file_names_are_found_in_a_folder(tmp_path, method):
    official = CATALOGUE[method].sources[0].file_name
    write(method, tmp_path / official, seed=1)
    from_official = load_encoder(method, weights=tmp_path)
    assert from_official.name == method
    assert load_encoder(method, weights=tmp_path / official).digest == from_official.digest
    write(method, tmp_path / f"{method}.pth", seed=2)
    assert load_encoder(method, weights=tmp_path).digest != from_official.digest


def test_default_folder_is_weights(tmp_path, monkeypatch):
    write("mae", tmp_path / "weights" / "mae.pth")
    monkeypatch.chdir(tmp_path)
    assert load_encoder("mae").name == "mae"


@pytest.mark.parametrize("method", ["dino", "ibot"])
def test_teacher_is_the_default_and_student_can_be_asked_for(tmp_path, method):
    write(method, tmp_path / "full.pth", seed=5)
    teacher, named, student = (
        load_encoder(f"{method}@{tmp_path / 'full.pth'}", branch=branch) for branch in (None, "teacher", "student")
    )
    assert teacher.digest == named.digest != student.digest
    assert student(IMAGES, project=True).projected.shape == (2, 50)


@pytest.mark.parametrize("method", ["dino", "ibot"])
def test_backbone_file_has_no_projector(tmp_path, method):
    write(method, tmp_path / "backbone.pth", backbone=True)
    encoder = load_encoder(f"{method}@{tmp_path / 'backbone.pth'}")
    assert not encoder.has_projector
    with pytest.raises(RequestError, match=f"^{method}: its weights hold no projector, so nothing can be projected$"):
        encoder(IMAGES, project=True)


def test_mae_with_its_decoder_is_the_same_encoder(tmp_path):
    content = write("mae", tmp_path / "mae.pth")
    without = load_encoder("mae", weights=tmp_path)
    content["model"] |= {"mask_token": torch.zeros(1, 1, 8), "decoder_blocks.0.norm1.weight": torch.ones(8)}
    torch.save(content, tmp_path / "mae.pth")
    assert load_encoder("mae", weights=tmp_path).digest == without.digest


def test_plain_and_weight_normed_prototypes_are_the_same_projector(tmp_path):
    content = write("dino", tmp_path / "dino.pth")
    plain = load_encoder("dino", weights=tmp_path)
    weight = content["teacher"].pop("head.last_layer.weight")
    length = weight.norm(dim=1, keepdim=True)
    content["teacher"] |= {"head.last_layer.weight_g": length, "head.last_layer.weight_v": 3 * weight / length}
    torch.save(content, tmp_path / "dino.pth")
    normed = load_encoder("dino", weights=tmp_path)
    torch.testing.assert_close(
        normed(IMAGES, project=True).projected, plain(IMAGES, project=True).projected, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_files_load_in_the_dtype_asked_for(tmp_path, method):
    write(method, tmp_path / "half.pth", half=True)
    single, double = (
        load_encoder(f"{method}@{tmp_path / 'half.pth'}", dtype=dtype) for dtype in (torch.float32, torch.float64)
    )
    assert {p.dtype for p in single.parameters()} == {torch.float32}
    assert double(IMAGES.double()).patches.dtype == torch.float64
    assert single.digest == double.digest


def test_digest_depends_on_weights_and_on_nothing_else_in_the_file(tmp_path):
    content = write("deit", tmp_path / "deit.pth")
    first = load_encoder("deit", weights=tmp_path).digest
    assert re.fullmatch("[0-9a-f]{64}", first)
    torch.save(content | {"epoch": 299}, tmp_path / "deit.pth")
    assert load_encoder("deit", weights=tmp_path).digest == first
    content["model"]["blocks.3.mlp.fc2.bias"][0] += 1e-3
    torch.save(content, tmp_path / "deit.pth")
    assert load_encoder("deit", weights=tmp_path).digest != first


def test_loading_leaves_the_random_state_alone(tmp_path):
    write("ibot", tmp_path / "ibot.pth")
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load_encoder("ibot", weights=tmp_path)
    load_encoder("random_init")
    assert torch.equal(torch.rand(3), expected)


def test_numpy_1_scalars_in_old_training_dumps_are_read(tmp_path):
    write("dino", tmp_path / "new.pth")
    old = tmp_path / "old.pth"
    with zipfile.ZipFile(tmp_path / "new.pth") as new, zipfile.ZipFile(old, "w") as renamed:
        for name in new.namelist():
            data = new.read(name)
            if name.endswith("data.pkl"):
                assert b"numpy._core.multiarray" in data
                data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            renamed.writestr(name, data)
    assert load_encoder(f"dino@{old}").digest == load_encoder(f"dino@{tmp_path / 'new.pth'}").digest


def test_a_safetensors_backbone_is_read(tmp_path):
    content = write("dino", tmp_path / "dino.pth", backbone=True)
    save_file(content, tmp_path / "dino.safetensors")
    from_pickle, from_safetensors = (load_encoder(f"dino@{tmp_path / f'dino.{s}'}") for s in ("pth", "safetensors"))
    assert from_pickle.digest == from_safetensors.digest


def test_catalogue_is_the_seven_methods_and_its_branches():
    assert tuple(CATALOGUE) == METHODS
    assert {name: method.branches for name, method in CATALOGUE.items() if method.branches} == {
        "dino": ("teacher", "student"),
        "ibot": ("teacher", "student"),
    }
