"""Random crops of training samples, some of them around a pixel of a class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap
from outtake.core.validate import check_number


class RandomCrop:
    """Cuts out a part of one size; an image that is smaller is padded.

    A crop that is placed evenly shows mostly what fills most of the image. With ``focus``, that
    share of the crops holds a pixel of a class that is drawn with equal chance among the classes of
    the image, at a place in the crop that is drawn evenly too.

    Args:
        size: The (height, width) of the result.
        ignore_index: The label of pixels that are not trained on; padding has it, and 0 as pixels.
        focus: The share of the crops that are placed around a pixel of a class, 0 to 1. With 0,
            nothing is drawn for it.
        classes: The ids of the classes of ``focus``; None is all.

    Raises:
        ConfigError: The size is empty, or ``focus`` is no share.
    """

    def __init__(
        self,
        size: Sequence[int],
        ignore_index: int,
        *,
        focus: float = 0.0,
        classes: Sequence[int] | None = None,
    ) -> None:
        if len(size) != 2 or min(size) < 1:
            raise ConfigError(f"data.crop is {list(size)}: give [height, width] in pixels, or null")
        check_number("data.focus", focus, 0, 1)
        self.size = (int(size[0]), int(size[1]))
        self._ignore_index = ignore_index
        self._focus = focus
        self._classes = None if classes is None else np.asarray(classes)

    def __call__(
        self, image: Frame, mask: LabelMap, draws: np.random.Generator
    ) -> tuple[Frame, LabelMap]:
        """Crop uint8 (H, W, C) and uint8 (H, W); the arguments are not changed.

        Label maps may be several, uint8 (H, W, maps); the first one places the crop.
        """
        size = (image.shape[0], image.shape[1])
        # How far the crop's corner may move: into the image where that is larger than the
        # crop, out of it where it is smaller.
        rooms = [have - want for have, want in zip(size, self.size, strict=True)]
        corner = self._draw_focused_corner(first_map(mask), rooms, draws)
        if corner is None:
            corner = [int(draws.integers(min(0, room), max(0, room) + 1)) for room in rooms]
        return self._cut(image, mask, corner)

    def _draw_focused_corner(
        self, mask: LabelMap, rooms: Sequence[int], draws: np.random.Generator
    ) -> list[int] | None:
        """Return the corner of a crop around a pixel, or None where the crop is placed evenly."""
        if not self._focus or draws.random() >= self._focus:
            return None
        there = np.unique(mask)
        there = there[there != self._ignore_index]
        if self._classes is not None:
            there = there[np.isin(there, self._classes)]
        if not there.size:
            return None
        pixels = np.flatnonzero(mask == draws.choice(there))
        pixel = np.unravel_index(draws.choice(pixels), mask.shape)
        return [
            int(np.clip(place - draws.integers(want), min(0, room), max(0, room)))
            for place, want, room in zip(pixel, self.size, rooms, strict=True)
        ]

    def _cut(self, image: Frame, mask: LabelMap, corner: Sequence[int]) -> tuple[Frame, LabelMap]:
        source, target = [], []
        for first, have, want in zip(corner, mask.shape[:2], self.size, strict=True):
            source.append(slice(max(0, first), min(have, first + want)))
            target.append(slice(max(0, -first), min(want, have - first)))
        cropped, cropped_mask = image[tuple(source)], mask[tuple(source)]
        if cropped_mask.shape[:2] == self.size:
            return cropped, cropped_mask
        padded = np.zeros((*self.size, image.shape[2]), np.uint8)
        padded_mask = np.full((*self.size, *mask.shape[2:]), self._ignore_index, np.uint8)
        padded[tuple(target)] = cropped
        padded_mask[tuple(target)] = cropped_mask
        return padded, padded_mask


def first_map(mask: LabelMap) -> LabelMap:
    """Return the first of several label maps (H, W, maps), or the only one (H, W)."""
    return mask if mask.ndim == 2 else mask[..., 0]


def make_crop(
    size: Sequence[int] | None, focus: float, classes: Sequence[str] | None, labels: LabelSpace
) -> RandomCrop | None:
    """Return the crop of ``data.crop`` and its ``focus``, with classes by name; None for none.

    Raises:
        ConfigError: The keys do not go together, or a class does not exist.
    """
    check_number("data.focus", focus, 0, 1)
    if classes is not None and not focus:
        raise ConfigError(
            "data.focus_classes is given, and data.focus=0 places no crop around them; set "
            "data.focus=0.5, or leave both out"
        )
    if size is None:
        if focus:
            raise ConfigError(
                f"data.focus={focus}: whole images have no crop to place; set "
                "data.crop=[height,width], or data.focus=0"
            )
        return None
    ids = None if classes is None else labels.ids(classes, "data.focus_classes")
    return RandomCrop(size, labels.ignore_index, focus=focus, classes=ids)
