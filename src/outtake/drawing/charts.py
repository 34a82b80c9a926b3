"""Charts as pictures, for places without a browser: a confusion matrix and bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.drawing.label_pictures import (
    FAINT_INK,
    INK,
    PAPER,
    draw_text,
    measure_text,
    truncate_text,
)

_EMPTY_CELL = (225, 225, 222)  # a cell without a value
_FULL_CELL = (22, 66, 132)
_MARGIN_PX = 18
_TITLE_PX = 44
_MAX_NAME_PX = 170
_TEXT_SCALE = 0.45


def draw_confusion_matrix(confusion: NDArray[np.int64], names: Sequence[str], title: str) -> Frame:
    """Draw a confusion matrix whose rows are shares of the true pixels.

    Args:
        confusion: The counts (classes, classes), rows truth, columns prediction.
        names: The names of the classes.
        title: The heading.

    Returns:
        uint8 (H, W, 3). Cells show their per cent where there is room; rows without a labelled
        pixel are grey.
    """
    count = len(names)
    cell = int(np.clip(760 // count, 9, 64))
    side = min(max(measure_text(name, _TEXT_SCALE)[0] for name in names), _MAX_NAME_PX) + 10
    top, left = _MARGIN_PX + _TITLE_PX + side, _MARGIN_PX + side + 22
    width = max(left + cell * count + _MARGIN_PX, 320)
    sheet = np.full((top + cell * count + _MARGIN_PX + 22, width, 3), PAPER, np.uint8)
    draw_text(sheet, truncate_text(title, 0.6, width - 2 * _MARGIN_PX), (_MARGIN_PX, 36), 0.6, INK)
    shares = normalise_rows(confusion)
    for row in range(count):
        for column in range(count):
            box = sheet[top + row * cell :, left + column * cell :][: cell - 1, : cell - 1]
            _draw_cell(box, shares[row, column])
    step = max(1, -(-14 // cell))  # the names of very many classes would overlap
    for index in range(0, count, step):
        name = truncate_text(names[index], _TEXT_SCALE, _MAX_NAME_PX)
        middle = index * cell + cell // 2 + 5
        draw_text(
            sheet,
            name,
            (left - measure_text(name, _TEXT_SCALE)[0] - 8, top + middle),
            _TEXT_SCALE,
            INK,
        )
        _draw_upright(sheet, name, (left + middle - 12, top - 6))
    draw_text(sheet, "prediction", (left, sheet.shape[0] - _MARGIN_PX), _TEXT_SCALE, FAINT_INK)
    _draw_upright(sheet, "truth", (_MARGIN_PX - 6, min(top + 60, sheet.shape[0] - 4)), FAINT_INK)
    return sheet


def normalise_rows(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide each row by its sum: float64 (classes, classes), NaN where the sum is 0."""
    total = confusion.sum(1, keepdims=True)
    return np.where(total > 0, confusion / np.maximum(total, 1), np.nan)


def draw_bar_chart(
    values: dict[str, Sequence[float]],
    names: Sequence[str],
    colours: Sequence[tuple[int, int, int]],
    title: str,
) -> Frame:
    """Draw one bar for each name and series, with its per cent.

    Args:
        values: The shares in 0 to 1 of each name, by the name of their series.
        names: The names of the bars.
        colours: The RGB of the bars; each series after the first is paler.
        title: The heading.

    Returns:
        uint8 (H, W, 3).
    """
    side = min(max(measure_text(name, _TEXT_SCALE)[0] for name in names), _MAX_NAME_PX)
    left, bar_px, room_px = _MARGIN_PX + side + 10, 15, 420
    group_px = bar_px * len(values) + 9
    top = _MARGIN_PX + _TITLE_PX + 10
    sheet = np.full((top + group_px * len(names) + _MARGIN_PX, left + room_px + 190, 3), PAPER)
    sheet = sheet.astype(np.uint8)
    draw_text(sheet, truncate_text(title, 0.6, left + room_px), (_MARGIN_PX, 36), 0.6, INK)
    largest = max((value for series in values.values() for value in series), default=0.0) or 1.0
    for index, name in enumerate(names):
        y = top + index * group_px
        shown = truncate_text(name, _TEXT_SCALE, _MAX_NAME_PX)
        draw_text(sheet, shown, (_MARGIN_PX, y + group_px // 2 + 1), _TEXT_SCALE, INK)
        for number, (series, shares) in enumerate(values.items()):
            paler = 1 / (1 + 0.8 * number)
            colour = tuple(round(paler * c + (1 - paler) * 250) for c in colours[index])
            length = round(shares[index] / largest * room_px)
            sheet[y : y + bar_px - 2, left : left + max(length, 1)] = colour
            label = f"{100 * shares[index]:.2f}% {series}"
            draw_text(sheet, label, (left + length + 6, y + bar_px - 4), 0.4, FAINT_INK)
            y += bar_px
    return sheet


def _draw_cell(box: Frame, share: float) -> None:
    if np.isnan(share):
        box[:] = _EMPTY_CELL
        return
    # Square root: shares of a few per cent matter most, and would be white otherwise.
    depth = float(share) ** 0.5
    box[:] = [round(depth * full + (1 - depth) * 255) for full in _FULL_CELL]
    text = f"{100 * share:.0f}"
    width, height = measure_text(text, 0.4)
    if min(box.shape[:2]) >= 22 and share >= 0.005:
        at = ((box.shape[1] - width) // 2, (box.shape[0] + height) // 2)
        draw_text(box, text, at, 0.4, (255, 255, 255) if depth > 0.55 else INK)


def _draw_upright(
    sheet: Frame, text: str, at: tuple[int, int], colour: tuple[int, int, int] = INK
) -> None:
    """Write a text that reads upward; ``at`` is its lower left corner, (x, y)."""
    width, height = measure_text(text, _TEXT_SCALE)
    strip = np.full((height + 8, width + 2, 3), PAPER, np.uint8)
    draw_text(strip, text, (1, height + 2), _TEXT_SCALE, colour)
    turned = np.rot90(strip)
    x, y = at
    place = sheet[max(y - turned.shape[0], 0) : y, max(x, 0) : max(x, 0) + turned.shape[1]]
    place[:] = turned[-place.shape[0] :, : place.shape[1]]
