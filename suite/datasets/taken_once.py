"""A large set's digest, which one process of a machine takes and all others read.

Else each process of a run, and of its shards on one machine, looks at ImageNet's 1.3 million files. What is noted holds
while names, folders and index files are unchanged (the key), and for a day: an image that is written anew in its place,
with another size and no rename, would go unseen meanwhile.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress

from suite.core.files import write_atomically
from suite.core.locks import waited_for
from suite.core.machine_folders import for_this_user
from suite.errors import StorageError

HOLDS_S = 24 * 3600
"""Seconds that a noted digest is believed."""


def taken_once(key: str, take: Callable[[], str]) -> str:
    """Return the digest that another process of this user and machine has noted under a key, or take and note it.

    Args:
        key: of what is digested, as a file's name.
        take: returns the digest (hex); called by one process at a time. Its errors are passed on, and nothing noted.
    """
    folder = for_this_user("part-aware-repro-digests")
    if folder is None:
        return take()
    note = folder / key
    with waited_for(folder / ".lock", "digest of a large dataset", quiet=True):
        with suppress(OSError):
            digest = note.read_text(encoding="ascii", errors="replace")
            if re.fullmatch("[0-9a-f]{64}", digest) and 0 <= time.time() - note.stat().st_mtime < HOLDS_S:
                return digest
        digest = take()
        with suppress(StorageError):  # the others take it themselves
            write_atomically(note, digest.encode())
    return digest
