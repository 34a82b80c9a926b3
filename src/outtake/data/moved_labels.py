"""Labels that augmentation moves: to the nearest pixel, and unlabelled where nothing was."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeAlias

import albumentations as A
import torch
from torch import nn
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from outtake.core.types import LabelMap

AugmentationStep: TypeAlias = Any
"""A transform of albumentations or of ``torchvision.transforms.v2``."""

# The modules whose steps move pixels. Of albumentations those are left out that only turn or
# resize: nothing comes in from outside.
_MOVING = (
    "albumentations.augmentations.crops.",
    "albumentations.augmentations.geometric.transforms",
    "albumentations.augmentations.geometric.distortion",
    "torchvision.transforms.v2._geometry",
)
_CHANGES_LABELS = (A.Morphological,)  # it takes the greatest label around, and moves nothing
# Those of torchvision that turn only.
_BRINGS_NOTHING_IN = ("RandomHorizontalFlip", "RandomVerticalFlip")


# torchvision has no types.
class LabelPlanes(tv_tensors.Mask):  # type: ignore[misc]
    """Labels, which are resized by the centres of pixels, as torchvision resizes images alone."""


def _resize_labels(labels: torch.Tensor, size: list[int], *_: object, **options: Any) -> Any:
    planes = labels if labels.ndim > 2 else labels[None]
    resized = functional.resize_image(
        planes, size, InterpolationMode.NEAREST_EXACT, max_size=options.get("max_size")
    )
    return resized.reshape(*labels.shape[:-2], *resized.shape[-2:])


def _resize_crop_of_labels(
    labels: torch.Tensor, top: int, left: int, height: int, width: int, size: list[int], *_: object,
    **options: Any,
) -> Any:  # fmt: skip
    return _resize_labels(functional.crop_mask(labels, top, left, height, width), size)


functional.register_kernel(functional.resize, LabelPlanes)(_resize_labels)
functional.register_kernel(functional.resized_crop, LabelPlanes)(_resize_crop_of_labels)


def is_torchvision(step: AugmentationStep) -> bool:
    """Return whether a step is of torchvision; otherwise it is of albumentations."""
    return isinstance(step, nn.Module)


def ignore_what_comes_in(step: AugmentationStep, ignore_index: int) -> None:
    """Let labels be unlabelled where a step moves in what is outside of the image.

    Steps that have a fill for masks get the label as that. Others that move pixels, in the
    libraries themselves, fill with 0: they see labels among which 0 is the unlabelled one.
    """
    fills = getattr(step, "_fill" if is_torchvision(step) else "fill_mask", None)
    if is_torchvision(step):
        if isinstance(fills, dict):
            fills[LabelPlanes] = ignore_index
        elif _moves_pixels(step) and type(step).__name__ not in _BRINGS_NOTHING_IN:
            step.transform = partial(_transform_turned, type(step).transform, step, ignore_index)
        return
    # CoarseDropout's None means "leave the mask", which is a choice; 0 is a default.
    if fills is not None:
        step.fill_mask = ignore_index
    elif not hasattr(step, "fill_mask") and _moves_pixels(step):
        kept = partial(_apply_turned, type(step).apply_to_mask, step, ignore_index)
        step.apply_to_mask = kept
        step.add_targets({"mask": "mask"})  # it has looked its targets up when it was made


def _moves_pixels(step: AugmentationStep) -> bool:
    """Return whether a step, or what it is derived from, is one of a library that moves pixels."""
    origins = [base.__module__ for base in type(step).__mro__]
    moves = any(origin.startswith(_MOVING) for origin in origins)
    return moves and not isinstance(step, _CHANGES_LABELS)


def _apply_turned(
    apply: Any, step: AugmentationStep, ignore_index: int, mask: LabelMap, *args: Any, **params: Any
) -> LabelMap:
    """Move labels while the unlabelled one is 0; numbers of 8 bits go round."""
    moved: LabelMap = apply(step, mask - mask.dtype.type(ignore_index), *args, **params)
    return moved + moved.dtype.type(ignore_index)


def _transform_turned(
    transform: Any, step: AugmentationStep, ignore_index: int, planes: Any, params: dict[str, Any]
) -> Any:
    # Further inputs are planes of 16 bits too, in which 0 is what comes in already.
    if not isinstance(planes, LabelPlanes) or planes.dtype != torch.uint8:
        return transform(step, planes, params)
    moved = transform(step, LabelPlanes(planes - ignore_index), params)
    return LabelPlanes(moved + ignore_index)
