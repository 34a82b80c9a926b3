"""Check numbers, and true or false, that a user gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def check_flag(key: str, value: object) -> None:
    """Raise a ConfigError unless a value is true or false.

    Words such as ``no`` and ``off`` come as text, of which Python takes any for true.

    Args:
        key: The name of the value on the command line, for the message.
        value: The value.

    Raises:
        ConfigError: The value is something else.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{key}={value}: must be true or false")


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


def check_odd_number(key: str, value: int) -> None:
    """Raise a ConfigError unless a value, the side of a kernel with a centre, is odd and above 0.

    Args:
        key: The name of the value on the command line, for the message.
        value: The value.

    Raises:
        ConfigError: The value is something else.
    """
    check_number(key, value, 1, whole=True)
    if value % 2 == 0:
        raise ConfigError(f"{key}={value}: must be odd; {value - 1} and {value + 1} are")


def check_whole_numbers(key: str, values: Sequence[int], example: str, least: int = 1) -> None:
    """Raise a ConfigError unless values are a list of whole numbers, at least one.

    Args:
        key: The name of the list on the command line, for the message.
        values: The list.
        example: A list that is allowed, for the message.
        least: The lowest number that is allowed.

    Raises:
        ConfigError: The values are something else.
    """
    are_listed = isinstance(values, Sequence) and not isinstance(values, str) and len(values) > 0
    if not are_listed or not all(
        is_number(each) and isinstance(each, int) and each >= least for each in values
    ):
        above = "above 0" if least == 1 else f"from {least} on"
        raise ConfigError(f"{key}={values}: give a list of whole numbers {above}, as {example}")
