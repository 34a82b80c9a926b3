"""Check numbers that a user gives."""

from __future__ import annotations

import math
from numbers import Real
from typing import TypeGuard

from outtake.core.errors import ConfigError


def is_number(value: object) -> TypeGuard[float]:
    """Return True if a value is a finite number; true and false are not."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def check_number(
    key: str,
    value: object,
    least: float,
    most: float | None = None,
    *,
    whole: bool = False,
    optional: bool = False,
) -> None:
    """Raise a ConfigError unless a value is a finite number from ``least`` to ``most``.

    Args:
        key: The name of the value on the command line, for the message.
        value: The value; true and false are not numbers.
        least: The lowest value that is allowed.
        most: The highest value that is allowed; None is no bound.
        whole: Allow an int only.
        optional: Allow None too.

    Raises:
        ConfigError: The value is something else.
    """
    if value is None and optional:
        return
    high = math.inf if most is None else most
    right_kind = isinstance(value, int) or not whole
    if not (is_number(value) and right_kind and least <= value <= high):
        what = "a whole number" if whole else "a number"
        above = "" if most is None else f" and at most {most}"
        raise ConfigError(
            f"{key}={value}: must be {what}, at least {least}{above}"
            f"{' or null' if optional else ''}"
        )
