"""Keep secrets out of every file that is written."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "<redacted>"
_WORDS = r"(?:api_?key|access_?key|secret|token|passw(?:or)?d|passphrase|credential|private_?key)"
SECRET_NAME = re.compile(rf"(?i)(?:^|[^a-z]){_WORDS}(?:$|[^a-z])|{_WORDS}$")
_ASSIGNMENT = re.compile(
    rf"""(?ix) (?P<key> [\w.+~/-]* {_WORDS} [\w-]* ["']? \s* [:=] \s* )
    (?P<value> "[^"]*" | '[^']*' | [^\s,;"'}}\])]+ )"""
)
# An interpolation, nothing, a switch, or a small number such as tokens_per_batch has.
_HARMLESS = re.compile(r"\$\{|(?:null|none|true|false|[\d.e+-]{1,6})$|<redacted>", re.IGNORECASE)
_USERINFO = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]*://)[^/\s@]+@")
# Shorter values are as likely to be ordinary words that happen to stand in such a variable.
_LEAST_LENGTH = 6


def redact(text: str) -> str:
    """Hide values of secret-named variables, ``key=value`` of secret names, and URL logins.

    An interpolation such as ``${oc.env:WANDB_API_KEY}`` names a secret without holding it, and
    stays.
    """
    for value in _secret_values():
        text = text.replace(value, HIDDEN)
    text = _ASSIGNMENT.sub(_hide_value, text)
    return _USERINFO.sub(rf"\g<scheme>{HIDDEN}@", text)


def redact_tree(node: Any) -> Any:
    """Return a copy of nested dicts and lists with secrets hidden, by key and by value."""
    if isinstance(node, Mapping):
        return {
            key: HIDDEN
            if SECRET_NAME.search(str(key)) and isinstance(value, str) and "${" not in value
            else redact_tree(value)
            for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [redact_tree(value) for value in node]
    return redact(node) if isinstance(node, str) else node


def _hide_value(match: re.Match[str]) -> str:
    if _HARMLESS.match(match["value"]):
        return match[0]
    return match["key"] + HIDDEN


def _secret_values() -> list[str]:
    named = (v for k, v in os.environ.items() if SECRET_NAME.search(k))
    return sorted({v for v in named if len(v) >= _LEAST_LENGTH}, key=len, reverse=True)
