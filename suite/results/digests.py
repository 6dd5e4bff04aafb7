"""The digest of a run: one SHA-256 over every result, to cite a report by and to check it later.

A result's digest covers what was measured and from what: values, seeds, summaries, protocol, and the digests of
weights, data, code and single items' scores. It leaves out when, where and at what cost, so that two runs of the same
code on one machine have the same digest. The run's digest is the SHA-256 of a text with a line per result, sorted by
name, in the format of `sha256sum`: `<digest>  <experiment>/<dataset>/<method>`. Whoever alters one value changes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256

from suite.results.store import Result


def result_digest(result: Result) -> str:
    """Return the SHA-256 of what a result claims, as JSON with sorted keys and without spaces."""
    content = {
        "name": str(result.key),
        "values": result.values,
        "summaries": result.summaries,
        "inputs": result.inputs,
        "protocol": result.protocol,
        "seeds": result.facts.get("seeds"),
        "items": result.facts.get("items"),
    }
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def result_digests(results: Iterable[Result]) -> dict[str, str]:
    """Map `experiment/dataset/method` to the result's digest, sorted by name."""
    return dict(sorted((str(r.key), result_digest(r)) for r in results))


def run_digest(digests: Mapping[str, str]) -> str:
    """Return the SHA-256 over the digests of all results."""
    return sha256("".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()).hexdigest()
