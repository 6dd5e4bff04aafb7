"""The verb of the container's image."""

from __future__ import annotations

import argparse
import sys

from suite.cli.verb import Verb
from suite.container.image import IMAGE
from suite.core.values import image, network, path, reader


def add_image(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: what to do, and with what."""
    parser.add_argument(
        "action", choices=("build", "inspect", "sif"), help="inspect ends in 1 if it is not of this checkout"
    )
    parser.add_argument("--image", type=reader(image, "--image"), default=IMAGE, help=f"its name (default: {IMAGE})")
    parser.add_argument(
        "--archive", type=reader(path, "--archive"), help="sif: a file of docker save (default: the image, from Docker)"
    )
    parser.add_argument(
        "--base",
        type=reader(image, "--base"),
        help="build: another base image than the Dockerfile's, best pinned by digest",
    )
    parser.add_argument(
        "--ca-bundle", type=reader(path, "--ca-bundle"), help="build: certificates of a proxy, for pip; a secret"
    )
    parser.add_argument(
        "--pip-conf", type=reader(path, "--pip-conf"), help="build: a pip configuration, e.g. a mirror; a secret"
    )
    parser.add_argument(
        "--network", type=reader(network, "--network"), help="build: network of the build's steps, e.g. host"
    )


def run_image(options: argparse.Namespace) -> int:
    """Build the container's image, make it a file for Apptainer, or say what it was made from."""
    from suite.container.build import build
    from suite.container.engine import connect
    from suite.container.image import LABEL, find

    if options.action == "sif":
        from suite.container import apptainer

        apptainer.build(apptainer.source_of(options.image, options.archive))
        print(f"{apptainer.SIF}: run in it with --runtime apptainer")
        return 0
    if options.action == "build":
        local_image = build(
            name=options.image,
            base=options.base,
            ca_bundle=options.ca_bundle,
            pip_conf=options.pip_conf,
            network=options.network,
        )
    else:
        local_image = find(connect(), options.image)
    origin = "org.opencontainers.image"
    facts = {
        "image": local_image.name,
        "id": local_image.id,
        "pulled from": local_image.pulled_from or "nowhere: built here and not pushed",
        "size": f"{local_image.size / 1e9:.2f} GB",
        "base": local_image.labels.get(f"{origin}.base.name"),
        "revision": local_image.labels.get(f"{origin}.revision"),
        "created": local_image.labels.get(f"{origin}.created"),
        "lock": local_image.labels.get(f"{LABEL}.lock.sha256"),
        "source": local_image.labels.get(f"{LABEL}.source.sha256"),
    }
    print("\n".join(f"{name:<12} {value or 'not said'}" for name, value in facts.items()))
    if local_image.stale:
        print(
            f"{local_image.name} was built from {local_image.stale} than this checkout's: make image", file=sys.stderr
        )
        return 1
    return 0


VERBS = (Verb("image", add_image, run_image),)
