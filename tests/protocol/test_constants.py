"""Constants of the protocol: one file, which the code reads, the report shows and the digests notice."""

import ast
import html
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suite import features
from suite.core.digests import digest_of
from suite.core.paths import ROOT
from suite.core.source_code import trial_code
from suite.datasets.views import View, ViewSet
from suite.encoders import load_encoder
from suite.errors import ProtocolError
from suite.experiments.judge import Trial
from suite.protocol import constants
from suite.protocol.constants import constant, constants_of, load_constants
from suite.protocol.profiles import load_profile
from suite.protocol.tables import PROFILES
from suite.report import collect as assemble
from suite.report import files, markdown
from suite.report.facts import flatten
from suite.run.request import make_request
from tests.support import report_sample
from tests.support.constants_in_use import in_use
from tests.support.probe_bank import train as train_probes
from tests.support.segmentation_bank import train as train_heads

NAMES = [(group, name) for group, constant_group in load_constants().items() for name in constant_group.constants]


@pytest.fixture
def other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the file, which is read in its place."""
    path = tmp_path / "constants.toml"
    path.write_text(constants.FILE.read_text())
    monkeypatch.setattr(constants, "FILE", path)
    load_constants.cache_clear()
    yield path
    load_constants.cache_clear()


def values() -> dict[str, dict[str, Any]]:
    """As JSON has them."""
    return {g: {name: c.value for name, c in group.constants.items()} for g, group in load_constants().items()}


def test_each_has_a_source_and_concerns_experiments_that_exist() -> None:
    experiment_names = {name for profile in PROFILES for name in load_profile(profile).experiments}
    for group in load_constants().values():
        assert group.constants
        assert set(group.experiments) <= experiment_names
        assert group.experiments
        assert all(c.source.startswith(("paper: ", "code: ", "code of ", "ours")) for c in group.constants.values())


def test_each_is_read_by_the_code_and_nothing_else_is() -> None:
    names = set()
    for path in (ROOT / "suite").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "constant":
                names.add(tuple(ast.literal_eval(argument) for argument in node.args))
    assert names == set(NAMES)


def test_the_code_works_with_what_the_file_says() -> None:
    assert json.loads(json.dumps(in_use())) == values()


@pytest.mark.slow
def test_a_changed_file_changes_what_the_code_works_with(tmp_path: Path) -> None:
    changed_values = {
        group: {name: other_value(value) for name, value in entries.items()} for group, entries in values().items()
    }
    assert all(changed_values[group][name] != constant(group, name) for group, name in NAMES)
    path = tmp_path / "constants.toml"
    path.write_text("".join(map(table, changed_values, changed_values.values())))
    command = [sys.executable, "-m", "tests.support.constants_in_use", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == changed_values


def other_value(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, dict):
        return {key: other_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return value[::-1] if isinstance(value[0], str) else [other_value(item) for item in value]
    if isinstance(value, bool):
        return not value
    return value + 2 if isinstance(value, int) else value / 2 or 0.25


def table(group: str, entries: dict[str, Any]) -> str:
    lines = [f"{name} = {{ value = {toml(value)}, source = 'code: x' }}\n" for name, value in entries.items()]
    return f"[{group}]\nexperiments = ['part_retrieval']\n{''.join(lines)}"


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_report_lists_each_with_value_and_source(profile: str, tmp_path: Path) -> None:
    protocol = assemble.protocol(load_profile(profile), [], {})
    report = report_sample.report(tmp_path) | {"protocol": protocol, "profile": profile}
    files.write(tmp_path, report)
    stored_protocol = json.loads((tmp_path / "report.json").read_text())["protocol"]
    page = html.unescape((tmp_path / "report.html").read_text())
    text = (tmp_path / "report.md").read_text()
    for name, group in load_constants().items():
        assert stored_protocol["constants"][name].pop("experiments") == list(group.experiments)
        for key, parameter in group.constants.items():
            fact = {"value": parameter.value, "source": parameter.source}
            assert stored_protocol["constants"][name].pop(key) == fact
            [(_, line)] = flatten(fact)
            assert line.endswith(f"({parameter.source})")
            assert f"constants.{name}.{key}" in page
            assert line in page
            assert f"| {markdown.code(f'protocol.constants.{name}.{key}')}" in text
            assert markdown.escape(line) in text
    assert set(map(str, stored_protocol["constants"].values())) == {"{}"}
    assert stored_protocol["parameters"] == {
        key: {"value": p.value, "source": p.source} for key, p in load_profile(profile).parameters.items()
    }


def trial(experiment: str, tmp_path: Path) -> Trial:
    request = make_request(run=tmp_path, encoders=["dino"], device="cpu")
    return Trial(request, *next(task for task in request.tasks() if task[0].name == experiment))


def test_a_trial_records_the_constants_of_its_experiment(tmp_path: Path) -> None:
    trial_constants = trial("part_retrieval", tmp_path).protocol()["constants"]
    assert trial_constants == constants_of("part_retrieval")
    assert list(trial_constants) == ["encoders", "projectors", "retrieval", "part_patches", "cub_parts", "coco_parts"]
    assert trial_constants["part_patches"]["nearest_px"] == {
        "value": [40, 2000],
        "source": "code: moco/loader.py: half the distance between 20 and 1000, both excluded",
    }


def test_a_changed_constant_makes_the_results_of_its_experiments_stale_and_no_others(
    other_file: Path, tmp_path: Path
) -> None:
    names = list(load_profile("mini").experiments)

    def digests() -> dict[str, tuple[str, str]]:
        return {name: (digest_of(trial(name, tmp_path).protocol()), trial_code(name)) for name in names}

    old_digests = digests()
    other_file.write_text(other_file.read_text().replace("brightness = { value = 32,", "brightness = { value = 33,"))
    load_constants.cache_clear()
    new_digests = digests()
    stale = {name for name in names if old_digests[name] != new_digests[name]}
    assert stale == {"object_segmentation", "part_segmentation", "learning_rate_sweep"}


def test_kept_features_and_checkpoints_depend_on_the_file(other_file: Path, tmp_path: Path) -> None:
    views = ViewSet([View(np.zeros((8, 8, 3), np.uint8))], np.zeros(1, np.int64), ("a",))

    def keep() -> set[Path]:
        features.extract(
            features.Passes(load_encoder("raw_pixels"), views, "square"), ["cls"], cache=features.Cache(tmp_path, 4)
        )
        train_probes(folder=tmp_path / "probes")
        train_heads(folder=tmp_path / "heads")
        return {*tmp_path.rglob("*.safetensors")}

    old_files = keep()
    other_file.write_text(other_file.read_text().replace("brightness = { value = 32,", "brightness = { value = 33,"))
    new_files = keep() - old_files
    assert len(new_files) == len(old_files)
    assert {path.parent.name for path in new_files} == {"features", "probes", "heads"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[g]\nexperiments = ['x']\nc = {value = 1, source = 's', note = 'n'}", "g.c: unknown key 'note': expected one of source, value"),  # noqa: E501
        ("[g]\nexperiments = ['x']\nc = {value = 1}", "g.c: key 'source' is missing"),
        ("[g]\nexperiments = ['x']\nc = {source = 's'}", "g.c: key 'value' is missing"),
        ("[g]\nexperiments = ['x']\nc = 1", "g.c: expected a table with source, value, got 1"),
        ("[g]\nc = {value = 1, source = 's'}", "g: key 'experiments' is missing"),
        ("g = 1", "g: expected a table with experiments, got 1"),
    ],
)  # fmt: skip
def test_a_file_that_breaks_the_schema_is_refused(other_file: Path, text: str, message: str) -> None:
    other_file.write_text(text)
    with pytest.raises(ProtocolError) as caught:
        load_constants()
    assert str(caught.value) == f"constants.toml: {message}"


@pytest.mark.parametrize("names", [("photometric", "gamma"), ("photo", "hue")])
def test_a_constant_that_is_not_there_is_named(names: tuple[str, str]) -> None:
    with pytest.raises(ProtocolError) as caught:
        constant(*names)
    assert str(caught.value) == f"constants.toml: {'.'.join(names)}: missing: add it, with its source"
