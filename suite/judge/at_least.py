"""Accepted values that later runs may exceed: the items of a run against those that were accepted, one by one.

Both runs' scores of the same items are compared as those of two encoders are (`suite.judge.paired`), so that what is
hard for both cancels. Where that cannot be done the reason is told, and the tolerance holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from suite.cells import BASELINES, METHODS, CellId
from suite.judge.paired import Difference, differences
from suite.reference.accepted_items import MEANS, AcceptedItems, unpack
from suite.reference.expected import Expected
from suite.results.image_sums import sums_of_scores
from suite.results.store import PerItemScores, Result, Store

Read = Callable[[AcceptedItems], Mapping[str, PerItemScores] | None]
_NOW, _THEN = "this run", "accepted"


def against_accepted(
    store: Store, results: Sequence[Result], expected: Mapping[CellId, Expected]
) -> dict[CellId, Difference | str]:
    """Compare the cells of candidates that were accepted with `--at-least`: this run less the accepted one.

    Args:
        store: of the run.
        results: of it.
        expected: references.

    Returns:
        The paired difference of each such cell, or why there is none.

    Raises:
        ExpectedError: accepted scores are not what was accepted.
    """
    read: Read = cache(unpack)
    return {cell: answer for result in results for cell, answer in _compare(store, result, expected, read)}


def _compare(
    store: Store, result: Result, expected: Mapping[CellId, Expected], read: Read
) -> Iterator[tuple[CellId, Difference | str]]:
    key = result.key
    references = {m.id: expected[m.id] for m in result.measurements() if m.id in expected}
    held = {cell: reference for cell, reference in references.items() if reference.side == "lower"}
    if not held or key.method in (*METHODS, *BASELINES):
        return
    items = store.items(result)
    for cell, reference in held.items():
        yield cell, _answer(cell, reference, items, read)


def _answer(cell: CellId, reference: Expected, items: PerItemScores | None, read: Read) -> Difference | str:
    name = f"{cell.setting}/{cell.metric}"
    then = _accepted(cell, name, reference, read)
    if isinstance(then, str):
        return then
    if items is None or name not in items.scores:
        return "this run has no scores of its single items"
    if items.identity != then.identity or not np.array_equal(items.groups, then.groups):
        return "the accepted scores are of other items"
    scores = {_NOW: items.scores[name].astype(np.float32), _THEN: then.scores[name].astype(np.float32)}
    has_score = ~np.isnan(np.concatenate([*scores.values()])).any(axis=0)  # a query without a positive has none
    groups = items.groups[has_score]
    sums = {label: sums_of_scores(rows[:, has_score], groups) for label, rows in scores.items()}
    return differences(sums, [(_NOW, _THEN)], items=len(groups))[_NOW, _THEN]


def _accepted(cell: CellId, name: str, reference: Expected, read: Read) -> PerItemScores | str:
    """Return the scores that were accepted of a cell's items, or why there are none."""
    if cell.metric not in MEANS:
        return f"{cell.metric} is no mean of single items' scores"
    if reference.items is None:
        return "no scores of single items were accepted"
    accepted = read(reference.items)
    if accepted is None:
        return f"{reference.items.path.name}, the accepted scores of single items, is not there"
    scores = accepted.get(f"{cell.experiment}/{cell.dataset}")
    return scores if scores and name in scores.scores else "no scores of its single items were accepted"
