from __future__ import annotations

import pytest

from outtake.core.errors import ConfigError
from outtake.core.validate import (
    check_flag,
    check_number,
    check_odd_number,
    check_whole_numbers,
)


@pytest.mark.parametrize("value", [1, 2.5, 4])
def test_numbers_within_pass(value: float) -> None:
    check_number("key", value, 1, 4)


@pytest.mark.parametrize(
    "value", [0.5, 5, True, None, "2", float("nan"), float("inf"), [2], 10**400]
)
def test_others_do_not(value: object) -> None:
    with pytest.raises(ConfigError, match=r"must be a number, at least 1 and at most 4$"):
        check_number("key", value, 1, 4)


def test_whole_optional_and_unbounded() -> None:
    check_number("key", None, 1, optional=True)
    check_number("key", 10**9, 1, whole=True)
    with pytest.raises(ConfigError, match=r"key=2\.0: must be a whole number, at least 1 or null"):
        check_number("key", 2.0, 1, whole=True, optional=True)
    with pytest.raises(ConfigError, match=r"key=inf"):
        check_number("key", float("inf"), 1)


def test_true_and_false_are_no_words_and_no_numbers() -> None:
    check_flag("key", True)
    check_flag("key", False)
    for value in ("no", "off", "true", 0, 1, None, [True]):
        with pytest.raises(ConfigError, match=r"^key=.*: must be true or false$"):
            check_flag("key", value)


def test_a_kernel_with_a_centre_is_odd() -> None:
    for side in (1, 3, 7):
        check_odd_number("key", side)
    with pytest.raises(ConfigError, match=r"^key=6: must be odd; 5 and 7 are$"):
        check_odd_number("key", 6)
    for value in (0, -1, 3.0, True, None, "3"):
        with pytest.raises(ConfigError, match=r"key=.*must be a whole number, at least 1"):
            check_odd_number("key", value)  # type: ignore[arg-type]  # as a user may write


def test_lists_of_whole_numbers() -> None:
    check_whole_numbers("key", [1, 2], "[1,2]")
    check_whole_numbers("key", (3,), "[1,2]")
    for values in ([], 5, None, "12", [0], [1.0], [True], [1, None]):
        with pytest.raises(ConfigError, match=r"^key=.*: give a list of whole numbers above 0, as"):
            check_whole_numbers("key", values, "[1,2]")  # type: ignore[arg-type]  # the same
