"""What a run shows beside its numbers, and how it reaches whoever wants to see it.

Who makes a picture or a table knows nothing of dashboards: :func:`show` hands it to every logger
that takes one. The run folder is one of them, so that nothing needs a dashboard to be seen.
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

# The longer side of what dashboards are given; the run folder has pictures as they are.
_MAX_PICTURE_PX = 2400
_MAX_OVERLAY_PX = 640


@dataclass(frozen=True)
class Overlay:
    """An image with its masks apart, for a viewer that switches them on and off.

    Attributes:
        name: of the image.
        image: uint8 (H, W, 3).
        masks: label maps uint8 (H, W) by what they are, as ``truth`` and ``prediction``.
    """

    name: str
    image: Frame
    masks: dict[str, LabelMap]


@dataclass(frozen=True)
class Picture:
    """A finished picture.

    Attributes:
        name: ``split/name``, as metrics are named.
        file: its name among the pictures of the run folder, a PNG.
        image: uint8 (H, W, 3).
        overlays: what it was made of.
        classes: the class names that the label maps of ``overlays`` refer to.
    """

    name: str
    file: str
    image: Frame
    overlays: tuple[Overlay, ...] = ()
    classes: tuple[str, ...] = ()

    @cached_property
    def png(self) -> bytes:
        """The picture as a file: encoded once, for all who want it."""
        _, data = cv2.imencode(".png", self.image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])
        return data.tobytes()

    @cached_property
    def for_dashboard(self) -> Picture:
        """The same, small enough for a browser; itself if it is."""
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
        """Return how much memory it takes."""
        parts = [part for each in self.overlays for part in (each.image, *each.masks.values())]
        return int(self.image.nbytes) + sum(int(part.nbytes) for part in parts)


@dataclass(frozen=True)
class Table:
    """Rows of facts.

    Attributes:
        name: ``split/name``.
        columns: titles.
        rows: one cell for each column.
        chart: how it is best drawn: ``bar`` has a name and a number in its first two columns,
            ``matrix`` a row, a column and a count in its first three.
    """

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    chart: Literal["bar", "matrix"] | None = None

    def size_bytes(self) -> int:
        """Return about how much memory it takes."""
        return 60 * len(self.columns) * len(self.rows)


Media = Picture | Table


@runtime_checkable
class MediaLogger(Protocol):
    """A logger that takes exhibits."""

    def log_media(self, media: Media, step: int) -> None:
        """Take one."""
        ...


def log_media(trainer: Trainer, media: Media) -> None:
    """Hand an exhibit to every logger of a trainer that takes them; the first process does."""
    if not trainer.is_global_zero:
        return
    for logger in trainer.loggers:
        if isinstance(logger, MediaLogger):
            logger.log_media(media, trainer.global_step)
