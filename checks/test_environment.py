"""Python, lock, packages, their files, processor, GPU: is this the declared environment?"""

from __future__ import annotations

import pytest

from suite.protocol.profiles import Profile
from suite.verification import machine, packages


def test_python(hold) -> None:
    hold(machine.python())


def test_lock(hold) -> None:
    hold(packages.lock_fits_project())


def test_packages(hold) -> None:
    hold(packages.packages())


def test_files(hold, pytestconfig: pytest.Config) -> None:
    hold(packages.installed_files(full=pytestconfig.getoption("full")))


def test_processor(hold) -> None:
    hold(machine.processor())


def test_gpu(hold, profile: Profile) -> None:
    hold(machine.gpu(profile.name))


def test_kernel(hold) -> None:
    hold(machine.kernel())
