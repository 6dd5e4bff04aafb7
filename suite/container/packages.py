"""The part of the lock that a run needs: what only `pretrain`, `provenance` and `dev` ask for stays out of the image.

Run while the image is built, by the base's own Python, before any package is there: it imports nothing of ours.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path

EXTRAS = ("hf",)
"""Extras of the project that a run may need: encoders of transformers."""
US = "part-aware-repro (pyproject.toml)"


def runtime_lock(lock: str, project: str) -> str:
    """Return the lock's entries that the project's dependencies and `EXTRAS` lead to; hashes and markers as they are.

    Args:
        lock: text of requirements.lock, whose `# via` comments say who asks for a package.
        project: text of pyproject.toml.

    Raises:
        ValueError: a dependency of the project is not in the lock.
    """
    entries = re.findall(r"^(([\w.-]+)(?:\[[^\]]*\])?==.*?)(?=^\S|\Z)", lock, flags=re.MULTILINE | re.DOTALL)
    parents_by_name = {name: set(re.findall(r"^ +#(?: via)? +(\S.*)$", text, re.MULTILINE)) for text, name in entries}
    table = tomllib.loads(project)["project"]
    extras = [line for name in EXTRAS for line in table.get("optional-dependencies", {}).get(name, ())]
    names = {re.match(r"[\w.-]+", line)[0].lower() for line in (*table["dependencies"], *extras)}  # type: ignore[index]
    if missing := sorted(name for name in names if US not in parents_by_name.get(name, ())):
        raise ValueError(f"requirements.lock: no entry for {', '.join(missing)}: run make lock")
    size = 0
    while size != len(names):
        size = len(names)
        names |= {name for name, parents in parents_by_name.items() if parents & names}
    return "".join(text for text, name in entries if name in names)


if __name__ == "__main__":
    try:
        folder = Path(sys.argv[1])
        lock = runtime_lock((folder / "requirements.lock").read_text(), (folder / "pyproject.toml").read_text())
        sys.stdout.write(lock)
        sys.stdout.flush()
    except (IndexError, OSError, ValueError) as error:
        sys.stderr.write(f"error: packages.py FOLDER: {error}\n")
        os._exit(3)  # Python's own flush would fail once more
