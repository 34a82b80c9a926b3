"""Numbers that users give, checked where they enter."""

from __future__ import annotations

import math
from numbers import Real
from typing import TypeGuard

from outtake.core.errors import ConfigError


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number; true and false are none."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def check_number(
    key: str,
    value: object,
    least: float,
    most: float | None = None,
    *,
    whole: bool = False,
    optional: bool = False,
) -> None:
    """Let nothing pass but a finite number from ``least`` to ``most``.

    Args:
        key: its name on the command line, for the message.
        value: what was given; true and false are no numbers.
        least: the lowest that is allowed.
        most: the highest, None for no bound.
        whole: only an int is allowed.
        optional: None is allowed too.

    Raises:
        ConfigError: it is something else.
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
