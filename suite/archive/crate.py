"""The archive's own description, ro-crate-metadata.json: a Process Run Crate 0.5 on RO-Crate 1.1.

One action, the run, by one instrument, the suite at its commit, turned protocols, datasets and checkpoints (named by
digest, not included) into results and a report.

Source: https://w3id.org/ro/wfrun/process/0.5
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from suite.archive.contents import description, media_type
from suite.core.files import Json
from suite.errors import RequestError
from suite.report import summary

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
"""Context in which `sha256` and `containerImage` are defined."""
PAPER = "https://arxiv.org/abs/2301.11915"
TITLE = "Understanding Self-Supervised Pretraining with Part-Aware Representation Learning"
METADATA = "ro-crate-metadata.json"


def metadata(files: Mapping[str, bytes], report: Json, *, licence: str, author: str | None) -> bytes:
    """Return the description of an archive that holds these files; it holds no time but the run's.

    Args:
        files: path in the archive -> content.
        report: the run's report.json.
        licence: URL of the licence under which the archive is given.
        author: who gives it; None to name nobody.

    Raises:
        RequestError: the `rocrate` package is not installed.
    """
    try:
        from rocrate.model import ContextEntity, Person
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise RequestError(f"archive: expected the packages of extra `provenance`: {error}; run make setup") from error

    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(CONTEXT)

    def add(identifier: str, kind: str, /, **properties: Any) -> Any:
        values = {key: value for key, value in properties.items() if value is not None}
        return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **values}))

    root = crate.root_dataset
    root["name"] = f"Reproducibility run {report['run']} of arXiv 2301.11915, {report['profile']} profile"
    root["description"] = f"{report['sentence']} {summary.notice(report) or ''}".strip()
    root["datePublished"] = report["finished"]
    root["license"] = add(licence, "CreativeWork", name="Licence of this archive", description="As given by its author")
    root["conformsTo"] = add(PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    root["citation"] = add(PAPER, "ScholarlyArticle", name=TITLE, datePublished="2023")
    if report.get("digest"):
        root["identifier"] = f"sha256:{report['digest']}"
    person = crate.add(Person(crate, "#author", properties={"name": author})) if author else None
    if person:
        root["author"] = person
    for path, content in files.items():
        facts = {"name": path, "description": description(path), "encodingFormat": media_type(path)}
        facts |= {"contentSize": str(len(content)), "sha256": sha256(content).hexdigest()}
        crate.add_file(path, path, validate_url=False, properties={k: v for k, v in facts.items() if v is not None})

    inputs = [add(name, "CreativeWork", **facts) for name, facts in _inputs(report["protocol"]["digests"])]
    inputs += [crate.get(path) for path in files if path.startswith("source/")]
    image = _image(report["environment"].get("container") or {})
    action = crate.add_action(
        add("#suite", "SoftwareApplication", **_suite(report)),
        identifier="#run",
        object=inputs,
        result=[crate.get(path) for path in files if not path.startswith("source/")],
        properties={
            "name": f"Run {report['run']}",
            "description": report["asked"].get("command") or "python -m suite reproduce",
            "startTime": report["started"],
            "endTime": report["finished"],
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    root["mentions"] = action
    if person:
        action["agent"] = person
    if image:
        action["containerImage"] = add("#image", "ContainerImage", **image)
    return (json.dumps(crate.metadata.generate(), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _inputs(digests: Json) -> Iterable[tuple[str, dict[str, str]]]:
    """Yield datasets and checkpoints, which an archive names and does not hold."""
    for kind, title in (("data", "Dataset"), ("weights", "Checkpoint")):
        for name, digest in sorted((digests.get(kind) or {}).items()):
            yield f"#{kind}-{name}", {"name": f"{title} {name}", "identifier": f"sha256:{digest}"}


def _suite(report: Json) -> dict[str, Any]:
    code = report["environment"].get("code") or {}
    commit = f"+{code['commit']}{'.dirty' if code.get('dirty') else ''}" if code.get("commit") else ""
    return {
        "name": "part-aware-repro",
        "description": "Reproducibility suite for arXiv 2301.11915",
        "softwareVersion": f"{code.get('suite') or 'unknown'}{commit}",
        "softwareRequirements": {"@id": "source/requirements.lock"},
    }


def _image(container: Json) -> dict[str, Any] | None:
    if not container.get("image_digest"):
        return None
    digest = str(container["image_digest"]).rpartition("sha256:")[2]
    kind = {"@id": "https://w3id.org/ro/terms/workflow-run#DockerImage"}
    return {"name": container.get("image"), "sha256": digest, "additionalType": kind}
