"""Arguments as people type them, written so that Hydra's grammar reads them as they are meant.

Its grammar has meanings of its own for spaces, brackets, commas, quotes, ``=``, ``#``, ``~`` and
letters beyond ASCII. A path may hold any of these.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from outtake.core.errors import ConfigError
from outtake.core.override_text import quote_text
from outtake.core.trees import flatten

_KEY = re.compile(r"(\+\+|\+|~)?[A-Za-z_][\w./@-]*")
_FILE_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
# Flags of Hydra itself that take the next word.
_FLAGS_WITH_VALUE = {
    "--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn",
    "--config-dir", "-cd", "--info", "-i", "--experimental-rerun",
}  # fmt: skip
# Another config than the program's own would lack what conf/hydra says of where runs lie.
_CONFIG_NAME_FLAGS = {"--config-name", "-cn"}
_CONFIG_DIR_FLAGS = {"--config-dir", "-cd"}
_MULTIRUN_FLAGS = {"-m", "--multirun"}
_FLAGS = _FLAGS_WITH_VALUE | _MULTIRUN_FLAGS | {
    "--help", "-h", "--hydra-help", "--version", "--resolve", "--run", "-r", "--shell-completion",
    "-sc",
}  # fmt: skip
# What begins a list, a mapping or a quoted word was written for Hydra.
_WRITTEN_FOR_HYDRA = ("[", "{", '"', "'")
_NULL = "null"
# Stands for the key of what goes to Hydra as it is, such as a deletion.
_AS_IT_IS = "~"


@dataclass(frozen=True)
class ArgumentRules:
    """What a program takes.

    Attributes:
        config: The name of its config in ``conf``.
        values: Its config as nested mappings of the usual values; they tell which keys are lists
            and which are switches.
        places: The keys that the first and the last plain words fill; empty for none.
        paths: The keys whose values name files: taken literally unless written for Hydra.
        lists: The keys that take a list, beside those whose usual value is one.
        short: Keys that stand for others.
        groups: The groups of options, each of which is a key too.
    """

    config: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    short: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()

    def is_list(self, key: str) -> bool:
        """Return whether a key takes a list."""
        return key in self.lists or isinstance(self._flat().get(key), list)

    def is_switch(self, key: str) -> bool:
        """Return whether a key is true or false."""
        return isinstance(self._flat().get(key), bool)

    def knows(self, key: str) -> bool:
        """Return whether there is such a key, or a group of keys, or a key of one of the groups."""
        top = key.partition(".")[0]
        return top in self.groups or any(
            name == key or name.startswith(f"{key}.") for name in self.names()
        )

    def names(self) -> list[str]:
        """Return the keys that are known."""
        return [*self._flat(), *self.paths, *self.lists, *self.short, *self.groups]

    def _flat(self) -> dict[str, Any]:
        return flatten(self.values)


def spell_out(arguments: Sequence[str], rules: ArgumentRules) -> list[str]:
    """Return arguments as Hydra reads them.

    ``--key value`` and ``--key=value`` become ``key=value``; plain words fill the places of the
    program; what Hydra's grammar cannot read, or would read as something else than a path, is
    quoted; ``remove=car,person`` becomes a list where the key takes one, except in a multirun.

    Args:
        arguments: What stands on the command line after the program's name.
        rules: What the program takes.

    Raises:
        ConfigError: There are plain words without a place, an option without its value, or the
            name of another config.
    """
    multirun = any(each in _MULTIRUN_FLAGS for each in arguments)
    flags, given, words = [], [], []
    listed, strays = "", []  # a list just before, and the words that follow one
    for key, value in _split(arguments, rules):
        if key is None:
            flags.append(value)
        elif key == _AS_IT_IS:
            given.append(value)
        elif not key:
            words.append(value)
            strays += [(listed, value)] if listed else []
        else:
            given.append(spell_out_override(key, value, rules, multirun=multirun))
        listed = f"{key}={value}" if key and rules.is_list(key.lstrip("+~")) else ""
    if len(words) > len(rules.places):
        _refuse_strays(strays)
    return [*flags, *_fill_places(words, rules), *given]


def _refuse_strays(strays: Sequence[tuple[str, str]]) -> None:
    """Refuse a word behind a list, where more words than places are given, if it is no file.

    Raises:
        ConfigError: It was probably meant as a part of the list.
    """
    for listed, word in strays:
        if not os.path.exists(os.path.expanduser(word)):
            raise ConfigError(
                f"{word}: stands alone behind {listed}; separate several by commas, as in "
                f"{listed},{word}"
            )


def _split(arguments: Sequence[str], rules: ArgumentRules) -> Iterator[tuple[str | None, str]]:
    """Yield keys and values; None before a flag of Hydra, an empty key before a plain word.

    What has no value and goes to Hydra as it is comes after the key ``_AS_IT_IS``.
    """
    rest = iter(arguments)
    for argument in rest:
        name = argument.partition("=")[0]
        if name in _FLAGS:
            if name in _CONFIG_NAME_FLAGS:
                raise ConfigError(
                    f"{name}: the config of this program is always conf/{rules.config}.yaml; keys "
                    "of your own are --config-dir PATH experiment=NAME, for "
                    "PATH/experiment/NAME.yaml, and a run is trained again by outtake train "
                    "reproduce=RUN_FOLDER"
                )
            yield None, argument
            following = argument.partition("=")[2]
            if argument in _FLAGS_WITH_VALUE:
                following = next(rest, "")
                yield from [(None, following)] if following else []
            if name in _CONFIG_DIR_FLAGS and not os.path.isdir(following):
                # Hydra would do without it, and find no option of it.
                raise ConfigError(
                    f"{name} {following}: no such folder; give one that holds folders of options, "
                    "as --config-dir runs/sweeps/NAME experiment=best"
                )
        elif argument.startswith("--") and _KEY.fullmatch(name[2:].replace("-", "_")):
            key = name[2:].replace("-", "_")
            if "=" in argument:
                yield key, argument.partition("=")[2]
            elif rules.is_switch(key):
                yield key, "true"
            else:
                value = next(rest, None)
                if value is None:
                    raise ConfigError(f"{argument}: a value must follow, as in {argument} VALUE")
                yield key, value
        elif _is_override(argument, rules):
            key, _, value = argument.partition("=")
            yield (key, value) if "=" in argument else (_AS_IT_IS, argument)
        else:
            yield "", argument


def _is_override(argument: str, rules: ArgumentRules) -> bool:
    """Return whether an argument is ``KEY=VALUE``, and not a file whose name has such a form."""
    key, equals, _ = argument.partition("=")
    if not rules.places:
        return bool(equals) or not argument.startswith("-")
    if not equals:
        return argument.startswith("~") and "/" not in argument and not os.path.exists(argument)
    if not _KEY.fullmatch(key):
        return False
    if rules.knows(key.lstrip("+~")):
        return True
    misspelt = bool(difflib.get_close_matches(key, rules.names()))
    return not os.path.exists(os.path.expanduser(argument)) and (
        misspelt or not _FILE_ENDING.search(argument)
    )


def _fill_places(words: Sequence[str], rules: ArgumentRules) -> list[str]:
    if not words:
        return []
    if not rules.places:
        return list(words)  # Hydra says what is wrong with them
    first, *others = rules.places
    if len(words) == 1 or not others:
        placed = [(first, words)]
    else:
        placed = [(first, words[:-1]), (others[0], words[-1:])]
    return [
        f"{key}={quote_text(each[0])}"
        if len(each) == 1
        else f"{key}=[{','.join(map(quote_text, each))}]"
        for key, each in placed
    ]


def spell_out_override(
    key: str, value: str, rules: ArgumentRules, *, multirun: bool = False
) -> str:
    """Return ``KEY=VALUE`` as Hydra reads it.

    Args:
        key: The key, perhaps with ``+`` before it.
        value: What the user has typed.
        rules: What the program takes.
        multirun: Whether commas separate the values of several runs.
    """
    name = key.lstrip("+~")
    if name in rules.short and _is_mapping(key, value):
        return f"{key}={value}"  # its keys, one by one
    key = key.replace(name, rules.short.get(name, name)) if name else key
    name = key.lstrip("+~")
    if rules.is_list(name) and value.startswith("{") and _is_readable(key, f"[{value}]"):
        value = f"[{value}]"  # one or several mappings without the brackets
    for_hydra = value.startswith(_WRITTEN_FOR_HYDRA)
    if name in rules.paths:
        return f"{key}={_spell_out_path(key, value, multirun=multirun)}"
    if not multirun and not for_hydra and "," in value and rules.is_list(name):
        words = [each.strip() for each in value.split(",")]
        return f"{key}=[{','.join(_quote_if_needed(key, each) for each in words)}]"
    if not multirun and not for_hydra and rules.is_list(name) and value not in ("", _NULL):
        return f"{key}=[{_quote_if_needed(key, value)}]"
    return f"{key}={value}" if for_hydra else f"{key}={_quote_if_needed(key, value)}"


def _spell_out_path(key: str, value: str, *, multirun: bool) -> str:
    """Return a path literally, unless it was written for Hydra: a list, quoted, with references."""
    if value in ("", _NULL):
        return value
    if os.path.exists(os.path.expanduser(value)):
        return quote_text(value)
    if value.isdigit() and ".source." in key:
        return value  # a data set of one's own may mean a number by that name
    parts = value.split(",")
    if multirun and len(parts) > 1:
        return ",".join(_spell_out_path(key, part, multirun=False) for part in parts)
    if len(parts) > 1 and all(os.path.exists(os.path.expanduser(part)) for part in parts):
        return f"[{','.join(map(quote_text, parts))}]"
    for_hydra = value.startswith(_WRITTEN_FOR_HYDRA) or "${" in value
    return value if for_hydra and _is_readable(key, value) else quote_text(value)


def _quote_if_needed(key: str, value: str) -> str:
    return value if _is_readable(key, value) else quote_text(value)


def _is_readable(key: str, value: str) -> bool:
    return _read(key, value) is not None


def _is_mapping(key: str, value: str) -> bool:
    """Return whether Hydra reads a mapping, and not the name of a file."""
    if not value.startswith("{") or os.path.exists(value):
        return False
    override = _read(key, value)
    return override is not None and isinstance(override.value(), dict)


def _read(key: str, value: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(f"{key}={value}")
    except HydraException:
        return None
