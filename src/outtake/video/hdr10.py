"""HDR10's static metadata: the display that a clip was mastered on, and how bright it gets.

SMPTE ST 2086 and CTA-861.3, as FFmpeg attaches them to frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

_CHROMATICITY_UNIT = 0.00002
_LUMINANCE_UNIT = 0.0001
# The order of FFmpeg's structure, and that of the encoders' options.
_PRIMARIES = ("R", "G", "B", "WP")
_WRITTEN = ("G", "B", "R", "WP")


@dataclass(frozen=True, slots=True)
class Hdr10Metadata:
    """What a clip says about its brightness.

    Attributes:
        primaries: CIE 1931 x and y of red, green, blue and white of the mastering display; empty
            if unknown.
        luminance: The least and the greatest luminance of that display in cd/m2; empty if
            unknown.
        light_levels: MaxCLL and MaxFALL in cd/m2; empty if unknown.
    """

    primaries: tuple[tuple[float, float], ...] = ()
    luminance: tuple[float, ...] = ()
    light_levels: tuple[int, ...] = ()

    @classmethod
    def from_frame(cls, frame: av.VideoFrame) -> Hdr10Metadata | None:
        """Read the metadata of a decoded frame; None if there is none."""
        mastering = frame.side_data.get(SideDataType.MASTERING_DISPLAY_METADATA)
        levels = frame.side_data.get(SideDataType.CONTENT_LIGHT_LEVEL)
        primaries: tuple[tuple[float, float], ...] = ()
        luminance: tuple[float, ...] = ()
        if mastering is not None:
            fields = np.frombuffer(bytes(mastering), "<i4")
            ratios = [
                float(top) / (float(bottom) or 1.0)
                for top, bottom in fields[:20].reshape(-1, 2).tolist()
            ]
            if fields[20]:
                primaries = tuple(zip(ratios[0:8:2], ratios[1:8:2], strict=True))
            if fields[21]:
                luminance = (ratios[8], ratios[9])
        light_levels: tuple[int, ...] = ()
        if levels is not None:
            light_levels = tuple(np.frombuffer(bytes(levels), "<u4")[:2].tolist())
        found = cls(primaries, luminance, light_levels)
        return found if found != cls() else None

    def encoder_options(self, option: str) -> str:
        """Return the metadata as an encoder takes it, joined by colons.

        Args:
            option: ``x264-params`` or ``x265-params``, which count in units of the standard, or
                ``svtav1-params``, which takes decimal numbers.
        """
        display, levels = {
            "x264-params": ("mastering-display", "cll"),
            "x265-params": ("master-display", "max-cll"),
            "svtav1-params": ("mastering-display", "content-light"),
        }[option]
        parts = []
        if self.primaries and self.luminance:
            decimal = option == "svtav1-params"
            chromaticity, luminance = (
                (1.0, 1.0) if decimal else (_CHROMATICITY_UNIT, _LUMINANCE_UNIT)
            )
            named = dict(zip(_PRIMARIES, self.primaries, strict=True))
            pairs = [(name, named[name], chromaticity) for name in _WRITTEN]
            pairs.append(("L", (self.luminance[1], self.luminance[0]), luminance))
            text = "".join(
                f"{name}({_write(a / unit, decimal)},{_write(b / unit, decimal)})"
                for name, (a, b), unit in pairs
            )
            parts.append(f"{display}={text}")
        if self.light_levels:
            parts.append(f"{levels}={self.light_levels[0]},{self.light_levels[1]}")
        return ":".join(parts)


def _write(value: float, decimal: bool) -> str:
    return f"{value:.5f}" if decimal else str(round(value))
