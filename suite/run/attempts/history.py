"""Attempts of a run as a report shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from suite.core.forms import Tell, warn
from suite.run.attempts.lines import read
from suite.run.shards import Shard, shards_of

Json = dict[str, Any]
NO_END = "no end on record"
"""Outcome of an attempt that was killed, lost its machine, or is still at it."""
_OF_END = ("outcome", "verdict", "exit_code", "measured", "reused", "lost")


def history(run: Path, tell: Tell = warn) -> Json | None:
    """Return a report's account of the attempts of a run; None where none is on record, as in older run folders.

    Args:
        run: its folder.
        tell: receives what is wrong where nothing at all can be read.

    Returns:
        `count`; `unreadable` (lines that were cut); `sentence`, about earlier ones that ended otherwise than the last;
        `entries`, one per attempt in order of their first line: `attempt`, `verb`, `command`, `reason`, `commit`,
        `dirty`, `environment`, `started`, `finished`, `outcome`, `verdict`, `exit_code`, `failure`, and `measured`,
        `reused` and `lost`, each with `count` and `names`; of a shard also `shard`, `K/N`.
    """
    entries, unreadable = _entries(run, tell)
    shards = [*shards_of(run)]
    for shard in shards:
        shard_entries, count = _entries(shard.folder(run), partial(_tell_of, shard, tell))
        entries += [entry | {"shard": str(shard)} for entry in shard_entries]
        unreadable += count
    if shards:  # side by side, so that no file tells their order
        entries.sort(key=lambda entry: entry["started"] or "")
    if not entries and not unreadable:
        return None
    sentence = _sentence_of_shards(entries, len(shards)) if shards else _sentence(entries)
    return {"count": len(entries), "unreadable": unreadable, "sentence": sentence, "entries": entries}


def _tell_of(shard: Shard, tell: Tell, sentence: str) -> None:
    tell(f"{shard.title}: {sentence}")


def _entries(folder: Path, tell: Tell) -> tuple[list[Json], int]:
    """Read the attempts noted in a folder, in order of their first line; and count the lines that were cut."""
    lines, unreadable = read(folder, tell)
    entries: dict[str, Json] = {}
    for line in lines:
        # where the beginning was cut, what is known of the attempt is its end
        begin = line if line["event"] == "begin" else {"attempt": line["attempt"]}
        entry = entries.setdefault(line["attempt"], _entry(begin))
        if line["event"] == "end":
            entry |= {"finished": line.get("time"), "failure": line.get("reason")}
            entry |= {name: line.get(name) for name in _OF_END}
    return list(entries.values()), unreadable


def _entry(begin: Json) -> Json:
    code = begin.get("code") or {}
    blanks = dict.fromkeys(("finished", "verdict", "exit_code", "failure", "measured", "reused", "lost"))
    return {
        **{name: begin.get(name) for name in ("attempt", "verb", "command", "reason", "environment")},
        "commit": code.get("commit"),
        "dirty": code.get("dirty"),
        "started": begin.get("time"),
        "outcome": NO_END,
        **blanks,
    }


def ending(entry: Mapping[str, Any]) -> str:
    """Word an attempt's end: `deviates, exit code 1`, `interrupted, exit code 130`."""
    word = str(entry["verdict"] if entry["outcome"] == "finished" and entry["verdict"] else entry["outcome"])
    return word if entry["exit_code"] is None else f"{word}, exit code {entry['exit_code']}"


def _sentence_of_shards(entries: Sequence[Json], count: int) -> str | None:
    """Describe attempts of shards that did not end well; None where each shard took one and none lacks anything."""
    other_endings = [entry for entry in entries if entry["exit_code"] != 0]
    if not other_endings and len(entries) <= count:
        return None
    begun = f"{len(entries)} attempts were made at this run and its {count} shards"
    if not other_endings:
        return f"{begun}; all ended in exit code 0."
    latest = other_endings[-1]
    of_shard = f", shard {latest['shard']}" if "shard" in latest else ""
    return (
        f"{begun}; {len(other_endings)} of them did not end in exit code 0, most recently that of "
        f"{latest['started']}{of_shard}: {ending(latest)}."
    )


def _sentence(entries: Sequence[Json]) -> str | None:
    """Describe the attempts before the last; None where there are none."""
    if len(entries) < 2:
        return None
    *earlier, last = entries
    other_endings = [entry for entry in earlier if ending(entry) != ending(last)]
    begun = f"This run took {len(entries)} attempts"
    if not other_endings:
        return f"{begun}; all ended alike ({ending(last)})."
    latest = other_endings[-1]
    return (
        f"{begun}; {len(other_endings)} of the earlier {len(earlier)} ended otherwise than the last ({ending(last)}), "
        f"most recently that of {latest['started']}: {ending(latest)}."
    )
