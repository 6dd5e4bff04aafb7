"""A plan as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tabulate import tabulate

from suite.plan.pieces import Piece, total_download
from suite.run.request import Request


def render(request: Request, pieces: Sequence[Piece], verified: Mapping[str, str]) -> str:
    """Render the plan in full.

    Args:
        request: what is asked for.
        pieces: its pieces.
        verified: dataset -> what `verify data` said of it.
    """
    rows = [
        (piece.kind, piece.name, _state(piece, verified), _size(piece), len(piece.cells), _source(piece))
        for piece in pieces
    ]
    headers = ("", "needed", "state", "download", "cells", "how to get it")
    lines = [
        f"{request.profile.title}: {len(request.cells()):,} cells asked for",
        "",
        tabulate(rows, headers, disable_numparse=True, colalign=("left", "left", "left", "right", "right", "left")),
        "",
        *_summary(request, pieces),
    ]
    return "\n".join(lines)


def _summary(request: Request, pieces: Sequence[Piece]) -> list[str]:
    if request.profile.name == "mini" and all(piece.there for piece in pieces):
        return ["Nothing to download: the mini study draws its data on the spot and carries its checkpoints with it."]
    missing = [piece for piece in pieces if not piece.there]
    if not missing:
        return ["Everything is there. Whether it is right: python -m suite verify data"]
    total_bytes, unsized_count = total_download(missing)
    size = f"{_bytes(total_bytes)} to download" + (
        f", and {unsized_count} files of unknown size" if unsized_count else ""
    )
    blocked = frozenset[str]().union(*(piece.cells for piece in missing))
    cell_count = len(request.cells())
    lines = [
        f"{len(missing)} missing: {size}; {len(blocked):,} of {cell_count:,} cells cannot be measured without them."
    ]
    for piece in missing:
        if piece.kind == "data":
            lines.append(f"  without {piece.name}: no {', '.join(piece.experiments)} on it")
    encoders = [piece.name for piece in missing if piece.kind == "weights"]
    return [*lines, f"  without their weights: nothing of {', '.join(encoders)}"] if encoders else lines


def _state(piece: Piece, verified: Mapping[str, str]) -> str:
    if piece.there and piece.how:
        return "drawn when run"
    return verified.get(piece.name, "there") if piece.there else "missing"


def _size(piece: Piece) -> str:
    if piece.there:
        return ""
    return "unknown" if piece.size is None else _bytes(piece.size)


def _source(piece: Piece) -> str:
    return piece.how or str(piece.place)


def _bytes(size: int) -> str:
    """Format `1_150_585_339` as `1.2 GB`."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
