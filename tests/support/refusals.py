"""What a call is refused with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from suite.errors import ExpectedError


def refusal(call: Callable[..., object], *arguments: object, **options: object) -> str:
    """Return the message of the error that a broken file of expected values ends a call with."""
    with pytest.raises(ExpectedError) as error:
        call(*arguments, **options)
    return str(error.value)
