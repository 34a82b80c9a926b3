from __future__ import annotations

import os

import pytest

from outtake.core.printable_text import list_some, to_drawable, to_printable


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("road 1", "road 1"),
        ("café", "cafe"),
        ("e\u0301te\u0301", "ete"),
        (os.fsdecode(b"caf\xe9.png"), "caf?.png"),
        ("日本.png", "??.png"),
        ("a\nb\x1b[1m", "a?b?[1m"),
        ("½ \N{NO-BREAK SPACE}", "1?2 ?"),
        ("", ""),
    ],
)
def test_what_is_drawn_is_plain_ascii(text: str, drawn: str) -> None:
    assert to_drawable(text) == drawn


def test_what_is_printed_keeps_letters_and_loses_control_characters() -> None:
    assert to_printable("café 日本") == "café 日本"
    assert to_printable(os.fsdecode(b"caf\xe9\x1b[1m\r")) == "caf??[1m?"


def test_many_names_are_a_few_and_a_number():
    assert list_some(["a", "b", "c"]) == "a, b, c"
    assert list_some(["a", "b", "c", "d"]) == "a, b, c and 1 more"
    assert list_some(["a", "b", "c"], 1) == "a and 2 more"
    assert list_some([]) == ""
