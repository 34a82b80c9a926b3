from __future__ import annotations

import pytest

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number


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
