"""The catalogue as tables, for the terminal and for docs/reference."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from suite.encoders.catalogue import ALTERNATIVES
from suite.encoders.method import Method, Source
from suite.fetch.catalogue import Entry, remote_of
from suite.fetch.remote import Remote, human


def weights_table(methods: Sequence[Method], style: str) -> str:
    """Tabulate every official file of these methods, then what their authors say of them.

    Args:
        methods: of the catalogue.
        style: of tabulate, e.g. "simple" or "github".
    """
    files = [
        [
            method.name,
            source.file_name,
            human(source.size, exact=False),
            _digest(source),
            _way(method, source, is_first),
            source.what,
        ]
        for method in methods
        for is_first, source in zip((True, *[False] * len(method.sources)), method.sources, strict=False)
    ]
    facts = [
        [
            method.name,
            method.licence,
            method.epochs,
            f"{_numbers(method.mean)} / {_numbers(method.std)}",
            ", ".join(f"{protocol} {value}" for protocol, value in method.reported) or "none on ImageNet-1K",
        ]
        for method in methods
    ]
    heads = ("method", "file", "size", "published digest", "fetched", "holds")
    about = ("method", "licence", "epochs", "mean / std of the input", "top-1 its authors report (%)")
    return f"{_table(files, heads, style)}\n\n{_table(facts, about, style)}"


def data_table(datasets: Sequence[Entry], style: str) -> str:
    """Tabulate every file of these datasets; see `weights_table`."""
    rows = []
    for entry in datasets:
        for file in entry.files:
            digest = "<br>".join(file.digests) if style == "github" else (file.digests or ("none",))[0]
            way = "by hand" if file in entry.by_hand else "by default"
            rows.append([entry.name, file.name, _size(file), digest or "none", way, entry.licence])
        if entry.needs:
            rows.append([entry.name, f"prepared from {', '.join(entry.needs)}", "", "", "prepare", entry.licence])
    return _table(rows, ("dataset", "file", "size", "published digest", "fetched", "licence"), style)


def places_table(datasets: Sequence[Entry], style: str) -> str:
    """Tabulate title, home page and folders of these datasets, a row per folder that readers or `prepare` look for."""
    rows = [
        [entry.name, entry.title, entry.page, " or ".join(f"`data/{place}`" for place in folder.places)]
        for entry in datasets
        for folder in (*(piece.folder for piece in entry.pieces), *([entry.ready] if entry.ready else []))
    ]
    return _table(rows, ("dataset", "title", "home page", "folder"), style)


def _table(rows: Sequence[Sequence[object]], headers: Sequence[str], style: str) -> str:
    return tabulate(rows, headers=list(headers), tablefmt=style, disable_numparse=True)


def _digest(source: Source) -> str:
    if not source.digest:
        return "none: pinned on first download"
    return source.digest if remote_of(source).recognisable else f"{source.digest}...: pinned on first download"


def _way(method: Method, source: Source, is_first: bool) -> str:
    by_default = "when named" if method.name in ALTERNATIVES else "by default"
    return "by hand" if source.manual else by_default if is_first else "with --all-files"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _size(file: Remote) -> str:
    return f"{file.size:,} bytes" if file.exact else human(file.size, exact=False)
