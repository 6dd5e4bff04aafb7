"""How the image is built, what is in it, and how it is told from one of other source."""

import re
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest

from suite.container import build, health, image
from suite.container.image import CONTEXT, Image, digests, find
from suite.container.packages import runtime_lock
from suite.core.paths import ROOT
from suite.errors import CheckpointError, ContainerError

LOCK = """# made by hand
alpha==1.0 ; python_version < '3.12' \\
    --hash=sha256:aa
    # via part-aware-repro (pyproject.toml)
alpha==1.1 ; python_version >= '3.12' \\
    --hash=sha256:ab
    # via part-aware-repro (pyproject.toml)
beta==2.0 \\
    --hash=sha256:b0 \\
    --hash=sha256:b1
    # via
    #   alpha
    #   linter
gamma[extra]==3.0 \\
    --hash=sha256:c0
    # via beta
linter==4.0 \\
    --hash=sha256:d0
    # via part-aware-repro (pyproject.toml)
only-linter==5.0 \\
    --hash=sha256:e0
    # via linter
zoo==6.0 \\
    --hash=sha256:f0
    # via part-aware-repro (pyproject.toml)
"""
PROJECT = '[project]\ndependencies = ["Alpha>=1"]\noptional-dependencies = {dev = ["linter"], hf = ["zoo"]}\n'


def test_of_what_only_extras_ask_for_the_image_has_what_reads_encoders() -> None:
    lock = runtime_lock(LOCK, PROJECT)
    assert re.findall(r"^[\w-]+.*==[\d.]+", lock, re.MULTILINE) == [
        "alpha==1.0",
        "alpha==1.1",
        "beta==2.0",
        "gamma[extra]==3.0",
        "zoo==6.0",
    ]
    assert "--hash=sha256:b0 \\\n    --hash=sha256:b1\n" in lock


def test_a_dependency_that_is_not_locked_is_an_error() -> None:
    with pytest.raises(ValueError, match="no entry for delta: run make lock"):
        runtime_lock(LOCK, '[project]\ndependencies = ["alpha", "delta==1"]\n')


def test_the_image_gets_every_package_that_a_run_imports() -> None:
    lock = runtime_lock((ROOT / "requirements.lock").read_text(), (ROOT / "pyproject.toml").read_text())
    names = set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))
    assert {
        "transformers",
        "tokenizers",
        "torch",
        "torchvision",
        "timm",
        "numpy",
        "pillow",
        "pytest",
        "pytest-xdist",
        "execnet",
        "triton",
    } <= names
    assert not {"open-clip-torch", "ruff", "mypy", "lightly", "antlr4-python3-runtime"} & names
    assert lock.count("==") < lock.count("--hash=")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("suite", "expected", "checks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.py").write_text(name)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(image, "ROOT", tmp_path)
    monkeypatch.setattr(image, "LOCK", tmp_path / "requirements.lock")
    return tmp_path


def built() -> Image:
    return Image(
        "x", "sha256:1", None, 1, {f"part-aware-repro.{name}.sha256": digest for name, digest in digests().items()}
    )


def test_an_image_knows_whether_it_is_of_this_checkout(checkout: Path) -> None:
    checkout_image = built()
    assert checkout_image.stale is None
    (checkout / "suite" / "__pycache__").mkdir()
    (checkout / "suite" / "__pycache__" / "x.pyc").write_text("compiled")
    (checkout / "README.md").write_text("not in the image")
    assert checkout_image.stale is None
    (checkout / "expected" / "new.toml").touch()
    assert checkout_image.stale == "other source code"
    (checkout / "expected" / "new.toml").unlink()
    (checkout / "suite" / "x.py").rename(checkout / "suite" / "y.py")
    assert checkout_image.stale == "other source code"
    (checkout / "requirements.lock").write_text("newer")
    assert checkout_image.stale == "another requirements.lock"
    assert Image("x", "sha256:1", None, 1, {}).stale is not None


def test_the_digest_covers_what_the_build_lets_in() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines, "a whitelist starts by letting nothing in"
    assert {line[1:] for line in lines if line.startswith("!")} == set(CONTEXT)


def test_the_dockerfile_pins_and_drops_rights() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^ARG BASE_IMAGE=\S+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    assert "--require-hashes" in text
    assert not text.startswith("# syntax"), "would have to be downloaded"
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert text.index("pip install") < text.index("COPY --chmod=755 . ") < text.index("ARG REVISION")


class Images:
    """The images of a fake Docker."""

    def __init__(self, **labels: dict[str, str]) -> None:
        self.labels = labels

    def get(self, name: str) -> SimpleNamespace:
        if name not in self.labels:
            raise docker.errors.ImageNotFound("404")
        attrs = {"RepoDigests": ["registry/x@sha256:2"], "Size": 5}
        return SimpleNamespace(id="sha256:1", attrs=attrs, labels=self.labels[name])


def test_a_missing_image_says_how_to_make_it() -> None:
    with pytest.raises(ContainerError, match="no image y: build it with make image"):
        find(SimpleNamespace(images=Images()), "y")
    assert find(SimpleNamespace(images=Images(x={})), "x").pulled_from == "registry/x@sha256:2"


def test_too_little_disk_is_said_before_the_download_and_a_change_of_source_needs_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = {"part-aware-repro.lock.sha256": digests()["lock"]}
    client = SimpleNamespace(images=Images(same=label, other={}), info=lambda: {"DockerRootDir": str(tmp_path)})
    monkeypatch.setattr(build.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=5e9))
    build.check_disk(client, "same")
    for name in ("other", "missing"):
        with pytest.raises(ContainerError, match=r"too little disk for the build: expected 12 GB free, found 5\.0"):
            build.check_disk(client, name)
    monkeypatch.setattr(build.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=5e8))
    with pytest.raises(ContainerError, match="expected 1 GB free"):
        build.check_disk(client, "same")


def command(folder: Path, *, version: str, buildx: bool, name: str = "Docker") -> Path:
    folder.mkdir()
    path = folder / "docker"
    plugin = "exit 0" if buildx else "exit 1"
    path.write_text(f'#!/bin/sh\n[ "$1" = buildx ] && {plugin}\necho "{name} version {version}, build 1"\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("version", "buildx", "usable"),
    [("20.10.24+dfsg1", False, True), ("28.2.2", False, False), ("28.2.2", True, True)],
)
def test_a_docker_command_with_buildkit_is_found(
    version: str, buildx: bool, usable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(tmp_path / "first", version="28.0.0", buildx=False)
    second = command(tmp_path / "second", version=version, buildx=buildx)
    monkeypatch.setenv("PATH", f"{tmp_path / 'none'}:{tmp_path / 'first'}:{tmp_path / 'second'}")
    if usable:
        assert build.builder() == [str(second)]
    else:
        with pytest.raises(ContainerError, match="no docker command with BuildKit in PATH"):
            build.builder()


@pytest.mark.parametrize("buildx", [False, True])
def test_podmans_command_of_the_same_name_is_no_old_docker(
    buildx: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    podman = command(tmp_path / "first", name="podman", version="4.3.1", buildx=buildx)
    monkeypatch.setenv("PATH", str(podman.parent))
    with pytest.raises(ContainerError) as caught:
        build.builder()
    assert str(caught.value) == (
        f"no docker command with BuildKit in PATH ({podman} is podman version 4.3.1, build 1): "
        "install Docker's buildx plug-in (docker-buildx-plugin)"
    )
    docker = command(tmp_path / "second", version="20.10.24", buildx=False)
    monkeypatch.setenv("PATH", f"{podman.parent}:{docker.parent}")
    assert build.builder() == [str(docker)]


def test_a_docker_command_that_cannot_be_started_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = command(tmp_path / "first", version="28", buildx=True)
    broken.write_text("no program")
    monkeypatch.setenv("PATH", str(broken.parent))
    with pytest.raises(ContainerError, match=r"first/docker is .*Exec format error"):
        build.builder()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ["ERROR: failed to solve: x: failed to resolve source metadata for x: dial tcp"],
            "the base image cannot be had",
        ),
        (
            ['#3 ERROR: failed to do request: Head "https://r.invalid/v2/base/manifests/sha256:00": no such host'],
            "the base image cannot be had",
        ),
        (["failed to do request: Head x: no such host", "error: failed to load metadata for x"], "pass BASE_IMAGE="),
        (
            ["SSLError(CERTIFICATE_VERIFY_FAILED)", "ERROR: executor failed"],
            "certificate is not trusted: pass CA_BUNDLE=",
        ),
        (["OSError: No space left on device", "ERROR: executor failed"], "too little disk"),
        (["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"], "a package is not the locked one"),
        (["ERROR: something new", "exit"], "ERROR: something new"),
        ([], "no output"),
    ],
)
def test_a_failed_build_names_its_cause(lines: list[str], words: str) -> None:
    assert words in build.cause(lines)


def test_a_build_shows_its_output_and_fails_in_one_line(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(ContainerError, match="the image was not built: ERROR: two"):
        build.run_build(["sh", "-c", "echo one $DOCKER_BUILDKIT; echo ERROR: two >&2; exit 5"])
    assert capsys.readouterr().err == "one 1\nERROR: two\n"


def test_health_goes_the_whole_way_and_notices_missing_weights(tmp_path: Path) -> None:
    assert health.check().startswith("healthy: torch ")
    with pytest.raises(CheckpointError):
        health.check(tmp_path)


def test_health_is_an_exit_code_for_docker(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert health.main() == 0

    def broken() -> str:
        raise CheckpointError("dino.pth: missing")

    monkeypatch.setattr(health, "check", broken)
    assert health.main() == 1
    assert capsys.readouterr().err == "unhealthy: dino.pth: missing\n"
