"""A run folder with one of every file that a run may leave, and its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from suite.core.environment import capture, package_versions
from suite.core.files import plain, write_json
from suite.core.numerics import PACKAGES, cpu_model
from suite.plan.record import save_plan
from suite.report.collect import report
from suite.reproduction.settled import FILE as SETTLED
from suite.results.store import Key, Store, strip_path
from suite.run.attempts.attempt import attempt
from suite.run.request import Request, make_request
from suite.verification.outcome import Check
from suite.verification.record import save
from tests.support.archived_run import KEY, items, result

MAE = Key("object_retrieval", "cifar10", "mae")
NOT_RUN = Key("object_retrieval", "cifar10", "dino")
STRIPS = Key("patch_search", "imagenet1k", "deit")
FILES = (
    *("run.json", "environment.json", "checks.json", "verification.json", "conformance.json", "plan.json"),
    *("attempts.jsonl", "sbom.json", SETTLED, "report.json", "report.html", "report.md"),
    *("summary.md", "badge.json", "junit.xml"),
    *(f"cells/{KEY}.json", f"items/{KEY}.safetensors", "not_run/object_retrieval__cifar10__dino.json"),
    str(strip_path(STRIPS, "3:24", "encoded")),
)


def whole_request(run: Path) -> Request:
    return make_request(
        encoders=["deit", "mae", "dino"],
        datasets=["cifar10", "imagenet1k"],
        experiments=["object_retrieval", "patch_search"],
        device="cpu",
        run=run,
    )


def write_whole_run(run: Path) -> Path:
    request = whole_request(run)
    store = Store(run)
    store.save(result(), items())
    store.save(result(MAE, 10.5), items(10.5))
    picture = run / strip_path(STRIPS, "3:24", "encoded")
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8), "teal").save(picture)
    strips: dict[str, Any] = {"summaries": {"3:24 encoded": {"1:2": 0.5}}, "values": {}}
    store.save(type(result())(**(vars(result(STRIPS)) | strips)))
    store.mark_not_run(NOT_RUN, "its weights are missing")
    check = Check("cifar10", "splits", "passed", "train 100")
    save(run / "checks.json", [Check("environment", "python", "warning", "3.13")], {}, {"profile": "mini"})
    save(run / "verification.json", [check], {"cifar10": "b" * 64}, {"sample": 100})
    facts = {"weights": "a" * 64, "patch_size": 16, "image_size": 64, "embed_dim": 48, "depth": 2}
    rungs = [{"name": "loads", "question": "can it be loaded?", "status": "passed", "detail": "0.5 M parameters"}]
    fingerprint = {"hash": "f00d", "probe": [0.5, 0.25]}
    write_json(
        run / "conformance.json", {"encoder": "deit", "rungs": rungs, "facts": facts, "fingerprint": fingerprint}
    )
    save_plan(run, [{"trials": [str(KEY)], "seconds": 2.0, "basis": "measured"}], processes=2)
    (run / "sbom.json").write_text(json.dumps({"bomFormat": "CycloneDX"}))
    environment = {"device": {"kind": "cpu", **cpu_model()}, "packages": package_versions(PACKAGES), "variables": {}}
    write_json(run / SETTLED, {"facts": {"trials": []}, "results": {str(KEY): "a" * 64}, "environment": environment})
    write_json(run / "environment.json", plain(capture("cpu")))
    times = {"started": "2025-01-01T00:00:00+00:00", "finished": "2025-01-01T00:01:00+00:00"}
    write_json(run / "run.json", {"asked": request.record(), **times, "reused": [str(MAE)]})
    with attempt(request) as attempt_log:
        attempt_log.measured, attempt_log.lost = [str(KEY)], [str(NOT_RUN)]
        attempt_log.end("finished", exit_code=2, verdict="incomplete")
    report(run)
    return run
