"""docs/reference/checkpoints.md and datasets.md say what the catalogues hold."""

from collections.abc import Callable
from pathlib import Path

import pytest

from suite.encoders.catalogue import releases
from suite.fetch.catalogue import entries
from suite.fetch.document import CHECKPOINTS, DATASETS, checkpoints, datasets


@pytest.mark.parametrize(("path", "page"), [(CHECKPOINTS, checkpoints), (DATASETS, datasets)], ids=["weights", "data"])
def test_a_page_is_as_its_catalogue_would_write_it(path: Path, page: Callable[[], str]) -> None:
    assert path.read_text(encoding="utf-8") == page(), "write it anew: python -m suite.fetch.document"


def test_the_page_names_every_checkpoint_its_digest_and_its_steps() -> None:
    text = CHECKPOINTS.read_text(encoding="utf-8")
    for method in releases().values():
        for source in method.sources:
            assert all(part in text for part in (source.file_name, source.digest, *source.steps)), source


def test_the_page_names_every_file_of_data_its_digests_its_folders_and_its_steps() -> None:
    text = DATASETS.read_text(encoding="utf-8")
    for entry in entries().values():
        for file in entry.files:
            assert all(part in text for part in (file.name, *file.digests)), file
        folders = [piece.folder for piece in entry.pieces] + ([entry.ready] if entry.ready else [])
        assert all(f"`data/{place}`" in text for folder in folders for place in folder.places), entry.name
        assert all(step.format(data="data") in text for step in entry.steps), entry.name
