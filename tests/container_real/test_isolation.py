"""A process in the container, started with exactly the flags of `suite.container.run`, can do what is documented."""

import json

import pytest

from suite.container.image import find
from suite.container.mounts import mount
from suite.container.run import Setup, options
from suite.core.paths import EXPECTED
from tests.support.container_image import USER
from tests.support.docker_daemon import Daemon

PROBE = """
import getpass, json, os, socket, sys
from pathlib import Path

def refused(act):
    try:
        act()
    except OSError as error:
        return error.strerror
    return "allowed"

status = dict(line.split(":\\t") for line in Path("/proc/self/status").read_text().splitlines() if ":\\t" in line)
print(json.dumps({
    "uid": os.getuid(),
    "user": getpass.getuser(),
    "capabilities": [status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")],
    "no_new_privileges": status["NoNewPrivs"],
    "root": refused(lambda: Path("/suite/x").write_text("x")),
    "data": refused(lambda: Path(sys.argv[1], "x").write_text("x")),
    "tmp": refused(lambda: Path("/tmp/x").write_text("x")),
    "interfaces": [name for _, name in socket.if_nameindex() if name == "lo" or name.startswith("eth")],
    "network": refused(lambda: socket.create_connection(("192.0.2.1", 80), timeout=3)),
    "first_process": Path("/proc/1/comm").read_text().strip(),
    "offline": os.environ["HF_HUB_OFFLINE"],
    "secrets": [path.name for path in Path("/run/secrets").glob("*")] if Path("/run/secrets").exists() else [],
}))
"""


@pytest.fixture(scope="module")
def facts(daemon: Daemon, image: str) -> dict[str, object]:
    """Return what a process inside tells of itself, with a folder of data mounted."""
    setup = Setup(daemon.client, find(daemon.client, image), [mount(EXPECTED)], (USER, USER))
    flags = options(setup, ["-c", PROBE, str(EXPECTED)])
    container = daemon.client.containers.create(**flags, entrypoint=["python"])
    try:
        container.start()
        code = container.wait()["StatusCode"]
        text = container.logs().decode()
    finally:
        container.remove(force=True)
    assert code == 0, text
    return json.loads(text)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("uid", USER),
        ("user", "suite"),
        ("capabilities", ["0" * 16] * 4),
        ("no_new_privileges", "1"),
        ("root", "Read-only file system"),
        ("data", "Read-only file system"),
        ("tmp", "allowed"),
        ("interfaces", ["lo"]),
        ("network", "Network is unreachable"),
        ("first_process", "docker-init"),
        ("offline", "1"),
        ("secrets", []),
    ],
)
def test_a_process_inside_can_do_only_what_is_documented(facts: dict[str, object], what: str, expected: object) -> None:
    assert facts[what] == expected
