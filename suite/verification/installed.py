"""Check, for `make setup`, that an environment holds what the lock names: pip may have been told to install elsewhere.

Run by the environment's own Python, before anything is sure to be there: it imports nothing but Python and pip.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from pip._vendor.packaging.markers import Marker

ENTRY = re.compile(
    r"^(?P<name>[\w.-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)(?:\s*;(?P<marker>[^\\\n]*))?", re.MULTILINE
)


def wanted(lock: str) -> dict[str, str]:
    """Return the locked version of each package that this Python and platform need."""
    entries = (match.groupdict() for match in ENTRY.finditer(lock))
    return {
        entry["name"]: entry["version"]
        for entry in entries
        if not (entry["marker"] or "").strip() or Marker(entry["marker"].strip()).evaluate()
    }


def missing(lock: str, prefix: Path) -> Iterator[str]:
    """Say of each package that is not there, or not as locked, or lacks a file, what was expected and what is there.

    Args:
        lock: text of requirements.lock.
        prefix: folder of the environment.
    """
    for name, version in wanted(lock).items():
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            yield f"{name}: expected {version}, found none"
            continue
        listed = [file for file in distribution.files or () if file.suffix != ".pyc"]
        files = [Path(str(distribution.locate_file(file))) for file in listed]
        if distribution.version.split("+")[0] != version.split("+")[0]:  # "2.14.1+cpu" is a build of the locked 2.14.1
            yield f"{name}: expected {version}, found {distribution.version}"
        elif not files or prefix not in files[0].parents:
            yield f"{name}: expected {version} in {prefix}, found it elsewhere"
        elif lost := [file.name for file in files if not file.exists()]:
            yield f"{name} {version}: {len(lost)} of its {len(files)} files are not there, e.g. {lost[0]}"


def main(lock: str) -> int:
    """Say in one line what is not as locked; return 2 then, else 0."""
    problems = list(missing(Path(lock).read_text(encoding="utf-8"), Path(sys.prefix)))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        print(
            f"error: {sys.prefix} is not as {lock} says: {problems[0]}{more}; does a setting of pip send packages "
            f"elsewhere ({sys.executable} -m pip config list: target, prefix, root)? Else remove {sys.prefix}; "
            "then run make setup again",
            file=sys.stderr,
        )
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
