"""Every verb refuses a value that is none in the same words, with exit code 3, before it does anything."""

import pytest

from suite.cli.main import main
from tests.support.values import COUNT, DURATION, EMPTY, IMAGE, LICENCE, PATH, SEED, TWICE


@pytest.mark.parametrize(
    ("command", "option", "text", "expected"),
    [
        *[(verb, "--workers", text, COUNT) for text in ("0", "-3", "1e3")
          for verb in ("reproduce", "plan", "record", "render", "check x", "prepare lip")],
        *[(verb, "--limit", "nan", COUNT) for verb in ("reproduce", "plan", "record", "check x")],
        ("reproduce", "--max-crashes", "0", COUNT),
        ("reproduce", "--processes-per-probe", "0", COUNT),
        ("verify data", "--sample", "0", COUNT),
        *[(verb, "--seed", text, SEED) for text in ("-1", "1180591620717411303424")
          for verb in ("reproduce --runtime=venv", "plan", "record", "verify data", "pretrain")],
        *[(verb, "--run", "", PATH) for verb in ("reproduce", "plan", "record", "check x")],
        *[(verb, "--data", "", PATH) for verb in ("plan", "verify data", "fetch data", "prepare lip", "render")],
        *[(verb, "--cache", "", PATH) for verb in ("plan", "pretrain")],
        *[(verb, "--out", "", PATH) for verb in ("verify data", "pretrain", "archive x")],
        ("fetch weights", "--weights", "", PATH),
        ("image build", "--ca-bundle", "", PATH),
        ("image inspect", "--image", "A b", IMAGE),
        ("image build", "--base", "", IMAGE),
        ("reproduce", "--image", "a:", IMAGE),
        ("plan", "--budget", "inf", DURATION),
        ("archive x", "--license", "free", LICENCE),
        ("archive x", "--author", " ", "a text, got nothing"),
        ("accept x", "--name", "", "a text, got nothing"),
        ("verify x", "--digest", "x", "12 to 64 hexadecimal digits, as the report prints them"),
        *[("plan", option, "a,,b", EMPTY) for option in ("--encoder", "--dataset", "--experiment", "--variant")],
        ("fetch weights --list", "--file", ",", EMPTY),
    ],
)  # fmt: skip
def test_an_option_is_read_in_one_place(
    command: str, option: str, text: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), f"{option}={text}"]) == 3
    assert capsys.readouterr().err == f"error: {option} {text!r}: expected {expected}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", ""], f"RUN '': expected {PATH}"),
        (["archive", ""], f"RUN '': expected {PATH}"),
        (["accept", ""], f"RUN '': expected {PATH}"),
        (["verify", ""], f"RUN '': expected {PATH}"),
        (["compare", "", "b"], f"A '': expected {PATH}"),
        (["compare", "a", " "], f"B ' ': expected {PATH}"),
        (
            ["check", ""],
            "ENCODER '': expected an encoder, e.g. timm:NAME, METHOD@FILE, hf:FOLDER or package.module:factory",
        ),
        (["fetch", "weights", "dino,dino", "--list"], f"METHOD 'dino': expected {TWICE}"),
        (["fetch", "data", "lip,", "--list"], f"NAME 'lip,': expected {EMPTY}"),
        (["prepare", "lip", "lip"], f"NAME 'lip': expected {TWICE}"),
        (["pretrain", "mae", "mae"], f"METHOD 'mae': expected {TWICE}"),
        (["verify", "data", "cub200", "cub200"], f"NAME 'cub200': expected {TWICE}"),
        (["plan", "--experiment=part_retrieval,part_retrieval"], f"--experiment 'part_retrieval': expected {TWICE}"),
        (["plan", "--encoder=mae", "--encoder=mae"], f"--encoder 'mae': expected {TWICE}"),
        (
            ["plan", "--variant=keypoint-box=full,keypoint-box=half"],
            "variant keypoint-box=half: expected one choice of keypoint-box, got keypoint-box=full too",
        ),
        (["plan", "--run", __file__], f"--run {__file__!r}: expected a folder, got a file"),
    ],
)
def test_a_word_is_read_in_one_place(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 3
    assert capsys.readouterr().err == f"error: {message}\n"
