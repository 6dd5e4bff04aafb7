"""A page says everything of its experiment, and what it says agrees with the profiles and the registry."""

from typing import get_type_hints

import pytest

from suite.experiments.base import page_of
from suite.experiments.context import Context, Outcome
from suite.plan.published import PUBLISHED
from suite.protocol.profiles import load_profile
from suite.protocol.settings import SETTINGS
from suite.protocol.tables import PROFILES
from suite.registry import EXPERIMENTS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_page_has_the_settings_that_its_profiles_are_read_as(name: str) -> None:
    page = page_of(name)
    assert (page.name, page.settings) == (name, SETTINGS[EXPERIMENTS[name].kind])
    assert {type(load_profile(profile).experiment(name).settings) for profile in PROFILES} == {page.settings}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_measures_asks_for_these_settings(name: str) -> None:
    page = page_of(name)
    assert get_type_hints(page.run) == {"trial": Context[page.settings], "return": Outcome}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_split_of_the_profiles_datasets_is_counted_while_it_is_not_there(name: str) -> None:
    page = page_of(name)
    for dataset in load_profile("paper").experiment(name).datasets:
        roles = set(page.splits[dataset])
        assert roles in ({"train", "val"}, {"all"})
        for split in page.splits[dataset].values():
            assert PUBLISHED[page.items][dataset][split].views > 0
