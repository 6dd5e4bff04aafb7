"""A verb run in the container, against a Docker that only remembers what it was asked for."""

import argparse
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import docker
import pytest

from suite.cli import runtime
from suite.cli.options import add_request
from suite.container import run as container_run
from suite.container.image import Image
from suite.container.mounts import Mount
from suite.container.run import Setup, options, run_in_container
from suite.core.paths import DOCS, ROOT
from suite.errors import ContainerError

IMAGE = Image("x:latest", "sha256:" + "ab" * 32, "registry/x@sha256:12", 6_000_000_000, {})


class Container:
    """One container of the fake Docker."""

    def __init__(
        self, *, code: int = 0, oom: bool = False, start: Exception | None = None, wait: object = None
    ) -> None:
        self.code, self.start_error, self.wait_error = code, start, wait
        self.attrs = {"State": {"OOMKilled": oom}}
        self.calls: list[str] = []

    def attach(self, **_streams: bool) -> list[tuple[bytes | None, bytes | None]]:
        text = "a – b\n".encode()
        return [(text[:3], None), (text[3:], b"to stderr\n")]

    def start(self) -> None:
        self.calls.append("start")
        if self.start_error:
            raise self.start_error

    def wait(self) -> dict[str, int]:
        error, self.wait_error = self.wait_error, None
        if error:
            raise error
        return {"StatusCode": self.code}

    def stop(self, *, timeout: int) -> None:
        self.calls.append(f"stop {timeout}")

    def reload(self) -> None:
        pass

    def remove(self, *, force: bool) -> None:
        self.calls.append(f"remove {force}")


class Client:
    """The fake Docker."""

    def __init__(self, container: Container | Exception) -> None:
        self.containers, self.container, self.asked = self, container, None

    def create(self, **settings: object) -> Container:
        self.asked = settings
        if isinstance(self.container, Exception):
            raise self.container
        return self.container


def launch(container: Container | Exception, *, gpu: bool = False) -> int:
    return run_in_container(Setup(Client(container), IMAGE, [], (1, 1), gpu=gpu), ["reproduce"])


def test_output_and_exit_code_are_passed_on(capsys: pytest.CaptureFixture) -> None:
    container = Container(code=1)
    assert launch(container) == 1
    out, err = capsys.readouterr()
    assert out == "a – b\n", "a character may arrive in two pieces"
    assert err == "to stderr\n"
    assert container.calls == ["start", "remove True"]


def test_ctrl_c_stops_it_in_peace_and_leaves_no_container(capsys: pytest.CaptureFixture) -> None:
    container = Container(code=130, wait=KeyboardInterrupt())
    assert launch(container) == 130
    assert container.calls == ["start", f"stop {container_run.GRACE_S}", "remove True"]
    assert "what had finished is kept" in capsys.readouterr().err


def test_sigterm_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    container = Container(code=130)
    waits = iter([lambda: signal.raise_signal(signal.SIGTERM), lambda: None])

    def wait() -> dict[str, int]:
        next(waits)()
        return {"StatusCode": 130}

    monkeypatch.setattr(container, "wait", wait)
    before = signal.getsignal(signal.SIGTERM)
    assert launch(container) == 130
    assert f"stop {container_run.GRACE_S}" in container.calls
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_ctrl_c_still_removes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    container = Container(wait=KeyboardInterrupt())

    def stop(*, timeout: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(container, "stop", stop)
    with pytest.raises(KeyboardInterrupt):
        launch(container)
    assert container.calls[-1] == "remove True"


def test_a_container_that_cannot_start_is_removed() -> None:
    refusal = docker.errors.APIError("500", explanation='could not select device driver "" with capabilities: [[gpu]]')
    container = Container(start=refusal)
    with pytest.raises(ContainerError, match="starting the container: Docker has no NVIDIA runtime"):
        launch(container, gpu=True)
    assert container.calls == ["start", "remove True"]


def test_a_container_that_cannot_be_made() -> None:
    with pytest.raises(ContainerError, match="creating the container: no such"):
        launch(docker.errors.APIError("400", explanation="no such\nmount"))


def test_out_of_memory_is_named() -> None:
    container = Container(code=137, oom=True)
    with pytest.raises(ContainerError, match="ran out of memory: pass WORKERS=1"):
        launch(container)
    assert container.calls[-1] == "remove True"


def test_a_daemon_that_goes_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ContainerError, match=r"waiting for the container: the Docker daemon at .* does not answer: cut"
    ):
        launch(Container(wait=docker.errors.DockerException("cut")))


@pytest.fixture
def asked() -> dict:
    bound = [Mount(Path("/d"), PurePosixPath("/suite/data")), Mount(Path("/r"), PurePosixPath("/r"), writable=True)]
    return options(Setup(Client(Container()), IMAGE, bound, (12, 34)), ["reproduce", "--strict"])


def test_it_may_do_as_little_as_possible(asked: dict) -> None:
    kept = {name: asked[name] for name in ("user", "read_only", "network_mode", "cap_drop", "security_opt", "init")}
    assert kept == {
        "user": "12:34",
        "read_only": True,
        "network_mode": "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "init": True,
    }
    assert not {"privileged", "cap_add", "devices", "volumes", "pid_mode", "ipc_mode"} & set(asked)
    assert asked["image"] == IMAGE.id, "a name could mean another image by now"
    assert asked["tmpfs"] == {
        "/tmp": "rw,noexec,nosuid,nodev,size=1g,mode=1777",
        "/var/cache/triton": "rw,exec,nosuid,nodev,size=256m,mode=0700,uid=12,gid=34",
    }
    assert [(m["Source"], m["Target"], m["ReadOnly"]) for m in asked["mounts"]] == [
        ("/d", "/suite/data", True),
        ("/r", "/r", False),
    ]


def test_a_gpu_and_a_writable_root_only_if_asked_for(asked: dict) -> None:
    assert asked["device_requests"] == []
    more = options(Setup(Client(Container()), IMAGE, [], (1, 1), gpu=True, read_only=False), [])
    assert more["read_only"] is False
    (request,) = more["device_requests"]
    assert (request["Count"], request["Capabilities"]) == (-1, [["gpu"]])
    (request,) = options(Setup(Client(Container()), IMAGE, [], (1, 1), gpu=True, cdi=True), [])["device_requests"]
    assert (request["Driver"], request["DeviceIDs"]) == ("cdi", ["nvidia.com/gpu=all"])


def test_triton_s_cache_is_where_the_image_looks_for_it() -> None:
    assert f"TRITON_CACHE_DIR={container_run.KERNELS} " in (ROOT / "Dockerfile").read_text()


def test_the_gpus_that_the_caller_grants_are_those_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,GPU-8f3b")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    variables = container_run.environment(IMAGE)
    assert (variables["CUDA_VISIBLE_DEVICES"], variables["CUDA_DEVICE_ORDER"]) == ("1,GPU-8f3b", "PCI_BUS_ID")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert container_run.environment(IMAGE)["CUDA_VISIBLE_DEVICES"] == "", "which hides every GPU"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert "CUDA_VISIBLE_DEVICES" not in container_run.environment(IMAGE)


def test_the_callers_folders_of_modules_are_searched_behind_the_source() -> None:
    imported = Mount(Path("/w"), PurePosixPath("/w"), imported=True)
    setup = Setup(Client(Container()), IMAGE, [imported, Mount(Path("/x"), PurePosixPath("/x"))], (1, 1))
    assert options(setup, [])["environment"]["PYTHONPATH"] == "/suite:/w"
    assert "PYTHONPATH" not in options(replace(setup, mounts=[]), [])["environment"], "the image's own holds"


def test_podman_takes_no_owner_of_a_place_in_memory() -> None:
    """Podman 4.3: "unknown mount option "uid=12": invalid mount option", and no container."""
    asked = options(Setup(Client(Container()), IMAGE, [], (12, 34), podman=True), [])
    assert asked["tmpfs"]["/var/cache/triton"] == "rw,exec,nosuid,nodev,size=256m,mode=1777"


def test_docker_takes_these_options(asked: dict) -> None:
    """The SDK refuses names it does not know; no daemon is needed for that."""
    from docker.models.containers import _create_container_args

    request = _create_container_args(asked | {"version": "1.41"})
    assert request["host_config"]["ReadonlyRootfs"] is True
    assert request["host_config"]["NetworkMode"] == "none"
    assert request["command"] == ["reproduce", "--strict"]


def test_the_image_is_declared_to_the_suite_inside(asked: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked["environment"]["SUITE_IMAGE"] == "registry/x@sha256:12"
    assert asked["environment"]["SUITE_IMAGE_DIGEST"] == IMAGE.id
    assert asked["environment"]["SUITE_FAULTS"] == "/r", "a traceback outlives the container"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert container_run.environment(IMAGE)["OMP_NUM_THREADS"] == "3"


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_request(parser)
    runtime.add_runtime(parser)
    return parser


def test_every_option_of_a_request_is_passed_on(parser: argparse.ArgumentParser) -> None:
    """Also one that is added later: each is given a value that is not its default."""
    line = []
    for action in parser._actions:
        if action.dest not in {"help", "runtime", "image", "read_only"}:
            line += [action.option_strings[0]] if action.nargs == 0 else [action.option_strings[0], "7"]
    namespace = parser.parse_args([*line, "--encoder", "b,c"])
    untouched = parser.parse_args([])
    passed = parser.parse_args(runtime.as_arguments(namespace))
    assert vars(passed) == vars(namespace)
    assert {n for n, v in vars(namespace).items() if v == vars(untouched)[n]} == {"runtime", "image", "read_only"}


def test_the_verb_hands_over_its_request_and_its_folders(
    parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, object] = {}

    def pretend(setup: str, arguments: list[str]) -> int:
        seen.update(setup=setup, arguments=arguments)
        return 1

    def chosen(name: str, *, folders: Callable[[], list[Mount]], **settings: object) -> str:
        seen.update(settings, runtime=name, mounts={str(m.target): m.writable for m in folders()})
        return "setup"

    monkeypatch.setattr(runtime, "choose", chosen)
    monkeypatch.setattr(runtime, "run_inside", pretend)
    monkeypatch.chdir(tmp_path)
    line = ["--runtime", "container", "--no-read-only", "--image", "y", "--device", "cuda", "--seed", "0,1", "--strict"]
    assert runtime.elsewhere(parser.parse_args(line), "reproduce") == 1
    assert (seen["runtime"], seen["image"], seen["device"], seen["read_only"]) == ("container", "y", "cuda", False)
    assert seen["arguments"][0] == "reproduce"
    assert {"--seed=0,1", "--strict", "--device=cuda", "--runtime=venv"} <= set(seen["arguments"])
    assert seen["mounts"] == {"/suite/runs": True, "/suite/cache": True, "/suite/data/mini": True}

    (tmp_path / "weights").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "e.pth").touch()
    parser.add_argument("spec")
    namespace = parser.parse_args(["dino@e.pth", "--profile", "paper", "--run", "/r/x"])
    assert runtime.elsewhere(namespace, "check", positional={"spec": ["dino@e.pth", "mine:build"]}) == 1
    assert seen["arguments"][:3] == ["check", "dino@e.pth,mine:build", "--profile=paper"]
    assert not any("spec" in argument for argument in seen["arguments"])
    read_only = {"/suite/data": False, "/suite/weights": False, "/suite/e.pth": False}
    assert seen["mounts"] == {"/r/x": True, "/suite/cache": True} | read_only


def test_the_virtual_environment_goes_on_here(parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "choose", lambda *_args, **_options: None)
    assert runtime.elsewhere(parser.parse_args([]), "reproduce") is None


def test_the_documentation_names_every_flag(asked: dict) -> None:
    page = (DOCS / "how-to" / "container.md").read_text()
    words = {
        "--read-only",
        "--network",
        "--cap-drop",
        "no-new-privileges",
        "--init",
        "--pids-limit",
        "--shm-size",
        "tmpfs",
    }
    assert not {word for word in words if not re.search(re.escape(word), page)}
