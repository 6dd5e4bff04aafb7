"""Scripts and manifests from templates, in which every text of the user is quoted."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from suite.errors import RequestError

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Fill in a template of this folder.

    Raises:
        RequestError: a text that no line of a script can hold.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "line": one_line,
        "quoted": lambda text: shlex.quote(one_line(text)),  # Slurm reads its directives as a shell reads a line
        "pattern": lambda text: str(text).replace("%", "%%"),  # names of Slurm's logs
        "json": json.dumps,
    }
    return environment.get_template(template).render(values)


def one_line(text: object) -> str:
    """Return a text that a line of a script can hold.

    Raises:
        RequestError: it holds a line break or another character that cannot be printed.
    """
    if not str(text).isprintable():
        raise RequestError(f"{str(text)!r}: expected printable characters on one line, for a script")
    return str(text)
