"""Learning rates against the published formulas and code."""

from __future__ import annotations

import math

import pytest

from suite.training.schedules import Cosine, Poly
from tests.support.oracles import mmcv_rates


def test_the_learning_rate_is_mmcv_s():
    schedule = Poly(160_000, 1500)
    expected = mmcv_rates(1.0, 160_000, 1500)
    for step in (0, 1, 749, 1499, 1500, 80_000, 159_999):
        assert schedule.factor(step) == pytest.approx(expected[step], rel=1e-12)
    assert Poly(10, 0).factor(0) == 1


def test_the_cosine_is_moco_s_and_cae_s() -> None:
    moco = Cosine(90)
    assert moco.lr(0.4, 0.99) == 0.4
    assert moco.lr(0.4, 45.5) == pytest.approx(0.2)
    assert moco.lr(0.4, 89.5) == pytest.approx(0.2 * (1 + math.cos(math.pi * 89 / 90)))
    cae = Cosine(90, warmup_epochs=10, final_lr=1e-6, per_step=True)
    assert cae.lr(6.4, 0) == 0
    assert cae.lr(6.4, 2.5) == pytest.approx(1.6)
    assert cae.lr(6.4, 10) == pytest.approx(6.4)
    assert cae.lr(6.4, 50) == pytest.approx(3.2, rel=1e-6)
    assert cae.lr(6.4, 90) == pytest.approx(1e-6)
