"""What identifies a user's encoder: everything that decides its features, however it comes in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from suite.encoders import load_encoder
from suite.encoders.identity import identity

Write = Callable[[str], str]
READER = """
import functools, os
from pathlib import Path
from tests.support.vits import TinyViT


class Scaled(TinyViT):
    def __init__(self, place):
        super().__init__()
        self.place = place

    def forward(self, images):
        return super().forward(images) * {scale}


def _build(place=Path('scale.txt')):
    return Scaled(place).wrapped()


build = functools.partial(_build, Path('scale.txt'))
"""


def identity_of(spec: str) -> dict[str, object]:
    """Identity of an encoder as another process would load it."""
    for name in [name for name in sys.modules if name.startswith(("users_", "helper_of_"))]:
        sys.modules.pop(name)
    return identity(load_encoder(spec))


def test_a_function_in_a_second_file_is_seen(module: Write, tmp_path: Path) -> None:
    name = module("from helper_of_theirs import scale\n" + READER.format(scale="scale()"))
    helper = tmp_path / "helper_of_theirs.py"
    helper.write_text("def scale():\n    return 1.0\n")
    before = identity_of(f"{name}:build")
    helper.write_text("def scale():\n    return 1.5\n")
    after = identity_of(f"{name}:build")
    assert before["digest"] == after["digest"]
    assert before["tokens"] != after["tokens"]
    assert before["code"] != after["code"]


def test_a_partial_factory_of_another_value_is_seen(module: Write) -> None:
    text = "import functools\nfrom tests.support.vits import TinyViT\nfrom tests.support.changed_vits import bent\n"
    one, two = (module(text + f"build = functools.partial(bent, {power})\n") for power in (1.0, 2.0))
    assert identity_of(f"{one}:build")["tokens"] != identity_of(f"{two}:build")["tokens"]


def test_an_environment_variable_is_seen(module: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(READER.format(scale="float(os.environ.get('THEIR_SCALE', '1'))"))
    before = identity_of(f"{name}:build")
    monkeypatch.setenv("THEIR_SCALE", "1.5")
    after = identity_of(f"{name}:build")
    assert before["code"] == after["code"]
    assert before["tokens"] != after["tokens"]


def test_a_data_file_is_seen(module: Write, tmp_path: Path) -> None:
    name = module(READER.format(scale="float(self.place.read_text())"))
    (tmp_path / "scale.txt").write_text("1")
    before = identity_of(f"{name}:build")
    (tmp_path / "scale.txt").write_text("1.0001")
    assert before["tokens"] != identity_of(f"{name}:build")["tokens"]


@pytest.mark.parametrize("change", ["layers", "other sizes"])
def test_what_shows_in_layers_or_at_other_sizes_alone_is_seen(module: Write, change: str) -> None:
    text = "from tests.support.changed_vits import {name}\ndef build():\n    return {name}({value})\n"
    maker = "with_other_layers" if change == "layers" else "with_other_sizes"
    one, two = (module(text.format(name=maker, value=value)) for value in (1.0, 2.0))
    assert identity_of(f"{one}:build")["tokens"] != identity_of(f"{two}:build")["tokens"]


@pytest.mark.slow
def test_the_tokens_digest_is_the_same_in_every_process_and_with_any_number_of_threads(module: Write) -> None:
    spec = f"{module(READER.format(scale='1'))}:build"
    program = (
        "import sys, torch; sys.path.insert(0, '.'); torch.set_num_threads(int(sys.argv[1]))\n"
        f"from suite.encoders import load_encoder; print(load_encoder({spec!r}).tokens, torch.get_num_threads())"
    )
    root = str(Path(__file__).parents[2])
    printed = [
        subprocess.run(
            [sys.executable, "-c", program, threads],
            env={"PYTHONPATH": root, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for threads in ("1", "2")
    ]
    assert printed == [[load_encoder(spec).tokens, "1"], [load_encoder(spec).tokens, "2"]]


def test_an_encoder_that_takes_no_other_size_has_a_digest_too(module: Write) -> None:
    name = module("from tests.support.vits import TinyViT\ndef build():\n    return TinyViT(fixed=True).wrapped()\n")
    encoder = load_encoder(f"{name}:build")
    assert len(encoder.tokens) == 64


def test_encoders_of_the_suite_s_own_code_are_identified_as_before() -> None:
    encoder = load_encoder("random_init")
    assert encoder.tokens == ""
    names = ["name", "digest", "mean", "std", "image_size", "patch_size", "norm_eps", "code"]
    assert list(identity(encoder)) == names
