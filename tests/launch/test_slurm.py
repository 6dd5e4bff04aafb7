"""`launch slurm`: what it asks Slurm for, and what it refuses or says before anything waits in a queue."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.errors import RequestError
from suite.launch.shared import file_system, probing_shards, shard_count
from suite.run.folder import at_work, join_request
from suite.run.groups import ordered_groups
from suite.run.request import make_request
from suite.run.shards import Shard

SBATCH = """#!/bin/bash
echo "$@" >> {folder}/asked
cat > {folder}/script-$(ls {folder} | grep -c script)
[ ! -e {folder}/refusal ] || [[ "$*" != *"$(cat {folder}/refused)"* ]] || { cat {folder}/refusal >&2; exit 1; }
echo "$(( 100 + $(ls {folder} | grep -c script) ));cluster"
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a stand-in for sbatch: what it was asked for, and the scripts that it was given."""
    folder = tmp_path / "queue"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/sbatch").write_text(SBATCH.replace("{folder}", str(folder)))
    (folder / "bin/sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
    return folder


@pytest.fixture
def ask(tmp_path: Path, drawn_cifar10: Path) -> list[str]:
    """A launch of two shards whose data are there."""
    narrow = ["--encoder=dino,mae", "--dataset=cifar10", "--experiment=object_retrieval", "--device=cpu"]
    return ["launch", "slurm", *narrow, f"--data={drawn_cifar10}", f"--run={tmp_path}/run", f"--cache={tmp_path}/cache"]


def directives(script: str) -> list[str]:
    return re.findall(r"^#SBATCH (.*)$", script, flags=re.MULTILINE)


def test_an_array_of_shards_is_submitted_and_a_report_behind_it(
    ask: list[str], queue: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main([*ask, "--at-once=1", "--sbatch=--partition=gpu", "--sbatch=--mem=9G", "--workers=3"]) == 0
    assert (queue / "asked").read_text().splitlines() == ["--parsable", "--parsable --dependency=afterany:101"]
    shards, report = ((queue / f"script-{n}").read_text() for n in (0, 1))
    assert directives(shards) == [
        "--job-name=run",
        "--array=1-2%1",
        f"--output={tmp_path}/run/shards/%a-of-2/slurm.log",
        "--partition=gpu",
        "--mem=9G",
        "--open-mode=append",
        "--requeue",
        "--signal=B:USR1@120",
    ]
    assert directives(report) == [
        "--job-name=run-report",
        f"--output={tmp_path}/run/shards/report.log",
        "--partition=gpu",
        "--open-mode=append",
    ]
    assert report.rstrip().endswith(f"-m suite report {tmp_path}/run")
    assert "--workers=3 --shard" in shards
    assert capsys.readouterr().out == (
        f"submitted: 2 shards as array 101; job 102 reports when they have ended\n"
        f"see how far it is: python -m suite status {tmp_path}/run\n"
    )
    assert json.loads((tmp_path / "run/run.json").read_text())["asked"]["encoders"] == ["dino", "mae"]
    assert all(Shard(2, number).folder(tmp_path / "run").is_dir() for number in (1, 2))


def test_a_dry_run_prints_the_scripts_and_leaves_nothing_behind(
    ask: list[str], queue: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main([*ask, "--dry-run", "--setup=module load cuda", "--wrapper=srun -l", "--python=python3"]) == 0
    out = capsys.readouterr().out
    assert out.count("#!/bin/bash") == 2
    assert out.count("\nmodule load cuda\n") == 2
    assert "\n  srun -l python3 -m suite reproduce --runtime=venv " in out
    assert "\nexec srun -l python3 -m suite report " in out
    assert not (tmp_path / "run").exists()
    assert not (queue / "asked").exists()


def test_probes_on_augmented_images_get_several_gpus_of_a_node_in_an_array_of_their_own(
    ask: list[str], capsys: pytest.CaptureFixture
) -> None:
    asked = [
        *ask[:2],
        "--profile=paper",
        "--encoder=dino,mae",
        "--device=cuda",
        "--dry-run",
        "--sbatch=--gres=gpu:h100:1",
    ]
    assert main([*asked, "--gpus-per-probe=8"]) == 0
    probes, others, report = capsys.readouterr().out.split("#!/bin/bash\n")[1:]
    assert {"--array=1-2", "--gpus-per-node=8"} <= {*directives(probes)}
    assert "--processes-per-probe=8 " in probes
    assert {"--array=3-22", "--gres=gpu:h100:1"} <= {*directives(others)}
    assert "--processes-per-probe" not in others
    assert "gpu" not in "".join(directives(report))
    assert main(asked[:-1]) == 0
    one, _ = capsys.readouterr().out.split("#!/bin/bash\n")[1:]
    assert {"--array=1-22", "--gpus-per-node=1"} <= {*directives(one)}


def test_shards_are_groups_or_fewer_and_never_more_than_a_user_may_submit() -> None:
    request = make_request(profile="paper", device="cpu")
    assert (len(ordered_groups(request)), shard_count(request, None)) == (77, 77)
    assert [shard_count(request, number) for number in (1, 30, 500)] == [1, 30, 77]
    assert [probing_shards(request, count) for count in (77, 7, 3)] == [7, 7, 3]
    many = make_request(encoders=[f"timm:vit_{n}@random" for n in range(150)], device="cpu", datasets=["cifar10"])
    assert (shard_count(many, None), shard_count(many, 120)) == (100, 120)


def test_a_card_that_is_not_here_needs_no_gpu_and_is_planned_by_given_rates(
    ask: list[str], queue: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main([*ask[:-3], *ask[-3:], "--device=cuda", "--rates=250TFLOP/s", "--at-once=2"]) == 0
    out = capsys.readouterr().out
    assert "2 groups of trials" in out
    assert "the encoders' arithmetic alone" in out
    assert "--gpus-per-node=1" in directives((queue / "script-0").read_text())


@pytest.mark.parametrize(
    ("refused", "rest"), [("--parsable", ""), ("--dependency", "; submitted before, and waiting: scancel 101")]
)
def test_slurms_own_words_are_shown_and_what_waits_already(
    ask: list[str], queue: Path, capsys: pytest.CaptureFixture, refused: str, rest: str
) -> None:
    (queue / "refused").write_text(refused)
    (queue / "refusal").write_text(
        "sbatch: error: invalid partition specified: none\nsbatch: error: Batch job failed\n"
    )
    assert main(ask) == 3
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: sbatch: sbatch: error: invalid partition specified: none sbatch: error: Batch job failed{rest}"
    )


@pytest.mark.parametrize("option", ["--array=1-4", "-a 1-4", "--signal=USR1", "--dependency=afterok:1"])
def test_an_option_that_launch_sets_is_refused(ask: list[str], option: str, capsys: pytest.CaptureFixture) -> None:
    assert main([*ask, "--dry-run", f"--sbatch={option}"]) == 3
    assert capsys.readouterr().err == f"error: --sbatch={option}: expected an option that launch does not set itself\n"


def test_options_are_passed_through_as_they_were_meant(ask: list[str], capsys: pytest.CaptureFixture) -> None:
    assert main([*ask, "--dry-run", "--sbatch=-p gpu", "--sbatch=--comment=it's a test", "--sbatch=--time=1:00"]) == 0
    shards, report = capsys.readouterr().out.split("#!/bin/bash\n")[1:]
    assert directives(shards)[3:6] == ["-p gpu", "'--comment=it'\"'\"'s a test'", "--time=1:00"]
    assert directives(report)[2:4] == ["-p gpu", "'--comment=it'\"'\"'s a test'"]
    assert main([*ask, "--dry-run", "--sbatch=time=1:00"]) == 3
    assert capsys.readouterr().err == (
        "error: --sbatch=time=1:00: expected an option of sbatch, e.g. --sbatch=--time=12:00:00\n"
    )


def test_no_sbatch_is_one_clear_line(
    ask: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(ask) == 3
    assert capsys.readouterr().err == (
        "error: launch slurm: expected sbatch among this machine's programs, found none: "
        "run it where jobs are submitted, or pass --dry-run\n"
    )


def test_a_run_folder_of_another_request_is_refused_before_anything_is_submitted(
    ask: list[str], queue: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(ask) == 0
    (queue / "asked").unlink()
    assert main([*ask, "--seed=5"]) == 3
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {tmp_path}/run/run.json: launch: expected a run of the same request, got another seeds: "
        "ask for the same, or choose another folder (--run)"
    )
    assert not (queue / "asked").exists()


def test_a_run_folder_where_another_command_is_at_work_is_refused(
    ask: list[str], queue: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with at_work(tmp_path / "run"):
        assert main(ask) == 3
    assert f"{tmp_path}/run: process {os.getpid()} on " in capsys.readouterr().err.splitlines()[-1]
    assert not (queue / "asked").exists()


def test_shards_may_share_a_probe_among_other_numbers_of_gpus(tmp_path: Path) -> None:
    request = make_request(profile="paper", device="cuda", here=False, run=tmp_path / "run")
    join_request(request, option="launch")
    join_request(replace(request, processes_per_probe=8), option="--shard")
    with pytest.raises(RequestError, match="--shard: expected a run of the same request, got another limit"):
        join_request(replace(request, limit=8), option="--shard")


def test_a_disk_of_this_machine_alone_is_told(tmp_path: Path) -> None:
    class Mount:
        def __init__(self, mountpoint: str, fstype: str) -> None:
            self.mountpoint, self.fstype = mountpoint, fstype

    mounts = [Mount("/", "ext4"), Mount(str(tmp_path / "shared"), "nfs4"), Mount(str(tmp_path), "tmpfs")]
    places = [Path("/etc"), tmp_path / "run", tmp_path / "shared" / "run"]
    assert [file_system(place, lambda **_: mounts) for place in places] == ["ext4", "tmpfs", "nfs4"]
    assert file_system(Path("/etc"), lambda **_: []) == ""
