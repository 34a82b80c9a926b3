"""Boxes that stand still over a part of a clip: logos, stamps, dust."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Self

import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.frames import MaskedFrame
from outtake.core.types import Mask
from outtake.video.read.frame_selection import parse_time

_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")
_KEYS = ("box", "from", "to")
_SIDES = ("x", "y", "width", "height")


@dataclass(frozen=True, slots=True)
class Region:
    """A box of the picture, over a span of time.

    Attributes:
        box: x, y, width and height, each in pixels or, as a ``Fraction``, of the picture's side.
        start_s: When it begins, counted from the clip's first frame; None for the beginning.
        end_s: The first moment after it; None for the end.
    """

    box: tuple[int | Fraction, ...]
    start_s: Fraction | None = None
    end_s: Fraction | None = None

    @classmethod
    def from_config(cls, values: Mapping[str, Any], key: str) -> Self:
        """Read a region as the config gives it: ``{box: [x, y, w, h], from: 0:03, to: 0:09}``.

        Args:
            values: The mapping.
            key: Its place in the config, for messages.

        Raises:
            ConfigError: A key or a value is not one of a region.
        """
        unknown = [name for name in values if name not in _KEYS]
        if unknown or "box" not in values:
            what = f"{key}.{unknown[0]}: no such key" if unknown else f"{key}: it has no box"
            raise ConfigError(f"{what}; a region is {{box:[x,y,width,height],from:0:03,to:0:09}}")
        box = values["box"]
        sides = box if isinstance(box, Sequence) and not isinstance(box, str) else ()
        if len(sides) != len(_SIDES):
            raise ConfigError(f"{key}.box={box}: must be [x,y,width,height], in pixels or as '5%'")
        read = tuple(_read_side(side, f"{key}.box") for side in sides)
        start_s = parse_time(f"{key}.from", values.get("from"))
        end_s = parse_time(f"{key}.to", values.get("to"))
        if end_s is not None and end_s <= (start_s or 0):
            raise ConfigError(
                f"{key}.to={values['to']}: must be after {key}.from={values.get('from') or 0}"
            )
        if 0 in read[2:]:
            raise ConfigError(f"{key}.box={box}: width and height must be above 0")
        return cls(read, start_s, end_s)

    def place_in(self, height: int, width: int) -> tuple[slice, slice]:
        """Return rows and columns of the box in a picture, clipped to it."""
        x, y, box_width, box_height = (
            side * (width, height, width, height)[index] if isinstance(side, Fraction) else side
            for index, side in enumerate(self.box)
        )
        rows = slice(round(y), min(round(y + box_height), height))
        columns = slice(round(x), min(round(x + box_width), width))
        return rows, columns

    def check_size(self, height: int, width: int, key: str, of: str = "clip") -> None:
        """Refuse a box that lies beside the picture.

        Args:
            height: The height of the picture.
            width: Its width.
            key: The config key of the region.
            of: What the picture is called in the message.

        Raises:
            ConfigError: No pixel is inside.
        """
        rows, columns = self.place_in(height, width)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            shown = ",".join(
                f"{float(side * 100):g}%" if isinstance(side, Fraction) else str(side)
                for side in self.box
            )
            raise ConfigError(
                f"{key}.box=[{shown}]: holds no pixel of the {of}, which is {width}x{height}"
            )

    def explain_lateness(self, duration_s: float | None, key: str) -> str | None:
        """Say that a region begins when the clip is over; None if it does not.

        Args:
            duration_s: How long the clip is by its header; None if unknown.
            key: The region's place in the config.
        """
        if not duration_s or self.start_s is None or self.start_s < duration_s:
            return None
        return (
            f"{key}.from: the region begins at {float(self.start_s):g} s, and the clip ends at "
            f"about {duration_s:g} s: nothing is removed there"
        )

    def is_shown(self, time_s: Fraction) -> bool:
        """Return whether the region is there at a time, counted from the clip's first frame."""
        return (self.start_s is None or time_s >= self.start_s) and (
            self.end_s is None or time_s < self.end_s
        )


def _read_side(value: object, key: str) -> int | Fraction:
    percent = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if percent is not None:
        return Fraction(percent[1]) / 100
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ConfigError(
        f"{key}: {value} must be a whole number of pixels, at least 0, or a part such as 5%"
    )


def scale_region(region: Region, size: tuple[int, int]) -> Region:
    """Return a region in pixels of a picture of this height and width as parts of it."""
    height, width = size
    sides = (width, height, width, height)
    box = tuple(
        side if isinstance(side, Fraction) else Fraction(side, sides[index])
        for index, side in enumerate(region.box)
    )
    return replace(region, box=box)


def add_regions(
    frames: Iterable[MaskedFrame], regions: Sequence[Region], first_s: Fraction
) -> Iterator[MaskedFrame]:
    """Yield frames whose masks hold the regions too.

    Args:
        frames: The frames with their masks.
        regions: The regions; in pixels of these frames, or in parts of them.
        first_s: The time of the clip's first frame, in the clip's own time.
    """
    for masked in frames:
        time_s = masked.frame.pts * masked.frame.time_base - first_s
        shown = [region for region in regions if region.is_shown(time_s)]
        yield replace(masked, mask=_draw(masked.mask, shown)) if shown else masked


def _draw(mask: Mask, regions: Sequence[Region]) -> Mask:
    drawn = np.array(mask)
    for region in regions:
        drawn[region.place_in(*mask.shape)] = True
    return drawn
