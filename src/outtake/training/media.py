"""Pictures and tables of a run, and how they reach the loggers.

Callbacks know nothing of dashboards: :func:`log_media` hands a picture or a table to every logger
that takes it. The run folder is one of them, so that nothing needs a dashboard to be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol, runtime_checkable

import cv2
from pytorch_lightning import Trainer

from outtake.core.types import Frame, LabelMap
from outtake.drawing.fit_picture import fit_picture

Cell = str | int | float | None

# The longest sides of pictures on dashboards; the run folder has pictures in full size.
_MAX_PICTURE_PX = 2400
_MAX_OVERLAY_PX = 640


@dataclass(frozen=True)
class Overlay:
    """An image with separate masks, for a viewer that switches them on and off.

    Attributes:
        name: The name of the image.
        image: The image, uint8 (H, W, 3).
        masks: Label maps uint8 (H, W) by name, as ``truth`` and ``prediction``.
    """

    name: str
    image: Frame
    masks: dict[str, LabelMap]


@dataclass(frozen=True)
class Picture:
    """A finished picture.

    Attributes:
        name: The name in the form ``split/name``, as for metrics.
        file: The file name among the pictures of the run folder, a PNG.
        image: The picture, uint8 (H, W, 3).
        overlays: The images that it was made of.
        classes: The class names of the label maps in ``overlays``.
    """

    name: str
    file: str
    image: Frame
    overlays: tuple[Overlay, ...] = ()
    classes: tuple[str, ...] = ()

    @cached_property
    def png(self) -> bytes:
        """The picture as a file, encoded once for all loggers."""
        _, data = cv2.imencode(".png", self.image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])
        return data.tobytes()

    @cached_property
    def for_dashboard(self) -> Picture:
        """The same picture, small enough for a browser; itself if it is already."""
        image = fit_picture(self.image, _MAX_PICTURE_PX, _MAX_PICTURE_PX)
        overlays = tuple(
            Overlay(
                each.name,
                fit_picture(each.image, _MAX_OVERLAY_PX, _MAX_OVERLAY_PX),
                {
                    kind: fit_picture(mask, _MAX_OVERLAY_PX, _MAX_OVERLAY_PX, labels=True)
                    for kind, mask in each.masks.items()
                },
            )
            for each in self.overlays
        )
        kept = zip(overlays, self.overlays, strict=True)
        if image is self.image and all(now.image is before.image for now, before in kept):
            return self
        return replace(self, image=image, overlays=overlays)

    def size_bytes(self) -> int:
        """Return the memory that the picture takes."""
        parts = [part for each in self.overlays for part in (each.image, *each.masks.values())]
        return int(self.image.nbytes) + sum(int(part.nbytes) for part in parts)


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: The name in the form ``split/name``.
        columns: The titles of the columns.
        rows: The rows, with one cell for each column.
        chart: The kind of chart that suits the table: ``bar`` has a name and a number in its first
            two columns, ``matrix`` a row, a column and a count in its first three.
    """

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    chart: Literal["bar", "matrix"] | None = None

    def size_bytes(self) -> int:
        """Return roughly the memory that the table takes."""
        return 60 * len(self.columns) * len(self.rows)


Media = Picture | Table


@runtime_checkable
class MediaLogger(Protocol):
    """A logger that takes pictures and tables."""

    def log_media(self, media: Media, step: int) -> None:
        """Log a picture or a table."""
        ...


def log_media(trainer: Trainer, media: Media) -> None:
    """Hand a picture or a table to every logger that takes it; only the first process does."""
    if not trainer.is_global_zero:
        return
    for logger in trainer.loggers:
        if isinstance(logger, MediaLogger):
            logger.log_media(media, trainer.global_step)
