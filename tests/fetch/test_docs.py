"""docs/fetching.md says what the catalogue holds."""

from suite.encoders.catalogue import releases
from suite.fetch.catalogue import entries
from suite.fetch.document import PAGE, page


def test_the_page_is_as_the_catalogue_would_write_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python -m suite.fetch.document"


def test_the_page_names_every_file_its_digests_and_its_steps() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for method in releases().values():
        for source in method.sources:
            assert all(part in text for part in (source.file_name, source.digest, *source.steps)), source
    for entry in entries().values():
        for file in entry.files:
            assert all(part in text for part in (file.name, *file.digests)), file
        assert all(step.format(data="data") in text for step in entry.steps), entry.name
