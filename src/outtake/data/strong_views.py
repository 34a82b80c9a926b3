"""Strong views of an image without labels: its colours are changed, its pixels stay in place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import albumentations as A
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.core.types import Frame
from outtake.core.validate import check_number
from outtake.data.augmentation import Augmentation
from outtake.data.moved_labels import AugmentationStep
from outtake.data.sample_order import derive_seed

_BOX_AREAS = (0.02, 0.4)  # of the image, in CutMix as UniMatch has it
_BOX_SIDES = (0.3, 1 / 0.3)  # height over width
_MOST_VIEWS = 4


class StrongViews:
    """Views of an augmented image that only differ in colour, sharpness and noise.

    What a network says of the image is then what it should say of each view. Each view also has a
    rectangle in which training may paste another image (Yun et al., "CutMix", 2019; with the sizes
    of Yang et al., "UniMatch", 2023). All draws follow from (seed, pass, index, view).

    Args:
        steps: Transforms of albumentations that leave every pixel in its place.
        views: The number of views.
        cutmix: The probability that a view has a rectangle.
        seed: The seed of all draws.
        further_channels: The number of channels behind those of the image itself, which no step
            sees, see :mod:`outtake.data.further_inputs`.

    Raises:
        ConfigError: A step moves pixels, or a number is not in its range.
    """

    def __init__(
        self,
        steps: Sequence[AugmentationStep],
        views: int,
        cutmix: float,
        seed: int,
        *,
        further_channels: int = 0,
    ) -> None:
        check_number("supervision.strong.views", views, 1, _MOST_VIEWS, whole=True)
        check_number("supervision.strong.cutmix", cutmix, 0, 1)
        for step in steps:
            if not isinstance(step, A.ImageOnlyTransform):
                raise ConfigError(
                    f"supervision.strong.steps: {type(step).__name__} may move pixels, and what "
                    "is seen in a strong view is compared place by place; give transforms of "
                    "albumentations that change colours only, and the others to augment.steps"
                )
        self._views = [
            Augmentation(
                steps,
                None,
                0,
                derive_seed("strong", seed, view),
                further_channels=further_channels,
                key="supervision.strong.steps",
            )
            for view in range(views)
        ]
        self._cutmix = cutmix
        self._seed = seed

    def __call__(
        self, image: Frame, epoch: int, index: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return views uint8 (V, H, W, C), and rectangles int64 (V, 4): top, left, height, width.

        Args:
            image: uint8 (H, W, C).
            epoch: The number of the pass over the images.
            index: The number of the image.
        """
        size = (image.shape[0], image.shape[1])
        mask = np.zeros(size, np.uint8)
        views = np.stack([view(image, mask, epoch, index)[0] for view in self._views])
        boxes = [
            self._draw_box(size, derive_seed("cutmix", self._seed, epoch, index, view))
            for view in range(len(self._views))
        ]
        return views, np.array(boxes, np.int64)

    def check(self, image: Frame) -> None:
        """Apply every step to an image.

        Raises:
            ConfigError: A step cannot work on such images.
        """
        self._views[0].check(image, np.zeros(image.shape[:2], np.uint8))

    def _draw_box(self, size: tuple[int, int], seed: int) -> tuple[int, int, int, int]:
        draws = np.random.default_rng(seed)
        if draws.random() >= self._cutmix:
            return 0, 0, 0, 0
        area = draws.uniform(*_BOX_AREAS) * size[0] * size[1]
        ratio = draws.uniform(*_BOX_SIDES)
        height = min(size[0], max(1, round(math.sqrt(area * ratio))))
        width = min(size[1], max(1, round(math.sqrt(area / ratio))))
        top = int(draws.integers(0, size[0] - height + 1))
        left = int(draws.integers(0, size[1] - width + 1))
        return top, left, height, width
