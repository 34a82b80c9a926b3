"""A contact sheet of a removal: a few frames, before and after."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from outtake.core.frames import FillStatistics, MaskedFrame
from outtake.core.types import Frame, TimedFrame
from outtake.drawing.label_pictures import draw_contact_sheet, fit_cell, save_small_png
from outtake.removal.provenance import draw_origin_key, paint_origin
from outtake.removal.side_by_side import composite_on_checkerboard

_CELL_PX = 320
# Over a narrower strip nobody could read the key, and its ground would hide the picture.
_LEAST_KEY_PX = 96
_OUTLINE = (255, 60, 60)


class ContactSheet:
    """Keeps a few evenly spaced frames of a clip of any length, and draws them as one picture.

    Args:
        rows: The largest number of frames that the picture shows.
    """

    def __init__(self, rows: int = 6) -> None:
        self._rows = rows
        self._interval = 1
        self._frame_count = 0
        self._kept: list[tuple[float, list[Frame]]] = []
        self._has_statistics = False

    def add(
        self, before: MaskedFrame, after: TimedFrame, statistics: FillStatistics | None = None
    ) -> None:
        """Add the next frame.

        Args:
            before: The frame before the removal, and its mask.
            after: The frame after the removal.
            statistics: Where its fill comes from, if the remover knows.
        """
        number, self._frame_count = self._frame_count, self._frame_count + 1
        if number % self._interval:
            return
        if len(self._kept) == 2 * self._rows:
            # The length of the clip is unknown: every second frame makes room for the rest.
            self._kept, self._interval = self._kept[::2], 2 * self._interval
            if number % self._interval:
                return
        pictures = [
            before.frame.image,
            outline_mask(before),
            composite_on_checkerboard(after.image),
        ]
        if statistics is not None:
            self._has_statistics = True
            # Painted at full size, where picture and origin have the same size; the text is drawn
            # at the size at which it is read.
            shown = np.array(fit_cell(paint_origin(after.image, statistics.origin), _CELL_PX))
            if shown.shape[1] >= _LEAST_KEY_PX:
                draw_origin_key(shown, statistics)
            pictures.append(shown)
        time_s = float(before.frame.pts * before.frame.time_base)
        self._kept.append((time_s, [np.array(fit_cell(each, _CELL_PX)) for each in pictures]))

    def render(self, title: str = "", cell_width_px: int = _CELL_PX) -> Frame:
        """Return the picture: each kept frame before, its mask, after, and its origin."""
        last = max(len(self._kept) - 1, 0)
        evenly = np.rint(np.linspace(0, last, min(self._rows, len(self._kept)))).astype(int)
        chosen = [self._kept[index] for index in evenly]
        columns = ["before", "mask", "after", "origin of the fill"]
        return draw_contact_sheet(
            [pictures for _, pictures in chosen],
            columns[: 4 if self._has_statistics else 3],
            row_titles=[f"{time_s:.2f} s" for time_s, _ in chosen],
            title=title,
            cell_width_px=cell_width_px,
        )

    def save(self, path: str | Path, title: str = "", max_bytes: int = 300_000) -> Path:
        """Write the picture as PNG, whole or not at all, of at most ``max_bytes``.

        Raises:
            OutputError: It cannot be written.
        """
        return save_small_png(path, lambda width: self.render(title, width), _CELL_PX, max_bytes)


def outline_mask(item: MaskedFrame) -> Frame:
    """Return a frame with its mask lightened and outlined."""
    image = np.array(item.frame.image, order="C")
    image[item.mask] = image[item.mask] // 2 + 127
    edges, _ = cv2.findContours(item.mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    width_px = max(1, round(image.shape[1] / _CELL_PX))
    cv2.drawContours(image, edges, -1, _OUTLINE, width_px)
    return image
