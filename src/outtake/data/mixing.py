"""Augmentation that makes one sample of several: copy-paste and mosaic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap
from outtake.core.validate import check_number
from outtake.data.crop import RandomCrop, first_map

DrawOther = Callable[[], tuple[Frame, LabelMap]]
"""Draws another training sample, not augmented: uint8 (H, W, C), and (H, W) or (H, W, maps)."""


class MixingStep(Protocol):
    """What makes one sample of several. All its draws come from the generator that it is given."""

    def __call__(
        self, image: Frame, mask: LabelMap, draws: np.random.Generator, draw_other: DrawOther
    ) -> tuple[Frame, LabelMap]:
        """Return a sample of the same size; the arguments are not changed."""
        ...


class CopyPaste:
    """Pastes objects of another sample, where they stood in it, over this one.

    Ghiasi et al., "Simple Copy-Paste", 2021, for label maps; which classes are pasted where none
    are named follows Olsson et al., "ClassMix", 2021: half of those of the other sample.

    Args:
        class_names: The names of all classes.
        ignore_index: The label of pixels that are not trained on; they are never pasted.
        classes: The names of the classes that are pasted, such as thin and rare ones; None draws
            half of the classes of the other sample each time.
        p: How often something is pasted, 0 to 1.
        scale: The lowest and the highest factor by which what is pasted is enlarged.
        shift: How far it is moved at most, as a share of the sides.

    Raises:
        ConfigError: A number is out of its range, or the scales are in the wrong order.
        UnknownClassError: A name is not a class.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        ignore_index: int,
        *,
        classes: Sequence[str] | None = None,
        p: float = 0.5,
        scale: Sequence[float] = (0.75, 1.5),
        shift: float = 0.1,
    ) -> None:
        check_number("augment.mix: p", p, 0, 1)
        check_number("augment.mix: shift", shift, 0, 1)
        if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
            raise ConfigError(
                f"augment.mix: scale={list(scale)}: give [lowest,highest], as [0.75,1.5]"
            )
        ids = (
            None
            if classes is None
            else LabelSpace.from_names(class_names).ids(classes, "augment.mix: classes")
        )
        self._ids = None if ids is None else np.asarray(ids)
        self._ignore_index = ignore_index
        self._p = p
        self._log_scale = np.log(np.asarray(scale, np.float64))
        self._shift = shift

    def __call__(
        self, image: Frame, mask: LabelMap, draws: np.random.Generator, draw_other: DrawOther
    ) -> tuple[Frame, LabelMap]:
        """Return the sample with what was pasted; see :class:`MixingStep`."""
        if draws.random() >= self._p:
            return image, mask
        other_image, other_mask = draw_other()
        first = first_map(other_mask)
        pasted = np.isin(first, self._draw_classes(first, draws))
        if not pasted.any():
            return image, mask
        size = (mask.shape[1], mask.shape[0])
        move = self._draw_move(mask.shape[:2], first.shape, draws)
        moved = cv2.warpAffine(other_image, move, size, flags=cv2.INTER_LINEAR).reshape(image.shape)
        where = cv2.warpAffine(pasted.astype(np.uint8), move, size, flags=cv2.INTER_NEAREST) > 0
        labels = cv2.warpAffine(other_mask, move, size, flags=cv2.INTER_NEAREST)
        there = where if mask.ndim == 2 else where[..., None]
        return np.where(where[..., None], moved, image), np.where(there, labels, mask)

    def _draw_classes(self, mask: LabelMap, draws: np.random.Generator) -> NDArray[np.int64]:
        there = np.unique(mask)
        there = there[there != self._ignore_index].astype(np.int64)
        if self._ids is not None:
            return np.asarray(there[np.isin(there, self._ids)])
        return np.asarray(draws.choice(there, len(there) // 2, replace=False), np.int64)

    def _draw_move(
        self, size: Sequence[int], other_size: Sequence[int], draws: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return the (2, 3) matrix that brings the other sample's pixels to this one's."""
        height, width = size
        factor = float(np.exp(draws.uniform(*self._log_scale)))
        mirror = -1.0 if draws.random() < 0.5 else 1.0
        # The same place in both pictures, whatever their sizes: a sign stays at its height.
        across, down = factor * width / other_size[1], factor * height / other_size[0]
        shift = draws.uniform(-self._shift, self._shift, 2) * (width, height)
        middle = np.array([width - 1, height - 1]) / 2 + shift
        other_middle = np.array([other_size[1] - 1, other_size[0] - 1]) / 2
        return np.array(
            [
                [mirror * across, 0, middle[0] - mirror * across * other_middle[0]],
                [0, down, middle[1] - down * other_middle[1]],
            ]
        )


class Mosaic:
    """Puts parts of four samples together around a point (Bochkovskiy et al., "YOLOv4", 2020).

    Args:
        ignore_index: The label of pixels that are not trained on; where a sample is smaller than
            its quarter, the rest has it.
        p: How often, 0 to 1.
        middle: How far from the sides the point lies at least, as a share of them, below 0.5.

    Raises:
        ConfigError: A number is out of its range.
    """

    def __init__(self, ignore_index: int, *, p: float = 0.5, middle: float = 0.25) -> None:
        check_number("augment.mix: p", p, 0, 1)
        check_number("augment.mix: middle", middle, 0, 0.5)
        self._ignore_index = ignore_index
        self._p = p
        self._middle = middle

    def __call__(
        self, image: Frame, mask: LabelMap, draws: np.random.Generator, draw_other: DrawOther
    ) -> tuple[Frame, LabelMap]:
        """Return four parts in one sample; see :class:`MixingStep`."""
        if draws.random() >= self._p:
            return image, mask
        image, mask = image.copy(), mask.copy()
        own = (image.copy(), mask.copy())
        height, width = mask.shape[:2]
        row = round(height * draws.uniform(self._middle, 1 - self._middle))
        column = round(width * draws.uniform(self._middle, 1 - self._middle))
        quarters = [
            (rows, columns)
            for rows in (slice(0, row), slice(row, height))
            for columns in (slice(0, column), slice(column, width))
        ]
        first = int(draws.integers(4))
        for number, (rows, columns) in enumerate(quarters):
            size = (rows.stop - rows.start, columns.stop - columns.start)
            if min(size) < 1:
                continue
            there = own if number == first else draw_other()
            crop = RandomCrop(size, self._ignore_index)
            image[rows, columns], mask[rows, columns] = crop(*there, draws)
        return image, mask
