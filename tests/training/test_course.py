from __future__ import annotations

import math

import pytest
import torch

from suite.errors import MetricError
from suite.training.course import Course


def test_losses_and_accuracies_are_kept_in_order_and_read_when_asked_for():
    course = Course("head a", "look at the labels")
    course.restore(torch.tensor([4.0]), torch.tensor([0.25]), torch.tensor([0.5]))
    course.add(torch.tensor(3.0, requires_grad=True), torch.tensor(0.5))
    assert len(course) == 2
    assert course.losses() == [4, 3]
    assert course.accuracies() == [0.25, 0.5]
    course.add(torch.tensor(2.0), torch.tensor(torch.nan))
    assert course.losses() == [4, 3, 2]
    assert course.labelled() == [0.5, 1, 1]
    assert course.accuracies()[:2] == [0.25, 0.5]
    assert math.isnan(course.accuracies()[2]), "nothing was labelled, which is no error"


def test_where_nobody_counts_the_accuracy_is_unknown():
    course = Course("head a", "look at the labels")
    course.add(torch.tensor(3.0))
    assert math.isnan(course.accuracies()[0])


def test_the_first_loss_that_is_not_finite_is_told_with_its_step():
    course = Course("head a", "look at the labels")
    for value in (1.0, 2.0, torch.inf, torch.nan):
        course.add(torch.tensor(value))
    with pytest.raises(MetricError, match=r"^head a: .* got inf in step 2; look at the labels$"):
        course.losses()
