"""Where the mirror images of objects are likeliest, as a frame and those around it see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outtake.masking.aligned_window import ReducedFrame, iterate_aligned
from outtake.masking.mirror_evidence import (
    MaskedObject,
    MirrorEvidence,
    SurfaceChange,
    compare_mirrored,
    find_change,
    find_objects,
)
from outtake.motion.homography import Homography

# What a frame shows must agree with what those around it show.
_NEIGHBOURS = (2, 4)
LOCATING_REACH_FRAMES = _NEIGHBOURS[-1]
# Where the mirror image begins changes by at most this share of the height per frame: a ball hops.
_DRIFT = 0.12
# The same object, one frame and another: how far its middle may be off, and its size.
_SAME_PLACE, _SAME_SIZE = 0.5, 0.7
# So many pixels with no correlation at all are added: few pixels prove little.
_DOUBT_PIXELS = 150
# A place where less of the mirror image changed is taken only if there is no other.
_MIN_CHANGED = 0.55


@dataclass(frozen=True, slots=True)
class MirroredFrame:
    """A frame and what below its objects may be their mirror images.

    Attributes:
        frame: The frame.
        change: What its objects change below them; None if it has none.
        evidence: That of each object.
    """

    frame: ReducedFrame
    change: SurfaceChange | None
    evidence: list[MirrorEvidence]


@dataclass(frozen=True, slots=True)
class MirrorImage:
    """The likeliest place of an object's mirror image, as several frames see it.

    Attributes:
        object: The object.
        place: The number of rows below it where the image begins.
        correlation: That of change and mirrored colours, with doubt.
        changed: The share of the image in which something changed.
        pixels: The number of pixels that were compared.
    """

    object: MaskedObject
    place: int
    correlation: float
    changed: float
    pixels: float

    def reaches(self, correlation: float, changed: float) -> bool:
        """Return whether both figures are at least so large."""
        return self.correlation >= correlation and self.changed >= changed


@dataclass(frozen=True, slots=True)
class LocatedFrame:
    """A frame and the likeliest places of its objects' mirror images.

    Attributes:
        frame: The frame.
        change: What its objects change below them; None if it has none.
        images: The likeliest mirror image of each.
    """

    frame: ReducedFrame
    change: SurfaceChange | None
    images: list[MirrorImage]


def mirror_objects(window: Sequence[ReducedFrame], index: int) -> MirroredFrame:
    """Return what below the objects of a frame may be their mirror images.

    Args:
        window: Consecutive frames.
        index: The place of the frame among them.
    """
    here = window[index]
    objects = find_objects(here)
    if not objects:
        return MirroredFrame(here, None, [])
    change = find_change(window, index, objects)
    return MirroredFrame(here, change, [compare_mirrored(here, change, one) for one in objects])


def locate_images(window: Sequence[MirroredFrame], index: int) -> LocatedFrame:
    """Return where the mirror images of a frame's objects are likeliest.

    Args:
        window: Consecutive frames.
        index: The place of the frame among them.
    """
    here = window[index]
    around = _align(window, index) if here.evidence else []
    images = [_locate(one, around) for one in here.evidence if one.pixels.any()]
    return LocatedFrame(here.frame, here.change, images)


def _align(
    window: Sequence[MirroredFrame], index: int
) -> list[tuple[MirroredFrame, Homography, int]]:
    """Return frames around one, the homography to each, and how far away each is in frames."""
    frames = [one.frame for one in window]
    places = {id(frame): place for place, frame in enumerate(frames)}
    aligned = iterate_aligned(frames, index, LOCATING_REACH_FRAMES, _NEIGHBOURS)
    return [
        (window[places[id(frame)]], homography, abs(places[id(frame)] - index))
        for frame, homography in aligned
    ]


def _locate(
    evidence: MirrorEvidence, around: Sequence[tuple[MirroredFrame, Homography, int]]
) -> MirrorImage:
    """Return the likeliest place of an object's mirror image."""
    correlation = evidence.correlation * evidence.pixels
    changed, pixels = evidence.changed * evidence.pixels, evidence.pixels.copy()
    for other, homography, distance in around:
        same = _find_same(evidence.object, other.evidence, homography)
        if same is None:
            continue
        reach = max(1, round(_DRIFT * distance * evidence.object.height))
        best = _best_near(same, evidence.first, len(pixels), reach)
        use = best >= 0
        weight = np.where(use, same.pixels[best], 0.0)
        correlation += weight * same.correlation[best]
        changed += weight * same.changed[best]
        pixels += weight
    certain = correlation / (pixels + _DOUBT_PIXELS)
    changed /= np.maximum(pixels, 1.0)
    usable = evidence.pixels > 0
    best_place = int(np.argmax(np.where(usable & (changed >= _MIN_CHANGED), certain, certain - 2)))
    return MirrorImage(
        evidence.object,
        evidence.first + best_place,
        float(certain[best_place]),
        float(changed[best_place]),
        float(evidence.pixels[best_place]),
    )


def _find_same(
    one: MaskedObject, others: Sequence[MirrorEvidence], homography: Homography
) -> MirrorEvidence | None:
    """Return the evidence of the same object in another frame; None if it is not there."""
    x, y, scale = homography @ np.array([*one.middle, 1.0])
    nearest, best = None, np.inf
    for other in others:
        dx = abs(other.object.middle[0] - x / scale) / one.width
        dy = abs(other.object.middle[1] - y / scale) / one.height
        size = other.object.height / one.height
        if (
            other.object.label == one.label
            and other.pixels.any()
            and max(dx, dy) < min(_SAME_PLACE, best)
            and _SAME_SIZE < size < 1 / _SAME_SIZE
        ):
            nearest, best = other, max(dx, dy)
    return nearest


def _best_near(evidence: MirrorEvidence, first: int, count: int, reach: int) -> NDArray[np.intp]:
    """Return, for places from ``first`` on, the index of the best place near it; -1 for none."""
    score = evidence.correlation * evidence.pixels / (evidence.pixels + _DOUBT_PIXELS / 4)
    places = len(score)
    out = np.full(count, -1, np.intp)
    for number in range(count):
        at = first + number - evidence.first
        low, high = max(0, at - reach), min(places, at + reach + 1)
        if low < high:
            out[number] = low + int(score[low:high].argmax())
    return out
