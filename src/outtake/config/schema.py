"""Turn plain config values into a typed dataclass, or say in one line which value is wrong.

A schema is a dataclass whose annotations say everything about a key once: its name, its type, its
range and unit, its choices. Values and their comments stay in ``conf/``: a field has a default only
where a config may leave the key out.

    @dataclass(frozen=True, kw_only=True)
    class MaskOptions:
        dilate: Annotated[float, Number(0)]
        low: Annotated[float | None, Number(0, 1)]
        mode: Literal["fast", "exact"]

    parse(MaskOptions, {"dilate": 0.1, "low": None, "mode": "fast"}, "mask")

An annotation may be ``bool``, ``int``, ``float``, ``str``, ``Path``, ``Any``, ``Literal``, another
schema, ``list[X]``, ``tuple[X, Y]``, ``Mapping[str, X]``, a union of these, or one of them in
``Annotated`` with a :class:`Number`, :class:`Form`, :class:`NotEmpty`, :class:`Check` or
:class:`OtherKeys`. A ``Node`` is a mapping that is passed on as it is, for what has a ``_target_``.
A rule that joins several keys is a ``__post_init__`` that raises a ``ConfigError``.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from outtake.core.errors import ConfigError
from outtake.core.validate import is_number

Schema = TypeVar("Schema")
Mark = TypeVar("Mark")
Node = Mapping[str, Any]
Marks = tuple[object, ...]
_MAX_SHOWN_CHARS = 80
_NEAR = 0.75  # of difflib's ratio, for a key that may be the user's own


@dataclass(frozen=True)
class Number:
    """The range of a number, or of each number of a list or mapping.

    Attributes:
        least: The lowest value that is allowed, None for no bound.
        most: The highest value that is allowed, None for no bound.
        unit: What is counted or measured, such as "pixels".
        above: The value that it must exceed.
        below: The value that it must stay below.
    """

    least: float | None = None
    most: float | None = None
    unit: str = ""
    above: float | None = None
    below: float | None = None

    def allows(self, value: float) -> bool:
        """Return whether a value is in the range."""
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        bounds = (
            ("at least", self.least),
            ("above", self.above),
            ("at most", self.most),
            ("below", self.below),
        )
        words = " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
        return (f" of {self.unit}" if self.unit else "") + (f", {words}" if words else "")


@dataclass(frozen=True)
class Form:
    """What must be given, in words, where the type alone would not say it."""

    text: str


@dataclass(frozen=True)
class Check:
    """A check of its own, of the key and the value, which raises a ``ConfigError``.

    It runs after the type was found right, and also for what ``Any`` lets pass.
    """

    run: Callable[[str, Any], None]


@dataclass(frozen=True)
class NotEmpty:
    """Marks a list or mapping that must have an item."""


@dataclass(frozen=True)
class OtherKeys:
    """Marks the ``Mapping`` field that gathers every key that no other field names.

    A key that is almost one of the named ones is refused all the same, unless the mapping has a
    ``_target_``, whose constructor knows its own arguments.
    """


def parse(schema: type[Schema], values: object, key: str = "") -> Schema:
    """Check plain values against a schema and return its instance.

    Args:
        schema: A dataclass, see the module.
        values: Plain containers, resolved.
        key: The place of ``values`` in the config, such as "mask"; empty for the whole config.

    Raises:
        ConfigError: The first key that is unknown, missing, or has a value that is not allowed.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{key or 'config'}={show_value(values)}: must be {_GROUP}")
    kinds, found = _type_hints(schema), {}
    named = {each.name: each for each in fields(schema) if not _takes_others(kinds[each.name])}  # type: ignore[arg-type]
    others = {str(name): value for name, value in values.items() if name not in named}
    gather = next((name for name, kind in kinds.items() if _takes_others(kind)), None)
    for name in others:
        own = "_target_" in others or not difflib.get_close_matches(name, named, 1, _NEAR)
        if gather is None or not own:
            raise ConfigError(explain_unknown_key(name, known_keys(schema), key))
    for name, each in named.items():
        if name in values:
            if _is_plain_for_group(kinds[name], values[name]):
                raise ConfigError(_explain_group(name, values[name], kinds, key))
            found[name] = _convert(kinds[name], values[name], join_key(key, name))
        elif each.default is MISSING and each.default_factory is MISSING:
            place = join_key(key, name)
            raise ConfigError(f"{place} has no value: set it, as in {place}=VALUE")
    return schema(**found, **({gather: others} if gather else {}))


def join_key(parent: str, name: str) -> str:
    """Return a dotted key."""
    return f"{parent}.{name}" if parent else name


def known_keys(schema: type) -> list[str]:
    """Return the dotted keys of a schema and of the groups inside it."""
    return list(_iter_keys(schema))


def explain_unknown_key(name: str, known: Sequence[str], parent: str = "") -> str:
    """Say that a key does not exist, and which one was probably meant.

    Args:
        name: The key that was given.
        known: The dotted keys that exist.
        parent: Where both are in the config.
    """
    near = nearest_key(name, known)
    top = sorted({key.partition(".")[0] for key in known}, key=str)
    advice = f"did you mean {join_key(parent, near)}?" if near else f"allowed are {', '.join(top)}"
    return f"{join_key(parent, name)}: no such config key; {advice}"


def nearest_key(name: str, known: Sequence[str]) -> str | None:
    """Return the known dotted key that was probably meant, also one inside another group."""
    last = {key: key.rpartition(".")[2] for key in known}
    same = [key for key in known if last[key] == name.rpartition(".")[2]]
    near = same[:1] or difflib.get_close_matches(name, known, 1)
    if not near:
        word = difflib.get_close_matches(name.rpartition(".")[2], last.values(), 1, _NEAR)
        near = [key for key in known if last[key] in word]
    return near[0] if near else None


def show_value(value: object) -> str:
    """Write a value as on a command line, shortened."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    items = f"[{','.join(map(show_value, value))}]" if isinstance(value, list | tuple) else value
    text = " ".join(str(items).split())
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[: _MAX_SHOWN_CHARS - 3]}..."


def _is_plain_for_group(kind: Any, value: object) -> bool:
    return is_dataclass(kind) and not isinstance(value, Mapping) and value is not None


def _explain_group(name: str, value: object, kinds: Mapping[str, Any], parent: str) -> str:
    """Say that a key is a group, what it holds, and which key of a like name takes a value."""
    held = [each.name for each in fields(kinds[name])]
    near = difflib.get_close_matches(name, [each for each in kinds if each != name], 1, _NEAR)
    place = join_key(parent, name)
    also = f"; or did you mean {join_key(parent, near[0])}={show_value(value)}?" if near else ""
    return (
        f"{place}={show_value(value)}: must be a group of keys ({', '.join(held)}), set one by "
        f"one, as in {place}.{held[0]}=VALUE{also}"
    )


def _iter_keys(schema: Any, parent: str = "") -> Iterator[str]:
    for name, kind in _type_hints(schema).items():
        if _takes_others(kind):
            continue
        yield join_key(parent, name)
        for group in _iter_schemas(kind):
            yield from _iter_keys(group, join_key(parent, name))


def _iter_schemas(kind: Any) -> Iterator[type]:
    if isinstance(kind, type) and is_dataclass(kind):
        yield kind
    elif get_origin(kind) in (Annotated, Union, types.UnionType):
        for each in get_args(kind):
            yield from _iter_schemas(each)


def _type_hints(schema: Any) -> dict[str, Any]:
    return get_type_hints(schema, include_extras=True)


def _takes_others(kind: Any) -> bool:
    return any(isinstance(mark, OtherKeys) for mark in getattr(kind, "__metadata__", ()))


class _WrongValueError(Exception):
    """A value that its annotation does not allow."""


def _convert(kind: Any, value: object, key: str, marks: Marks = ()) -> Any:
    try:
        return _value_of(kind, value, key, marks)
    except _WrongValueError:
        allowed = _describe(kind, marks)
        raise ConfigError(f"{key}={show_value(value)}: must be {allowed}") from None


def _value_of(kind: Any, value: object, key: str, marks: Marks) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        found = _value_of(arguments[0], value, key, (*kind.__metadata__, *marks))
        for check in _all(Check, kind.__metadata__):
            check.run(key, found)
        return found
    if origin in (Union, types.UnionType):
        return _first_that_fits(arguments, value, key, marks)
    if origin is Literal:
        if any(type(value) is type(each) and value == each for each in arguments):
            return value
        raise _WrongValueError
    if origin in (list, tuple):
        return _items(origin, arguments, value, key, marks)
    if is_dataclass(kind) or isinstance(origin, type):
        if not isinstance(value, Mapping) or (not value and _has(NotEmpty, marks)):
            raise _WrongValueError
        if is_dataclass(kind):
            return parse(kind, value, key)  # type: ignore[arg-type]
        # An entry is a key of its own, and an error names it.
        return {
            str(name): _convert(arguments[1], each, join_key(key, str(name)), marks)
            for name, each in value.items()
        }
    return _scalar(kind, value, marks)


def _first_that_fits(kinds: Iterable[Any], value: object, key: str, marks: Marks) -> Any:
    for kind in kinds:
        try:
            return _value_of(kind, value, key, marks)
        except _WrongValueError:
            continue
    raise _WrongValueError


def _items(origin: type, kinds: Sequence[Any], value: object, key: str, marks: Marks) -> Any:
    if not isinstance(value, list | tuple) or (not value and _has(NotEmpty, marks)):
        raise _WrongValueError
    any_number = origin is list or kinds[-1] is Ellipsis
    each = list(kinds[:1]) * len(value) if any_number else list(kinds)
    if len(each) != len(value):
        raise _WrongValueError
    return origin(_value_of(k, v, key, marks) for k, v in zip(each, value, strict=True))


def _scalar(kind: Any, value: object, marks: Marks) -> Any:
    if kind is Any:
        return value
    if kind is types.NoneType:
        right = value is None
    elif kind in (int, float):
        whole = kind is float or isinstance(value, int)
        right = whole and is_number(value) and all(r.allows(value) for r in _all(Number, marks))
    elif kind is bool:
        right = isinstance(value, bool)
    elif kind in (str, Path):
        # A word that YAML reads as a number is meant as that word.
        right = isinstance(value, str | int | float) and not isinstance(value, bool)
        right = right and bool(str(value).strip())
    else:
        raise TypeError(f"{kind} cannot be an annotation of a schema")
    if not right:
        raise _WrongValueError
    if kind is Path:
        return Path(str(value)).expanduser()
    return value if value is None else kind(value)


def _has(mark: type, marks: Marks) -> bool:
    return bool(_all(mark, marks))


def _all(mark: type[Mark], marks: Marks) -> list[Mark]:
    return [each for each in marks if isinstance(each, mark)]


_GROUP = "a group of keys: leave it out, or set its keys one by one"
_WORDS: dict[Any, str] = {
    bool: "true or false",
    types.NoneType: "null",
    str: "text",
    Path: "a path",
    int: "a whole number",
    float: "a number",
    Any: "anything",
}


def _describe(kind: Any, marks: Marks) -> str:
    """Say what an annotation allows, as it follows "must be"."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _describe(arguments[0], (*kind.__metadata__, *marks))
    if forms := _all(Form, marks):
        return forms[0].text
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(each, marks) for each in arguments)
    if origin is Literal:
        *most, last = map(show_value, arguments)
        return f"{', '.join(most)} or {last}" if most else last
    if origin is list or (origin is tuple and arguments[-1] is Ellipsis):
        filled = " with at least one item" if _has(NotEmpty, marks) else ""
        return f"a list{filled}, each {_describe(arguments[0], marks)}"
    if origin is tuple:
        return f"a list of {len(arguments)}, each {_describe(arguments[0], marks)}"
    if kind in (int, float):
        return _WORDS[kind] + "".join(map(str, _all(Number, marks)))
    return _WORDS.get(kind, _GROUP)
