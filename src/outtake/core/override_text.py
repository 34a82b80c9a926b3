"""Words of a command line that can be pasted as they are: quoted for Hydra and for the shell."""

from __future__ import annotations

import os
import re
import shlex

# What Hydra takes for text, and for this text, without quotes.
_PLAIN_TEXT = re.compile(r"(?!(?:null|true|false|inf|nan)$)[a-z_/][a-z0-9_./+-]*", re.IGNORECASE)


def quote_text(text: str) -> str:
    """Return a text as it is written after ``KEY=``, so that Hydra reads just this text."""
    if text.isascii() and _PLAIN_TEXT.fullmatch(text):
        return text
    # A backslash before it would be read as one of the escape.
    text = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + "\\${", text)
    # Hydra unescapes only backslashes before a quote.
    text = re.sub(r'(\\+)(?="|$)', r"\1\1", text)
    return '"' + text.replace('"', '\\"') + '"'


def quote_for_shell(word: str) -> str:
    r"""Return a word as it is typed into a shell.

    Bytes that are no text, and characters that control a terminal, are written as ``$'\xff'``,
    which bash and zsh read.
    """
    if word.isprintable():
        return shlex.quote(word)
    escaped = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "\\'" else f"\\x{byte:02x}"
        for byte in os.fsencode(word)
    )
    return f"$'{escaped}'"


def format_override(key: str, text: object) -> str:
    """Return ``KEY=TEXT`` as it is typed into a shell."""
    return quote_for_shell(f"{key}={quote_text(str(text))}")


def quote_override(word: str) -> str:
    """Return ``KEY=VALUE``, in which the value is meant as text, as it is typed into a shell."""
    key, _, value = word.partition("=")
    return format_override(key, value.strip("'\""))
