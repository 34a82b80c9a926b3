"""Which cases of a test run in ``make test``, and which in ``make test-full`` alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def keep_few(cases: Iterable[Any], few: Collection[Any]) -> list[Any]:
    """Return the values of ``pytest.mark.parametrize``; those not among the few are marked full.

    For cases that differ in a detail of one mechanism, each of which takes seconds.
    """
    found = list(cases)
    missing = [case for case in few if case not in found]
    assert not missing, f"no such cases: {missing}"
    return [
        case
        if case in few
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.full)
        for case in found
    ]
