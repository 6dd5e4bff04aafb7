"""Licences of installed packages, as their own metadata declare them: as SPDX where that is certain, else by name.

Sources: Core Metadata 2.4 (`License-Expression`, `Classifier`, `License`); https://spdx.org/licenses.
"""

from __future__ import annotations

from importlib import metadata

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

NVIDIA = "NVIDIA Proprietary Software"
UNSTATED = "none stated in its metadata"
ABSENT = "unknown: not installed where this list was written"
READ = {
    "colorama": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
    "nvidia-nvtx": "Apache-2.0 WITH LLVM-exception",
    "pywin32": "Python Software Foundation License",
}
"""Licences that a person read: of packages that no Linux installs, and of one whose metadata contradict its licence."""
MEANT = {
    "apache 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 3-clause license": "BSD-3-Clause",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
}
"""Other names that mean one licence; "BSD License" and "Python Software Foundation License" mean several.

Apache's classifier names no version, but versions before 2.0 are older than every package of a lock."""
_PROPRIETARY = {"licenseref-nvidia-proprietary", NVIDIA.lower()}


def licence(package: str) -> str:
    """Return the licence of a package: an SPDX expression, or a name which is none.

    Args:
        package: its name in the lock; where it is not installed, `READ` may know it.
    """
    if package in READ:
        return READ[package]
    try:
        facts = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return ABSENT
    names = [line.rpartition(" :: ")[2] for line in facts.get_all("Classifier", []) if line.startswith("License :: ")]
    # of a whole text the first line is its title
    titles = [text.strip().partition("\n")[0].strip() for text in facts.get_all("License", [])]
    stated = [text for text in (*facts.get_all("License-Expression", []), *names, *titles) if text]
    if any(text.lower() in _PROPRIETARY for text in stated):
        return NVIDIA
    certain = (spdx(text) for text in stated)
    return next((text for text in certain if text), stated[0] if stated else UNSTATED)


def spdx(text: str) -> str | None:
    """Return what a text means as an SPDX expression; None where that is not certain."""
    try:
        expression = str(canonicalize_license_expression(MEANT.get(text.lower(), text)))
    except (ValueError, InvalidLicenseExpression):
        return None
    return None if "LicenseRef-" in expression else expression
