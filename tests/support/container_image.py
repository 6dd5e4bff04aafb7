"""The image of the tests of the container for real, on a stand-in base, and an ordinary user who runs it."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path

from suite.core.paths import ROOT
from tests.support.commands import suite

BASE = "standin-base:local"
USER = 12345
"""User without a line in the image's /etc/passwd, as most callers are."""
AS_USER = (
    *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
"""Prefix of a command of that user, who may read this checkout wherever it lies."""


def build(name: str, checkout: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Build the image of a checkout."""
    certificates = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile
    proxy = ["--ca-bundle", certificates] if certificates else []
    return suite("image", "build", "--base", BASE, "--network", "host", *proxy, "--image", name, cwd=checkout)
