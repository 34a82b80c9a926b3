"""Augmentation whose draws depend on (seed, epoch, index) and on nothing else."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from traceback import walk_tb
from typing import Any

import albumentations as A
import cv2
import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode

from outtake.core.errors import ConfigError
from outtake.core.types import Frame, LabelMap
from outtake.data.crop import RandomCrop
from outtake.data.further_labels import MOST_FURTHER_LABELS
from outtake.data.mixing import MixingStep
from outtake.data.moved_labels import (
    AugmentationStep,
    LabelPlanes,
    ignore_what_comes_in,
    is_torchvision,
)
from outtake.data.sample_order import derive_seed

FURTHER_TARGET = "further_inputs"  # the target of albumentations
# The steps that call cv2.resize; those that warp take the nearest pixel centre anyway.
_RESIZING_STEPS = (
    A.RandomScale,
    A.Resize,
    A.SmallestMaxSize,
    A.LongestMaxSize,
    A.RandomResizedCrop,
    A.RandomSizedCrop,
    A.RandomSizedBBoxSafeCrop,
    A.CropAndPad,
)
_FURTHER_LABELS = "further_labels_{}"
_ABOVE_LABELS = 256
_CHECKED_DRAWS = 20  # of all steps together, before training


class Augmentation:
    """Steps of albumentations or torchvision, then a random crop.

    Each sample of each epoch has its own random generators, seeded from (seed, epoch, index).
    (Left alone, albumentations 2.0.8 repeats its draws in every worker and every epoch, and
    torchvision draws from the global generator.) What a step moves in from outside the image is
    ``ignore_index`` in the mask. Steps of torchvision get a ``tv_tensors.Image`` and a
    ``tv_tensors.Mask``, so the mask is moved together with the image, and to the nearest pixel.

    Args:
        steps: The transforms in the order in which they are applied.
        crop: Cuts out what the network sees, after all steps; None keeps the whole image.
        ignore_index: The label of pixels that are not trained on.
        seed: The seed of all draws.
        mixing: What makes one sample of several, before all steps.
        further_channels: The number of channels behind those of the image itself, see
            :mod:`outtake.data.further_inputs`. They are moved with it and keep their values: steps
            that change colours see the image alone.
        key: The config key of the steps, for messages.

    Attributes:
        single_steps: The transforms one by one, also those inside of others.

    Raises:
        ConfigError: A step has an argument that does not exist.
    """

    def __init__(
        self,
        steps: Sequence[AugmentationStep],
        crop: RandomCrop | None,
        ignore_index: int,
        seed: int,
        mixing: Sequence[MixingStep] = (),
        *,
        further_channels: int = 0,
        key: str = "augment.steps",
    ) -> None:
        self.single_steps = list(_flatten_steps(steps))
        for step in self.single_steps:
            _prepare_step(step, ignore_index)
        self._further_channels = further_channels
        self._key = key
        self.crop = crop
        self._ignore_index = ignore_index
        self._seed = seed
        self._mixing = mixing
        self._groups = list(_group_steps(steps))

    def __call__(
        self,
        image: Frame,
        mask: LabelMap,
        epoch: int,
        index: int,
        draw_other: Callable[[np.random.Generator], tuple[Frame, LabelMap]] | None = None,
    ) -> tuple[Frame, LabelMap]:
        """Return an augmented copy; the arguments are not changed.

        Args:
            image: uint8 (H, W, C).
            mask: uint8 (H, W), or several label maps, uint8 (H, W, maps).
            epoch: The number of the pass over the data.
            index: The number of the sample.
            draw_other: Draws another sample for the mixing steps; without it, nothing is mixed.

        Returns:
            uint8 (h, w, C) and uint8 (h, w) or (h, w, maps), of the crop's size where there is one.

        Raises:
            ConfigError: A step cannot work on what the steps before it have made.
        """
        if draw_other is not None and self._mixing:
            mixer = np.random.default_rng(derive_seed("mix", self._seed, epoch, index))
            for mix in self._mixing:
                image, mask = mix(image, mask, mixer, partial(draw_other, mixer))
        seed = derive_seed("augment", self._seed, epoch, index)
        draws, python_draws = np.random.default_rng(seed), random.Random(seed)
        for number, group in enumerate(self._groups):
            try:
                if isinstance(group, A.Compose):
                    group.set_random_state(draws, python_draws)
                    image, mask = _apply_albumentations(group, image, mask, self._further_channels)
                else:
                    torch_seed = derive_seed("torchvision", self._seed, epoch, index, number)
                    image, mask = _apply_torchvision(
                        group, image, mask, torch_seed, self._further_channels
                    )
            # Whatever a transform raises on what the others may make of an image.
            except Exception as error:
                raise self._step_error(self._failed_step(error, group), image, error) from error
        if self.crop is not None:
            image, mask = self.crop(image, mask, draws)
        return image, mask

    def without_labels(self, seed: int) -> Augmentation:
        """Return the same steps with other draws, without what mixes samples by their labels."""
        other = copy.copy(self)
        other._seed, other._mixing = seed, ()
        return other

    def check(self, image: Frame, mask: LabelMap) -> None:
        """Apply every step to a sample, whatever its probability, and then all steps together.

        Raises:
            ConfigError: A step cannot work on such images, or changes their size while there
                is no crop to make them equal again.
        """
        channels = image.shape[2]
        for step in self.single_steps:
            try:
                changed, changed_mask = _apply_always(
                    step, image.copy(), mask.copy(), self._further_channels
                )
            # Whatever a transform raises on an image that it was not made for.
            except Exception as error:
                raise self._step_error(step, image, error) from error
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
        for epoch in range(_CHECKED_DRAWS):
            self(image, mask, epoch, 0)

    def _failed_step(self, error: Exception, group: AugmentationStep) -> AugmentationStep:
        """Return the step in which an error was raised, or the group if none of them ran."""
        running = [frame.f_locals.get("self") for frame, _ in walk_tb(error.__traceback__)]
        known = {id(step) for step in self.single_steps}
        return next((each for each in running[::-1] if id(each) in known), group)

    def _step_error(self, step: AugmentationStep, image: Frame, error: Exception) -> ConfigError:
        advice = ", or choose augment=standard" if self._key == "augment.steps" else ""
        return ConfigError(
            f"the augmentation step {_step_name(step)} cannot work on images of "
            f"{image.shape[1]}x{image.shape[0]} with {image.shape[2]} channels: {error}; "
            f"remove it with ~{self._key}.NAME{advice}"
        )


def _flatten_steps(steps: Iterable[AugmentationStep]) -> Iterator[AugmentationStep]:
    for step in steps:
        # ColorJitter is one transform, though it keeps its functions under that name.
        if hasattr(step, "transforms") and not isinstance(step, A.BasicTransform):
            yield from _flatten_steps(step.transforms)
        else:
            yield step


def _group_steps(steps: Sequence[AugmentationStep]) -> Iterator[AugmentationStep]:
    """Compose neighbouring steps of albumentations; a step of torchvision stays alone."""
    for of_torchvision, neighbours in groupby(steps, is_torchvision):
        if of_torchvision:
            yield from neighbours
        else:
            yield A.Compose(list(neighbours))


def _prepare_step(step: AugmentationStep, ignore_index: int) -> None:
    """Refuse misspelt arguments, and let the mask be unlabelled where a step fills it."""
    ignore_what_comes_in(step, ignore_index)
    if is_torchvision(step):
        if isinstance(getattr(step, "interpolation", None), str):
            step.interpolation = _parse_interpolation(step)
        return
    if step.invalid_args:
        raise ConfigError(
            f"the augmentation step {_step_name(step)} has no argument "
            f"{', '.join(step.invalid_args)}; see albumentations 2.0.8"
        )
    if isinstance(step, A.DualTransform):
        maps = {
            _FURTHER_LABELS.format(place): "mask" for place in range(1, MOST_FURTHER_LABELS + 1)
        }
        step.add_targets({FURTHER_TARGET: "image", **maps})
    if isinstance(step, _RESIZING_STEPS) and step.mask_interpolation == cv2.INTER_NEAREST:
        # As images are resized: by the centres of pixels. The other puts labels half a pixel off.
        step.mask_interpolation = cv2.INTER_NEAREST_EXACT


def _parse_interpolation(step: AugmentationStep) -> InterpolationMode:
    """Return the mode that a yaml names by its word; torchvision takes the enumeration only."""
    try:
        return InterpolationMode(step.interpolation)
    except ValueError as error:
        known = ", ".join(mode.value for mode in InterpolationMode)
        raise ConfigError(
            f"the augmentation step {_step_name(step)} has interpolation={step.interpolation}; "
            f"allowed are {known}"
        ) from error


def _apply_always(
    step: AugmentationStep, image: Frame, mask: LabelMap, further_channels: int
) -> tuple[Frame, LabelMap]:
    if is_torchvision(step):
        step = copy.copy(step)
        if hasattr(step, "p"):
            step.p = 1.0
        return _apply_torchvision(step, image, mask, 0, further_channels)
    step.set_random_state(np.random.default_rng(0), random.Random(0))
    return _apply_albumentations(step, image, mask, further_channels, force_apply=True)


def _apply_albumentations(
    step: AugmentationStep,
    image: Frame,
    mask: LabelMap,
    further_channels: int,
    **options: bool,
) -> tuple[Frame, LabelMap]:
    given: dict[str, Any] = {"mask": mask}
    if mask.ndim == 3:
        names = ["mask", *map(_FURTHER_LABELS.format, range(1, mask.shape[2]))]
        given = {each: np.ascontiguousarray(mask[..., i]) for i, each in enumerate(names)}
    if further_channels:
        # A target of their own, which only the steps know that move pixels.
        given[FURTHER_TARGET] = np.ascontiguousarray(image[..., -further_channels:])
        image = np.ascontiguousarray(image[..., :-further_channels])
    data = step(image=image, **given, **options)
    moved_maps = [data[each] for each in given if each != FURTHER_TARGET]
    mask = moved_maps[0] if mask.ndim == 2 else np.stack(moved_maps, axis=2)
    if not further_channels:
        return data["image"], mask
    moved = data[FURTHER_TARGET].reshape(*data["image"].shape[:2], further_channels)
    return np.concatenate([data["image"], moved], axis=2), mask


def _apply_torchvision(
    step: AugmentationStep, image: Frame, mask: LabelMap, seed: int, further_channels: int
) -> tuple[Frame, LabelMap]:
    """Apply a step under a seed of its own; the global generator is put back afterwards."""
    # Copied: a step may work in place.
    planes = torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C"))
    pixels = tv_tensors.Image(planes[: len(planes) - further_channels])
    maps = mask if mask.ndim == 2 else mask.transpose(2, 0, 1)
    labels = LabelPlanes(torch.from_numpy(np.array(maps, order="C")))
    # Further inputs as masks, which only the steps change that move pixels. Their values lie above
    # every label, so that what a step fills with a label is told from them, and becomes black.
    further = LabelPlanes(planes[len(pixels) :].to(torch.int16) + _ABOVE_LABELS)
    given = (pixels, labels, further) if further_channels else (pixels, labels)
    # Not torch.manual_seed, which seeds every GPU too.
    generator = torch.default_generator
    state = generator.get_state()
    try:
        generator.manual_seed(seed % (1 << 63))
        moved: Any = step(*given)
    finally:
        generator.set_state(state)
    parts = [moved[0], *((each - _ABOVE_LABELS).clamp(min=0).to(torch.uint8) for each in moved[2:])]
    joined = torch.cat(parts).permute(1, 2, 0)
    changed: LabelMap = moved[1].numpy()
    if changed.ndim == 3:
        changed = np.ascontiguousarray(changed.transpose(1, 2, 0))
    return np.ascontiguousarray(joined.numpy()), changed


def _step_name(step: AugmentationStep) -> str:
    return type(step).__name__
