"""Pictures that show where a fill comes from."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.core.frames import OBSERVED, PROPAGATED, SYNTHESISED, FillStatistics
from outtake.core.types import Frame, TimedFrame
from outtake.drawing.label_pictures import draw_colour_key
from outtake.removal.protocol import Remover
from outtake.removal.side_by_side import SideBySide

# Distinguishable with any kind of colour vision (Okabe and Ito 2008).
ORIGIN_COLOURS = {OBSERVED: (86, 180, 233), PROPAGATED: (240, 228, 66), SYNTHESISED: (213, 94, 0)}
_ORIGIN_NAMES = {OBSERVED: "observed", PROPAGATED: "propagated", SYNTHESISED: "synthesised"}
_TINT_OPACITY = 0.6
_INNER_KEY = "remover@remover.remover"


def check_origins(remover: Remover) -> None:
    """Refuse to show where a fill comes from that nothing is known of.

    Raises:
        ConfigError: The remover does not say it.
    """
    if not remover.knows_origins:
        inside, key = remover, "remover"
        if isinstance(remover, SideBySide):
            inside, key = remover.remover, _INNER_KEY
        raise ConfigError(
            f"encode.provenance_video=true: {inside.name} does not say where its fill comes from; "
            f"leave it out, or set {key} to clean_plate, exemplar, inpaint, smooth, torchscript "
            "or onnx"
        )


def provenance_frame(frame: TimedFrame, statistics: FillStatistics) -> TimedFrame:
    """Return a grey copy of a filled frame, with the fill in the colour of its origin.

    Blue was observed in other frames, yellow propagated, orange synthesised; a key names the
    shares.

    Args:
        frame: The filled frame. If it is wider than the origin (before and after side by side),
            its right end is painted.
        statistics: The statistics of that frame.
    """
    image = paint_origin(frame.image, statistics.origin)
    draw_origin_key(image, statistics)
    return replace(frame, image=image, image16=None)


def paint_origin(image: Frame, origin: NDArray[np.uint8] | None) -> Frame:
    """Return a grey copy of a picture, with the fill in the colour of its origin.

    Args:
        image: The picture, uint8 (H, W, C).
        origin: The origin of each pixel, uint8 (h, w), at most as large as the picture, for its
            right end; None leaves the picture grey.
    """
    grey = _dim_grey(image)
    if origin is not None:
        height, width = origin.shape
        part = grey[:height, grey.shape[1] - width :]
        for where, colour in ORIGIN_COLOURS.items():
            chosen = origin == where
            part[chosen] = (1 - _TINT_OPACITY) * part[chosen] + _TINT_OPACITY * np.array(colour)
    return grey


def draw_origin_key(image: Frame, statistics: FillStatistics) -> None:
    """Draw the share of each origin into a picture, beside its colour."""
    shares = {
        OBSERVED: statistics.observed,
        PROPAGATED: statistics.propagated,
        SYNTHESISED: statistics.synthesised,
    }
    draw_colour_key(
        image,
        [(f"{shares[w]:.0%} {_ORIGIN_NAMES[w]}", colour) for w, colour in ORIGIN_COLOURS.items()],
    )


def _dim_grey(image: Frame) -> Frame:
    # Darker and of less contrast than the picture, so that the colours stand out.
    grey = cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_RGB2GRAY)
    dim = np.asarray(cv2.convertScaleAbs(grey, alpha=0.7, beta=15), np.uint8)
    return np.repeat(dim[..., None], 3, axis=2)
