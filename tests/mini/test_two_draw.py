"""Processes that draw the mini data into one folder take turns, and the later ones find it whole."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from suite.core.paths import ROOT
from suite.mini import render as rendering
from suite.mini.digests import SAMPLE, recorded_digests, tree_digest
from suite.mini.render import lock_of, render
from tests.support.holders import holding, kill

DRAW = """
import sys
from pathlib import Path
from suite.mini.render import render
print([one.drawn for one in render(Path(sys.argv[1]), names=["cub200"], share={share}, workers=1, progress=False)])
"""


def test_several_at_once_draw_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DRAW.format(share=SAMPLE), str(tmp_path / "data")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    texts = [process.communicate(timeout=120) for process in processes]
    assert sorted(out for out, _ in texts) == ["[False]\n", "[False]\n", "[True]\n"], texts
    for _, err in texts:
        assert re.fullmatch(
            rf"({tmp_path}/data: drawing the mini data: process \d+ on .+ is at it; waiting\n)?", err
        ), texts
    assert tree_digest(tmp_path / "data" / "cub200") == recorded_digests(SAMPLE)["cub200"]


def test_nothing_is_touched_while_another_process_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    (data / ".cub200.partial").mkdir(parents=True)
    with holding(lock_of(data)) as holder:

        def end() -> None:
            assert (data / ".cub200.partial").exists()
            kill(holder)

        threading.Timer(1, end).start()
        (drawn,) = render(data, names=["cub200"], share=SAMPLE, workers=1, progress=False)
    assert drawn.drawn
    assert capsys.readouterr().err.startswith(f"{data}: drawing the mini data: process {holder.pid} on ")
    assert [path.name for path in data.iterdir()] == ["cub200"]


def test_who_finds_the_data_whole_waits_for_nobody(tmp_path: Path) -> None:
    data = tmp_path / "data"
    render(data, names=["cub200"], share=SAMPLE, workers=1, progress=False)
    with holding(lock_of(data)):
        (drawn,) = render(data, names=["cub200"], share=SAMPLE, workers=1, progress=False)
    assert not drawn.drawn


def test_the_lock_lies_beside_the_folder_or_in_it_where_that_is_all_one_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data" / "mini"
    assert lock_of(data) == tmp_path / "data" / ".mini.lock"
    data.mkdir(parents=True)
    (tmp_path / "link").symlink_to(data)
    assert lock_of(tmp_path / "link") == lock_of(data) == tmp_path / "data" / ".mini.lock"
    monkeypatch.setattr(rendering.os, "access", lambda path, _mode: path != data.parent)
    assert lock_of(data) == data / ".drawing.lock"
