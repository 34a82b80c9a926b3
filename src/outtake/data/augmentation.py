"""Augmentation whose draws are a function of (seed, epoch, index) and of nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

import albumentations as A
import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.types import Frame, LabelMap
from outtake.data.samplers import derive_seed


class Augmentation:
    """Steps of albumentations, then a random crop.

    Each sample of each epoch has its own random generator, seeded from (seed, epoch, index).
    (Left alone, albumentations 2.0.8 repeats its draws in every worker and every epoch.)
    What a step moves in from outside the image is ``ignore_index`` in the mask.

    Args:
        steps: transforms in the order in which they are applied.
        crop: (height, width) of the result. An image that is smaller is padded: with 0, and
            its mask with ``ignore_index``. None keeps the whole image.
        ignore_index: the label of what is not trained on.
        seed: of all draws.

    Raises:
        ConfigError: a step has an argument that does not exist, or the crop is empty.
    """

    def __init__(
        self,
        steps: Sequence[A.BasicTransform],
        crop: Sequence[int] | None,
        ignore_index: int,
        seed: int,
    ) -> None:
        if crop is not None and (len(crop) != 2 or min(crop) < 1):
            raise ConfigError(f"data.crop is {list(crop)}: give [height, width] in pixels, or null")
        for step in _flatten_steps(steps):
            if step.invalid_args:
                raise ConfigError(
                    f"the augmentation step {_step_name(step)} has no argument "
                    f"{', '.join(step.invalid_args)}; see albumentations 2.0.8"
                )
            # CoarseDropout's None means "leave the mask", which is a choice; 0 is a default.
            if getattr(step, "fill_mask", None) is not None:
                step.fill_mask = ignore_index
        self.crop = None if crop is None else (int(crop[0]), int(crop[1]))
        self._ignore_index = ignore_index
        self._seed = seed
        self._steps = A.Compose(list(steps)) if steps else None

    def __call__(
        self, image: Frame, mask: LabelMap, epoch: int, index: int
    ) -> tuple[Frame, LabelMap]:
        """Return an augmented copy; the arguments are not changed.

        Args:
            image: uint8 (H, W, C).
            mask: uint8 (H, W).
            epoch: which pass over the data.
            index: which sample.

        Returns:
            uint8 (h, w, C) and uint8 (h, w), of the size ``crop`` where there is one.
        """
        seed = derive_seed("augment", self._seed, epoch, index)
        draws = np.random.default_rng(seed)
        if self._steps is not None:
            self._steps.set_random_state(draws, random.Random(seed))
            data = self._steps(image=image, mask=mask)
            image, mask = data["image"], data["mask"]
        if self.crop is not None:
            image, mask = self._random_crop(image, mask, self.crop, draws)
        return image, mask

    def check(self, image: Frame, mask: LabelMap) -> None:
        """Apply every step to a sample, whatever its probability.

        Raises:
            ConfigError: a step can not work on such images, or changes their size while there
                is no crop to make them equal again.
        """
        for step in _flatten_steps([] if self._steps is None else self._steps.transforms):
            step.set_random_state(np.random.default_rng(0), random.Random(0))
            channels = image.shape[2]
            try:
                data = step(image=image.copy(), mask=mask.copy(), force_apply=True)
            # Whatever a transform raises on an image that it was not made for.
            except Exception as error:
                raise ConfigError(
                    f"the augmentation step {_step_name(step)} can not work on images of "
                    f"{image.shape[1]}x{image.shape[0]} with {channels} channels: {error}; remove "
                    "it with ~augment.steps.NAME, or choose augment=standard"
                ) from error
            changed, changed_mask = data["image"], data["mask"]
            if changed.dtype != np.uint8 or changed.ndim != 3 or changed.shape[2] != channels:
                raise ConfigError(
                    f"the augmentation step {_step_name(step)} turns uint8 images of {channels} "
                    f"channels into {changed.dtype} {changed.shape}; remove it"
                )
            if self.crop is None and changed_mask.shape != mask.shape:
                raise ConfigError(
                    f"the augmentation step {_step_name(step)} changes the size of images, so that "
                    "they make no batch; set data.crop=[height,width]"
                )

    def _random_crop(
        self, image: Frame, mask: LabelMap, crop: tuple[int, int], draws: np.random.Generator
    ) -> tuple[Frame, LabelMap]:
        size = (image.shape[0], image.shape[1])
        # How far the crop's corner may move: into the image where that is larger than the
        # crop, out of it where it is smaller.
        slack = [have - want for have, want in zip(size, crop, strict=True)]
        corner = [int(draws.integers(min(0, room), max(0, room) + 1)) for room in slack]
        source, target = [], []
        for first, have, want in zip(corner, size, crop, strict=True):
            source.append(slice(max(0, first), min(have, first + want)))
            target.append(slice(max(0, -first), min(want, have - first)))
        cropped, cropped_mask = image[tuple(source)], mask[tuple(source)]
        if cropped_mask.shape == crop:
            return cropped, cropped_mask
        padded = np.zeros((*crop, image.shape[2]), np.uint8)
        padded_mask = np.full(crop, self._ignore_index, np.uint8)
        padded[tuple(target)] = cropped
        padded_mask[tuple(target)] = cropped_mask
        return padded, padded_mask


def _flatten_steps(steps: Iterable[A.BasicTransform]) -> Iterator[A.BasicTransform]:
    for step in steps:
        if hasattr(step, "transforms"):
            yield from _flatten_steps(step.transforms)
        else:
            yield step


def _step_name(step: A.BasicTransform) -> str:
    return type(step).__name__
