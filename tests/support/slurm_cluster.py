"""A Slurm of three nodes on this machine's loopback: own ports and key, files in one folder; nothing stays behind."""

from __future__ import annotations

import os
import platform
import pwd
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import last_lines, run, suite

NODES = ("n1", "n2", "n3")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "setpriv")
NARROW = (
    "--encoder=dino,mae",
    "--dataset=cifar10,lip",
    "--experiment=object_retrieval,part_segmentation",
    "--device=cpu",
)
"""Two encoders, an experiment of seconds and one that trains a while."""
CHEAP = ("--encoder=dino", "--dataset=cifar10", "--experiment=object_retrieval", "--device=cpu")
START_S = 60
STOP_S = 20
CONFIGURATION = """
ClusterName=part-aware
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
KillWait=10
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1
NodeName=n3 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=1
PartitionName=work Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=n3 MaxTime=INFINITE State=UP
"""
"""Two nodes that work, and one for a job that runs into its time limit meanwhile."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that takes jobs.

    Attributes:
        folder: all its files; its configuration is found by SLURM_CONF.
    """

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def command(self, *words: str) -> str:
        """Run one of Slurm's commands; return what it prints."""
        done = run(words, variables=self.variables)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def states(self) -> dict[str, str]:
        """Return the state of every job and array task that Slurm remembers: `3_1` -> `RUNNING`."""
        lines = self.command("squeue", "--all", "--array", "--noheader", "--states=all", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def wait(self, holds: Callable[[], object], what: str, seconds: float) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s; {self.states()}; {self.last_words()}"
            time.sleep(0.1)

    def last_words(self) -> str:
        """Return the end of each daemon's log."""
        return "\n".join(
            f"{path.name}: {last_lines(path.read_text(), 3)}" for path in sorted(self.folder.glob("*.log"))
        )


@dataclass(frozen=True)
class Site:
    """A cluster, and the folders that its nodes share.

    Attributes:
        cluster: to which jobs are submitted.
        folder: of data, caches and runs.
    """

    cluster: Cluster
    folder: Path

    def arguments(self, run: str, *narrow: str) -> list[str]:
        """Return the options of a request whose run and cache are called so."""
        places = [f"--data={self.folder / 'data'}", f"--cache={self.folder / f'cache-{run}'}"]
        return [*(narrow or NARROW), *places, f"--run={self.folder / run}"]

    @staticmethod
    def array(launched: subprocess.CompletedProcess[str]) -> str:
        """Return the number of the array that a launch submitted."""
        number = re.search(r"as array (\d+); job (\d+) reports", launched.stdout)
        assert number, launched.stdout + launched.stderr
        return number[1]

    def launch(self, run: str, *options: str, narrow: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Launch a run here."""
        return suite("launch", "slurm", *self.arguments(run, *narrow), *options, variables=self.cluster.variables)


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback on which nobody listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[Cluster]:
    """Start munge, the controller and the nodes in this folder; in the end stop what runs, and then them.

    Raises:
        RuntimeError: one of them did not start.
    """
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    assert not missing, f"expected {', '.join(missing)}: .ci/slurm-test installs them"
    with ExitStack() as clean_up:
        munge = _munge(folder / "munge")
        (folder / "state").mkdir()
        for node in NODES:
            (folder / "spool" / node).mkdir(parents=True)
        text = CONFIGURATION.format(host=platform.node(), ports=free_ports(4), folder=folder)
        (folder / "slurm.conf").write_text(text)
        configuration = str(folder / "slurm.conf")
        _daemon(clean_up, "munged", munge, folder)
        _wait_for((folder / "munge" / "socket").exists, "munged", folder)
        _daemon(clean_up, "slurmctld", ["slurmctld", "-D", "-i", "-f", configuration], folder)
        for node in NODES:
            _daemon(clean_up, node, ["slurmd", "-D", "-N", node, "-f", configuration], folder)
        cluster = Cluster(folder)
        clean_up.callback(_cancel_all, cluster)
        _wait_for(lambda: _idle_nodes(cluster) == len(NODES), "the nodes", folder)
        yield cluster


def _munge(folder: Path) -> list[str]:
    """Make the folder of munge, which runs as its own user; return its command."""
    folder.mkdir()
    (folder / "key").write_bytes(os.urandom(128))
    (folder / "key").chmod(0o400)
    user = pwd.getpwnam("munge")
    for path in (folder, folder / "key"):
        os.chown(path, user.pw_uid, user.pw_gid)
    files = [f"--{name}-file={folder / name}" for name in ("key", "pid", "log", "seed")]
    as_munge = ["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups"]
    return [*as_munge, "munged", "--foreground", f"--socket={folder / 'socket'}", *files]


def _daemon(clean_up: ExitStack, name: str, command: Sequence[str], folder: Path) -> None:
    output = clean_up.enter_context((folder / f"{name}.out.log").open("w"))
    # it ends with these tests even if they are killed, but not by a Ctrl-C that means them: they clean up first
    deadly = ["setpriv", "--pdeathsig=TERM", *command]
    process = subprocess.Popen(deadly, stdout=output, stderr=output, start_new_session=True)
    clean_up.callback(_stop, process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _cancel_all(cluster: Cluster) -> None:
    """End all jobs, and wait for it: a job outlives its node's daemon."""
    variables = cluster.variables
    run(["scancel", "--user=root"], variables=variables)
    end = time.monotonic() + STOP_S
    while run(["squeue", "--noheader"], variables=variables).stdout.strip() and time.monotonic() < end:
        time.sleep(0.3)


def _idle_nodes(cluster: Cluster) -> int:
    done = run(["sinfo", "--noheader", "--Node", "--format=%T"], variables=cluster.variables)
    return done.stdout.split().count("idle")


def _wait_for(holds: Callable[[], object], what: str, folder: Path) -> None:
    end = time.monotonic() + START_S
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: did not start: {Cluster(folder).last_words()}")
        time.sleep(0.2)
