"""The classes of a data set: their names and colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError, UnknownClassError
from outtake.core.printable_text import list_some

Colour = tuple[int, int, int]
_BACKGROUND_NAMES = ("background", "_background_", "bg")
KnownBy = Literal["name", "value", "colour"]


@dataclass(frozen=True)
class LabelSpace:
    """The classes of a data set, in the order of their ids.

    Attributes:
        names: The class names; the position is the id.
        colours: One RGB triple (0-255) per class.
        ignore_index: The id that is neither trained on nor scored.
        known_by: What tells a class: its ``name``; or, where the names were made up from the
            masks of a data set, the ``value`` or the ``colour`` that stands for it there.

    Raises:
        ConfigError: There are fewer than two classes or more than a label map can hold, a name
            is repeated, or there is not one colour per class.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    ignore_index: int = 255
    known_by: KnownBy = "name"

    def __post_init__(self) -> None:
        if not 2 <= len(self.names) <= self.ignore_index:
            raise ConfigError(
                f"classes: {_count_classes(self.names)}, and 2 to {self.ignore_index} are needed; "
                "what none of the names means is one too, as background"
            )
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise ConfigError(
                f"classes: several are called {', '.join(repeated)}; give each a name of its own"
            )
        if len(self.colours) != len(self.names):
            raise ConfigError(
                f"{len(self.names)} classes need as many colours, got {len(self.colours)}"
            )

    @classmethod
    def from_names(
        cls,
        names: Sequence[str],
        colours: Sequence[Sequence[int]] | None = None,
        known_by: KnownBy = "name",
    ) -> LabelSpace:
        """Return a label space; without colours, a fixed palette of distinct ones is used."""
        rgb = distinct_colours(len(names)) if colours is None else colours
        triples = tuple((int(r), int(g), int(b)) for r, g, b in rgb)
        return cls(tuple(names), triples, known_by=known_by)

    def ids(self, names: Iterable[str], key: str | None = None) -> tuple[int, ...]:
        """Return the ids of class names.

        Args:
            names: The names.
            key: The config key that has them, for the message.

        Raises:
            UnknownClassError: A name is not a class; the message lists the valid ones.
        """
        return tuple(self._find_id(name, key) for name in names)

    def _find_id(self, name: str, key: str | None) -> int:
        if name in self.names:
            return self.names.index(name)
        close = get_close_matches(str(name), self.names, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise UnknownClassError(
            f"{f'{key}: ' if key else ''}unknown class {name!r}{hint}; the classes are: "
            f"{', '.join(self.names)}"
        )

    def difference(self, other: LabelSpace) -> str | None:
        """Return how the classes of another space ("here") are not these ("there"), or None.

        Colours are for the eye where classes have names, and tell classes where names are made up.
        """
        if self.names != other.names:
            return f"{', '.join(self.names)} there, {', '.join(other.names)} here"
        ways = {self.known_by, other.known_by}
        if "colour" not in ways:
            return None
        if "value" in ways:
            return (
                f"{self.names[0]} is told by the {self.known_by} of pixels in masks there and by "
                f"their {other.known_by} here"
            )
        for name, own, others in zip(self.names, self.colours, other.colours, strict=True):
            if own != others:
                return f"{name} has the colour {list(own)} there and {list(others)} here"
        return None

    @property
    def background_id(self) -> int | None:
        """The id of the class that stands for all that has none, told by its name."""
        found = (i for i, name in enumerate(self.names) if name.casefold() in _BACKGROUND_NAMES)
        return next(found, None)

    def palette(self) -> NDArray[np.uint8]:
        """Return RGB colours as uint8 (256, 3), indexed by label; ignore and unused are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self.colours)] = self.colours
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers for a checkpoint or JSON."""
        return {
            "names": list(self.names),
            "colours": [list(colour) for colour in self.colours],
            "ignore_index": self.ignore_index,
            "known_by": self.known_by,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> LabelSpace:
        """Return the label space of a :meth:`to_dict`.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        colours = tuple((int(r), int(g), int(b)) for r, g, b in plain["colours"])
        known_by = plain["known_by"]
        if known_by not in get_args(KnownBy):
            raise ValueError(f"classes cannot be known by {known_by}")
        names, ignore_index = tuple(map(str, plain["names"])), int(plain["ignore_index"])
        return cls(names, colours, ignore_index, known_by)


def _count_classes(names: Sequence[str]) -> str:
    if not names:
        return "there is no class"
    return f"there {'is' if len(names) == 1 else 'are'} {len(names)} ({list_some(names)})"


def distinct_colours(count: int) -> list[Colour]:
    """Return ``count`` RGB colours that differ: the VOC colour map without its black."""
    return [_voc_colour(index) for index in range(1, count + 1)]


def _voc_colour(index: int) -> Colour:
    # PASCAL VOC: the bits of the index, three at a time, become the high bits of R, G and B.
    red = green = blue = 0
    for bit in range(7, -1, -1):
        red |= (index & 1) << bit
        green |= (index >> 1 & 1) << bit
        blue |= (index >> 2 & 1) << bit
        index >>= 3
    return red, green, blue
