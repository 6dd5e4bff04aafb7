"""pytest's side of the checks: is what an experiment would use what it should be?

    pytest checks --profile paper --data data

A test hands what it found to `hold`, which fails for what is wrong and skips, with the reason, what is missing or has
nothing to be compared with: neither is ever green. Exit code: 1 something is wrong, 2 something is missing.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from suite.core import values
from suite.errors import StorageError, SuiteError
from suite.protocol.profiles import Profile, load_profile
from suite.verification import data, outcome, record
from suite.verification.outcome import Check
from suite.verification.subject import Subject

CHECKS = pytest.StashKey[list[Check]]()
SUBJECTS = pytest.StashKey[list[Subject]]()
DATA_DIGESTS = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("checks", "checks before the experiments")
    group.addoption("--profile", default="mini", help="mini or paper")
    group.addoption("--data", default=None, help="folder of the datasets (default: the profile's)")
    group.addoption("--dataset", action="append", default=[], help="check only these; comma-separated")
    group.addoption("--sample", default="100", help="images of each split to open")
    group.addoption("--full", action="store_true", help="open every image and every mask")
    group.addoption("--seed", default="0", help="draws the sample")
    group.addoption("--outcome", default=None, help="record what was found in this file, for the report")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CHECKS], config.stash[DATA_DIGESTS] = [], {}
    try:
        config.stash[SUBJECTS] = subjects(config)
        if config.getoption("outcome") is not None:
            config.option.outcome = values.path("--outcome", config.getoption("outcome"))
    except SuiteError as error:
        pytest.exit(f"error: {error}", returncode=error.exit_code)


def subjects(config: pytest.Config) -> list[Subject]:
    """The datasets asked for, each made once, so that its tests share what they read."""
    chosen = load_profile(config.getoption("profile"))
    names = values.names("--dataset", config.getoption("dataset")) or list(chosen.datasets)
    folder = chosen.data if config.getoption("data") is None else values.path("--data", config.getoption("data"))
    return data.subjects(names, folder, chosen.name, **sampling(config))


def sampling(config: pytest.Config) -> dict[str, int | None]:
    """How many images of each split are opened, None for all, and the seed that draws them."""
    sample = values.count("--sample", config.getoption("sample"))
    seed = values.seed("--seed", config.getoption("seed"))
    return {"sample": None if config.getoption("full") else sample, "seed": seed}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per dataset and check, where a test asks for both."""
    if {"subject", "check"} <= set(metafunc.fixturenames):
        cases = [(one, name) for one in metafunc.config.stash[SUBJECTS] for name in data.checks_of(one)]
        metafunc.parametrize(("subject", "check"), cases, ids=[f"{one.name}-{name}" for one, name in cases])


@pytest.fixture(scope="session")
def profile(pytestconfig: pytest.Config) -> Profile:
    return load_profile(pytestconfig.getoption("profile"))


@pytest.fixture(scope="session")
def strict(pytestconfig: pytest.Config) -> bool:
    """Whether a warning, or having nothing to compare with, is wrong too; pytest's own --strict sets it."""
    return bool(pytestconfig.getini("strict"))


@pytest.fixture(scope="session")
def data_digests(pytestconfig: pytest.Config) -> dict[str, str]:
    """Dataset -> the digest by which results know their data; filled by the tests of data."""
    return pytestconfig.stash[DATA_DIGESTS]


@pytest.fixture
def hold(pytestconfig: pytest.Config, strict: bool, record_property: Callable[[str, object], None]):
    """Take what a check found: kept for the report, then passed, failed or skipped."""

    def take(check: Check) -> None:
        pytestconfig.stash[CHECKS].append(check)
        record_property("check", f"{check.subject} {check.name}: {check.status}")
        if outcome.is_wrong(check, strict=strict):
            pytest.fail(check.text(), pytrace=False)
        if check.status in {"missing", "no reference"}:
            pytest.skip(check.text())

    return take


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What did not simply pass, with its reason, however quiet pytest is; a reason that many share is said once."""
    shared: dict[tuple[str, str, str], list[str]] = {}
    for check in config.stash[CHECKS]:
        if check.status not in {"passed", "failed"}:
            shared.setdefault((check.subject, check.status, check.detail), []).append(check.name)
    for (subject, status, detail), names in shared.items():
        terminalreporter.write_line(f"{subject} {', '.join(names)}: {status}: {detail}")
    terminalreporter.write_line(outcome.summary(config.stash[CHECKS]))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Record the outcome; what is missing is exit code 2, whatever pytest thinks of skips."""
    config, checks = session.config, session.config.stash[CHECKS]
    if exitstatus == pytest.ExitCode.OK:
        session.exitstatus = outcome.exit_code(checks)
    path = config.getoption("outcome")
    if path is None or not checks:
        return
    how = {"profile": config.getoption("profile"), **sampling(config)}
    try:
        record.save(path, checks, config.stash[DATA_DIGESTS], how)
    except StorageError as error:
        pytest.exit(f"error: {error}", returncode=error.exit_code)
