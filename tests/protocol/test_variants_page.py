"""docs/reference/variants.md is what `variants.toml` says."""

from suite.protocol.variants_page import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m suite.protocol.variants_page"
