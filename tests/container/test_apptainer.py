"""The Apptainer runtime by the commands it gives: there is no Apptainer here, so a stand-in takes them down."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.container import apptainer, choice
from suite.container.image import LABEL, digests
from suite.container.mounts import Mount
from suite.core.paths import ROOT
from suite.errors import ContainerError

STAND_IN = """#!/bin/bash
printf '%s\\n' "$@" > {folder}/last
env > {folder}/environment
case "$1 $*" in
  inspect*) cat {folder}/labels ;;
  exec*--net*) exit "$(cat {folder}/network)" ;;
  build*) touch "$3" ;;
  run*) cp {folder}/last {folder}/run; exit "$(cat {folder}/code)" ;;
esac
"""
CHEAP = ["--encoder=dino", "--dataset=cifar10", "--experiment=object_retrieval", "--device=cpu"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with an image, and a stand-in for the program that permits all and ends in 2."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/apptainer").write_text(STAND_IN.replace("{folder}", str(tmp_path)))
    (tmp_path / "bin/apptainer").chmod(0o755)
    labels = {f"{LABEL}.{part}.sha256": digest for part, digest in digests().items()}
    (tmp_path / "labels").write_text(json.dumps({"data": {"attributes": {"labels": labels}}, "type": "container"}))
    (tmp_path / "network").write_text("0")
    (tmp_path / "code").write_text("2")
    (tmp_path / "part-aware-repro.sif").write_bytes(b"image")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_request_runs_in_the_image_with_every_door_closed_and_its_exit_code_comes_back(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["reproduce", "--runtime=apptainer", *CHEAP, "--run=runs/a,b"]) == 2
    words = (folder / "run").read_text().splitlines()
    workdir = words.pop(next(n for n, word in enumerate(words) if word.startswith("--workdir=")))
    assert words == [
        "run",
        "--containall",
        "--no-home",
        "--no-privs",
        "--net",
        "--network=none",
        "--pwd=/suite",
        "--scratch=/var/cache/triton",
        "--mount",
        f'type=bind,"source={folder}/runs/a,b","destination=/suite/runs/a,b"',
        "--mount",
        f"type=bind,source={folder}/cache,destination=/suite/cache",
        "--mount",
        f"type=bind,source={folder}/data/mini,destination=/suite/data/mini",
        "part-aware-repro.sif",
        "reproduce",
        "--profile=mini",
        "--encoder=dino",
        "--dataset=cifar10",
        "--experiment=object_retrieval",
        "--device=cpu",
        "--cache=cache",
        "--cache-gb=4.0",
        "--run=runs/a,b",
        "--processes-per-probe=1",
        "--claims=shown",
        "--runtime=venv",
    ]
    assert not Path(workdir.partition("=")[2]).exists()
    assert "part-aware-repro.sif" in capsys.readouterr().out


def test_the_suite_inside_is_told_what_it_records(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    main(["reproduce", "--runtime=apptainer", *CHEAP])
    told = dict(line.split("=", 1) for line in (folder / "environment").read_text().splitlines() if "ENV_" in line)
    assert (told["APPTAINERENV_SUITE_RUNTIME"], told["APPTAINERENV_container"]) == ("apptainer", "apptainer")
    assert told["APPTAINERENV_SUITE_IMAGE"] == "part-aware-repro.sif"
    sha256 = "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"
    assert told["APPTAINERENV_SUITE_IMAGE_DIGEST"] == f"sha256:{sha256}"
    assert told["APPTAINERENV_CUDA_VISIBLE_DEVICES"] == "0,1"


def test_the_callers_folders_of_modules_are_searched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "work").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder / "work"))
    main(["reproduce", "--runtime=apptainer", *(w for w in CHEAP if "encoder" not in w), "--encoder=zoo:make"])
    told = dict(line.split("=", 1) for line in (folder / "environment").read_text().splitlines() if "ENV_" in line)
    assert told["APPTAINERENV_PYTHONPATH"] == f"/suite:{folder}/work"
    assert f"type=bind,source={folder}/work,destination={folder}/work,ro" in (folder / "run").read_text().splitlines()


def test_a_network_that_cannot_be_closed_is_told(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / "network").write_text("1")
    assert main(["reproduce", "--runtime=apptainer", *CHEAP]) == 2
    assert "--net" not in (folder / "run").read_text().splitlines()
    assert "warning: apptainer permits no closed network here" in capsys.readouterr().err


def test_a_gpu_is_handed_over_by_the_hosts_libraries(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gpu(device: str) -> bool:
        setup = choice.choose("apptainer", folders=lambda: [], device=device)
        assert isinstance(setup, apptainer.Setup)
        return "--nv" in apptainer.command(setup, ["plan"], folder / "scratch")

    monkeypatch.setattr(choice, "has_gpu", lambda: True)
    assert [gpu(device) for device in ("auto", "cuda", "cpu")] == [True, True, False]
    monkeypatch.setattr(choice, "has_gpu", lambda: False)
    assert not gpu("auto")
    setup = apptainer.find([Mount(folder, "/suite/runs", writable=True)], gpu=True)
    words = apptainer.command(setup, ["plan"], folder / "scratch")
    assert words[:7] == ["apptainer", "run", *apptainer.CLOSED, *apptainer.NO_NETWORK]
    assert words[7] == "--nv"


def test_no_program_and_no_image_are_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (folder / "part-aware-repro.sif").unlink()
    assert main(["reproduce", "--runtime=apptainer", *CHEAP]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: no image part-aware-repro.sif: make it with python -m suite image sif, or pass RUNTIME=venv"
    )
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["reproduce", "--runtime=apptainer", *CHEAP]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: no apptainer among this machine's programs: load its module, or pass RUNTIME=venv"
    )


@pytest.mark.parametrize(
    ("image", "archive", "source"),
    [
        ("part-aware-repro:latest", None, "docker-daemon:part-aware-repro:latest"),
        ("registry.example/a/b@sha256:00", None, "docker://registry.example/a/b@sha256:00"),
        ("localhost:5000/b", None, "docker://localhost:5000/b"),
        ("a/b:1", None, "docker-daemon:a/b:1"),
        ("part-aware-repro:latest", Path("image.tar"), "docker-archive:image.tar"),
    ],
)
def test_an_image_is_taken_from_docker_a_registry_or_an_archive(image: str, archive: Path | None, source: str) -> None:
    assert apptainer.source_of(image, archive) == source


def test_the_verb_makes_an_image(folder: Path) -> None:
    assert main(["image", "sif", "--image=registry.example/suite:1"]) == 0
    words = (folder / "last").read_text().splitlines()
    assert words == ["build", "--force", "part-aware-repro.sif", "docker://registry.example/suite:1"]


def test_an_image_without_labels_is_refused(folder: Path) -> None:
    (folder / "labels").write_text("{}")
    with pytest.raises(ContainerError, match=r"part-aware-repro\.sif: expected an image with labels"):
        apptainer.find([], gpu=False)


def test_sigterm_is_passed_on_to_the_suite_inside(folder: Path) -> None:
    stand_in = folder / "bin/apptainer"
    inside = "trap 'exit 143' TERM; touch began; while :; do sleep 0.05; done"
    stand_in.write_text(stand_in.read_text().replace("  run*)", f"  run*) {inside} ;;\n  never*)"))
    command = [sys.executable, "-m", "suite", "reproduce", "--runtime=apptainer", *CHEAP]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}) as process:
        end = time.monotonic() + 60
        while not (folder / "began").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
