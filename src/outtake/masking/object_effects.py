"""Effects that betray an object, its shadow and its reflection, join its mask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from outtake.masking.aligned_window import REACH_FRAMES, ReducedFrame, reduce_frame
from outtake.masking.class_selection import BinaryMask, SelectedFrame
from outtake.masking.frame_window import sliding_windows
from outtake.masking.mirror_images import (
    LOCATING_REACH_FRAMES,
    LocatedFrame,
    MirroredFrame,
    locate_images,
    mirror_objects,
)
from outtake.masking.reflections import DECIDING_REACH_FRAMES, detect_reflection
from outtake.masking.shadows import detect_shadow


@dataclass(frozen=True, slots=True)
class EffectFrame:
    """A frame, and what its objects do to their surroundings.

    Attributes:
        selected: The frame and the mask of its objects, with their effects.
        objects: The mask of the objects alone, uint8 (H, W), 0 or 1.
        shadow_share: The share of the mask that was added as shadow, 0 to 1; None if shadows were
            not looked for.
        reflection_share: The share that was added as reflection, and is no shadow; likewise.
    """

    selected: SelectedFrame
    objects: BinaryMask
    shadow_share: float | None = None
    reflection_share: float | None = None


class EffectDetector:
    """Finds shadows and reflections of masked objects and adds them to the mask.

    Args:
        shadows: Whether cast shadows are found.
        reflections: Whether reflections are.

    Attributes:
        context_frames: The number of frames before and after that are looked at.
    """

    def __init__(self, *, shadows: bool, reflections: bool) -> None:
        self._shadows, self._reflections = shadows, reflections
        self._reaches = (
            REACH_FRAMES,
            LOCATING_REACH_FRAMES if reflections else 0,
            DECIDING_REACH_FRAMES if reflections else 0,
        )
        self.context_frames = sum(self._reaches)

    def __call__(self, clip: Iterable[SelectedFrame]) -> Iterator[EffectFrame]:
        """Yield each frame with its objects' effects added to the mask."""
        for window, centre in sliding_windows(self._locate(clip), self._reaches[2]):
            shadow, located = window[centre]
            reflection = None
            if self._reflections:
                reflection = detect_reflection([one for _, one in window], centre)
            selected = located.frame.selected
            assert selected is not None
            located.frame.selected = None
            yield self._join(selected, shadow, reflection)

    def _locate(
        self, clip: Iterable[SelectedFrame]
    ) -> Iterator[tuple[BinaryMask | None, LocatedFrame]]:
        for window, centre in sliding_windows(self._compare(clip), self._reaches[1]):
            shadow, _ = window[centre]
            yield shadow, locate_images([one for _, one in window], centre)

    def _compare(
        self, clip: Iterable[SelectedFrame]
    ) -> Iterator[tuple[BinaryMask | None, MirroredFrame]]:
        frames: Iterator[ReducedFrame] = map(reduce_frame, clip)
        for window, centre in sliding_windows(frames, self._reaches[0]):
            here = window[centre]
            masked = bool(here.mask.any())
            shadow = detect_shadow(window, centre) if masked and self._shadows else None
            if masked and self._reflections:
                yield shadow, mirror_objects(window, centre)
            else:
                yield shadow, MirroredFrame(here, None, [])

    def _join(
        self, selected: SelectedFrame, shadow: BinaryMask | None, reflection: BinaryMask | None
    ) -> EffectFrame:
        sizes, mask = [cv2.countNonZero(selected.mask)], selected.mask
        for effect in (shadow, reflection):
            if effect is not None and effect.any():
                full = cv2.resize(
                    effect * np.uint8(255), mask.shape[::-1], interpolation=cv2.INTER_LINEAR
                )
                mask = np.maximum(mask, (full > 127).astype(np.uint8))
            sizes.append(cv2.countNonZero(mask))
        objects, with_shadow, total = sizes
        return EffectFrame(
            SelectedFrame(selected.labelled, mask),
            selected.mask,
            (with_shadow - objects) / max(total, 1) if self._shadows else None,
            (total - with_shadow) / max(total, 1) if self._reflections else None,
        )
