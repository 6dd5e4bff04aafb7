"""Check that the container is as closed as docs/how-to/container.md promises, and that its image is known."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from suite.core.environment import CONTAINER_MARKS
from suite.verification.outcome import Check, Findings

SUBJECT = "container"
OUR_IMAGE = "SUITE_RUNTIME"
"""Variable set to `container` by the Dockerfile; another container, such as a CI job's, promises nothing."""


def isolation(environment: Mapping[str, str] = os.environ, status: Path = Path("/proc/self/status")) -> Check:
    """Look at user, capabilities, network, root; try none out."""
    inside = any(mark.exists() for mark in CONTAINER_MARKS)
    if environment.get(OUR_IMAGE) != "container":
        place = "in a container, but not of our image" if inside else "not in a container"
        return Check(SUBJECT, "isolation", "no reference", f"{place}: nothing is promised here")
    findings = Findings()
    facts = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
    if facts["Uid"].split()[0] == "0":
        findings.problem("user", "runs as root: start it with make reproduce RUNTIME=container, which does not")
    for name in ("CapEff", "CapPrm", "CapBnd"):
        if int(facts[name], 16):
            findings.problem("capability", f"{name} is {facts[name]}: expected none (--cap-drop=ALL)")
    if facts.get("NoNewPrivs") != "1":
        findings.problem("privilege", "new privileges are possible: expected --security-opt=no-new-privileges")
    interfaces = sorted(set(_interfaces()) - {"lo"})
    if interfaces:
        findings.problem("network", f"interfaces {', '.join(interfaces)}: expected none (--network=none)")
    findings.say(f"user {facts['Uid'].split()[0]}, no capability, no network")
    if os.statvfs("/").f_flag & os.ST_RDONLY:
        findings.say("read-only root")
    else:
        findings.warn("the root can be written to (--no-read-only)")
    return findings.check(SUBJECT, "isolation")


def _interfaces() -> list[str]:
    """List all but those a kernel offers in every namespace, down and without address."""
    idle = ("tunl", "gre", "gretap", "erspan", "ip_vti", "ip6_vti", "sit", "ip6tnl", "ip6gre")
    return [name for _, name in socket.if_nameindex() if not name.startswith(idle)]


def image(environment: Mapping[str, str] = os.environ) -> Check:
    """Check that it is known which image this is, what it was built from, and by which source."""
    if environment.get(OUR_IMAGE) != "container":
        return Check(SUBJECT, "image", "no reference", "no image: this is not its container")
    findings = Findings()
    provenance = {name: environment.get(f"SUITE_{name}") for name in ("IMAGE_DIGEST", "BASE_IMAGE", "REVISION")}
    for name, value in provenance.items():
        if value in {None, "", "unknown"}:
            findings.warn(f"{name.lower().replace('_', ' ')} unknown: build with make image, run with make reproduce")
        else:
            findings.say(f"{name.lower().replace('_', ' ')} {value}")
    if "@sha256:" not in (provenance["BASE_IMAGE"] or ""):
        findings.warn("its base is not pinned by digest")
    return findings.check(SUBJECT, "image")
