"""The chart of a range test: loss against learning rate."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from outtake.core.types import Frame
from outtake.drawing.label_pictures import FAINT_INK, INK, PAPER, draw_text, measure_text

_WIDTH_PX, _HEIGHT_PX = 760, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 24, 56, 52
_POINT, _CURVE, _MARK = (200, 206, 218), (22, 66, 132), (190, 70, 40)


def draw_rate_chart(
    rates: Sequence[float],
    losses: Sequence[float],
    smooth: Sequence[float],
    suggestion: float | None,
    title: str,
) -> Frame:
    """Draw the loss of each step, its moving mean, and the rate that is suggested.

    Args:
        rates: The rates, rising; their axis is logarithmic.
        losses: The loss at each rate.
        smooth: Its moving mean.
        suggestion: The rate that is marked; None for none.
        title: The heading.

    Returns:
        uint8 (440, 760, 3).
    """
    sheet = np.full((_HEIGHT_PX, _WIDTH_PX, 3), PAPER, np.uint8)
    draw_text(sheet, title, (_LEFT, 34), 0.55, INK)
    low, high = min(losses), min(max(losses), 2 * smooth[0])
    high = max(high, low + 1e-9)
    first, last = np.log10(rates[0]), np.log10(rates[-1])

    def x_of(rate: float) -> int:
        share = (np.log10(rate) - first) / max(last - first, 1e-9)
        return int(_LEFT + share * (_WIDTH_PX - _LEFT - _RIGHT))

    def y_of(loss: float) -> int:
        share = (np.clip(loss, low, high) - low) / (high - low)
        return int(_HEIGHT_PX - _BOTTOM - share * (_HEIGHT_PX - _TOP - _BOTTOM))

    for exponent in range(int(np.ceil(first)), int(np.floor(last)) + 1):
        x = x_of(10.0**exponent)
        cv2.line(sheet, (x, _TOP), (x, _HEIGHT_PX - _BOTTOM), (226, 226, 222), 1)
        text = f"1e{exponent}"
        draw_text(sheet, text, (x - measure_text(text, 0.42)[0] // 2, _HEIGHT_PX - _BOTTOM + 20),
                  0.42, FAINT_INK)  # fmt: skip
    for loss in np.linspace(low, high, 5):
        cv2.line(sheet, (_LEFT, y_of(loss)), (_WIDTH_PX - _RIGHT, y_of(loss)), (226, 226, 222), 1)
        draw_text(sheet, f"{loss:.3g}", (12, y_of(loss) + 5), 0.42, FAINT_INK)
    draw_text(sheet, "learning rate", (_WIDTH_PX // 2 - 40, _HEIGHT_PX - 12), 0.45, INK)
    for rate, loss in zip(rates, losses, strict=True):
        cv2.circle(sheet, (x_of(rate), y_of(loss)), 2, _POINT, -1, cv2.LINE_AA)
    points = np.array([(x_of(r), y_of(s)) for r, s in zip(rates, smooth, strict=True)], np.int32)
    cv2.polylines(sheet, [points], False, _CURVE, 2, cv2.LINE_AA)
    if suggestion is not None:
        x = x_of(suggestion)
        cv2.line(sheet, (x, _TOP), (x, _HEIGHT_PX - _BOTTOM), _MARK, 2)
        draw_text(sheet, f"{suggestion:.1e}", (x + 6, _TOP + 16), 0.5, _MARK)
    return sheet
