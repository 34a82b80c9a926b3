"""From label maps to masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import cv2
import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.frames import LabelledFrame, MaskedFrame, MaskStatistics
from outtake.core.labels import LabelSpace
from outtake.core.mask_blocks import reduce_to_blocks
from outtake.core.types import LabelMap, Mask, MaskBlocks
from outtake.masking.class_selection import BinaryMask, ClassSelector, SelectedFrame
from outtake.masking.morphology import dilate_mask, remove_small_and_fill_holes
from outtake.masking.object_effects import EffectDetector
from outtake.masking.temporal_vote import MAX_VOTE_FRAMES, TemporalVote

# How much of the dilation goes into the foreground: labels are a little off where objects meet.
FOREGROUND_DILATION_SHARE = 0.5


class MaskPolicy:
    """Turns label maps into masks, one for each frame.

    A stage over the whole clip. The mask of a frame depends on the frames at most
    ``context_frames`` away, however long the clip is and wherever it starts.

    Args:
        ids: The classes that are removed.
        dilate: The fraction of the frame's height by which masks are dilated, with a round kernel.
            An edge that the mask misses leaves a ghost outline; 1.7% was best where it was
            measured.
        min_area: The fraction of the frame below which regions are dropped, before dilation.
        fill_holes: Whether holes that a region encloses are filled, if they are smaller than it.
        threshold: The probability that a pixel's class must reach, one for all classes or by class
            id; 0 takes every pixel.
        low: The probability from which a pixel still counts if it is connected to one that reaches
            its threshold; None is half the threshold.
        vote: The number of frames before and after that vote on the mask; 0 takes each frame by
            itself.
        shadows: Whether cast shadows near an object are removed with it.
        reflections: Whether what the ground below an object mirrors of it is removed with it.
        foreground: The classes of what moves about before the background and stays: masks grow
            into it by half of ``dilate`` only, and not at all by shadows and reflections, and
            where other frames show it they show no background. What an object encloses is part of
            the object, with ``fill_holes``.

    Attributes:
        context_frames: The number of frames before and after that each mask depends on.
        needs_confidence: Whether labels must have a confidence.

    Raises:
        ConfigError: A value is out of its range.
    """

    def __init__(
        self,
        ids: Sequence[int],
        *,
        dilate: float = 0.017,
        min_area: float = 0.0001,
        fill_holes: bool = True,
        threshold: float | Mapping[int, float] = 0.0,
        low: float | None = None,
        vote: int = 2,
        shadows: bool = False,
        reflections: bool = False,
        foreground: Sequence[int] = (),
    ) -> None:
        for name, value in (("dilate", dilate), ("min_area", min_area)):
            if not 0 <= value < 1:
                raise ConfigError(f"mask.{name}={value}: must be at least 0 and below 1")
        if not (isinstance(vote, int) and 0 <= vote <= MAX_VOTE_FRAMES):
            raise ConfigError(
                f"mask.vote={vote}: must be a whole number of frames from 0 to {MAX_VOTE_FRAMES}"
            )
        self.ids = tuple(ids)
        self._foreground_lut = np.zeros(256, np.uint8)
        self._foreground_lut[list(foreground)] = 1
        thresholds = _thresholds_by_id(threshold, self.ids)
        _check_probabilities(thresholds, low)
        self._selector = ClassSelector(self.ids, thresholds, low)
        # With no class there is nothing to vote on.
        self._temporal_vote = TemporalVote(vote) if vote and self.ids else None
        self._effect_detector = (
            EffectDetector(shadows=shadows, reflections=reflections)
            if (shadows or reflections) and self.ids
            else None
        )
        self._dilate = dilate
        self._min_area = min_area
        self._fill_holes = fill_holes
        self.needs_confidence = self._selector.needs_confidence
        self.context_frames = sum(
            stage.context_frames
            for stage in (self._temporal_vote, self._effect_detector)
            if stage is not None
        )

    @classmethod
    def from_names(
        cls,
        labels: LabelSpace,
        *,
        remove: Sequence[str] = (),
        keep_only: Sequence[str] = (),
        threshold: float | Mapping[str, float] = 0.0,
        foreground: Sequence[str] = (),
        **options: Any,
    ) -> Self:
        """Choose classes by name: those in ``remove``, or all that are not in ``keep_only``.

        Args:
            labels: The classes that exist.
            remove: The names of the classes that are removed.
            keep_only: The names of the classes that are kept.
            threshold: One probability for all classes, or one by name.
            foreground: The names of the classes that move about and stay.
            options: Further options of the constructor.

        Raises:
            UnknownClassError: A name is not a class.
            ConfigError: Both are given, or a value is out of its range.
        """
        if remove and keep_only:
            raise ConfigError("remove and keep_only exclude each other; set one of them")
        ids = labels.ids(remove)
        if keep_only:
            kept = set(labels.ids(keep_only))
            ids = tuple(index for index in range(len(labels.names)) if index not in kept)
        in_front = labels.ids(foreground, "mask.foreground")
        if gone := [labels.names[index] for index in in_front if index in ids]:
            raise ConfigError(f"mask.foreground: {gone[0]} is removed itself; leave it out")
        options["foreground"] = in_front
        if isinstance(threshold, Mapping):
            named = dict(zip(labels.ids(threshold), threshold.values(), strict=True))
            idle = [labels.names[index] for index in named if index not in ids]
            if idle:
                raise ConfigError(f"mask.threshold.{idle[0]}: this class is not removed")
            return cls(ids, threshold=named, **options)
        return cls(ids, threshold=threshold, **options)

    def __call__(self, clip: Iterable[LabelledFrame]) -> Iterator[MaskedFrame]:
        """Yield each frame with its mask.

        Raises:
            ConfigError: A threshold is set and labels have no confidence.
        """
        selected: Iterable[SelectedFrame] = self._selector(clip)
        if self._temporal_vote is not None:
            selected = self._temporal_vote(selected)
        selected = map(self._clean_frame, selected)
        if self._effect_detector is None:
            for one in selected:
                yield self._finish(one, one.mask)
            return
        for found in self._effect_detector(selected):
            shares = MaskStatistics(
                shadow_share=found.shadow_share, reflection_share=found.reflection_share
            )
            yield replace(self._finish(found.selected, found.objects), statistics=shares)

    def _finish(self, one: SelectedFrame, objects: BinaryMask) -> MaskedFrame:
        labels = one.labelled.labels
        return MaskedFrame(
            one.labelled.frame,
            self._grow(one.mask, objects, labels),
            one.labelled,
            foreground=self._find_foreground(labels),
        )

    def mask(self, labels: LabelMap) -> Mask:
        """Return the mask of one label map, bool (H, W), without what needs other frames."""
        mask = self._clean(self._selector.select_classes(labels))
        return self._grow(mask, mask, labels)

    def _clean_frame(self, one: SelectedFrame) -> SelectedFrame:
        mask, known = self._clean(one.mask), one.labelled.known
        if known is not None:  # neither a vote nor a size decides what a person has decided
            np.copyto(mask, self._selector.select_classes(one.labelled.labels), where=known)
        return SelectedFrame(one.labelled, mask)

    def _clean(self, mask: BinaryMask) -> BinaryMask:
        return remove_small_and_fill_holes(mask, self._min_area * mask.size, self._fill_holes)

    def _find_foreground(self, labels: LabelMap) -> MaskBlocks | None:
        """Return where the foreground is, a little more than labels show of it, in blocks."""
        if not self._foreground_lut.any():
            return None
        found = cv2.LUT(np.ascontiguousarray(labels), self._foreground_lut)
        if not found.any():
            return None
        return reduce_to_blocks(self._dilate_by_height(np.asarray(found, np.uint8)))

    def _grow(self, mask: BinaryMask, objects: BinaryMask, labels: LabelMap) -> Mask:
        """Return the mask dilated, and of the foreground only what is next to an object.

        Args:
            mask: Objects and their effects, uint8 (H, W), 0 or 1.
            objects: Objects alone, likewise.
            labels: The labels of the frame, uint8 (H, W).
        """
        grown = self._dilate_by_height(mask)
        if self._foreground_lut.any() and grown.any():
            in_front = cv2.LUT(np.ascontiguousarray(labels), self._foreground_lut) > 0
            if (in_front & grown).any():
                grown &= ~in_front | self._dilate_by_height(objects, FOREGROUND_DILATION_SHARE)
        return grown

    def _dilate_by_height(self, mask: BinaryMask, share: float = 1.0) -> Mask:
        radius_px = round(share * self._dilate * mask.shape[0])
        return np.asarray(dilate_mask(mask, radius_px).view(np.bool_))


def _thresholds_by_id(
    threshold: float | Mapping[int, float], ids: Sequence[int]
) -> dict[int, float]:
    return (
        dict(threshold) if isinstance(threshold, Mapping) else dict.fromkeys(ids, float(threshold))
    )


def _check_probabilities(thresholds: Mapping[int, float], low: float | None) -> None:
    for value in thresholds.values():
        if not 0 <= value < 1:
            raise ConfigError(f"mask.threshold={value}: must be at least 0 and below 1")
    highest = max(thresholds.values(), default=0.0)
    if low is not None and not 0 <= low <= highest:
        raise ConfigError(
            f"mask.low={low}: must be at least 0 and at most mask.threshold, which is {highest}"
        )
