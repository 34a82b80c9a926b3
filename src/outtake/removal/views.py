"""Show labels or masks instead of removing anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.frames import FilledFrame, MaskedFrame, replace_image
from outtake.core.validate import check_flag, check_number
from outtake.drawing import label_pictures
from outtake.removal.per_frame import copy_unchanged
from outtake.removal.protocol import Remover


class Overlay(Remover):
    """Tints every class in its colour, with a legend.

    Args:
        opacity: The opacity of the colours, 0 to 1.
        legend: Whether a legend in a corner names the classes.

    Raises:
        ConfigError: The opacity is out of its range, or ``legend`` is not true or false; in the
            iteration, a frame has no labels.
    """

    needs_mask = False
    keeps_outside = False

    def __init__(self, opacity: float = 0.5, legend: bool = True) -> None:
        check_number("remover.opacity", opacity, 0, 1)
        check_flag("remover.legend", legend)
        self._opacity = opacity
        self._legend = legend

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame in the colours of its classes."""
        for item in clip:
            if not item.is_output:
                yield copy_unchanged(item)
                continue
            if item.labelled is None:
                raise ConfigError("remover=overlay needs labels, and these masks came without")
            space = item.labelled.label_space
            tinted = label_pictures.overlay_labels(
                item.frame.image,
                item.labelled.labels,
                space.palette(),
                self._opacity,
                legend=space.names if self._legend else None,
                background=space.background_id,
            )
            yield FilledFrame(item, replace_image(item.frame, tinted))


class MaskRemover(Remover):
    """Shows the masks themselves, white on black."""

    keeps_outside = False

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each mask as a picture."""
        for item in clip:
            white = item.mask.astype(np.uint8) * np.uint8(255)
            image = np.repeat(white[..., None], 3, axis=2)
            yield FilledFrame(item, replace_image(item.frame, image))
