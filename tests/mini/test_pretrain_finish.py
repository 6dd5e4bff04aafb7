"""The page about the mini encoders: its table and curves come from the histories and from nothing else."""

import pytest

pytest.importorskip("lightly")

from suite.mini.pretrain import finish

HISTORY = """step,images,cpu_s,held_out_loss,object_ap,object_linear,part_ap,part_linear
0,0,0,2.5,5.1,10,6.2,14
100,12800,40.4,1.25,8.25,30.06,9,25
"""
ROW = "| mae | 12,800 | 40 | 0.00 | 2.50 → 1.25 | 10.0 → 30.1 | 14.0 → 25.0 | 5.1 → 8.2 | 6.2 → 9.0 | | yes |"


@pytest.fixture
def folders(tmp_path):
    weights, evidence = tmp_path / "weights", tmp_path / "evidence"
    weights.mkdir()
    evidence.mkdir()
    (weights / "mae.csv").write_text(HISTORY)
    (weights / "mae.pth").write_bytes(b"x")
    (evidence / "mini_encoders.md").write_text(f"before\n{finish.BEGIN}\nold\n{finish.END}\nafter\n")
    return weights, evidence


def squeezed(line):
    return " ".join(line.split())


def test_the_table_replaces_the_old_one_and_nothing_else(folders):
    finish.finish(*folders)
    lines = (folders[1] / "mini_encoders.md").read_text().splitlines()
    assert lines[:2] == ["before", finish.BEGIN]
    assert lines[-2:] == [finish.END, "after"]
    assert squeezed(lines[4]) == ROW
    assert len(lines) == 7


def test_an_unhealthy_run_says_so_in_the_table(folders):
    weights, evidence = folders
    (weights / "mae.csv").write_text(HISTORY.replace("9,25", "9,12"))
    missed = "linear part classification 12.0 % is not above 14.0 %, its random initialisation's"
    assert missed in finish.finish(weights, evidence)


def test_curves_are_the_same_bytes_every_time(folders):
    pictures = []
    for _ in range(2):
        finish.finish(*folders)
        pictures.append((folders[1] / "mini_encoders" / "curves.svg").read_bytes())
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(b"<?xml")
