from __future__ import annotations

import os

import pytest

from outtake.core.printable_text import to_drawable, to_printable


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
