from __future__ import annotations

import os
import subprocess

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from outtake.core.override_text import format_override, quote_for_shell

ODD = (
    "runs/2026-07-03_14-01-22-481516",
    "runs/plain",
    *("my run", "two  spaces", "a=b", "[1]", "(1)", "{x}", "~/runs/x", "a#b", "naïve café", "日本"),
    *("it's", 'say "so"', "back\\slash", "end\\", "a,b", "50%", "$HOME", "${seed}", "a;b", "a&b"),
    *("null", "True", "12", "1e5", "0x1f", "1_000", "nan", "é", " lead", "*", "?", "!x", "-x", ":"),
    *("a:b", "a@b", "a|b", "a<b", "`id`", "00012", ".5", "1.5", "tab\there", "2e"),
)


def read_back(typed: str) -> str:
    """Give a word to a shell, and what the shell makes of it to Hydra."""
    typed_bytes = os.fsencode(f"printf %s {typed}")
    word = subprocess.run(["bash", "-c", typed_bytes], capture_output=True, check=True).stdout
    (override,) = OverridesParser.create().parse_overrides([os.fsdecode(word)])
    assert override.key_or_group == "resume" and not override.is_sweep_override()
    read = override.value()
    read = getattr(read, "text", read)
    return OmegaConf.create({"resume": read, "seed": 0}).resume


@pytest.mark.parametrize("text", ODD)
def test_a_printed_override_can_be_pasted(text: str) -> None:
    assert read_back(format_override("resume", text)) == text


def test_bytes_that_are_no_text_can_be_pasted() -> None:
    text = os.fsdecode(b"caf\xe9 \x1b[1m")
    typed = quote_for_shell(text)
    assert typed.isascii() and typed.isprintable()
    shown = subprocess.run(
        ["bash", "-c", f"printf %s {typed}"], capture_output=True, check=True
    ).stdout
    assert shown == b"caf\xe9 \x1b[1m"


def test_what_needs_no_quotes_has_none() -> None:
    assert format_override("resume", "runs/a-b_1.2") == "resume=runs/a-b_1.2"
    assert format_override("resume", "my run") == "'resume=\"my run\"'"
