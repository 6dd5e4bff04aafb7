"""`python -m suite.mini.record`: draw everything and write the digests into `digests.toml`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import PIL

from suite.core.files import write_atomically
from suite.core.program import run_program
from suite.mini.digests import DIGESTS, TABLES
from suite.mini.render import render


def record() -> None:
    """Draw all shares that have recorded digests into a temporary folder, and record them."""
    lines = [
        "# Written by `python -m suite.mini.record`, never by hand: SHA-256 of each dataset as drawn.",
        f'numpy = "{np.__version__}"',
        f'pillow = "{PIL.__version__}"',
    ]
    for share, table in TABLES.items():
        with tempfile.TemporaryDirectory() as folder:
            lines += [
                "",
                f"[{table}]",
                *(f'{dataset.name} = "{dataset.digest}"' for dataset in render(Path(folder), share=share)),
            ]
    write_atomically(DIGESTS, ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    run_program(record)
