"""Pictures of labels for people: tinted frames, pairs and contact sheets, with their text.

Everything takes and returns RGB, uint8 (H, W, 3). Text is drawn in the font that OpenCV brings,
so no font file is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from outtake.core.files import replace_file
from outtake.core.printable_text import to_drawable
from outtake.core.types import Frame, LabelMap
from outtake.drawing.fit_picture import fit_picture

Palette = NDArray[np.uint8]
Pixels = TypeVar("Pixels", np.uint8, np.uint16)

PAPER = (250, 250, 248)
INK = (38, 38, 42)
FAINT_INK = (120, 120, 126)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_MIN_WIDTH_PX = 48
_ELLIPSIS = "..."
_LEAST_KEY_SCALE = 0.3
# A film of a telephone that is held upright has room in a cell, and a strip is no metre high.
_CELL_HEIGHT = 16 / 9


def colourise(labels: LabelMap, palette: Palette) -> Frame:
    """Paint a label map; ``palette`` is uint8 (256, 3), indexed by label."""
    # A table in OpenCV is nine times as fast as indexing.
    return np.asarray(cv2.applyColorMap(np.ascontiguousarray(labels), palette[:, None]), np.uint8)


def overlay_labels(
    frame: Frame,
    labels: LabelMap,
    palette: Palette,
    opacity: float = 0.5,
    legend: Sequence[str] | None = None,
    background: int | None = None,
) -> Frame:
    """Tint a frame in the colours of its labels.

    Args:
        frame: uint8 (H, W, 3).
        labels: uint8 (H, W).
        palette: uint8 (256, 3).
        opacity: The weight of the colours: 0 leaves the frame, 1 hides it.
        legend: The class names in the order of their ids, drawn in the lower left corner.
        background: The class that is not tinted; None for none.
    """
    tinted = cv2.addWeighted(frame, 1 - opacity, colourise(labels, palette), opacity, 0)
    if background is not None:
        cv2.copyTo(frame, np.asarray(labels == background, np.uint8), tinted)
    if legend:
        named = [(name, palette[place]) for place, name in enumerate(legend) if place != background]
        draw_colour_key(tinted, [(name, (int(r), int(g), int(b))) for name, (r, g, b) in named])
    return np.asarray(tinted, np.uint8)


def join_side_by_side(
    left: NDArray[Pixels],
    right: NDArray[Pixels],
    divider_px: int = 2,
    captions: tuple[str, str] = ("", ""),
) -> NDArray[Pixels]:
    """Put two pictures of the same height next to each other, with a white line between them.

    Args:
        left: The left picture, uint8 or uint16 (H, W, 3).
        right: The right picture.
        divider_px: The width of the line.
        captions: What is written into the upper left corner of each picture.
    """
    pictures = [np.array(left), np.array(right)]
    for picture, caption in zip(pictures, captions, strict=True):
        if caption:
            _draw_caption(picture, caption)
    white = np.iinfo(left.dtype).max
    line = np.full((left.shape[0], divider_px, 3), white, left.dtype)
    return np.concatenate([pictures[0], line, pictures[1]], axis=1)


def draw_contact_sheet(
    rows: Sequence[Sequence[Frame]],
    columns: Sequence[str] = (),
    *,
    row_titles: Sequence[str] = (),
    title: str = "",
    cell_width_px: int = 320,
    gap_px: int = 10,
) -> Frame:
    """Lay pictures out in a grid on light paper, with titles.

    Args:
        rows: The pictures, row by row; all are scaled as :func:`fit_cell` does. A row may be
            shorter than the others.
        columns: The title above each column.
        row_titles: The title to the left of each row.
        title: The heading.
        cell_width_px: The width of each cell.
        gap_px: The gap between pictures; the outer margin is twice that.
    """
    cells = [[fit_cell(picture, cell_width_px, enlarge=True) for picture in row] for row in rows]
    count = max((len(row) for row in cells), default=0)
    margin_px = 2 * gap_px
    side_px = max((measure_text(text, 0.45)[0] for text in row_titles), default=0)
    left_px = margin_px + (side_px + gap_px if side_px else 0)
    heading_px = 44 if title else 0
    captions_px = 26 if columns else 0
    heights = [max((cell.shape[0] for cell in row), default=0) for row in cells]
    width = left_px + count * (cell_width_px + gap_px) - gap_px + margin_px
    top_px = margin_px + heading_px + captions_px
    height = top_px + sum(heights) + gap_px * (len(heights) - 1) + margin_px
    sheet = np.full((height, width, 3), PAPER, np.uint8)
    if title:
        fitted = truncate_text(title, 0.75, width - 2 * margin_px)
        draw_text(sheet, fitted, (margin_px, margin_px + 20), 0.75, INK)
    for index, caption in enumerate(columns):
        x = left_px + index * (cell_width_px + gap_px)
        draw_text(sheet, truncate_text(caption, 0.5, cell_width_px), (x, top_px - 10), 0.5, INK)
    y = top_px
    for index, row in enumerate(cells):
        if index < len(row_titles):
            draw_text(
                sheet, row_titles[index], (margin_px, y + heights[index] // 2 + 5), 0.45, FAINT_INK
            )
        for column, cell in enumerate(row):
            x = left_px + column * (cell_width_px + gap_px)
            sheet[y : y + cell.shape[0], x : x + cell.shape[1]] = cell
        y += heights[index] + gap_px
    return sheet


def fit_cell(picture: Frame, width_px: int, *, enlarge: bool = False) -> Frame:
    """Scale a picture until it fits into a cell of this width, which is at most 16:9 upright.

    Args:
        picture: uint8 (H, W, C).
        width_px: The width of the cell.
        enlarge: Whether a smaller picture is enlarged.
    """
    return fit_picture(picture, width_px, round(width_px * _CELL_HEIGHT), enlarge=enlarge)


def save_png(path: str | Path, image: Frame) -> Path:
    """Write an RGB picture as PNG, whole or not at all.

    Raises:
        OutputError: The file cannot be written; an earlier one stays.
    """
    _, data = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 6])
    target = Path(path)
    replace_file(target, lambda file: file.write(data.tobytes()))
    return target


def save_small_png(
    path: str | Path, draw: Callable[[int], Frame], width_px: int, max_bytes: int
) -> Path:
    """Write a picture as PNG of 256 colours, whole or not at all, in at most ``max_bytes``.

    Args:
        path: The file.
        draw: The function that draws the picture. Its argument is the width of a part, which
            shrinks from ``width_px`` until the file is small enough, or 48 pixels are reached.
        width_px: The width of a part at first.
        max_bytes: The largest size of the file.

    Raises:
        OutputError: The file cannot be written; an earlier one stays.
    """
    while True:
        packed = BytesIO()
        reduced = Image.fromarray(draw(width_px)).quantize(256, dither=Image.Dither.NONE)
        reduced.save(packed, "PNG", optimize=True)
        if packed.tell() <= max_bytes or width_px <= _MIN_WIDTH_PX:
            break
        # The size follows the area; a little less, so that one more try is enough.
        ratio = (max_bytes / packed.tell()) ** 0.5
        width_px = max(_MIN_WIDTH_PX, min(int(width_px * ratio * 0.97), width_px - 1))
    target = Path(path)
    replace_file(target, lambda file: file.write(packed.getvalue()))
    return target


def draw_colour_key(image: Frame, entries: Sequence[tuple[str, tuple[int, int, int]]]) -> None:
    """Draw names with their colours on a dark ground in the lower left corner of a picture.

    Sizes follow that of the picture. The entries are in one row if there is room, else in as many
    columns as it takes; where these are too wide, letters are smaller.
    """
    height, width = image.shape[:2]
    scale = float(np.clip(height / 700, 0.36, 1.5))
    key = _arrange_key(entries, height, width, scale)
    while key.width > width and scale > _LEAST_KEY_SCALE:
        scale *= 0.9
        key = _arrange_key(entries, height, width, scale)
    top = height - key.per_column * key.line_px
    ground = image[max(top, 0) :, : key.width]
    ground[:] = ground // 4  # so that light and dark colours both show on it
    for place, (name, colour) in enumerate(entries):
        column, row = divmod(place, key.per_column)
        x = key.swatch_px + sum(key.columns[:column])
        baseline = top + row * key.line_px + (key.line_px + key.swatch_px) // 2
        corners = (x, baseline - key.swatch_px), (x + key.swatch_px, baseline)
        cv2.rectangle(image, *corners, colour, cv2.FILLED)
        at = (x + round(1.5 * key.swatch_px), baseline)
        draw_text(image, name, at, scale, (255, 255, 255))


@dataclass(frozen=True)
class _ColourKey:
    """How the entries of a key are placed; a swatch is as high as a letter, lengths in pixels."""

    swatch_px: int
    line_px: int
    per_column: int
    columns: list[int]

    @property
    def width(self) -> int:
        """The width of the whole key."""
        return sum(self.columns) + self.swatch_px


def _arrange_key(
    entries: Sequence[tuple[str, tuple[int, int, int]]], height: int, width: int, scale: float
) -> _ColourKey:
    letter_px = measure_text("Ag0%", scale)[1]
    line_px = round(2.1 * letter_px)
    cells = [measure_text(name, scale)[0] + round(2.5 * letter_px) for name, _ in entries]
    if sum(cells) + letter_px <= width:
        return _ColourKey(letter_px, line_px, 1, cells)
    per_column = max(min(height // line_px, len(cells)), 1)
    starts = range(0, len(cells), per_column)
    columns = [max(cells[start : start + per_column]) for start in starts]
    return _ColourKey(letter_px, line_px, per_column, columns)


def _draw_caption(image: NDArray[Pixels], caption: str) -> None:
    scale = float(np.clip(image.shape[0] / 700, 0.4, 1.2))
    width, height = measure_text(caption, scale)
    pad = max(height // 2, 3)
    plate = image[: height + 2 * pad, : width + 2 * pad]
    plate[:] = plate // 3
    draw_text(image, caption, (pad, height + pad), scale, (255, 255, 255))


def truncate_text(text: str, scale: float, width_px: int) -> str:
    """Cut a text to a width, with dots where something is missing."""
    if measure_text(text, scale)[0] <= width_px:
        return text
    while text and measure_text(text + _ELLIPSIS, scale)[0] > width_px:
        text = text[:-1]
    return text.rstrip() + _ELLIPSIS


def measure_text(text: str, scale: float) -> tuple[int, int]:
    """Return the width and height in pixels of a text that :func:`draw_text` draws."""
    (width, height), _ = cv2.getTextSize(to_drawable(text), _FONT, scale, _thickness(scale))
    return int(width), int(height)


def draw_text(
    image: NDArray[Any], text: str, at: tuple[int, int], scale: float, colour: tuple[int, int, int]
) -> None:
    """Write a text into a picture; ``at`` is the left end of its baseline, (x, y)."""
    drawn, width = to_drawable(text), _thickness(scale)
    cv2.putText(image, drawn, at, _FONT, scale, colour, width, cv2.LINE_AA)


def _thickness(scale: float) -> int:
    return 1 if scale < 0.7 else 2
