"""The verb of the container's image."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from suite.cli.verb import Verb
from suite.container.image import IMAGE


def add_image(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: what to do, and with what."""
    parser.add_argument("action", choices=("build", "inspect"), help="inspect ends in 1 if it is not of this checkout")
    parser.add_argument("--image", default=IMAGE, help=f"its name (default: {IMAGE})")
    parser.add_argument("--base", help="build: another base image than the Dockerfile's, best pinned by digest")
    parser.add_argument("--ca-bundle", type=Path, help="build: certificates of a proxy, for pip; a secret")
    parser.add_argument("--pip-conf", type=Path, help="build: a pip configuration, e.g. a mirror; a secret")
    parser.add_argument("--network", help="build: network of the build's steps, e.g. host")


def run_image(options: argparse.Namespace) -> int:
    """Build the container's image, or say what it was made from."""
    from suite.container.build import build
    from suite.container.engine import connect
    from suite.container.image import LABEL, find

    if options.action == "build":
        image = build(
            name=options.image,
            base=options.base,
            ca_bundle=options.ca_bundle,
            pip_conf=options.pip_conf,
            network=options.network,
        )
    else:
        image = find(connect(), options.image)
    origin = "org.opencontainers.image"
    facts = {
        "image": image.name,
        "id": image.id,
        "pulled from": image.pulled_from or "nowhere: built here and not pushed",
        "size": f"{image.size / 1e9:.2f} GB",
        "base": image.labels.get(f"{origin}.base.name"),
        "revision": image.labels.get(f"{origin}.revision"),
        "created": image.labels.get(f"{origin}.created"),
        "lock": image.labels.get(f"{LABEL}.lock.sha256"),
        "source": image.labels.get(f"{LABEL}.source.sha256"),
    }
    print("\n".join(f"{name:<12} {value or 'not said'}" for name, value in facts.items()))
    if image.stale:
        print(f"{image.name} was built from {image.stale} than this checkout's: make image", file=sys.stderr)
        return 1
    return 0


VERBS = (Verb("image", add_image, run_image),)
