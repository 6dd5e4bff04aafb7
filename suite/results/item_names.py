"""Names of the items that scores are of, as a table for whoever opens them elsewhere: a CSV file beside the scores.

Encoders that saw the same items share one file. It is called by its own digest and named in every cell file whose
scores are in its order: row k is column k of each array of scores (docs/how-to/items.md).
"""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Mapping, Sequence

Names = Mapping[str, Sequence[str]]
"""Column -> N texts: `image`, its folder and name, or the digest of pixels that come in no file; `left`, `top`,
`right`, `bottom`, pixels, empty for a whole image; `label`. Images of segmentation have the first only."""
COLUMNS = ("image", "left", "top", "right", "bottom", "label")


def to_csv(names: Names) -> bytes:
    """Write the table with a column `item` before the others, from 0."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("item", *names))
    writer.writerows((k, *row) for k, row in enumerate(zip(*names.values(), strict=True)))
    return text.getvalue().encode("utf-8", "backslashreplace")  # a file's name may be no text


@functools.lru_cache(maxsize=32)
def from_csv(content: bytes) -> Names:
    """Read the table; encoders that saw the same items share it, so it is read once.

    Raises:
        ValueError: it is none.
    """
    try:
        (_, *columns), *rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""))
    except (csv.Error, ValueError) as error:
        raise ValueError(f"expected a table of names: {error}") from error
    return {name: [row[k] for row in rows] for k, name in enumerate(columns, 1)}
