"""Take objects out of one picture: a clip of one frame, through the removers of videos."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from outtake.core.errors import ConfigError, UnreadableImageError, VideoError
from outtake.core.frames import LabelledFrame, MaskedFrame
from outtake.core.types import Mask, TimedFrame
from outtake.masking.policy import MaskPolicy
from outtake.masking.regions import Region, add_regions
from outtake.pictures.find_pictures import PictureFile
from outtake.pictures.picture_masks import PictureMasks
from outtake.pictures.prediction import Prediction
from outtake.pictures.read_picture import Picture
from outtake.pictures.write_picture import StoragePlan, plan_storage, write_picture
from outtake.removal.protocol import Remover

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PictureRemoval:
    """What is taken out of pictures.

    Attributes:
        remover: The remover.
        policy: Makes a mask of labels; None where masks or regions say all.
        masks: Masks of the user's own; None without.
        regions: Boxes that are removed too.
    """

    remover: Remover
    policy: MaskPolicy | None = None
    masks: PictureMasks | None = None
    regions: Sequence[Region] = ()

    def plan(self, picture: Picture) -> StoragePlan:
        """Return how the changed picture is stored."""
        return plan_storage(picture, self.remover.channels)

    def write(
        self, target: Path, file: PictureFile, picture: Picture, prediction: Prediction | None
    ) -> float:
        """Write a picture without what its mask covers, and return the share that was removed.

        Args:
            target: The file, with the suffix of :meth:`plan`.
            file: The picture's file.
            picture: The picture.
            prediction: Its labels; None where masks or regions say all.

        Raises:
            OuttakeError: The picture is of a kind that removers do not take, its mask does not
                fit, or it cannot be written.
        """
        if picture.image is None:
            raise UnreadableImageError(
                f"{picture.path}: objects are taken out of pictures of 8 or 16 bits in grey or "
                f"RGB; this one has {picture.samples.shape[2]} channels of {picture.samples.dtype}"
            )
        frame = TimedFrame(picture.image, 0, Fraction(1), picture.image16)
        masked = self._mask(frame, file, prediction)
        (filled,) = self.remover(iter([masked]))
        write_picture(target, self.plan(picture), picture, filled.frame.image, filled.frame.image16)
        return float(masked.mask.mean())

    def _mask(
        self, frame: TimedFrame, file: PictureFile, prediction: Prediction | None
    ) -> MaskedFrame:
        size = (frame.image.shape[0], frame.image.shape[1])
        labelled = None
        if prediction is not None:
            labelled = LabelledFrame(
                frame, prediction.labels, prediction.label_space, prediction.confidence
            )
        if self.masks is not None:
            try:
                masked = MaskedFrame(frame, self.masks.read(file, size), labelled)
            except (ConfigError, VideoError) as error:
                raise UnreadableImageError(str(error)) from error
        elif self.policy is not None and labelled is not None:
            (masked,) = self.policy(iter([labelled]))
        else:
            nothing: Mask = np.zeros(size, np.bool_)
            masked = MaskedFrame(frame, nothing, labelled)
        if self.regions:
            for index, region in enumerate(self.regions):
                try:
                    region.check_size(*size, f"regions[{index}]", "picture")
                except ConfigError as error:
                    log.warning("%s: %s", file.relative, error)
            shown = [replace(region, start_s=None, end_s=None) for region in self.regions]
            (masked,) = add_regions(iter([masked]), shown, Fraction(0))
        return masked
