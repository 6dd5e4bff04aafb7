"""Recorded references guard themselves: whatever is edited, removed, added or widened is named, whoever reads first."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.errors import ExpectedError
from suite.reference import select as references
from suite.reference.expected import load_expected
from suite.reference.seal import ADVICE, check_seal, seal
from suite.reproduction.measure import measure
from suite.reproduction.reproduce import reproduce
from suite.run.execution import BY_DEFAULT
from suite.run.request import make_request
from tests.support.archived_run import write_run
from tests.support.here import do_jobs_here

PART = "part_classification.toml"


def edit(name: str, old: str, new: str, count: int = 1) -> Callable[[Path], None]:
    """Return a function that replaces a text in a file of references."""

    def edit_file(root: Path) -> None:
        path = root / name
        text = path.read_text()
        assert re.search(old, text)
        path.write_text(re.sub(old, new, text, count=count))

    return edit_file


def mean_and_values(root: Path) -> None:
    """Consistently: ten points more for DeiT, in every seed and so in the mean; the noise stays what it was."""
    path = root / "mini" / PART
    values = [81.330166, 81.448931, 81.448931, 81.330166, 81.330166]
    text, count = re.subn(
        r"deit = \{ mean = 91\.377672, values = .*",
        f"deit = {{ mean = 81.377672, values = {values} }}",
        path.read_text(),
    )
    assert count == 1
    path.write_text(text)


def cell_removed(root: Path) -> None:
    """A cell's line is gone."""
    edit(f"mini/{PART}", r"\nbeit = .*", "")(root)


ALTERED = {
    "mean and values together": (mean_and_values, f"mini/{PART}"),
    "a tolerance widened": (
        edit("mini/object_retrieval.toml", r"numeric = 0\.05", "numeric = 5"),
        "mini/object_retrieval.toml",
    ),
    "a machine's slack widened": (edit(f"mini/{PART}", r"machine = 0\.45\d*", "machine = 5"), f"mini/{PART}"),
    "the measured slack": (edit("machine_slack.toml", r"points = 0\.45\d*", "points = 5"), "machine_slack.toml"),
    "a cap": (edit(f"mini/{PART}", r"cap = 3\.0", "cap = 9.0"), f"mini/{PART}"),
    "a cell removed": (cell_removed, f"mini/{PART}"),
}


@pytest.mark.parametrize(("alter", "name"), ALTERED.values(), ids=ALTERED)
def test_a_file_edited_since_it_was_recorded_is_named(
    alter: Callable[[Path], None], name: str, expected_root: Path
) -> None:
    assert load_expected("mini", expected_root)
    seal_text = (expected_root / "mini" / "SHA256SUMS").read_text()
    old_digest = re.search(rf"(\w{{12}})\w*  (../)?{Path(name).name}", seal_text)
    alter(expected_root)
    with pytest.raises(ExpectedError) as error:
        load_expected("mini", expected_root)
    seal(expected_root / "mini")
    new_digest = re.search(
        rf"(\w{{12}})\w*  (../)?{Path(name).name}", (expected_root / "mini" / "SHA256SUMS").read_text()
    )
    assert old_digest
    assert new_digest
    assert str(error.value) == (
        f"{expected_root / name}: altered since it was recorded: expected SHA-256 {old_digest[1]}, "
        f"got {new_digest[1]}: {ADVICE}"
    )


def test_a_removed_file_is_named(expected_root: Path) -> None:
    (expected_root / "mini" / PART).unlink()
    with pytest.raises(ExpectedError) as error:
        load_expected("mini", expected_root)
    assert str(error.value) == (
        f"{expected_root}/mini/{PART}: missing: {expected_root}/mini/SHA256SUMS lists it: "
        "restore it (git checkout expected), or record anew (make record)"
    )


def test_an_added_file_is_named(expected_root: Path) -> None:
    (expected_root / "mini" / "more.toml").write_text("")
    with pytest.raises(ExpectedError) as error:
        load_expected("mini", expected_root)
    assert str(error.value) == (
        f"{expected_root}/mini/more.toml: added: {expected_root}/mini/SHA256SUMS does not list it: "
        "remove it, or record anew (make record)"
    )


def test_without_its_seal_nothing_recorded_is_believed(expected_root: Path) -> None:
    path = expected_root / "mini" / "SHA256SUMS"
    path.unlink()
    with pytest.raises(ExpectedError) as error:
        load_expected("mini", expected_root)
    assert str(error.value) == f"{path}: missing: expected the digests of the references beside it: {ADVICE}"


@pytest.mark.parametrize("drop", [PART, None], ids=["a line dropped with its file", "a digest replaced"])
def test_an_edited_seal_is_named(drop: str | None, expected_root: Path) -> None:
    path = expected_root / "mini" / "SHA256SUMS"
    lines = path.read_text().splitlines()
    if drop:
        (expected_root / "mini" / drop).unlink()
        lines = [line for line in lines if drop not in line]
    else:
        lines[1] = "0" * 64 + lines[1][64:]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ExpectedError) as error:
        check_seal(expected_root / "mini")
    assert re.fullmatch(
        rf"{re.escape(str(path))}: altered: its first line is not the digest of the others, \w{{12}}: "
        + re.escape(ADVICE),
        str(error.value),
    )


def test_a_reference_removed_and_sealed_is_still_missed(expected_root: Path) -> None:
    cell_removed(expected_root)
    path = expected_root / "mini" / PART
    seal(expected_root / "mini")
    with pytest.raises(ExpectedError) as error:
        references.references("mini", {}, None)
    # pooled noise of the others no longer follows from the values that are left
    hint = "does not follow from the raw values: was it edited by hand? Run `make record`"
    assert str(error.value) == f"{path}: part_classification.spread: {hint}"


def test_a_cell_of_the_mini_study_without_reference_is_named(expected_root: Path) -> None:
    edit("mini/object_retrieval.toml", r"\nbeit = .*", "")(expected_root)  # nothing trained: no noise tells
    seal(expected_root / "mini")
    with pytest.raises(ExpectedError) as error:
        references.references("mini", {}, None)
    assert str(error.value) == (
        f"{expected_root}/mini: cells of the profile without a reference: 1, "
        f"object_retrieval/cifar10/beit/encoded/ap first: {ADVICE}"
    )
    assert references.references("mini", {}, 40) == {}, "a limited run is held against nothing"


def test_every_verb_that_judges_ends_in_one_line(
    expected_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = write_run(tmp_path / "run")
    capsys.readouterr()
    path = expected_root / "mini" / PART
    path.unlink()
    references._load.cache_clear()
    message = f"error: {path}: missing: {expected_root}/mini/SHA256SUMS lists it: {ADVICE}\n"
    for verb in (
        ["report", str(run)],
        ["verify", str(run)],
        ["archive", str(run), "--out", str(tmp_path / "a.zip"), "--license", "https://example.org"],
        ["reproduce", "--runtime", "venv", "--run", str(tmp_path / "new"), "--data", str(tmp_path / "data")],
    ):
        assert main(verb) == 3, verb
        assert capsys.readouterr().err == message, verb
    assert not [path for path in (tmp_path / "new").rglob("*") if path.name[0] != "."], "nothing was measured"


def test_what_is_recorded_is_not_held_against_what_it_replaces(
    expected_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    (expected_root / "mini" / PART).unlink()
    request = make_request(experiments=["part_retrieval"], encoders=["mae"], run=tmp_path / "run", device="cpu")
    judged: list[bool] = []
    monkeypatch.setattr("suite.reproduction.measure.prepare_data", lambda *_, **__: None)
    monkeypatch.setattr("suite.reproduction.measure.write_plan", lambda *_, **__: None)
    do_jobs_here(monkeypatch)
    monkeypatch.setattr("suite.reproduction.measure.Trials.run", lambda trials: judged.append(trials.request.judged))
    with pytest.raises(ExpectedError, match="missing"):
        reproduce(request)
    assert measure(replace(request, judged=False), BY_DEFAULT) is False
    assert judged == [False]
