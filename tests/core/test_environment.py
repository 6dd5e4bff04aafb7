"""The environment is described honestly and never fails a run."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from suite.core import environment
from suite.errors import RequestError
from suite.report import collect as assemble
from suite.report import inputs

GROUPS = {"code", "python", "packages", "lock", "cpu", "memory", "os", "gpu", "container", "threads"}


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of our own, outside any repository."""
    monkeypatch.setattr(environment, "ROOT", tmp_path.resolve())
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.resolve().parent))
    return tmp_path


def test_every_group_is_there_and_is_json() -> None:
    facts = environment.capture("cpu")
    assert set(facts) == GROUPS
    json.dumps(facts, allow_nan=False)
    assert (
        facts["packages"]["torch"].split("+")[0] in environment.locked_versions(environment.LOCK.read_text())["torch"]
    )
    assert facts["gpu"]["reason"] == "the run was on cpu"
    assert facts["memory"]["total_mib"] > 100


def test_a_group_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "LOCK", Path("/nonexistent/requirements.lock"))
    monkeypatch.setattr("psutil.virtual_memory", lambda: 1 / 0)
    facts = environment.capture("cpu")
    assert set(facts) == GROUPS
    assert facts["lock"]["reason"].startswith("not readable: FileNotFoundError: ")
    assert facts["memory"] == {"reason": "not readable: ZeroDivisionError: division by zero"}


@pytest.mark.usefixtures("root")
def test_outside_a_checkout_the_commit_is_unknown() -> None:
    state = environment.code_state()
    assert (state["commit"], state["dirty"], state["reason"]) == (None, None, "not a git checkout")


def test_a_checkout_is_clean_until_something_changes(root: Path) -> None:
    git(root, "init", "-q")
    (root / "a").write_text("1")
    git(root, "add", "a")
    git(root, "commit", "-qm", "m")
    state = environment.code_state()
    assert len(state["commit"]) == 40
    assert (state["dirty"], state["reason"]) == (False, None)
    (root / "a").write_text("2")
    assert environment.code_state()["dirty"] is True


def test_a_repository_around_the_project_is_not_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(root, "init", "-q")
    (root / "inner").mkdir()
    monkeypatch.setattr(environment, "ROOT", (root / "inner").resolve())
    assert environment.code_state()["reason"] == "not a git checkout"


@pytest.fixture
def checkout(root: Path) -> Path:
    """A project folder with one commit."""
    git(root, "init", "-q")
    (root / "a").write_text("1")
    git(root, "add", "a")
    git(root, "commit", "-qm", "m")
    return root


def test_a_hook_s_repository_is_not_taken_for_this_one(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a hook or `rebase --exec` of another repository, and as some tools set git's configuration."""
    expected = environment.code_state()
    assert expected["commit"] is not None
    other = checkout / "other"
    other.mkdir()
    git(other, "init", "-q")
    (checkout / ".git/info/exclude").write_text("other\n")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(checkout))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git/objects"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(checkout))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare'='true'")
    assert environment.code_state() == expected


def test_a_user_s_settings_of_git_hide_no_file(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.gitconfig").write_text("[status]\nshowUntrackedFiles = no\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    assert environment.code_state()["dirty"] is True, "home/ is not of the commit"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_checkout_of_another_user_is_a_checkout(checkout: Path) -> None:
    for path in (checkout, checkout / ".git"):
        os.chown(path, 4321, 4321)
    assert environment.code_state()["reason"] is None


def test_git_s_answer_is_understood_in_every_language(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "git").write_text(
        '#!/bin/sh\ncase "$LC_ALL" in C) echo not a git repository;; *) echo kein;; esac >&2; exit 128'
    )
    (root / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{root}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert environment.code_state()["reason"] == "not a git checkout"


def test_a_checkout_s_commit_is_git_s_whatever_the_caller_declares(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUITE_REVISION", "0" * 40)
    assert environment.code_state()["commit"] not in {None, "0" * 40}
    monkeypatch.setattr(environment, "ROOT", checkout / "an image")
    assert environment.code_state()["commit"] == "0" * 40


def test_without_git_the_reason_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    assert environment.code_state()["reason"] == "git is not installed"


def test_lock_names_packages_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock"
    lock.write_text(
        "# comment==9\nnumpy==0.0.1 ; python_version < '3.12' \\\n    --hash=sha256:ab\n"
        "numpy==0.0.2 ; x \\\nabsent==1\n"
    )
    monkeypatch.setattr(environment, "LOCK", lock)
    facts = environment.capture("cpu")
    version = environment.package_versions(["numpy", "absent"])
    assert facts["packages"] == version == {"numpy": version["numpy"]}
    assert facts["lock"]["differ"] == {"numpy": f"installed {version['numpy']}, locked 0.0.1 or 0.0.2"}


def test_the_container_is_as_declared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "CONTAINER_MARKS", (tmp_path / "mark",))
    monkeypatch.delenv("container", raising=False)
    monkeypatch.setenv("SUITE_IMAGE_DIGEST", "sha256:12")
    outside = environment.capture("cpu")["container"]
    assert outside == {"inside": False, "runtime": "venv", "image": None, "image_digest": None, "base_image": None}
    (tmp_path / "mark").touch()
    assert environment.capture("cpu")["container"] == {
        "inside": True,
        "runtime": "venv",
        "image": None,
        "image_digest": "sha256:12",
        "base_image": None,
    }


def test_cuda_without_a_device_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert environment.capture("cuda")["gpu"]["reason"] == "torch sees no CUDA device"


def test_nothing_personal_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "someone-in-particular")
    text = json.dumps(environment.capture("cpu"))
    assert "someone-in-particular" not in text
    assert str(environment.ROOT) not in text


def test_a_report_made_elsewhere_keeps_the_environment_of_the_measurement(tmp_path: Path) -> None:
    noted = {"cpu": {"model": "another machine's"}}
    (tmp_path / "environment.json").write_text(json.dumps(noted))
    sentences: list[str] = []
    assert inputs.environment(tmp_path, sentences.append) == noted
    assert sentences == []
    (tmp_path / "environment.json").write_text("[1]")
    assert inputs.environment(tmp_path, sentences.append) == {}, "the machine that judges is not the one that measured"
    assert sentences == ["environment.json: expected a table, got [1]"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", "expected a table, got []"),
        ("{}", "asked: missing: expected a table"),
        ('{"asked": []}', "asked: expected a table, got []"),
        ('{"asked": {"profile": 3}}', "asked.profile: expected a text, got 3"),
    ],
)
def test_a_run_folder_that_does_not_say_what_was_asked_is_one_clear_line(
    tmp_path: Path, content: str, problem: str
) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RequestError) as error:
        assemble.assemble(tmp_path)
    assert str(error.value) == (f"{tmp_path}/run.json: {problem}; restore it, or measure again (make reproduce)")
