"""Which folders the container sees, where, and who may write there."""

import os
from pathlib import Path, PurePosixPath

import pytest

from suite.container import mounts
from suite.container.mounts import Mount, folders, make_writable, mount, python_path, readable
from suite.errors import ContainerError


def targets(bind_mounts: list[Mount]) -> dict[str, bool]:
    return {str(bind_mount.target): bind_mount.writable for bind_mount in bind_mounts}


def ask(tmp_path: Path, **options: object) -> dict[str, bool]:
    places = {"data": tmp_path / "data", "weights": None, "cache": tmp_path / "cache", "run": tmp_path / "run"}
    return targets(folders(**{"draws": False} | places | options))


def test_an_absolute_path_is_mounted_at_itself_and_a_relative_one_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mount(tmp_path / "x") == Mount(tmp_path / "x", PurePosixPath(tmp_path / "x"))
    assert mount(Path("runs/x"), writable=True) == Mount(
        tmp_path / "runs" / "x", PurePosixPath("/suite/runs/x"), writable=True
    )
    assert mount(Path("../x")) == Mount(tmp_path.parent / "x", PurePosixPath("/x"))


@pytest.mark.parametrize("path", [".", "/", "/usr", "/tmp", "suite", "expected", "x/..", "..", "../venv"])
def test_nothing_hides_what_the_container_needs(path: str) -> None:
    with pytest.raises(ContainerError, match="it would hide the container's; name another"):
        mount(Path(path))


def test_only_what_is_written_to_is_writable(tmp_path: Path) -> None:
    for name in ("data", "weights"):
        (tmp_path / name).mkdir()
    access = ask(tmp_path, weights=tmp_path / "weights")
    assert access == {
        f"{tmp_path}/run": True,
        f"{tmp_path}/cache": True,
        f"{tmp_path}/data": False,
        f"{tmp_path}/weights": False,
    }
    assert ask(tmp_path, draws=True)[f"{tmp_path}/data"] is True


def test_missing_data_is_left_to_the_suite_inside(tmp_path: Path) -> None:
    assert f"{tmp_path}/data" not in ask(tmp_path)


def test_a_folder_named_twice_stays_writable(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    access = ask(tmp_path, run=tmp_path / "one", weights=tmp_path / "one")
    assert access[f"{tmp_path}/one"] is True


def test_the_file_of_an_encoder_and_the_module_of_a_factory_come_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.pth").touch()
    (tmp_path / "zoo.py").touch()
    (tmp_path / "pack").mkdir()
    specs = ["dino", "dino@mine.pth", "timm:vit_tiny@mine.pth", "timm:vit_tiny", "zoo:make", "pack.models:make", "os:x"]
    access = ask(tmp_path, encoders=specs)
    assert [target for target in access if target.startswith("/suite/")] == [
        "/suite/mine.pth",
        "/suite/zoo.py",
        "/suite/pack",
    ]
    assert not any(access[target] for target in access if target.startswith("/suite/"))


def test_every_folder_of_the_callers_path_comes_along_with_a_factory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("work/tool", "src/dino", "near", "env/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "work/zoo.py").touch()
    (tmp_path / "work/dino").symlink_to(tmp_path / "src/dino")
    (tmp_path / "env/bin/python").symlink_to("/usr/bin/env")
    words = [f"{tmp_path}/work", "", ".", "near", f"{tmp_path}/missing", "/usr/lib", f"{tmp_path}/env"]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(words))
    places = {"data": tmp_path / "data", "weights": None, "cache": tmp_path / "cache", "run": tmp_path / "run"}

    taken = folders(draws=False, encoders=["zoo:make"], **places)
    seen = targets(taken)
    assert [target for target in seen if target not in {f"{tmp_path}/run", f"{tmp_path}/cache"}] == [
        f"{tmp_path}/work",
        f"{tmp_path}/src/dino",
        "/suite/near",
        f"{tmp_path}/env",
    ]
    assert not seen[f"{tmp_path}/work"], "nothing of the caller's is written to"
    assert python_path(taken) == {"PYTHONPATH": f"/suite:{tmp_path}/work:/suite/near:{tmp_path}/env"}

    assert python_path(folders(draws=False, encoders=["dino", "dino@mine.pth"], **places)) == {}, "no factory, no path"


def test_a_folder_of_the_callers_path_that_is_also_written_to_serves_for_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "run"))
    places = {"data": tmp_path / "data", "weights": None, "cache": tmp_path / "cache", "run": tmp_path / "run"}
    taken = folders(draws=False, encoders=["zoo:make"], **places)
    assert targets(taken)[f"{tmp_path}/run"] is True
    assert python_path(taken) == {"PYTHONPATH": f"/suite:{tmp_path}/run"}


def test_a_folder_of_transformers_comes_along_and_a_name_of_the_hub_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hub/blobs").mkdir(parents=True)
    (tmp_path / "hub/blobs/abc").touch()
    (tmp_path / "hub/snapshots/1").mkdir(parents=True)
    (tmp_path / "hub/snapshots/1/model.safetensors").symlink_to("../../blobs/abc")
    access = ask(tmp_path, encoders=["hf:hub/snapshots/1?mean=none"])
    mounted = [target for target in access if target.startswith("/suite/")]
    assert mounted == ["/suite/hub/snapshots/1", "/suite/hub/blobs/abc"]
    assert not any(access[target] for target in mounted)
    with pytest.raises(ContainerError) as caught:
        ask(tmp_path, encoders=["hf:someone/vit"])
    assert str(caught.value) == (
        "encoder 'hf:someone/vit': expected a folder: the container does not see the local cache of the hub; name the "
        "folder, hf:FOLDER, or pass RUNTIME=venv"
    )


def test_a_dataset_linked_from_another_disk_is_mounted_where_the_link_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("disk/coco", "disk/cub", "disk/train", "data/imagenet1k", "data/inner"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/coco").symlink_to(tmp_path / "disk/coco")
    (tmp_path / "data/cub200").symlink_to("../disk/cub")
    (tmp_path / "data/imagenet1k/train").symlink_to("../../disk/train")
    (tmp_path / "data/alias").symlink_to("inner")
    (tmp_path / "data/broken").symlink_to("/no/where")
    sources = {str(m.target): m.source for m in readable(Path("data"))}
    assert sources == {
        "/suite/data": tmp_path / "data",
        f"{tmp_path}/disk/coco": tmp_path / "disk/coco",
        "/suite/disk/cub": tmp_path / "disk/cub",
        "/suite/disk/train": tmp_path / "disk/train",
    }


def test_a_linked_folder_is_mounted_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk")
    assert list(readable(tmp_path / "data")) == [Mount(tmp_path / "disk", PurePosixPath(tmp_path / "data"))]


@pytest.mark.parametrize(
    ("uid", "sudo", "user"),
    [
        (1000, {}, (1000, 1001)),
        (0, {}, (10001, 10001)),
        (0, {"SUDO_UID": "1000", "SUDO_GID": "1001"}, (1000, 1001)),
        (0, {"SUDO_UID": "0", "SUDO_GID": "0"}, (10001, 10001)),
    ],
)
def test_the_container_runs_as_the_caller_and_never_as_root(
    uid: int, sudo: dict, user: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SUDO_UID", "SUDO_GID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in sudo.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(mounts.os, "getuid", lambda: uid)
    monkeypatch.setattr(mounts.os, "getgid", lambda: 1001 if uid else 0)
    assert mounts.caller() == user


def test_folders_to_write_to_are_made(tmp_path: Path) -> None:
    user = mounts.caller()
    make_writable([mount(tmp_path / "a" / "run", writable=True), mount(tmp_path / "b")], user)
    assert (tmp_path / "a" / "run").stat().st_uid == user[0]
    assert not (tmp_path / "b").exists()


def test_a_folder_of_somebody_else_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "run" / "cells").mkdir(parents=True)
    other = os.getuid() + 77, os.getgid() + 77
    with pytest.raises(ContainerError, match=rf"run: user {other[0]} of the container may not write there: .*chown -R"):
        make_writable([mount(tmp_path / "run", writable=True)], other)
    (tmp_path / "run").chmod(0o777)
    with pytest.raises(ContainerError, match="run/cells: user"):
        make_writable([mount(tmp_path / "run", writable=True)], other)
    (tmp_path / "run" / "cells").chmod(0o777)
    make_writable([mount(tmp_path / "run", writable=True)], other)


def test_a_file_where_a_folder_is_expected(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(ContainerError, match="run: expected a folder to write to: it is a file"):
        make_writable([mount(tmp_path / "run", writable=True)], mounts.caller())
