"""Where nothing is left to measure, a run says so without torch; where anything changed, it measures."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from suite.core.environment import package_versions
from suite.core.numerics import PACKAGES, cpu_model
from suite.core.paths import MINI_WEIGHTS, ROOT
from suite.mini.render import render
from suite.reproduction.settled import FILE, settle, settled
from suite.results.records import Key
from suite.results.store import Store
from suite.run.request import Request, make_request
from tests.support.archived_run import items, result

ENVIRONMENT = {"device": {"kind": "cpu", **cpu_model()}, "packages": package_versions(PACKAGES), "variables": {}}
KEY = Key("object_retrieval", "cifar10", "deit")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("drawn")
    render(data, names=("cifar10",), workers=1, progress=False, share=0.02)
    return data


@pytest.fixture
def ask(tmp_path: Path, drawn: Path) -> Callable[..., Request]:
    """The same request, or one that differs; its data and weights are copies that may be changed."""
    shutil.copytree(drawn, tmp_path / "data")
    (tmp_path / "weights").mkdir()
    shutil.copy(MINI_WEIGHTS / "deit.pth", tmp_path / "weights")

    def asked(**other: object) -> Request:
        same = {"encoders": ["deit"], "experiments": ["object_retrieval"], "datasets": ["cifar10"], "device": "cpu"}
        places = {"data": tmp_path / "data", "weights": tmp_path / "weights", "run": tmp_path / "run"}
        return make_request(**same | places | other)

    return asked


@pytest.fixture
def request_(ask: Callable[..., Request]) -> Request:
    """Of a run in which everything is measured."""
    request = ask()
    Store(request.run).save(result(), items())
    settle(request, ENVIRONMENT)
    return request


def test_the_environment_of_an_unchanged_run_is_the_one_noted(request_: Request) -> None:
    assert settled(request_) == ENVIRONMENT


@pytest.mark.parametrize(
    "other",
    [
        {"encoders": ["deit", "mae"]},
        {"seeds": [1]},
        {"limit": 5},
        {"variants": ["encoder-token=cls"]},
        {"strict": True},
    ],
    ids=str,
)
def test_another_request_is_not_settled(request_: Request, ask: Callable[..., Request], other: dict) -> None:
    assert settled(ask(**other, run=request_.run)) is None


def test_what_cannot_be_told_without_torch_is_not(request_: Request, ask: Callable[..., Request]) -> None:
    for encoders in (["timm:vit_tiny_patch16_224@random"], ["package.module:factory"]):
        request = ask(encoders=encoders, run=request_.run)
        settle(request, ENVIRONMENT)
        assert settled(request) is None
    for choice in ("keep_other_environments", "strict"):
        request = ask(**{choice: True})
        settle(request, ENVIRONMENT)
        assert settled(request) is None


def change_data(request: Request) -> None:
    path = next((request.data / "cifar10").rglob("test_batch"))
    path.write_bytes(path.read_bytes() + b"x")


def change_weights(request: Request) -> None:
    path = request.weights / "deit.pth"
    path.write_bytes(path.read_bytes() + b"x")


def edit_a_cell(request: Request) -> None:
    path = Store(request.run).path(KEY)
    path.write_text(path.read_text().replace("12.25", "13.25"))


def edit_items(request: Request) -> None:
    path = Store(request.run).items_path(KEY)
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))


def measure_it_otherwise(request: Request) -> None:
    Store(request.run).save(result(value=13.25), items(13.25))


def lose_a_cell(request: Request) -> None:
    Store(request.run).path(KEY).unlink()


def note_a_loss(request: Request) -> None:
    Store(request.run).mark_not_run(KEY, "no room")


def lose_data(request: Request) -> None:
    shutil.rmtree(request.data / "cifar10")


def damage_the_note(request: Request) -> None:
    (request.run / FILE).write_text("[1]")


@pytest.mark.parametrize(
    "change",
    [
        change_data,
        change_weights,
        edit_a_cell,
        edit_items,
        measure_it_otherwise,
        lose_a_cell,
        note_a_loss,
        lose_data,
        damage_the_note,
    ],
)
def test_whatever_changed_is_seen(request_: Request, change: Callable[[Request], None]) -> None:
    change(request_)
    assert settled(request_) is None


def test_other_code_packages_and_switches_are_seen(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("suite.reproduction.settled.trial_code", lambda _: "other")
        assert settled(request_) is None
    with monkeypatch.context() as patch:
        patch.setattr("suite.reproduction.settled.package_versions", lambda _: {"torch": "2.5.0"})
        assert settled(request_) is None
    with monkeypatch.context() as patch:
        patch.setenv("ATEN_CPU_CAPABILITY", "avx2")
        assert settled(request_) is None
    assert settled(request_) == ENVIRONMENT


@pytest.mark.parametrize(
    "other",
    [{"packages": {"torch": "2.5.0"}}, {"device": {"model": "another CPU"}}, {"variables": {"MKL_CBWR": "COMPATIBLE"}}],
    ids=str,
)
def test_an_environment_that_is_not_this_one_is_seen(request_: Request, other: dict) -> None:
    settle(request_, ENVIRONMENT | other)
    assert settled(request_) is None


def test_the_second_run_loads_no_torch(request_: Request, tmp_path: Path) -> None:
    verified = {"schema": 1, "subjects": {"cifar10": {"finished": "now", "how": {}, "digest": None, "checks": []}}}
    (request_.data / "verification.json").write_text(json.dumps(verified))
    arguments = ["reproduce", "--runtime=venv", *request_.arguments(), f"--cache={tmp_path / 'cache'}"]
    code = "import sys; from suite.cli.main import main; code = main(sys.argv[1:]); print('torch' in sys.modules, code)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, check=True, capture_output=True, text=True, env=os.environ
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "nothing to measure: all 1 trials are stored, and nothing that they depend on has changed"
    assert lines[-1] == "False 1", "its value is made up, so it deviates"
    assert json.loads((request_.run / "run.json").read_text())["reused"] == [str(KEY)]
    taken = json.loads((request_.run / "verification.json").read_text())
    assert taken["subjects"] == verified["subjects"], "data verified since are said to be"
