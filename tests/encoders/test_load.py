"""From a file to an encoder: what is read out of it."""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from suite.cells import METHODS
from suite.encoders import CATALOGUE, load_encoder
from suite.errors import CheckpointError, RequestError
from tests.support.checkpoints import Sizes, write

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
    architecture = (encoder.image_size, encoder.patch_size, encoder.embed_dim, encoder.depth, heads)
    assert architecture == expected


@pytest.mark.parametrize("method", METHODS)
def test_official_and_short_file_names_are_found_in_a_folder(tmp_path, monkeypatch, method):
    official = CATALOGUE[method].sources[0].file_name
    write(method, tmp_path / official, seed=1)
    monkeypatch.setattr("suite.encoders.load.check_digest", lambda *_: None)
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
    write(method, tmp_path / "backbone.pth", variant="backbone")
    encoder = load_encoder(f"{method}@{tmp_path / 'backbone.pth'}")
    assert not encoder.has_projector
    with pytest.raises(RequestError, match=f"^{method}: its weights hold no projector, so nothing can be projected$"):
        encoder(IMAGES, project=True)


@pytest.mark.parametrize(("method", "variant"), [("mae", "decoder"), ("beit", "dump"), ("cae", "dump")])
def test_what_else_a_release_s_file_holds_changes_nothing(tmp_path, method, variant):
    content = write(method, tmp_path / "with.pth", variant=variant)
    with_more = load_encoder(f"{method}@{tmp_path / 'with.pth'}")
    prefix = "encoder." if method == "cae" else ""
    pattern = re.compile(prefix + r"(cls_token|pos_embed|patch_embed\..*|blocks\..*|norm\..*|rel_pos_bias\..*)")
    kept = {name: value for name, value in content["model"].items() if pattern.fullmatch(name)}
    assert len(kept) < len(content["model"])
    torch.save({"model": kept}, tmp_path / "without.pth")
    without = load_encoder(f"{method}@{tmp_path / 'without.pth'}")
    assert with_more.digest == without.digest
    norm = content["model"][f"{prefix}blocks.2.norm1.weight"]
    assert torch.equal(with_more.trunk.vit.blocks[2].norm1.weight, norm)


@pytest.mark.parametrize("branch", ["teacher", "student"])
def test_dino_files_with_the_first_release_s_names(tmp_path, branch):
    content = write("dino", tmp_path / "old.pth", variant="old")
    renamed = {}
    for name, value in content[branch].items():
        new = name.replace("head.projection_head.", "head.mlp.").replace("head.prototypes.", "head.last_layer.")
        new = new if new.startswith("head.") else f"backbone.{new}"
        renamed[("module." if branch == "student" else "") + new] = value
    torch.save({branch: renamed}, tmp_path / "new.pth")
    old, new = (load_encoder(f"dino@{tmp_path / name}", branch=branch) for name in ("old.pth", "new.pth"))
    assert old.has_projector
    assert old.digest == new.digest


def test_moco_s_linear_classifier_is_an_encoder_without_projector(tmp_path):
    content = write("mocov3", tmp_path / "linear.pth", variant="linear")
    encoder = load_encoder(f"mocov3@{tmp_path / 'linear.pth'}")
    assert not encoder.has_projector
    assert torch.equal(encoder.trunk.vit.cls_token, content["state_dict"]["module.cls_token"])


def test_beit_s_other_official_file_has_absolute_positions_and_no_layer_scale(tmp_path):
    """The same weights as a CAE file whose LayerScale is 1 make the same encoder."""
    content = write("beit", tmp_path / "absolute.pth", variant="absolute")
    beit = load_encoder(f"beit@{tmp_path / 'absolute.pth'}")
    model = {
        f"encoder.{name}": value
        for name, value in content["model"].items()
        if not name.startswith(("mask_token", "lm_head"))
    }
    model |= {f"encoder.blocks.{index}.gamma_{part}": torch.ones(96) for index in range(4) for part in (1, 2)}
    torch.save({"model": model}, tmp_path / "cae.pth")
    cae = load_encoder(f"cae@{tmp_path / 'cae.pth'}")
    for size in (48, 64):
        images = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(4))
        torch.testing.assert_close(beit(images).patches, cae(images).patches, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "variant"), [("dino", ""), ("dino", "weight_norm"), ("ibot", ""), ("ibot", "plain")]
)
def test_plain_and_weight_normed_prototypes_are_the_same_projector(tmp_path, method, variant):
    content = write(method, tmp_path / "as_is.pth", variant=variant)
    teacher = content["teacher"]
    if "head.last_layer.weight" in teacher:
        weight = teacher.pop("head.last_layer.weight")
        length = weight.norm(dim=1, keepdim=True)
        teacher |= {"head.last_layer.weight_g": length, "head.last_layer.weight_v": 3 * weight / length}
    else:
        length, direction = (teacher.pop(f"head.last_layer.weight_{part}") for part in "gv")
        teacher["head.last_layer.weight"] = length * torch.nn.functional.normalize(direction, dim=1)
    torch.save(content, tmp_path / "other.pth")
    as_is, other = (load_encoder(f"{method}@{tmp_path / name}.pth") for name in ("as_is", "other"))
    torch.testing.assert_close(
        other(IMAGES, project=True).projected, as_is(IMAGES, project=True).projected, rtol=0, atol=1e-5
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


def flattened(content):
    """A checkpoint's tensors under `top.name`, all that a safetensors file can hold."""
    groups = {top: group for top, group in content.items() if isinstance(group, dict) and "cls_token" in str(group)}
    return {f"{top}.{name}": value.clone() for top, group in groups.items() for name, value in group.items()}


@pytest.mark.parametrize("method", METHODS)
def test_every_layout_can_come_as_safetensors(tmp_path, method):
    content = write(method, tmp_path / "x.pth")
    save_file(flattened(content), tmp_path / "x.safetensors")
    for branch in CATALOGUE[method].branches or (None,):
        pth, other = (load_encoder(f"{method}@{tmp_path / 'x'}.{end}", branch=branch) for end in ("pth", "safetensors"))
        assert pth.digest == other.digest


@pytest.mark.parametrize(
    ("method", "variant", "top"), [("dino", "backbone", ""), ("ibot", "backbone", "state_dict"), ("deit", "", "model")]
)
def test_a_bare_dictionary_as_safetensors(tmp_path, method, variant, top):
    content = write(method, tmp_path / "x.pth", variant=variant)
    save_file(content[top] if top else content, tmp_path / "x.safetensors")
    pth, other = (load_encoder(f"{method}@{tmp_path / 'x'}.{end}") for end in ("pth", "safetensors"))
    assert pth.digest == other.digest


@pytest.mark.parametrize("method", METHODS)
def test_files_from_before_pytorch_1_6_are_read(tmp_path, method):
    content = write(method, tmp_path / "new.pth")
    torch.save(content, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(tmp_path / "old.pth")
    old, new = (load_encoder(f"{method}@{tmp_path / name}") for name in ("old.pth", "new.pth"))
    assert old.digest == new.digest


@pytest.mark.parametrize("end", ["pth", "safetensors"])
def test_an_encoder_keeps_no_hold_on_its_file(tmp_path, end):
    """Weights are copied: a file that is overwritten in place changes nothing that was loaded."""
    content = write("mae", tmp_path / "mae.pth")
    save_file({name: value.clone() for name, value in content["model"].items()}, tmp_path / "mae.safetensors")
    path = tmp_path / f"mae.{end}"
    encoder = load_encoder(f"mae@{path}")
    before = encoder(IMAGES).patches
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 4)
        file.write(bytes(path.stat().st_size // 2))
    assert torch.equal(encoder(IMAGES).patches, before)


@pytest.mark.parametrize("kind", ["published", "pinned"])
def test_a_folder_s_file_must_have_its_digest(tmp_path, monkeypatch, kind):
    path = tmp_path / CATALOGUE["mae"].sources[0].file_name
    write("mae", path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    published = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()[:6]
    source = replace(CATALOGUE["mae"].sources[0], digest=f"md5:{published}")
    monkeypatch.setitem(CATALOGUE, "mae", replace(CATALOGUE["mae"], sources=(source,)))
    pins = tmp_path / "pins.toml"
    if kind == "pinned":
        pins.write_text(f'["{path.name}"]\nsha256 = "{digest}"\n')
    first = load_encoder("mae", weights=tmp_path).digest
    write("mae", path, seed=1)
    other = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(CheckpointError) as caught:
        load_encoder("mae", weights=tmp_path)
    expected = f"sha256 {digest} (pinned in pins.toml), got {other}" if kind == "pinned" else f"md5 {published} (publ"
    assert f"{path}: expected {expected}" in str(caught.value)
    assert load_encoder(f"mae@{path}").digest != first, "named by the user, it is used as it is"


def test_a_digest_is_computed_once_while_the_file_stays_the_same(tmp_path, monkeypatch):
    write("dino", tmp_path / "dino.pth")
    digest = hashlib.sha256((tmp_path / "dino.pth").read_bytes()).hexdigest()
    (tmp_path / "pins.toml").write_text(f'["dino.pth"]\nsha256 = "{digest}"\n')
    calls = []
    compute = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *args: calls.append(args) or compute(*args))
    for _ in range(3):
        load_encoder("dino", weights=tmp_path)
    assert len(calls) == 1


@pytest.mark.parametrize("text", ['["dino.pth"', '"dino.pth" = 3', '["dino.pth"]\nmd5 = "0"'])
def test_pins_that_cannot_be_read_are_no_pins_ignored(tmp_path, text):
    write("dino", tmp_path / "dino.pth")
    (tmp_path / "pins.toml").write_text(text)
    with pytest.raises(
        CheckpointError, match=r'pins.toml: expected \["dino.pth"\] with sha256 = "..."; mend it, or move it away$'
    ):
        load_encoder("dino", weights=tmp_path)


def test_catalogue_is_the_seven_methods_and_its_branches():
    assert tuple(CATALOGUE) == METHODS
    assert {name: method.branches for name, method in CATALOGUE.items() if method.branches} == {
        "dino": ("teacher", "student"),
        "ibot": ("teacher", "student"),
    }
