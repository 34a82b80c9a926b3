"""Augmentation of further inputs, whose values the steps of libraries leave as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import albumentations as A
import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.types import Frame
from outtake.core.validate import check_number
from outtake.data.augmentation import FURTHER_TARGET

_GREY = 128


# albumentations has no types that mypy could read, so its class counts as Any.
class ScaleFurtherInputs(A.BasicTransform):  # type: ignore[misc]
    """Scales the difference of further inputs from mid-grey, and at times takes them away.

    For inputs that are differences, such as that from a clip's plate: a network learns what they
    tell without relying on them alone.

    Args:
        scale: The least and the greatest factor.
        dropped: The share of the samples in which all of it is mid-grey.
        p: The share of the samples that are changed.

    Raises:
        ConfigError: A number is not in its range.
    """

    def __init__(
        self, scale: tuple[float, float] = (0.6, 1.3), dropped: float = 0.1, p: float = 1.0
    ) -> None:
        super().__init__(p=p)
        if len(scale) != 2 or not 0 <= scale[0] <= scale[1]:
            raise ConfigError(f"augment.steps: scale={list(scale)}: give [LEAST,GREATEST] factor")
        check_number("augment.steps: dropped", dropped, 0, 1)
        self._scale, self._dropped = (float(scale[0]), float(scale[1])), dropped
        self.invalid_args: list[str] = []

    @property
    def targets(self) -> dict[str, Callable[..., Any]]:
        """What is changed: further inputs alone."""
        return {FURTHER_TARGET: self.apply}

    def get_params(self) -> dict[str, Any]:
        """Draw the factor."""
        draws = self.random_generator
        factor = float(draws.uniform(*self._scale))
        return {"factor": 0.0 if draws.random() < self._dropped else factor}

    def apply(self, img: Frame, factor: float = 1.0, **params: Any) -> Frame:
        """Return further inputs, uint8 (H, W, C), with their difference from 128 scaled."""
        shades = np.arange(256, dtype=np.float32) - _GREY
        table = (shades * factor + _GREY).round().clip(0, 255).astype(np.uint8)
        return np.asarray(table[img])
