"""Scores of the seven from an earlier run, to stand beside a candidate that is measured alone.

They come from an archive of a run (`make archive`), or from what the suite ships of the mini study. What is used of
them is kept in the run's folder, so that its report can be made, verified and archived without the file they came from.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from suite.cells import BASELINES, METHODS
from suite.core.files import plain, write_atomically
from suite.core.paths import EXPECTED
from suite.errors import EvidenceError, RequestError, SuiteError
from suite.judge.beside import Made, misfit
from suite.report.beside import FOLDER
from suite.results.store import Result, Store
from suite.run.calls import call
from suite.run.request import Request

SHIPPED = EXPECTED / "mini_items.zip"
"""Results of the mini study's own encoders, as far as a candidate is compared with them; `suite.candidate.shipped`."""
ARCHIVE = ".zip"
_MEMBER = re.compile(r"cells/(.+)\.json|items/(.+)\.safetensors|items/([^/]+/[^/]+)/names-[0-9a-f]+\.csv")
_LARGEST = 1 << 28
"""Bytes of a file in an archive; a million scores of every setting are smaller."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
Place = tuple[str, str]
"""An experiment on a dataset."""


def archive_among(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """Split what was named to stand beside a candidate into encoders to be measured and an archive.

    Raises:
        RequestError: several archives, or one that is not there.
    """
    archives = [Path(word).expanduser() for word in words if word.endswith(ARCHIVE)]
    if len(archives) > 1:
        raise RequestError(f"--encoder {','.join(words)}: expected one archive, got {len(archives)}")
    if archives and not archives[0].is_file():
        raise RequestError(f"--encoder {archives[0]}: no such file; expected the archive of a run (make archive)")
    return [word for word in words if not word.endswith(ARCHIVE)], archives[0] if archives else None


def put_beside(archive: Path | None, request: Request, spec: str) -> None:
    """Put the scores of an archive beside a run; without one, remove those that an earlier check has put there.

    What the suite ships is compared where it fits, and the report says where not; what a user gives has to fit.

    Args:
        archive: of an earlier run.
        request: what is to be measured.
        spec: of a candidate.

    Raises:
        RequestError: it is no archive of a run, or of other data, another protocol or other seeds.
        EvidenceError: a result in it was altered.
    """
    forget(request.run)
    if archive is None:
        return
    try:
        results = take(archive, request)
        if archive == SHIPPED:
            return
        if not results:
            raise RequestError(
                f"{archive}: expected results of the seven in the experiments and datasets that are asked for, as make "
                "archive packs them, got none"
            )
        require_fit(archive, results, request, spec)
    except SuiteError:
        forget(request.run)
        raise


def forget(run: Path) -> None:
    """Remove what an earlier check of this folder had beside it."""
    shutil.rmtree(run / FOLDER, ignore_errors=True)


def take(archive: Path, request: Request) -> list[Result]:
    """Unpack into the run's folder what an archive holds of the seven and the floors, less what is to be measured.

    Args:
        archive: a zip with `cells/` and `items/` as a run's folder has them.
        request: whose experiments and datasets are wanted.

    Returns:
        The results, each held against its items.

    Raises:
        RequestError: it is no such archive.
        EvidenceError: a result in it was altered.
        StorageError: the folder cannot be written.
    """
    wanted = {
        f"{experiment.name}/{dataset}/{method}"
        for experiment, dataset, _ in request.tasks()
        for method in (*METHODS, *BASELINES)
        if method not in request.names.values()
    }
    for name, content in _members(archive, wanted | {name.rpartition("/")[0] for name in wanted}):
        write_atomically(request.run / FOLDER / name, content)
    try:
        results = list(Store(request.run / FOLDER).results())
    except EvidenceError as error:
        raise EvidenceError(f"{archive}: {error}") from error
    return results


def _members(archive: Path, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file of results that are wanted, and of the names of items of wanted places."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                words = _MEMBER.fullmatch(info.filename)
                if words is None or (words[1] or words[2] or words[3]) not in wanted:
                    continue
                if info.file_size > _LARGEST:
                    raise RequestError(f"{archive}: {info.filename}: expected scores, got {info.file_size:,} bytes")
                yield info.filename, opened.read(info)
    except _DAMAGED as error:
        raise RequestError(f"{archive}: expected the archive of a run (make archive), got none: {error}") from error


def require_fit(archive: Path, results: Sequence[Result], request: Request, spec: str) -> None:
    """Check before anything is measured that scores of an archive can be paired with the candidate's.

    Args:
        archive: for the message.
        results: in it.
        request: what is to be measured.
        spec: of a candidate.

    Raises:
        RequestError: another protocol, other data or other seeds; names the first result, and what differs.
    """
    made = call(_made, request, spec)
    for result in results:
        own = made.get((result.key.experiment, result.key.dataset))
        problem = None if own is None else misfit(own, result)
        if problem is not None:
            raise RequestError(f"{archive}: {result.key} cannot be compared with what is asked for: {problem}")


def _made(request: Request, spec: str) -> dict[Place, Made]:
    """Return what the trials of a candidate are made of; data that is not there yet is not known."""
    from suite import datasets
    from suite.experiments.context import Context

    made = {}
    for experiment, dataset, task_spec in request.tasks():
        if task_spec == spec:
            root = datasets.dataset_root(request.data, dataset)
            data = datasets.digest(root) if root.is_dir() and any(root.iterdir()) else None
            protocol = json.loads(json.dumps(plain(Context(request, experiment, dataset, spec).protocol())))
            made[experiment.name, dataset] = Made(protocol, data, request.seeds)
    return made
