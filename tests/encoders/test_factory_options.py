"""Options of `module:function?name=value` are the factory's arguments; a changed current folder is its own affair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from suite.encoders import load_encoder
from suite.encoders.identity import identity
from suite.errors import RequestError

Write = Callable[[str], str]
TYPED = """
from pathlib import Path
from tests.support.vits import TinyViT

SEEN = []

def build(ckpt: Path, depth: int = 2, scale: float = 1.0, ema: bool = False, tag: str = '', sizes=(), more=None):
    SEEN.append((ckpt, depth, scale, ema, tag, sizes, more))
    return TinyViT(seed=depth).wrapped()

def bare():
    return TinyViT().wrapped()

def anything(**options):
    SEEN.append(options)
    return TinyViT().wrapped()
"""


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_options_are_converted_by_annotation_else_as_literals(module: Write, future: str) -> None:
    name = module(future + TYPED)
    spec = f"{name}:build?ckpt=runs/a=b.pth&depth=3&scale=2&ema=true&tag=7&sizes=(1, 2)&more=abc"
    encoder = load_encoder(spec)
    seen = __import__(name).SEEN
    assert seen == [(Path("runs/a=b.pth"), 3, 2.0, True, "7", (1, 2), "abc")]
    assert encoder.name == identity(encoder)["name"] == spec
    load_encoder(f"{name}:anything?a=1&b=none&c=1e-3&d=x")
    assert seen[1] == {"a": 1, "b": None, "c": 1e-3, "d": "x"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ":build?checkpoint=x",
            "unknown option 'checkpoint': expected one of ckpt, depth, scale, ema, tag, sizes, more",
        ),
        (":bare?x=1", "unknown option 'x': the factory takes none"),
        (":build?ckpt=x&depth=two", "option depth: expected a whole number, got 'two'"),
        (":build?ckpt=x&scale=much", "option scale: expected a number, got 'much'"),
        (":build?ckpt=x&ema=perhaps", "option ema: expected true or false, got 'perhaps'"),
        (":build?ckpt=x&ckpt=y", "option ckpt: expected once, got it twice"),
        (":build?ckpt=", "expected options as ?name=value&name=value, got 'ckpt='"),
        (":build?", "expected options as ?name=value&name=value, got ''"),
        (":build@x.pth", "expected MODULE:FUNCTION without @FILE; pass it as an option, ?name=FILE"),
    ],
)
def test_a_wrong_option_is_one_line(module: Write, options: str, words: str) -> None:
    spec = module(TYPED) + options
    with pytest.raises(RequestError) as caught:
        load_encoder(spec)
    assert str(caught.value) == f"encoder {spec!r}: {words}"


@pytest.mark.parametrize("place", ["import", "factory"])
def test_a_module_that_changes_the_current_folder_changes_it_for_itself_alone(
    module: Write, tmp_path: Path, place: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "seed.txt").write_text("1")
    change = f"import os\nos.chdir({str(elsewhere)!r})\n"
    text = "from tests.support.vits import TinyViT\n" + (change if place == "import" else "")
    text += "def build():\n" + ("" if place == "import" else "".join(f"    {line}\n" for line in change.splitlines()))
    name = module(text + "    return TinyViT(seed=int(open('seed.txt').read())).wrapped()\n")
    here = Path.cwd()
    one = load_encoder(f"{name}:build")
    assert Path.cwd() == here
    assert load_encoder(f"{name}:build").digest == one.digest
    assert Path.cwd() == here


def test_the_current_folder_is_the_same_after_a_factory_that_fails(module: Write, tmp_path: Path) -> None:
    name = module(f"import os\ndef build():\n    os.chdir({str(tmp_path.parent)!r})\n    raise SystemExit(1)\n")
    with pytest.raises(RequestError, match=r"the factory raised SystemExit: 1 \(users_.*, line 4\)"):
        load_encoder(f"{name}:build")
    assert Path.cwd() == tmp_path
