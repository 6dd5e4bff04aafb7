"""Several encoders for `check`: between commas, in a list, each once; the folder of their run."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.candidate.listed import candidates
from suite.cells import method_name
from suite.cli.main import main
from suite.errors import RequestError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_encoder_is_read_as_ever() -> None:
    for spec in ("my:build", "dino@a/x.pth", "timm:v@a/vit.pth?mean=0.5:0.5:0.5&img_size=96", "dino@list.txt"):
        listed = candidates("ENCODER", spec)
        assert listed.specs == (spec,)
        assert listed.run == Path("runs") / f"check-{method_name(spec)}"


def test_commas_separate_encoders_in_the_user_s_order() -> None:
    listed = candidates("ENCODER", "my:build?seed=2, my:build?seed=1,timm:v@random?mean=0.5:0.5:0.5")
    assert listed.specs == ("my:build?seed=2", "my:build?seed=1", "timm:v@random?mean=0.5:0.5:0.5")


@pytest.mark.parametrize("name", ["@sweep.txt", "sweep.txt", "@./sweep.txt"])
def test_a_list_has_an_encoder_a_line_comments_and_blank_lines(here: Path, name: str) -> None:
    (here / "sweep.txt").write_bytes(
        b"\xef\xbb\xbf# a sweep\r\nmy:build?seed=1\r\n\r\n  my:build?seed=2  # the second\r\n"
    )
    listed = candidates("ENCODER", name)
    assert listed.specs == ("my:build?seed=1", "my:build?seed=2")
    assert listed.run == Path("runs/check+sweep")


def test_a_list_without_txt_and_beside_other_words(here: Path) -> None:
    (here / "sweep").write_text("a:b\nc:d\n")
    assert candidates("ENCODER", "@sweep,e:f").specs == ("a:b", "c:d", "e:f")
    assert candidates("ENCODER", "@sweep").run == Path("runs/check+sweep")


def test_a_file_in_a_list_lies_here_as_on_the_command_line_or_beside_the_list(here: Path) -> None:
    (here / "lists").mkdir()
    for name in ("here.pth", "both.pth", "lists/beside.pth", "lists/both.pth"):
        (here / name).touch()
    (here / "lists/sweep.txt").write_text("dino@here.pth\ndino@beside.pth?a=1\ndino@both.pth\ntimm:v@random\n")
    assert candidates("ENCODER", "lists/sweep.txt").specs == (
        *("dino@here.pth", "dino@lists/beside.pth?a=1", "dino@both.pth", "timm:v@random"),
    )


def test_the_folder_of_several_is_stable_and_no_single_one_s() -> None:
    folder = candidates("ENCODER", "my:build?seed=1,my:build?seed=2").run
    assert folder == Path("runs/check+my-build-seed-1+1-ec72d409")
    assert candidates("ENCODER", "my:build?seed=1,my:build?seed=3").run != folder, "another sweep"
    assert candidates("ENCODER", "my:build?seed=2,my:build?seed=1").run.name.endswith("-ec72d409"), "the same encoders"
    assert "+" not in method_name("my:build?a=1+2"), "so that no encoder's own folder is one of several"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ENCODER '': expected an encoder, e.g. timm:NAME, METHOD@FILE, hf:FOLDER or package.module:factory"),
        ("a:b,,c:d", "ENCODER 'a:b,,c:d': expected encoders separated by single commas, got an empty one"),
        ("a:b,c:d,a:b", "ENCODER: encoder 'a:b': expected each once, got it twice"),
        (
            "a:b?size=(1,2)",
            "ENCODER 'a:b?size=(1,2)': expected encoders separated by commas, got '2)': there is no comma inside a "
            "spec (numbers of an option are separated by colons, 0.5:0.5:0.5)",
        ),
        ("a:b,c:d?x", "encoder 'c:d?x': expected options as ?name=value&name=value, got 'x'"),
        ("@none.txt", "none.txt: expected a list of encoders, one a line: No such file or directory"),
        ("@", "ENCODER '': expected a path; . is the current folder"),
    ],
)
def test_words_that_are_no_encoders_are_one_line(here: Path, text: str, message: str) -> None:
    with pytest.raises(RequestError) as error:
        candidates("ENCODER", text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# nothing\n\n", "sweep.txt: expected a list of encoders, one a line, got none"),
        (b"\xff\xfe", "sweep.txt: expected a list of encoders, one a line: it is no UTF-8 text"),
        ("a:b\n\nc:d, e:f\n", "sweep.txt:3: 'c:d, e:f': expected one encoder a line, got a comma"),
        ("a:b\n@other.txt\n", "sweep.txt:2: '@other.txt': expected an encoder, got a list: lists hold no lists"),
        (
            "a:b\nvit_base\n",
            "sweep.txt:2: 'vit_base': expected an encoder, e.g. timm:NAME, METHOD@FILE, hf:FOLDER or "
            "package.module:factory",
        ),
        ("a:b?x\n", "sweep.txt:1: encoder 'a:b?x': expected options as ?name=value&name=value, got 'x'"),
        ("a:b\nc:d\na:b\n", "sweep.txt:3: encoder 'a:b': expected each once, got it twice (also sweep.txt:1)"),
        (
            "dino@no/such.pth\n",
            "sweep.txt:1: 'dino@no/such.pth': no such file: no/such.pth, neither here nor beside the list",
        ),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(here: Path, content: str | bytes, message: str, capsys) -> None:
    (here / "sweep.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["check", "sweep.txt", "--run", "run"]) == 3
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not (here / "run").exists()
