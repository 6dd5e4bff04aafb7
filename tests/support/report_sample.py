"""A report of the mini profile as a run would make it, with everything that can go wrong in one: no torch, no run."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from suite.cells import BASELINES, METHODS, PROJECTED_METHODS
from suite.report.build import SCHEMA
from suite.report.variables import variables

HOSTILE = '<script>alert("x")</script> & "quotes" | pipe `tick` [link](javascript:x)'
COMMIT = "0123456789abcdef0123456789abcdef01234567"
# rough level of each method at object level and at part level, per cent
LEVELS = {
    "deit": (61.8, 41.2),
    "mocov3": (52.3, 44.9),
    "dino": (51.9, 43.6),
    "beit": (33.1, 30.2),
    "mae": (41.5, 38.8),
    "cae": (44.0, 46.3),
    "ibot": (55.6, 46.9),
    "random_init": (18.2, 27.4),
    "raw_pixels": (14.6, 26.1),
}
RETRIEVAL_METRICS = ("ap", "map", "ap_excluding_self")
EXPERIMENTS = {
    "image_classification": (("imagenet1k",), ("linear", "attentive"), ("top1",)),
    "object_retrieval": (("cifar10", "coco"), ("encoded", "projected", "cls"), RETRIEVAL_METRICS),
    "part_retrieval": (("cub200", "coco"), ("encoded", "projected", "cls"), RETRIEVAL_METRICS),
    "part_classification": (("cub200", "coco"), ("linear", "attentive"), ("accuracy",)),
}
SEGMENTATION = {
    "object_segmentation": ("ade20k", "ade20k_object", "pascal_object"),
    "part_segmentation": ("ade20k_part", "pascal_part", "lip"),
}
TABLES = {"image_classification": "Table 1", "part_retrieval": "Table 3", "part_classification": "Table 3"}


def cell(place: tuple[str, str, str, str, str], **changes: Any) -> dict[str, Any]:
    """A cell that did not run, unless told otherwise."""
    experiment, dataset, method, setting, metric = place
    return {
        "id": "/".join(place),
        "table": TABLES.get(experiment),
        "experiment": experiment,
        "dataset": dataset,
        "method": method,
        "setting": setting,
        "metric": metric,
        "unit": "percent",
        "measured": None,
        "expected": None,
        "difference": None,
        "tolerance": None,
        "verdict": "not run",
        "reason": "linear segmentation comes with its own issue",
        "warning": False,
        "values": [],
        "seeds": [],
        "seeds_needed": None,
        "to_decide": None,
        "environment": None,
        "accepted": None,
        "uncertainty": None,
        **changes,
    }


def measured(place: tuple[str, str, str, str, str], draw: random.Random) -> dict[str, Any]:
    """A cell that ran and agrees with its reference, or a baseline that has none."""
    experiment, _, method, setting, metric = place
    level = LEVELS.get(method, (48.0, 45.0))[experiment.startswith("part_")]
    level += {"attentive": 4.5, "projected": -9.0, "cls": -3.0}.get(setting, 0) + (metric == "map") * -1.2
    level += (experiment == "part_classification") * 38 + draw.uniform(-2.0, 2.0)
    trained = setting in ("linear", "attentive")
    values = [round(level + draw.gauss(0, 0.1), 4) for _ in range(3 if trained else 1)]
    mean = sum(values) / len(values)
    seeds = [0, 1, 2] if trained else []
    if method not in METHODS:
        reason = "a method that the paper does not have"
        return cell(place, measured=mean, values=values, seeds=seeds, verdict="no reference", reason=reason)
    expected = round(mean - draw.uniform(-0.04, 0.04), 4)
    return cell(
        place,
        measured=mean,
        expected=expected,
        difference=mean - expected,
        tolerance=0.27 if trained else 0.05,
        verdict="reproduced",
        reason=None,
        values=values,
        seeds=seeds,
    )


def cells() -> list[dict[str, Any]]:
    """Every cell of the mini profile and of one candidate with a hostile name."""
    draw = random.Random(0)
    methods = (*METHODS, "<b>mine</b>", *BASELINES)
    entries = [
        measured((experiment, dataset, method, setting, metric), draw)
        for experiment, (datasets, settings, metrics) in EXPERIMENTS.items()
        for dataset in datasets
        for method in methods
        for setting in settings
        if setting != "projected" or method in PROJECTED_METHODS
        for metric in metrics
    ]
    entries += [
        cell((experiment, dataset, method, "linear_head", metric))
        for experiment, datasets in SEGMENTATION.items()
        for dataset in datasets
        for method in METHODS
        for metric in ("miou", "macc", "aacc")
    ]
    by_id = {item["id"]: item for item in entries}
    off(by_id["part_retrieval/cub200/dino/encoded/ap"], -2.31, reason=f"outside its tolerance {HOSTILE}")
    off(by_id["part_classification/coco/cae/attentive/accuracy"], 0.41, warning=True, reason="p = 0.03 alone")
    off(by_id["image_classification/imagenet1k/beit/linear/top1"], 0.2, verdict="inconclusive", reason="interval 0.71")
    for item in entries:
        elsewhere = item["id"].startswith("part_retrieval/cub200/mae/")
        item["environment"] = None if item["measured"] is None else 2 if elsewhere else 1
    moved = {"reason": f"differs by +0.200 {HOSTILE}", "value": 38.6, "difference": 0.2, "tolerance": 0.05}
    by_id["part_retrieval/cub200/mae/encoded/ap"]["accepted"] = {"verdict": "changed", **moved}
    by_id["part_retrieval/cub200/cae/encoded/ap"]["accepted"] = {"verdict": "unchanged", **moved, "difference": 0.0}
    lost = by_id["object_retrieval/coco/ibot/encoded/ap"]
    lost |= cell(tuple(lost["id"].split("/")), reason="data/coco/annotations: no such file", expected=55.6)
    return entries


def off(item: dict[str, Any], difference: float, *, reason: str, verdict: str = "deviates", **changes: Any) -> None:
    """Move a cell away from its reference."""
    item |= {"measured": item["expected"] + difference, "difference": difference, "verdict": verdict}
    item |= {"values": [item["measured"]] * max(1, len(item["seeds"])), "reason": reason, **changes}


CLAIMS = [
    ("C01", "abstract", "deit > {dino,mae} on image_classification/imagenet1k/linear/top1", True, True, "12 of 12"),
    ("C07", "abstract", "ibot > {mocov3,cae} on part_retrieval/cub200/encoded/ap", False, True, "2 of 2"),
    ("C22", "4.2", "cae > deit on part_retrieval/cub200/encoded/ap", True, False, f"0 of 1 {HOSTILE}"),
    ("C43", "4.2", "ibot > deit on part_segmentation/lip/linear_head/miou", True, None, "1 cell was not measured"),
    ("C50", "Figure 6", "deit > mae on object_segmentation/ade20k_object/linear_head/miou", None, None, ""),
]


def claim_noise_of(claim: dict[str, Any]) -> dict[str, Any] | None:
    """As `suite.judge.claim_noise` gives it; of a claim that fails two counterexamples, the first named badly."""
    if claim["holds_here"] is None:
        return None
    interval = {"low": -1.5, "high": 0.25, "p_value": 0.12, "flips": True}
    text = (
        f"cub200/encoded/ap: cae 49.5 vs deit 50.1 {HOSTILE}, difference -0.60, needs > 0; other images -1.50 to +0.25"
    )
    margin = {"text": f"{text}, could flip it", "cells": ["a/b/cae/s/m", "a/b/deit/s/m"], "amount": -0.6}
    margin |= {"unit": "points", "least": 0.0, "most": None, "margin": -0.6, "images": interval, "is_paired": True}
    margin |= {"seeds": None, "is_trained": False}
    if claim["holds_here"]:
        firm = {"margin": 4.2, "amount": 4.2, "images": interval | {"low": 3.0, "high": 5.4, "flips": False}}
        sentence = "Holds by 4.20 points at least; other images cannot flip it; other seeds cannot flip it."
        words = {"images": "cannot flip it", "seeds": "cannot flip it"}
        return {"sentence": sentence, **words, "margins": [margin | firm | {"text": "deit 80.0 vs dino 75.8, firmly"}]}
    sentence = "Fails by up to 0.60 points; other images could flip it; nothing is trained, so seeds play no part."
    return {"sentence": sentence, "images": "could flip it", "seeds": "nothing is trained", "margins": [margin]}


def claims() -> list[dict[str, Any]]:
    """Claims of every kind of agreement with the paper."""
    words = {True: "holds", False: "does not hold", None: "not run"}
    text = "one kind of encoder beats another"
    keys = ("id", "section", "predicate", "holds_in_paper", "holds_here", "detail")
    rows = [dict(zip(keys, claim, strict=True)) for claim in CLAIMS]
    more = {"untestable": None}
    rows = [row | {"noise": claim_noise_of(row)} for row in rows]
    return [row | {"statement": f"{row['id']}: {text}", "verdict": words[row["holds_here"]]} | more for row in rows]


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


def accepted() -> dict[str, Any]:
    """As `suite.judge.gate` gives it: one cell has changed."""
    file = {
        "file": "expected/accepted/mini/cpu.toml",
        "device": "CPU",
        "date": "2026-01-31",
        "commit": COMMIT,
        "reason": f"first {HOSTILE}",
        "slack": 0.05,
        "slack_reason": "rounding",
        "seeds": [0],
        "environment": "7" * 64,
        "same_environment": False,
    }
    counts = {"unchanged": 1, "changed": 1, "unconfirmed": 0, "cannot tell": 0, "not accepted": 0}
    sentence = f"1 of 2 cells have changed {HOSTILE}."
    return {"verdict": "changed", "sentence": sentence, "exit_code": 1, "counts": counts, "files": [file]}


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


def environments() -> list[dict[str, Any]]:
    """As `suite.report.contributions` gives them: this run's, and another that results were kept from."""
    shared = {"digest": "7" * 64, "noted_in": "inputs", "facts": {}}
    other = {"digest": "8" * 64, "said": f"CPU; torch 2.5.0 {HOSTILE}", "results": ["part_retrieval/cub200/mae"]}
    return [
        shared | {"number": 1, "here": True, "said": "CPU; torch 2.14.1", "differs": [], "results": ["a/b/c"] * 3},
        shared | other | {"number": 2, "here": False, "differs": ["packages.torch 2.5.0, not 2.14.1"]},
    ]


def protocol() -> dict[str, Any]:
    """Parameters with sources, variants, digests."""
    source = "code: patch_lincls.py"
    return {
        "notice": None,
        "experiments": {
            "part_classification": {"epochs": {"value": 40, "source": "ours"}, "lr": {"value": 0.4, "source": source}},
            "part_retrieval": {"include_self": {"value": True, "source": HOSTILE}},
        },
        "variants": {"keypoint-box": "half", "encoder-token": "mean"},
        "splits": {"cub200": "1,203 train, 1,187 test patches"},
        "digests": {"data": {"cub200": "cd" * 32, "coco": "ef" * 32}, "weights": dict.fromkeys(METHODS, "12" * 32)},
    }


def plan() -> list[dict[str, Any]]:
    """Plan against actual: one experiment that was planned, one of unknown duration."""
    timings = {"trials": 18, "planned_s": 50.0, "measured_s": 60.5, "ratio": 1.21, "unknown": 0}
    unknown = {"trials": 0, "planned_s": 0.0, "measured_s": 0.0, "ratio": None, "unknown": 8}
    return [{"experiment": "part_retrieval"} | timings, {"experiment": "object_segmentation"} | unknown]


def deciding() -> dict[str, Any]:
    """What would decide the inconclusive cell."""
    return {
        "experiment": "image_classification",
        "dataset": "imagenet1k",
        "methods": ["beit"],
        "cells": 1,
        "undecidable": 0,
        "certain": True,
        "seeds": [0, 1, 2, 3, 4],
        "seconds": 7200.0,
        "sentence": "5 seeds: SEED=0,1,2,3,4, about 2 h here",
    }


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


def trainings() -> list[dict[str, Any]]:
    """Two heads on one set."""
    return [
        {
            "dataset": "lip",
            "method": method,
            "steps": [0, 50, 100],
            "losses": [3.0, level, level / 2],
            "evaluations": [[50, 10.0 * level], [100, 12.0 * level]],
        }
        for method, level in (("dino", 2.0), ("mae", 1.5))
    ]


def figures(folder: Path | None = None) -> list[dict[str, Any]]:
    """Strips of two queries; drawn into `folder` where there is one."""
    strips = [
        {"kind": "patch_search", "dataset": "imagenet1k", "method": m, "query": q, "setting": s}
        for q in ("3:24", "17:24")
        for m in METHODS
        for s in ("encoded", "projected")
        if s == "encoded" or m in PROJECTED_METHODS
    ]
    for index, figure in enumerate(strips):
        figure["path"] = f"figures/{index}.png"
        if folder is not None:
            strip(folder / figure["path"], index)
    return strips


def strip(path: Path, seed: int) -> None:
    """A query and 24 neighbours as coloured squares."""
    draw = random.Random(seed)
    image = Image.new("RGB", (25 * 40 + 8, 36), "white")
    pen = ImageDraw.Draw(image)
    for k in range(25):
        left = k * 40 + (8 if k else 0)
        pen.rectangle((left, 0, left + 35, 35), fill=tuple(draw.randrange(60, 220) for _ in range(3)))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def triage() -> dict[str, Any]:
    """What was tried for one cell: two channels explain it, precision does not."""
    cell = "part_classification/coco/cae/attentive/accuracy"
    row = {"moved": -0.4, "low": -0.6, "high": -0.2, "p_value": 0.0002, "left_low": None, "left_high": None}
    words = {"moves": True, "meets": False, "broken": 0, "open": 0}
    right = {"factor": "channels=bgr", "value": 90.51, "after": 0.01, "closed": 0.98, "closes": True, "confident": True}
    wrong = {
        "factor": "precision=float16",
        "value": 90.9,
        "after": 0.4,
        "closed": 0.0,
        "closes": False,
        "confident": False,
    }
    gap = {"measured": 90.91, "expected": 90.5, "before": 0.41, "allowed": 0.27, "seed_noise": 0.1}
    return {
        "schema": 1,
        "against": None,
        "cells": [
            {"cell": cell, "verdict": "deviates", **gap, "outcome": "explained", "by": ["channels=bgr"],
             "tried": [{**right, **row, **words}, {**wrong, **row, **words}]},
        ],
        "factors": [{"factor": "channels=bgr", "about": "colours in the order of OpenCV", "explains": 1}],
        "not_applicable": [{"factor": "normalisation=imagenet", "encoder": "cae", "reason": "its own"}],
        "not_tried": [
            {"factor": "splits=swapped", "reason": "the budget of 2 min was spent; the same command goes on"},
        ],
    }  # fmt: skip


def report(folder: Path | None = None) -> dict[str, Any]:
    """The whole report; with `folder`, its pictures exist there."""
    listed = cells()
    request = {"command": "make reproduce PROFILE=mini SEED=0,1,2", "device": "cpu", "seeds": [0, 1, 2]}
    request["encoders"] = list(METHODS)
    verdicts = [item["verdict"] for item in listed]
    return {
        "schema": SCHEMA,
        "verdict": "deviates",
        "sentence": "1 of 245 judged cells deviates, confirmed in the family; 1 asked for did not run.",
        "exit_code": 1,
        "digest": "5" * 64,
        "profile": "mini",
        "run": "sample",
        "asked": request,
        "notes": [f"A note {HOSTILE}"],
        "summary": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
        "family": {
            "alpha": 0.05,
            "judged": 245,
            "rejected": ["part_retrieval/cub200/dino/encoded/ap"],
            "by_chance": 100,
            "deviating": 1,
            "chance_bound": 9,
        },
        "failing": ["part_retrieval/cub200/dino/encoded/ap"],
        "allow_inconclusive": False,
        "claims_gate": False,
        "strict": False,
        "deciding": [deciding()],
        "pictures_missing": [{"trial": "patch_search/imagenet1k/mae", "reason": f"weights missing {HOSTILE}"}],
        "newcomers": [],
        "together": None,
        "triage": triage(),
        "conformance": None,
        "conformances": [],
        "cells": listed,
        "claims": claims(),
        "environment": environment(),
        "environments": environments(),
        "variables": variables(profile="mini", environment=environment(), protocol=protocol(), request=request),
        "results": {"part_retrieval/cub200/dino": "6" * 64},
        "attempts": attempts(),
        "shards": shards(),
        "accepted": accepted(),
        "costs": costs(),
        "plan": plan(),
        "figures": figures(folder),
        "trainings": trainings(),
        "rates": [],
        "protocol": protocol(),
        "started": "2025-11-22T20:31:04+00:00",
        "finished": "2025-11-22T20:34:49+00:00",
        "made_by": {"code": "1" * 64, "expected": "2" * 64, "packages": {"matplotlib": "3.10.7"}},
        "files": {},
    }
