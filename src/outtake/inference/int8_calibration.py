"""Training images that calibrate the quantisation to int8."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from itertools import islice

import cv2
import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.types import Frame
from outtake.data.resize import resize
from outtake.data.source import SegmentationSource
from outtake.inference.protocol import Images

log = logging.getLogger(__name__)

CALIBRATION_IMAGES = 96


def iter_training_images(
    source: SegmentationSource, count: int = CALIBRATION_IMAGES
) -> Iterable[Frame]:
    """Yield ``count`` images of a source's training split, evenly spread over it.

    Raises:
        OuttakeError: The data is missing or cannot be read.
    """
    samples = source.samples("train")
    for index in np.unique(np.linspace(0, len(samples) - 1, count).round().astype(int)):
        yield source.read_image(samples[index])


class Int8Calibration:
    """Brings training images to the size that the network will see.

    Args:
        images: The function that returns images, uint8 (H, W, C) of any size; the first 96 are
            used. It is called when a model is quantised, not when it comes from the cache.
        channels: The number of channels that the network takes.
    """

    def __init__(self, images: Callable[[], Iterable[Frame]], channels: int) -> None:
        self._images = images
        self._channels = channels

    def __call__(self, height: int, width: int) -> list[Images]:
        """Return images, each uint8 (1, height, width, C).

        Raises:
            ConfigError: There are no images, or they do not have the channels of the network.
        """
        log.info("network.precision=int8: calibrating with training images; this takes a moment")
        found = [
            self._crop_to_size(image, height, width)
            for image in islice(self._images(), CALIBRATION_IMAGES)
        ]
        if not found:
            raise ConfigError(
                "network.precision=int8: no training images to calibrate with; use float32"
            )
        return found

    def _crop_to_size(self, image: Frame, height: int, width: int) -> Images:
        # Objects keep their shape: the image is scaled until it covers the size, then cropped.
        scale = max(height / image.shape[0], width / image.shape[1])
        tall = max(height, round(image.shape[0] * scale))
        wide = max(width, round(image.shape[1] * scale))
        image = resize(image, (tall, wide))
        top, left = (tall - height) // 2, (wide - width) // 2
        image = image[top : top + height, left : left + width]
        if image.ndim == 2:
            image = image[..., None]
        if image.shape[2] == 3 and self._channels == 1:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
        if image.shape[2] != self._channels:
            raise ConfigError(
                f"network.precision=int8: a training image has {image.shape[2]} channels, and the "
                "network "
                f"takes {self._channels}"
            )
        return np.ascontiguousarray(image)[None]
