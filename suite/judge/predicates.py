"""The language of `expected/claims.toml`: what the paper says about its numbers, as questions about cells.

A > B                         greater; an equal value is no win
A > B + m,  A = B + m         by more than m points; by m to the printed digit (0.1)
abs(A - B) <= m               within m points
count(S > x) >= n             at least n methods of S above x
rank(x) <= n                  fewer than n of the paper's seven methods above x
... on CELLS                  CELLS = experiment/dataset/setting/metric; {a,b} means every combination
S: a > b + m on .../*/...     setting a against setting b, for each method of S
spearman(CELLS, CELLS) >= r   rank correlation over the paper's seven methods
P AND Q                       conjunction
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from suite.cells import METHODS, CellId
from suite.errors import ExpectedError
from suite.judge.comparisons import Comparison, Count, Difference, Rank, Spearman


def parse(predicate: str) -> tuple[Comparison, ...]:
    """Return the comparisons that a predicate stands for; it holds if all of them do.

    Raises:
        ExpectedError: a clause of no known form, an unknown method, or a cell of other than four words.

    Example:
        >>> [str(c.cells[1]) for c in parse("deit > {mae,cae} on part_retrieval/coco/encoded/ap")]
        ['part_retrieval/coco/mae/encoded/ap', 'part_retrieval/coco/cae/encoded/ap']
    """
    return tuple(comparison for clause in predicate.split(" AND ") for comparison in _clause(clause.strip()))


def _clause(text: str) -> Iterator[Comparison]:
    for pattern, build in _FORMS:
        match = re.fullmatch(pattern, text)
        if match:
            return build(match.groupdict())
    raise ExpectedError(
        f"cannot read {text!r}: expected a form such as 'A > B + 2 on experiment/dataset/setting/metric'"
    )


def _differences(parts: dict[str, str]) -> Iterator[Comparison]:
    for column, left, right in itertools.product(
        _expand(parts["cells"]), _methods(parts["left"]), _methods(parts["right"])
    ):
        yield Difference(_cell(column, left), _cell(column, right), parts["relation"], _margin(parts))


def _settings(parts: dict[str, str]) -> Iterator[Comparison]:
    for column, method in itertools.product(_expand(parts["cells"]), _methods(parts["methods"])):
        left, right = (_cell(column.replace("*", parts[side]), method) for side in ("left", "right"))
        yield Difference(left, right, ">", _margin(parts))


def _counts(parts: dict[str, str]) -> Iterator[Comparison]:
    methods, (method,) = _methods(parts["methods"]), _methods(parts["method"])
    for column in _expand(parts["cells"]):
        yield Count(_cell(column, method), _cells(column, methods), _place_among(methods, parts))


def _ranks(parts: dict[str, str]) -> Iterator[Comparison]:
    (method,) = _methods(parts["method"])
    for column in _expand(parts["cells"]):
        rivals = [rival for rival in METHODS if rival != method]
        yield Rank(_cell(column, method), _cells(column, rivals), _place_among(rivals, parts))


def _correlations(parts: dict[str, str]) -> Iterator[Comparison]:
    for left, right in itertools.product(_expand(parts["left"]), _expand(parts["right"])):
        yield Spearman(_cells(left, METHODS), _cells(right, METHODS), float(parts["limit"]))


_SET, _CELLS, _NUMBER = r"\w+|\{[\w,]+\}", r"[\w{},*/.-]+", r"\d+(?:\.\d+)?"
_MARGIN, _PLACE = rf"(?: (?P<sign>[+-]) (?P<margin>{_NUMBER}))?", rf" on (?P<cells>{_CELLS})"
_FORMS: tuple[tuple[str, Callable[[dict[str, str]], Iterator[Comparison]]], ...] = (
    (rf"(?P<left>{_SET}) (?P<relation>[>=]) (?P<right>{_SET}){_MARGIN}{_PLACE}", _differences),
    (
        rf"abs\((?P<left>{_SET}) - (?P<right>{_SET})\) (?P<relation><=) (?P<margin>{_NUMBER}){_PLACE}",
        _differences,
    ),
    (rf"(?P<methods>{_SET}): (?P<left>\w+) > (?P<right>\w+){_MARGIN}{_PLACE}", _settings),
    (rf"count\((?P<methods>{_SET}) > (?P<method>\w+)\) >= (?P<limit>\d+){_PLACE}", _counts),
    (rf"rank\((?P<method>\w+)\) <= (?P<limit>\d+){_PLACE}", _ranks),
    (rf"spearman\((?P<left>{_CELLS}), (?P<right>{_CELLS})\) >= (?P<limit>{_NUMBER})", _correlations),
)


def _expand(text: str) -> list[str]:
    """Expand `a/{b,c}` to `a/b`, `a/c`."""
    parts = re.split(r"\{([\w,.-]+)\}", text)
    choices = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
    return ["".join(combination) for combination in itertools.product(*choices)]


def _methods(text: str) -> list[str]:
    methods = _expand(text)
    for method in methods:
        if method not in METHODS:
            raise ExpectedError(f"unknown method {method!r}: expected one of {', '.join(METHODS)}")
    return methods


def _cell(column: str, method: str) -> CellId:
    words = column.split("/")
    if len(words) != 4 or not all(words) or "*" in words:
        raise ExpectedError(f"cannot read {column!r}: expected experiment/dataset/setting/metric")
    experiment, dataset, setting, metric = words
    return CellId(experiment, dataset, method, setting, metric)


def _cells(column: str, methods: Sequence[str]) -> tuple[CellId, ...]:
    return tuple(_cell(column, method) for method in methods)


def _place_among(methods: Sequence[str], parts: Mapping[str, str]) -> int:
    limit = int(parts["limit"])
    if not 1 <= limit <= len(methods):
        raise ExpectedError(f"count or rank: expected a number from 1 to {len(methods)}, got {limit}")
    return limit


def _margin(parts: Mapping[str, str | None]) -> float:
    size = float(parts["margin"] or 0)
    return -size if parts.get("sign") == "-" else size
