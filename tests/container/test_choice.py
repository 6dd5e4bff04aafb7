"""Container or virtual environment: the choice, what it says, and what it costs where there is no daemon."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest
import requests

from suite.cli.main import main
from suite.container import choice, engine
from suite.container.choice import choose
from suite.container.image import Image
from suite.container.mounts import caller, mount
from suite.errors import ContainerError, RequestError
from tests.support.nvidia_machine import nvidia_machine

NVIDIA = {"Runtimes": {"nvidia": {}, "runc": {}}, "SecurityOptions": ["name=seccomp,profile=default"]}
PLAIN = {"Runtimes": {"runc": {}}}


CHECKOUT = {"lock": "1" * 64, "source": "2" * 64}


def image(**labels: str) -> Image:
    made_from = {f"part-aware-repro.{name}.sha256": digest for name, digest in CHECKOUT.items()}
    return Image("x:latest", "sha256:" + "ab" * 32, None, 6_000_000_000, made_from | labels)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """A machine with or without a GPU, a daemon that answers, an image."""

    def make(
        *,
        gpu: bool = True,
        info: dict = NVIDIA,
        found: Image | None = None,
        inside: bool = False,
        version: str = "580.95.05",
        visible: str | None = None,
        podman: bool = False,
    ) -> None:
        stand_in = nvidia_machine(tmp_path, monkeypatch)
        daemon = {"Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}]} if podman else {"Version": "28.0"}
        if gpu:
            stand_in.has({}, version=version)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        if inside:
            (tmp_path / "mark").touch()
        monkeypatch.setattr(engine.shutil, "which", lambda _name: None)
        monkeypatch.setattr("suite.container.image.digests", lambda: CHECKOUT)
        monkeypatch.setattr(choice, "CONTAINER_MARKS", (tmp_path / "mark",))
        monkeypatch.delenv("container", raising=False)
        monkeypatch.setattr(choice, "connect", lambda: SimpleNamespace(info=lambda: info, version=lambda: daemon))
        monkeypatch.setattr(choice, "find", lambda _client, _name: found or image())

    return make


def said(runtime: str = "auto", **options: object) -> tuple[object, str]:
    lines: list[str] = []
    setup = choose(runtime, say=lines.append, **{"folders": list} | options)
    assert len(lines) <= 1
    return setup, "".join(lines)


@pytest.mark.parametrize("podman", [True, False])
def test_podman_s_service_is_known_by_its_version(machine: Callable[..., None], podman: bool) -> None:
    machine(podman=podman)
    assert said()[0].podman is podman


def test_auto_takes_the_container_where_everything_is_there(machine: Callable[..., None]) -> None:
    machine()
    setup, line = said()
    assert setup.gpu
    assert setup.read_only
    assert setup.user == caller()
    assert line.startswith("runtime: container part-aware-repro:latest (abababababab, GPU; /suite inside stands for ")


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        ({"gpu": False}, "no NVIDIA GPU on this machine"),
        ({"inside": True}, "this is a container already"),
        ({"info": PLAIN}, "this machine has a GPU, but Docker has no NVIDIA runtime"),
        ({"version": "570.86.15"}, "this machine has a GPU, but the NVIDIA driver is too old: expected 580 or newer"),
        ({"visible": ""}, "this machine has a GPU, but CUDA_VISIBLE_DEVICES='' hides every card"),
        ({"found": image(**{"part-aware-repro.source.sha256": "0"})}, "was built from other source code"),
        ({"found": image(**{"part-aware-repro.lock.sha256": "0"})}, "was built from another requirements.lock"),
    ],
    ids=["no GPU", "inside", "no runtime", "old driver", "hidden", "other source", "other lock"],
)
def test_auto_falls_back_to_the_virtual_environment_and_says_why(
    machine: Callable[..., None], without: dict, reason: str
) -> None:
    machine(**without)
    setup, line = said()
    assert setup is None
    assert line.startswith("runtime: virtual environment (")
    assert reason in line


def test_auto_leaves_the_gpu_alone_on_the_cpu(machine: Callable[..., None]) -> None:
    machine()
    assert not said(device="cpu")[0].gpu


def test_container_is_never_replaced(machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    machine(info=PLAIN)
    with pytest.raises(ContainerError, match="has a GPU, but Docker has no NVIDIA runtime"):
        choose("container", folders=list)
    assert not said("container", device="cpu")[0].gpu
    monkeypatch.setattr(choice, "connect", engine.connect)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(ContainerError, match="no Docker daemon at unix:///nowhere"):
        choose("container", folders=list)


def test_a_daemon_that_knows_gpus_by_cdi_alone_is_asked_for_them_by_that_name(machine: Callable[..., None]) -> None:
    machine(info={"DiscoveredDevices": [{"ID": "nvidia.com/gpu=all"}]})
    setup = said("container")[0]
    assert (setup.gpu, setup.cdi) == (True, True)


def test_container_works_without_a_gpu_and_hands_one_over_if_asked(machine: Callable[..., None]) -> None:
    machine(gpu=False, info=PLAIN)
    assert not said("container")[0].gpu
    assert said("container", device="cuda")[0].gpu, "Docker itself says why not"


def test_container_warns_of_an_image_of_other_source(machine: Callable[..., None]) -> None:
    machine(found=image(**{"part-aware-repro.source.sha256": "0"}))
    assert "warning: built from other source code than this checkout's" in said("container")[1]


def test_a_rootless_daemon_is_noticed(machine: Callable[..., None]) -> None:
    machine(info=NVIDIA | {"SecurityOptions": ["name=seccomp", "name=rootless"]})
    assert said("container")[0].user == (0, 0), "which is the caller there"


def test_venv_says_nothing_and_looks_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "connect", None)
    assert said("venv") == (None, "")


def test_a_folder_that_the_container_may_not_write_to(machine: Callable[..., None], tmp_path: Path) -> None:
    machine()
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o500)
    places = {"folders": lambda: [mount(tmp_path / "run", writable=True)]}
    setup, line = said(**places)
    assert setup is None
    assert "may not write there: run as the owner, chown -R" in line
    with pytest.raises(ContainerError, match="may not write there"):
        said("container", **places)


def test_an_unknown_runtime_is_a_wrong_request() -> None:
    with pytest.raises(
        RequestError, match="unknown runtime 'podman': expected one of auto, container, apptainer, venv"
    ):
        choose("podman", folders=list)


@pytest.mark.parametrize("gpu", [True, False])
def test_no_daemon_costs_next_to_nothing(
    gpu: bool, machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(gpu=gpu)
    monkeypatch.setattr(choice, "connect", engine.connect)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    before = time.process_time()
    assert said()[0] is None
    assert time.process_time() - before < 0.05


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        yield listener, f"unix://{path}"


def test_a_socket_with_nobody_behind_it(door: tuple[socket.socket, str]) -> None:
    with pytest.raises(ContainerError, match=r"no Docker daemon at .* \(Connection refused\): start it"):
        engine.knock(door[1])
    door[0].listen()
    engine.knock(door[1])


def test_a_closed_socket_is_a_matter_of_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(socket.socket):
        def connect(self, _address: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(engine.socket, "socket", Closed)
    with pytest.raises(ContainerError, match=r"no permission for the Docker daemon at .*: join the group docker"):
        engine.knock("unix:///var/run/docker.sock")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            docker.errors.APIError("500", explanation='could not select device driver "" with capabilities: [[gpu]]'),
            "starting: Docker has no NVIDIA runtime: install the NVIDIA Container Toolkit",
        ),
        (
            docker.errors.APIError("500", explanation="CDI injection: unresolvable CDI devices nvidia.com"),
            "starting: the NVIDIA Container Toolkit has not described the GPUs to Docker: sudo nvidia-ctk cdi generate",
        ),
        (
            docker.errors.APIError("500", explanation="nvidia-container-cli: unsatisfied condition: cuda>=13.0"),
            "starting: the NVIDIA driver is too old: install NVIDIA's driver 580 or newer, or pass DEVICE=cpu",
        ),
        (
            docker.errors.APIError("500", explanation="OCI: nvidia-cdi-hook: mkdir /etc: read-only file system"),
            "pass --no-read-only",
        ),
        (docker.errors.APIError("500", explanation="write: no space left on device"), "too little disk"),
        (docker.errors.APIError("500", explanation="something\nelse"), "starting: something else"),
        (docker.errors.DockerException("gone"), "starting: the Docker daemon at unix:///s does not answer: gone"),
        (requests.exceptions.ConnectionError("cut"), "does not answer: cut"),
    ],
)
def test_docker_s_complaints_become_one_line(error: Exception, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///s")
    with pytest.raises(ContainerError) as raised, engine.explained("starting"):
        raise error
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("info", "gives"),
    [
        (PLAIN, False),
        (NVIDIA, True),
        ({"DiscoveredDevices": [{"ID": "nvidia.com/gpu=all"}]}, True),
        ({"DiscoveredDevices": None}, False),
    ],
)
def test_who_can_give_a_gpu(info: dict, gives: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.shutil, "which", lambda _name: None)
    assert engine.can_give_gpu(info) is gives


def test_the_verb_fails_without_a_daemon_when_the_container_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert main(["reproduce", "--runtime", "container"]) == 2
    assert capsys.readouterr().err.startswith("error: no Docker daemon at unix:///nowhere/docker.sock (No such file")


@pytest.mark.parametrize("host", ["tcp://h:x", "no-address", "tcp://", "tcp://[::1", "fd://"])
def test_an_address_that_cannot_be_parsed_is_a_wrong_request(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(RequestError) as caught:
        engine.connect()
    message = str(caught.value)
    assert message.startswith(f"DOCKER_HOST {host!r}: expected unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST (")
    assert message.endswith("): correct or unset it, or pass RUNTIME=venv")
    with pytest.raises(RequestError):
        said("container")


@pytest.mark.parametrize("uid", ["abc", "", "-1", "0"])
def test_a_sudoer_that_is_no_number_is_none(uid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", uid)
    monkeypatch.setenv("SUDO_GID", "7")
    assert caller() == (10001, 10001)
