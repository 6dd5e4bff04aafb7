"""Source code that a number comes from: a module, and everything of the suite that it imports, however far away.

The files are read off the import statements themselves, so none can be forgotten. Left out is what names, stores or
says values and computes none (`CARRIERS`): a reworded message must not throw measured numbers away.

Digests are of the files as they were when this module was imported, which is before what they speak of was: a file that
is edited later is not the code that runs, and `check_unchanged` says so.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from suite.core.paths import SUITE
from suite.errors import ChangedError

CARRIERS = (
    *("suite.errors", "suite.cells", "suite.registry", "suite.run"),
    *(f"suite.results.{name}" for name in ("digests", "evidence", "item_names", "noise", "records", "store")),
    *(f"suite.core.{name}" for name in ("digests", "environment", "files", "locks", "memory")),
    *(f"suite.core.{name}" for name in ("numerics", "nvml", "paths", "processors", "signals", "source_code", "text")),
    "suite.core.usage",
    # features that are kept: where and how, not what
    *(f"suite.features.{name}" for name in ("cache", "entry")),
    # what a trial costs is counted by the experiment's own functions, and no value follows from it
    "suite.experiments.costs",
    # the values that they read are digested as values (`Context.protocol`, `suite.protocol.constants.digest`)
    *(
        f"suite.protocol.{name}"
        for name in ("constants", "factors", "profiles", "settings", "tables", "typed", "variants")
    ),
)
"""Modules and packages whose text is no part of a number; nothing is looked for behind them either."""


_SOURCES: Mapping[Path, bytes] = {path: path.read_bytes() for path in SUITE.rglob("*.py")}
"""The source as this process imports it."""


def trial_code(experiment: str) -> str:
    """Return the digest of the code behind an experiment: when it changes, stored results are made again."""
    return code_digest(f"suite.experiments.test_{experiment}")


def check_unchanged(experiment: str) -> None:
    """Hold the source behind an experiment against what this process has imported.

    Raises:
        ChangedError: a file was edited since, so what is measured now would be stored under another code's name.
    """
    for path in files_behind(f"suite.experiments.test_{experiment}"):
        try:
            unchanged = path.read_bytes() == _SOURCES[path]
        except OSError:
            unchanged = False
        if not unchanged:
            raise ChangedError(
                f"{path.relative_to(SUITE.parent)}: changed since this process imported it: expected the code that the "
                "run began with: start the run again, which keeps what was finished before"
            )


@functools.cache
def code_digest(*modules: str) -> str:
    """Return the SHA-256 of the source of these modules and of all they import from the suite."""
    digest = hashlib.sha256()
    for path in files_behind(*modules):
        digest.update(path.relative_to(SUITE).as_posix().encode() + _SOURCES[path])
    return digest.hexdigest()


def files_behind(*modules: str) -> list[Path]:
    """Return the source files of these modules and of all they import from the suite, in order of their paths.

    Raises:
        KeyError: a module that is not there.
    """
    paths = _modules()
    closure: set[str] = set()
    queue = list(modules)
    while queue:
        module = queue.pop()
        if module not in closure and not _carries(module):
            closure.add(module)
            queue += _imports(paths[module])
    return sorted(paths[module] for module in closure)


def _carries(module: str) -> bool:
    return any(module == carrier or module.startswith(f"{carrier}.") for carrier in CARRIERS)


@functools.cache
def _modules() -> dict[str, Path]:
    """Return every module of the suite by its dotted name."""
    paths = {}
    for path in _SOURCES:
        parts = path.relative_to(SUITE.parent).with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return paths


@functools.cache
def _imports(path: Path) -> tuple[str, ...]:
    """Return the suite's modules that a file imports when it runs, wherever the statement stands in it."""
    return tuple(dict.fromkeys(_imported(ast.parse(_SOURCES[path]))))


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.ImportFrom) and node.module:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name in _modules() and name != "suite")
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in _modules())
    for child in ast.iter_child_nodes(node):
        yield from _imported(child)
