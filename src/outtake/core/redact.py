"""Keep secrets out of every file that is written."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

HIDDEN = "<redacted>"
_WORDS = (
    r"(?:(?:api|access|private|wandb|auth)_?key|secret(?:_?key)?|token|passw(?:or)?ds?|pwd"
    r"|passphrase|credentials?)"
)
# A name that ends in such a word: api_token is one; token_mixer and num_tokens are not.
SECRET_NAME = re.compile(rf"(?i){_WORDS}$")
# Where a value without quotes ends inside JSON, YAML or Python, before white space.
_END = r"""["'](?=[\s,:;}\])]|$) | [,:;](?=["']) | [}\])](?=[,;}\])"']) | [,;"'}\])](?=\s|$)"""
_ASSIGNMENT = re.compile(
    rf"""(?ix) (?P<key> {_WORDS} \\*["']? [ \t]* \\*[:=] [ \t]* )
    (?P<value> "(?:[^"\\]|\\.)*" | '(?:[^']|'')*' | \[[^\]]*\]
        | \{{ (?: [^{{}}] | \{{[^{{}}]*\}} )* \}} | \$\{{ [^{{}}\s]* \}} (?=[\s,;"'}}\])]|$)
        | (?: \\. | (?! {_END} ) \S )+ )"""
)
# What closes the text around a value, and is no part of it.
_CLOSING = re.compile(r"""(?<![\\,;"'}\])])[,;"'}\])]+$""")
_BEARER = re.compile(r"(?i)(authorization\s*:\s*)(?:bearer|basic)?\s*[^\s\"',]+")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)", re.S)
# An interpolation, nothing, a switch, or a small number.
_NOT_SECRET = re.compile(
    r"""["']?\$\{[^{}]*\}["']?$|(?:null|none|true|false|[\d.e+-]{1,6}|""|'')$|<redacted>""", re.I
)
# Tried only at the beginning of a word: a page holds words of a million letters.
# Hydra writes a colon of a grid's override with a backslash before it.
_WEB = r"(?<![\w+.-])(?:https?|wss?|ftps?|rtsps?|rtmps?|rtp|srt|tcp|udp)\\?://"
# Up to the last @ before a slash, or after a colon before a space: a password may hold a slash,
# though none should. On the web the path may hold an @, and digits before a slash are a port.
_WEB_LOGIN = re.compile(
    rf"(?i)(?P<scheme>{_WEB})(?:[^/\s]{{1,1000}}@|[^/\s@:]{{0,200}}:(?!\d{{1,5}}/)\S{{1,1000}}@)"
)
_LOGIN = re.compile(
    rf"(?i)(?P<scheme>(?<![\w+.-])(?!{_WEB})[\w+.-]+\\?://)"
    r"(?:[^/\s@:]{0,200}:\S{1,1000}@|[^/\s]{1,1000}@)"
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_KEY_BORDER = re.compile(r"[./@]")
# Variables of every shell, which hold the current folder.
_ORDINARY_VARIABLES = {"PWD", "OLDPWD"}
# Shorter values may as well be ordinary words.
_MIN_SECRET_LENGTH = 6


def redact(text: str) -> str:
    """Hide values of secret-named variables, ``key=value`` of secret names, and URL logins.

    An interpolation such as ``${oc.env:WANDB_API_KEY}`` names a secret without holding it, and
    stays.
    """
    for value in _secret_values():
        text = text.replace(value, HIDDEN)
    text = _PRIVATE_KEY.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\g<1>{HIDDEN}", text)
    text = _ASSIGNMENT.sub(_hide_assignment, text)
    text = _WEB_LOGIN.sub(rf"\g<scheme>{HIDDEN}@", text)
    return _LOGIN.sub(rf"\g<scheme>{HIDDEN}@", text)


def redact_overrides(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with secrets hidden.

    What is given to a key of a secret name is hidden to its end, whatever characters it holds, and
    so is the word behind an option of such a name, as in ``--hf-token TOKEN``. A word with a secret
    inside comes back without Hydra's escapes.
    """
    return [str(word) for word in redact_tree(list(words))]


def _redact_override(word: str) -> str:
    plain = _ESCAPE.sub(r"\1", word)
    key, equals, value = plain.partition("=")
    if equals and any(map(SECRET_NAME.search, _KEY_BORDER.split(key))):
        return word if not value or _NOT_SECRET.match(value) else f"{key}={HIDDEN}"
    hidden = redact(plain)
    return redact(word) if hidden == plain else hidden


def redact_tree(node: Any) -> Any:
    """Return a copy of nested mappings and lists with secrets hidden, by key and by value.

    Texts of a list may be overrides: see :func:`redact_overrides`.
    """
    if isinstance(node, Mapping):
        return {
            key: _hide(value) if SECRET_NAME.search(str(key)) else redact_tree(value)
            for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        before = ["", *node]
        return [
            _hide(value) if _is_secret_option(before[index]) else _redact_item(value)
            for index, value in enumerate(node)
        ]
    return redact(node) if isinstance(node, str) else node


def _redact_item(value: Any) -> Any:
    return _redact_override(value) if isinstance(value, str) else redact_tree(value)


def _hide(value: Any) -> Any:
    if value is None or isinstance(value, bool) or (isinstance(value, str) and "${" in value):
        return value
    if isinstance(value, Mapping):
        return {key: _hide(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(item) for item in value]
    if isinstance(value, float) or (
        isinstance(value, int) and len(str(value)) < _MIN_SECRET_LENGTH
    ):
        return value  # not a secret: a class may have this name, and this is its score or its count
    return HIDDEN


def _is_secret_option(word: Any) -> bool:
    return isinstance(word, str) and word.startswith("--") and bool(SECRET_NAME.search(word))


def _hide_assignment(match: re.Match[str]) -> str:
    value, closing = match["value"], ""
    if _NOT_SECRET.match(value):
        return match[0]
    if value[0] not in "\"'[{" and (end := _CLOSING.search(value)):
        value, closing = value[: end.start()], end[0]
    if not value or _NOT_SECRET.match(value):
        return match[0]
    return match["key"] + HIDDEN + closing


def _secret_values() -> list[str]:
    named = (os.environ.get(name, "") for name in list(os.environ) if _names_a_secret(name))
    return sorted({v for v in named if len(v) >= _MIN_SECRET_LENGTH}, key=len, reverse=True)


@cache
def _names_a_secret(variable: str) -> bool:
    """Return whether a variable does; kept, because each string asks for all variables."""
    return bool(SECRET_NAME.search(variable)) and variable not in _ORDINARY_VARIABLES
