"""Asks a container, started with exactly the flags of `suite.container.run`, what it can do; run by container-test.

Usage: container_probe.py IMAGE DATA UID
"""

import json
import sys
from pathlib import Path

from suite.container.engine import connect
from suite.container.image import find
from suite.container.mounts import mount
from suite.container.run import Setup, options

INSIDE = """
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
    "python": sys.version_info[:2],
}))
"""


def main(image: str, data: Path, uid: int) -> None:
    """Start it, ask, compare with what the documentation promises."""
    client = connect()
    setup = Setup(client, find(client, image), [mount(data)], (uid, uid))
    asked = options(setup, ["-c", INSIDE, str(data)])
    container = client.containers.create(**asked, entrypoint=["python"])
    try:
        container.start()
        code = container.wait()["StatusCode"]
        said = container.logs().decode()
    finally:
        container.remove(force=True)
    if code != 0:
        sys.exit(f"the probe ended in {code}: {said}")
    found = json.loads(said)
    print(json.dumps(found, indent=1))
    expected = {
        "uid": uid,
        "user": "suite",
        "capabilities": ["0" * 16] * 4,
        "no_new_privileges": "1",
        "root": "Read-only file system",
        "data": "Read-only file system",
        "tmp": "allowed",
        "interfaces": ["lo"],
        "network": "Network is unreachable",
        "first_process": "docker-init",
        "offline": "1",
        "secrets": [],
    }
    wrong = {name: (found[name], value) for name, value in expected.items() if found[name] != value}
    if wrong:
        sys.exit(f"found, expected: {wrong}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
