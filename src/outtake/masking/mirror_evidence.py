"""How much what changed below an object looks like its mirror image, by where the mirror may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.masking.aligned_window import ReducedFrame, sample_references
from outtake.masking.class_selection import BinaryMask
from outtake.motion.optical_flow import Floats

Sums = NDArray[np.float64]

# The mirror's line is searched this far above and below an object's lowest point, in its heights:
# masks are not exact, and a ball flies.
_LINE_ABOVE, _LINE_BELOW = 0.08, 1.4
_MIN_SAMPLES = 3
_MIN_OBJECT_PX = 30
# Change of less than so many grey levels is noise.
_MIN_CHANGE = 4.0
# Less than this share of the strongest change nearby is its blur.
_SPREAD_SHARE = 0.3
# Of the range of colours in the neighbourhood, what a misaligned edge may explain.
_MISALIGNED_SHARE = 0.5
_BLUR_SIGMA_PX = 0.8
# Fewer pixels say nothing.
_MIN_PIXELS = 24
_KERNEL = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class SurfaceChange:
    """What objects change in their surroundings.

    Attributes:
        background: What is there without them, float32 (h, w, 3).
        difference: The frame minus that, float32 (h, w, 3); 0 where it is not known.
        known: Where it is known, bool (h, w); never inside an object.
        changed: Where it is more than noise, bool (h, w).
    """

    background: Floats
    difference: Floats
    known: NDArray[np.bool_]
    changed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MaskedObject:
    """A connected part of a mask, of one class.

    Attributes:
        label: The class.
        x: The first column of its box.
        y: The first row of its box.
        mask: uint8 (h, w) of its box, 0 or 1.
    """

    label: int
    x: int
    y: int
    mask: BinaryMask

    @property
    def height(self) -> int:
        """The rows of its box."""
        return int(self.mask.shape[0])

    @property
    def width(self) -> int:
        """The columns of its box."""
        return int(self.mask.shape[1])

    @property
    def bottom(self) -> int:
        """The row below its lowest one."""
        return self.y + self.height

    @property
    def middle(self) -> tuple[float, float]:
        """The column and row of its box's middle."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class MirrorEvidence:
    """How well what changed below an object agrees with its mirror image, by place.

    Attributes:
        object: The object.
        first: The first place: how many rows below the object its mirror image begins.
        correlation: Of the change and the mirrored colours, -1 to 1, for each place, float (n,); 0
            where there are too few pixels.
        changed: The share of the mirror image in which something changed, 0 to 1, (n,).
        pixels: The number of pixels that were compared, (n,).
    """

    object: MaskedObject
    first: int
    correlation: NDArray[np.float64]
    changed: NDArray[np.float64]
    pixels: NDArray[np.float64]


def find_objects(frame: ReducedFrame) -> list[MaskedObject]:
    """Return the objects of a frame's mask, those of a few pixels left out.

    Pixels that the mask has and the labels do not, such as those of a vote, are objects too.
    """
    selected = frame.selected
    assert selected is not None
    size = (frame.mask.shape[1], frame.mask.shape[0])
    inside = np.ascontiguousarray(np.where(selected.mask > 0, selected.labelled.labels, 255))
    labels = cv2.resize(inside, size, interpolation=cv2.INTER_NEAREST_EXACT)
    found = []
    for label in np.unique(labels[labels != 255]).tolist():
        count, regions, stats, _ = cv2.connectedComponentsWithStats(
            (labels == label).view(np.uint8)
        )
        for index in range(1, count):
            x, y, width, height, area = stats[index].tolist()
            if area >= _MIN_OBJECT_PX:
                box = regions[y : y + height, x : x + width]
                found.append(MaskedObject(label, x, y, (box == index).view(np.uint8)))
    return found


def find_change(
    window: Sequence[ReducedFrame], index: int, objects: Sequence[MaskedObject]
) -> SurfaceChange:
    """Return what the objects of a frame change below them.

    The background is the median of what the frames around show at the same place.

    Args:
        window: Consecutive frames.
        index: The place of the frame among them.
        objects: Its objects.
    """
    here = window[index]
    shape = here.mask.shape
    zone = np.zeros(shape, bool)
    for one in objects:
        lowest = one.bottom + round((2 * _LINE_BELOW + 1) * one.height)
        zone[one.y + one.height // 2 : lowest, max(0, one.x - 3) : one.x + one.width + 3] = True
    zone &= here.mask == 0
    background = here.image.astype(np.float32)
    known = np.zeros(shape, bool)
    samples = sample_references(window, index, zone)
    if samples is not None:
        first = len(samples.light) - samples.count
        background[zone] = samples.at_rank(
            np.minimum(first + samples.count // 2, len(samples.light) - 1)
        )
        known[zone] = samples.count >= _MIN_SAMPLES
    image, background = (
        np.asarray(cv2.GaussianBlur(one, (3, 3), _BLUR_SIGMA_PX), np.float32)
        for one in (here.image.astype(np.float32), background)
    )
    difference = np.where(known[..., None], image - background, np.float32(0))
    detail = cv2.dilate(background, _KERNEL) - cv2.erode(background, _KERNEL)
    surplus = (np.abs(difference) - _MISALIGNED_SHARE * detail).max(axis=2)
    near = cv2.dilate(surplus, np.ones((5, 5), np.uint8))
    changed = known & (surplus > np.maximum(_MIN_CHANGE, _SPREAD_SHARE * near))
    return SurfaceChange(background, difference, known, changed)


def compare_mirrored(
    frame: ReducedFrame, change: SurfaceChange, one: MaskedObject
) -> MirrorEvidence:
    """Return how well the change below an object agrees with its mirror image.

    The change where a mirror shows an object is a share of the object's colour minus as much of
    what the mirror shows without it. So the correlation is that of change and mirrored colours,
    after what depends linearly on the background was taken out of both: a shadow takes a share of
    the background, and so correlates with nothing.
    """
    first = -round(2 * _LINE_ABOVE * one.height) - 2
    last = min(round(2 * _LINE_BELOW * one.height), frame.mask.shape[0] - one.bottom)
    places = max(last - first + 1, 0)
    strip = _cut_strip(frame, change, one, one.bottom + first, places + one.height - 1)
    known, changed, difference, background = strip
    inner = cv2.erode(np.pad(one.mask, 1), _KERNEL)[1:-1, 1:-1][::-1].astype(np.float32)
    box = frame.image[one.y : one.bottom, one.x : one.x + one.width][::-1].astype(np.float32)
    colours = (cv2.GaussianBlur(box, (3, 3), _BLUR_SIGMA_PX) - 128) * inner[..., None]
    if not places or not inner.any():
        none = np.zeros(places)
        return MirrorEvidence(one, first, none, none, none)

    pixels = np.maximum(np.rint(_correlate(known, inner)), 0.0)
    divisor = np.maximum(pixels, 1.0)[:, None]
    sum_d, sum_p = (
        np.stack([_correlate(channel, inner) for channel in cv2.split(values)], axis=-1)
        for values in (difference, background)
    )
    sum_o = np.stack([_correlate(known, channel) for channel in cv2.split(colours)], axis=-1)

    def covariance(products: Sums, a: Sums, b: Sums) -> Sums:
        return np.asarray(products - (a * b / divisor).sum(axis=-1))

    dd = covariance(_correlate((difference**2).sum(axis=2), inner), sum_d, sum_d)
    pp = covariance(_correlate((background**2).sum(axis=2), inner), sum_p, sum_p)
    dp = covariance(_correlate((difference * background).sum(axis=2), inner), sum_d, sum_p)
    oo = covariance(_correlate(known, (colours**2).sum(axis=2)), sum_o, sum_o)
    do = covariance(_correlate(difference, colours), sum_d, sum_o)
    op = covariance(_correlate(background, colours), sum_o, sum_p)
    floor = divisor[:, 0]  # a variance of one grey level squared
    pp = np.maximum(pp, floor)
    rest_d = np.maximum(dd - dp * dp / pp, floor)
    rest_o = np.maximum(oo - op * op / pp, floor)
    correlation = (do - dp * op / pp) / np.sqrt(rest_d * rest_o)
    enough = pixels >= _MIN_PIXELS
    return MirrorEvidence(
        one,
        first,
        np.where(enough, correlation, 0.0),
        np.where(enough, _correlate(changed, inner) / divisor[:, 0], 0.0),
        np.where(enough, pixels, 0.0),
    )


def _correlate(image: Floats, template: Floats) -> Sums:
    """Return the sum of products at each place of a template down an image of its width, (n,)."""
    return np.asarray(cv2.matchTemplate(image, template, cv2.TM_CCORR)[:, 0], np.float64)


def _cut_strip(
    frame: ReducedFrame, change: SurfaceChange, one: MaskedObject, top: int, rows: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return known, changed, difference and background of the columns of an object, float32.

    All are 0 where nothing is known, and beyond the frame.
    """
    shape = (max(rows, 0), one.width)
    known, changed = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    difference, background = (np.zeros((*shape, 3), np.float32) for _ in range(2))
    end = min(top + rows, frame.mask.shape[0])
    at = slice(max(top, 0), end), slice(one.x, one.x + one.width)
    to = slice(max(-top, 0), max(-top, 0) + max(end - max(top, 0), 0))
    known[to] = change.known[at]
    changed[to] = change.changed[at] & change.known[at]
    difference[to] = change.difference[at]
    background[to] = (change.background[at] - 128) * known[to][..., None]
    return known, changed, difference, background
