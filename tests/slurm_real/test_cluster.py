"""What is launched on a cluster ends as one command would: the same bits, or a sentence about what was lost."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil

from tests.support.commands import last_lines, suite
from tests.support.slurm_cluster import CHEAP, Site

TRAINING = ("--encoder=dino,mae", "--dataset=lip", "--experiment=part_segmentation", "--device=cpu")


def values(run: Path) -> dict[str, list[float]]:
    """Return every measured value of a run's report by the name of its cell."""
    cells = json.loads((run / "report.json").read_text())["cells"]
    return {cell["id"]: cell["measured"] for cell in cells if cell["measured"] is not None}


def results(run: Path) -> dict[str, dict[str, list[float]]]:
    """Return every stored value, one per seed, by the place of its file."""
    paths = sorted((run / "cells").rglob("*.json"))
    return {str(path.relative_to(run)): json.loads(path.read_text())["values"] for path in paths}


def shard_processes(run: Path, shard: str) -> list[psutil.Process]:
    """List the processes of a shard that were started by its command."""
    words = [f"--run={run}", shard]
    return [p for p in psutil.process_iter(["cmdline"]) if {*words} <= {*(p.info["cmdline"] or ())}]


def exit_codes(run: Path, shard: str) -> list[str]:
    path = run / "shards" / shard / "exit_code"
    return path.read_text().split() if path.exists() else []


def rounds(run: Path) -> tuple[int, int] | None:
    """Return rounds done and all rounds of the first shard's training; None where none is under way."""
    try:
        progress = json.loads((run / "training/part_segmentation-lip-dino.json").read_text())
    except FileNotFoundError:
        return None
    return progress["round"], progress["rounds"]


def test_a_launch_gives_the_bits_of_one_command_also_when_a_training_is_requeued_in_the_middle(
    site: Site, plain: Path
) -> None:
    run = site.folder / "launched"
    done = site.launch("launched")
    assert done.returncode == 0, done.stderr
    cluster = site.cluster
    assert "4 shards as array" in done.stdout

    cluster.wait(lambda: shard_processes(run, "1/4"), "the first shard", 300)
    shard = min(shard_processes(run, "1/4"), key=psutil.Process.create_time)
    cluster.wait(lambda: rounds(run), "a training", 300)
    # as Slurm does near the time limit; scancel --batch --signal=USR1 may come when the training has ended
    shard.parent().send_signal(signal.SIGUSR1)
    cluster.wait(lambda: exit_codes(run, "1-of-4"), "the end of the shard", 120)
    assert exit_codes(run, "1-of-4") == ["143"]
    done_rounds, all_rounds = rounds(run)
    assert 0 < done_rounds < all_rounds
    cluster.wait((run / "report.json").exists, "the report", 600)
    assert exit_codes(run, "1-of-4") == ["143", "0"], (run / "shards/1-of-4/slurm.log").read_text()
    assert [exit_codes(run, f"{k}-of-4") for k in (2, 3, 4)] == [["0"], ["0"], ["0"]]

    assert len(results(run)) == 4
    assert results(run).items() <= results(plain).items()
    assert values(run)
    assert values(run).items() <= values(plain).items()
    verified = suite("verify", run)
    assert verified.returncode == 0, verified.stdout


def test_a_shard_killed_with_9_is_named_and_a_cancelled_one_stays_cancelled(site: Site) -> None:
    run = site.folder / "killed"
    done = site.launch("killed", narrow=TRAINING)
    assert done.returncode == 0, done.stderr
    array, cluster = site.array(done), site.cluster
    cluster.wait(lambda: shard_processes(run, "1/2") and shard_processes(run, "2/2"), "both shards", 180)
    os.kill(min(shard_processes(run, "1/2"), key=psutil.Process.create_time).pid, signal.SIGKILL)
    cluster.command("scancel", f"{array}_2")
    cluster.wait((run / "report.md").exists, "the report", 600)
    assert exit_codes(run, "1-of-2") == ["137"]
    states = cluster.states()
    assert states[f"{array}_2"] == "CANCELLED", states
    assert not shard_processes(run, "2/2")
    assert not (run / "shards/2-of-2/requeued").exists()
    shards = json.loads((run / "report.json").read_text())["shards"]
    first, second = shards["entries"]
    assert (first["shard"], first["exit_codes"], first["lacks"]) == ("1/2", [137], ["part_segmentation/lip/dino"])
    assert first["fate"].startswith("killed ")
    assert first["fate"].endswith(": most likely out of memory")
    assert second["lacks"] == ["part_segmentation/lip/mae"]
    assert f"shard 1 of 2: {first['fate']}" in (run / "report.md").read_text()


def test_another_request_is_refused(site: Site) -> None:
    first = site.launch("cheap", narrow=CHEAP)
    assert first.returncode == 0, first.stderr
    other = site.launch("cheap", narrow=(*CHEAP[1:], "--encoder=mae"))
    assert other.returncode == 3
    assert last_lines(other.stderr, 1).startswith(f"error: {site.folder / 'cheap' / 'run.json'}: launch: expected")
    shard = suite("reproduce", "--runtime=venv", *site.arguments("cheap", *CHEAP[1:], "--encoder=mae"), "--shard=1/1")
    assert shard.returncode == 3, last_lines(shard.stderr)


def test_slurm_says_itself_which_option_it_does_not_take(site: Site) -> None:
    done = site.launch("refused", "--sbatch=--partition=none", narrow=CHEAP)
    assert done.returncode == 3
    assert last_lines(done.stderr, 1).startswith("error: sbatch: ")
    assert "invalid partition specified: none" in last_lines(done.stderr, 1)


def test_a_time_limit_too_short_is_given_up_after_five_requeues(site: Site, too_short: str) -> None:
    run, cluster = site.folder / "too_short", site.cluster
    cluster.wait(lambda: cluster.states().get(f"{too_short}_1") == "FAILED", "the end of the requeues", 400)
    assert exit_codes(run, "1-of-1") == ["143"] * 6
    log = (run / "shards/1-of-1/slurm.log").read_text()
    assert "error: shard 1 of 1: requeued 5 times at its time limit: pass a longer one" in log
