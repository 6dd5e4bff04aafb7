"""How a run came about, as a sample report tells it: on what machines, in which attempts and parts, at what cost."""

from __future__ import annotations

from typing import Any

HOSTILE = '<script>alert("x")</script> & "quotes" | pipe `tick` [link](javascript:x)'
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def environment() -> dict[str, Any]:
    """As `suite.core.environment.capture` gives it."""
    return {
        "code": {
            "suite": "0.1.0",
            "commit": COMMIT,
            "dirty": False,
            "reason": None,
        },
        "python": {"version": "3.11.7", "implementation": "CPython"},
        "packages": {"numpy": "2.4.6", "timm": "1.0.31", "torch": "2.14.1"},
        "lock": {"sha256": "ab" * 32, "differ": {}},
        "cpu": {"model": "AMD EPYC", "architecture": "x86_64", "cores": 2, "logical_cores": 2, "usable_cores": 2},
        "memory": {"total_mib": 24103},
        "os": {"system": "Linux", "kernel": "6.1", "distribution": "Debian GNU/Linux 12 (bookworm)"},
        "gpu": dict.fromkeys(("name", "memory_mib", "driver", "cuda", "cudnn")) | {"reason": "the run was on cpu"},
        "container": {"inside": False, "image": None, "image_digest": None, "base_image": None},
        "threads": {"torch": 2, "OMP_NUM_THREADS": None},
    }


def environments() -> list[dict[str, Any]]:
    """As `suite.report.contributions` gives them: this run's, and another that results were kept from."""
    shared = {"digest": "7" * 64, "noted_in": "inputs", "facts": {}}
    other = {"digest": "8" * 64, "said": f"CPU; torch 2.5.0 {HOSTILE}", "results": ["part_retrieval/cub200/mae"]}
    return [
        shared | {"number": 1, "here": True, "said": "CPU; torch 2.14.1", "differs": [], "results": ["a/b/c"] * 3},
        shared | other | {"number": 2, "here": False, "differs": ["packages.torch 2.5.0, not 2.14.1"]},
    ]


def shards() -> dict[str, object]:
    """Two shards, of which one died."""
    machine = {"number": 1, "cpu": "Small CPU", "gpu": None, "commit": "a" * 40, "dirty": False, "lock": "b" * 64}
    done = {"shard": "1/2", "machine": 1, "attempts": 1, "exit_codes": [0], "fate": "finished, exit code 0"}
    died = {"shard": "2/2", "machine": None, "attempts": 0, "exit_codes": [137]}
    fate = "killed before its first line: most likely out of memory"
    return {
        "sentence": "2 shards worked at this run, on one kind of machine (Small CPU); 1 of them lacks 1 result.",
        "warnings": [],
        "machines": [{**machine, "shards": ["1/2"]}],
        "entries": [
            {**done, "trials": ["part_retrieval/cub200/dino"], "lacks": []},
            {**died, "trials": ["part_retrieval/cub200/mae"], "lacks": ["part_retrieval/cub200/mae"], "fate": fate},
        ],
    }


def attempts() -> dict[str, Any]:
    """As `suite.run.attempts.history` gives them: one that failed, and the one that made this report."""
    one = {"verb": "reproduce", "command": "c", "commit": COMMIT, "dirty": False, "environment": "7" * 64}
    some = {"count": 1, "names": ["a/b/c"]}
    lost = {"outcome": "failed", "verdict": None, "exit_code": 3, "failure": f"disk full {HOSTILE}"}
    completion = {"outcome": "finished", "verdict": "deviates", "exit_code": 1, "failure": None}
    times = {"started": "2025-11-22T20:31:04+00:00", "finished": "2025-11-22T20:34:49+00:00"}
    entries = [
        {**one, **times, **lost, "attempt": "1", "reason": None, "measured": None, "reused": None, "lost": None},
        {**one, **times, **completion, "attempt": "2", "reason": "why", "measured": some, "reused": some, "lost": some},
    ]
    return {"count": 2, "unreadable": 0, "sentence": "This run took 2 attempts.", "entries": entries}


def plan() -> list[dict[str, Any]]:
    """Plan against actual: one experiment that was planned, one of unknown duration."""
    timings = {"trials": 18, "planned_s": 50.0, "measured_s": 60.5, "ratio": 1.21, "unknown": 0}
    unknown = {"trials": 0, "planned_s": 0.0, "measured_s": 0.0, "ratio": None, "unknown": 8}
    return [{"experiment": "part_retrieval"} | timings, {"experiment": "object_segmentation"} | unknown]


def costs() -> list[dict[str, Any]]:
    """A few finished results, one of them reused."""
    return [
        {"experiment": e, "dataset": d, "method": m, "seconds": s, "peak_memory_mib": p, "reused": r}
        | {"views_cached": cached, "views_computed": computed}
        for e, d, m, s, p, r, cached, computed in [
            ("image_classification", "imagenet1k", "deit", 12.4, 812.0, False, 0, 0),
            ("part_retrieval", "cub200", "deit", 61.0, 1443.5, False, 500, 700),
            ("part_retrieval", "cub200", "dino", 4.25, 1398.0, True, None, None),
            ("patch_search", "imagenet1k", "dino", 7.5, None, False, 0, 500),
        ]
    ]
