"""List what a run needs: what is there, what is missing, how large it is and how to get it.

Exit code 2 if something that was asked for is missing, 0 if everything is there.
"""

from __future__ import annotations

import argparse

from suite.verbs.options import add_request as add_arguments
from suite.verbs.options import to_request

__all__ = ["add_arguments", "run"]


def run(options: argparse.Namespace) -> int:
    """Returns 0, or 2 if something is missing."""
    from suite.plan.pieces import pieces
    from suite.plan.text import render
    from suite.verification.record import FILE, sayings

    request = to_request(options)
    found = pieces(request)
    print(render(request, found, sayings(request.data / FILE)))
    return 0 if all(piece.there for piece in found) else 2
