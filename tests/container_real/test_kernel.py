"""Triton can work in the container, with exactly the flags of a run, as far as that can be known without a card.

Its own stub is compiled and loaded against a driver that only has the names of the real one's functions, and the kernel
is compiled for each card that is named. Without `exec` or without the compiler this fails.
"""

import json
from typing import Any

import pytest

from suite.container.image import find
from suite.container.run import KERNELS, Setup, options
from tests.support.container_image import USER
from tests.support.docker_daemon import Daemon

STUB = r"""
import json, os, re, shutil, subprocess, sys
from pathlib import Path
from suite.segmentation import toolchain

found = {"mode": oct(Path(os.environ["TRITON_CACHE_DIR"]).stat().st_mode & 0o777)}
cache = Path(os.environ["TRITON_CACHE_DIR"])
try:
    toolchain.build_stub()
    # a driver without a card: every function of its name answers that all is well
    from triton.backends.nvidia import driver
    source = Path(driver.dirname, "driver.c").read_text()
    names = sorted(set(re.findall(r"\b(cu[A-Z]\w+)\s*\(", source)))
    Path("/tmp/cuda.c").write_text("".join(f"int {name}() {{ return 0; }}\n" for name in names))
    folder = cache / "driver"
    folder.mkdir()
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-w", "-Wl,-soname,libcuda.so.1", "/tmp/cuda.c", "-o", folder / "libcuda.so.1"],
        check=True,
    )
    import ctypes
    ctypes.CDLL(str(folder / "libcuda.so.1"), ctypes.RTLD_GLOBAL)
    os.environ["TRITON_LIBCUDA_PATH"] = toolchain._folder_of_driver()
    found["driver"] = os.environ["TRITON_LIBCUDA_PATH"]
    found["stub"] = callable(driver.CudaUtils().launch)
except Exception as error:
    found["reason"] = toolchain.reason(error)
print(json.dumps(found))
"""
AHEAD = """
import json
from suite.segmentation.kernel import ARCHITECTURES, compile_ahead
print(json.dumps({a: compile_ahead(150, a).asm["cubin"][:4] == bytes([127, 69, 76, 70]) for a in ARCHITECTURES}))
"""


def answer(daemon: Daemon, image: str, code: str, **changed: Any) -> dict[str, Any]:
    """Run code in a container with the flags of a run, and these changed; return what it printed."""
    setup = Setup(daemon.client, find(daemon.client, image), [], (USER, USER))
    flags = options(setup, ["-c", code]) | changed
    container = daemon.client.containers.create(**flags, entrypoint=["python"])
    try:
        container.start()
        status = container.wait()["StatusCode"]
        text = container.logs(stderr=False).decode()
        assert status == 0, container.logs().decode()
    finally:
        container.remove(force=True)
    return json.loads(text)


def flags_of_a_run(daemon: Daemon, image: str) -> dict[str, Any]:
    return options(Setup(daemon.client, find(daemon.client, image), [], (USER, USER)), [])


def test_its_stub_is_compiled_and_loaded(daemon: Daemon, image: str) -> None:
    assert answer(daemon, image, STUB) == {"mode": "0o700", "driver": f"{KERNELS}/driver", "stub": True}


def test_the_kernel_is_compiled_for_every_card(daemon: Daemon, image: str) -> None:
    assert answer(daemon, image, AHEAD) == {"80": True, "90": True, "100": True, "120": True}


def test_where_nothing_may_be_executed_the_reason_is_told(daemon: Daemon, image: str) -> None:
    places = flags_of_a_run(daemon, image)["tmpfs"]
    closed = {place: flags.replace("rw,exec", "rw,noexec") for place, flags in places.items()}
    assert answer(daemon, image, STUB, tmpfs=closed)["reason"] == (
        f"Triton's cache {KERNELS}: its file system is mounted noexec, so nothing can be loaded from it: "
        "set TRITON_CACHE_DIR to a folder of yours where programs may run"
    )


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"PATH": "/venv/bin"}, "no C compiler: install gcc (Debian, Ubuntu: apt-get install gcc libc6-dev)"),
        ({"CC": "/usr/bin/cc-that-is-not-there"}, "the C compiler that CC names is not there"),
    ],
)
def test_without_the_compiler_the_reason_is_told(
    daemon: Daemon, image: str, variables: dict[str, str], reason: str
) -> None:
    environment = flags_of_a_run(daemon, image)["environment"] | variables
    assert answer(daemon, image, STUB, environment=environment)["reason"].startswith(reason)
