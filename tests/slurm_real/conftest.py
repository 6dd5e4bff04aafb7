"""A real Slurm of three nodes on loopback, and never skipped: arrays, requeues, kills and cancellations.

    pytest -v -rP tests/slurm_real [--reference RUN]

Needs root on Debian or Ubuntu with slurmctld, slurmd, slurm-client and munge, which .ci/slurm-test installs. All files
are below TMPDIR (default: /var/tmp); ports, keys and daemons are its own, and nothing is left behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import last_lines, suite
from tests.support.docker_daemon import stop_on_signals, work_folder
from tests.support.slurm_cluster import CHEAP, Cluster, Site, slurm_cluster

WAITING = """#!/bin/bash
[ "$3" = report ] && exit 0
trap 'exit 143' TERM
for _ in $(seq 1200); do sleep 0.1; done
"""
LOG = pytest.StashKey[Cluster]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("a real Slurm")
    group.addoption("--reference", type=Path, help="run of the same cells and code by one command (default: made)")


def pytest_configure() -> None:
    stop_on_signals()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show beside a failure what the daemons said last."""
    report = yield
    cluster = item.config.stash.get(LOG, None)
    if report.failed and cluster is not None:
        report.sections.append(("The daemons' last words", cluster.last_words()))
    return report


@pytest.fixture(scope="session")
def work() -> Iterator[Path]:
    """Return the folder of everything that is made here."""
    assert os.getuid() == 0, f"expected root, to start Slurm's daemons; got user {os.getuid()}"
    with work_folder(Path(os.environ.get("TMPDIR") or "/var/tmp")) as folder:
        yield folder


@pytest.fixture(scope="session")
def site(work: Path, pytestconfig: pytest.Config) -> Iterator[Site]:
    """Return the cluster and its shared folders."""
    with slurm_cluster(work) as cluster:
        pytestconfig.stash[LOG] = cluster
        yield Site(cluster, work / "shared")


@pytest.fixture(scope="session", autouse=True)
def too_short(work: Path, site: Site) -> str:
    """Launch a run whose time limit is shorter than the warning before it, for a suite that only waits; its array."""
    waiting = work / "waiting"
    waiting.write_text(WAITING)
    waiting.chmod(0o755)
    options = ["--sbatch=--time=1", "--sbatch=--partition=short", f"--python={waiting}"]
    done = site.launch("too_short", *options, narrow=CHEAP)
    assert done.returncode == 0, done.stderr
    return site.array(done)


@pytest.fixture(scope="session")
def plain(site: Site, pytestconfig: pytest.Config) -> Path:
    """Return a run of the same cells by one command, without Slurm."""
    reference = pytestconfig.getoption("--reference")
    if reference is not None:
        return Path(reference)
    done = suite("reproduce", "--runtime=venv", *site.arguments("plain"))
    assert done.returncode in {0, 1, 2}, last_lines(done.stderr)
    return site.folder / "plain"
