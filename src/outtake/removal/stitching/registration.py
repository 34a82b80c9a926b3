"""Where a frame lies in another one, and how its light differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, Mask
from outtake.motion.homography import (
    Homography,
    fit_homography,
    invert_homography,
    resize_homography,
)
from outtake.motion.tracking import follow_points, reduce_picture

MAX_WIDTH_PX = 960
_MAX_POINTS, _ROUNDS = 500, 2
# A homography that fits many points closely, or else more of them loosely: things at different
# depths, past which the camera travels.
_TOLERANCES_PX = (0.7, 2.0)
# A homography of points that lie in a corner alone says nothing of the other corners.
_MIN_POINTS = 20
# Colours are compared where neither picture is black or white.
_DARKEST, _BRIGHTEST = 4, 251
_MIN_COMPARED, _MAX_COMPARED, _MIN_CORRELATION = 200, 20_000, 0.7
# Smaller differences of light are not told from noise: of a middle grey, and of the factor.
_LEAST_CHANGE_GREY, _LEAST_GAIN = 1.2, 0.05
# Sampling blurs one of two pictures that are compared: this blurs both.
_BLUR_PX = (5, 5)


@dataclass(frozen=True, slots=True)
class Light:
    """What makes the colours of one picture those of another: a factor, then an offset.

    Attributes:
        gain: The factors of red, green and blue, float64 (3,).
        offset: What is added, in grey levels of 0 to 255, float64 (3,).
    """

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def identity(cls) -> Self:
        """Return what changes nothing."""
        return cls(np.ones(3), np.zeros(3))

    def then(self, other: Light) -> Light:
        """Return what has the effect of this one and then of another."""
        return Light(self.gain * other.gain, self.offset * other.gain + other.offset)

    def seen_from(self, other: Light) -> Light:
        """Return what leads to another picture, given what leads from both to a third one."""
        return Light(self.gain / other.gain, (self.offset - other.offset) / other.gain)


@dataclass(frozen=True, slots=True, eq=False)
class RegistrationImage:
    """A frame at the size at which frames are compared.

    Attributes:
        image: The picture, uint8 (h, w, 3).
        grey: Its brightness, uint8 (h, w).
        known: 255 where nothing is removed, uint8 (h, w).
        scale: The size as a share of the frame's.
    """

    image: Frame
    grey: NDArray[np.uint8]
    known: NDArray[np.uint8]
    scale: float

    @classmethod
    def of(cls, image: Frame, mask: Mask) -> Self:
        """Reduce a frame, uint8 (H, W, 3), and its mask to at most 960 pixels of width."""
        image, known, scale = reduce_picture(image, mask, MAX_WIDTH_PX)
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        return cls(image, grey, known * np.uint8(255), scale)

    def to_small(self, homography: Homography) -> Homography:
        """Return a homography between two frames as one between their reduced pictures."""
        resize = resize_homography(self.scale)
        return np.asarray(resize @ homography @ invert_homography(resize), np.float64)

    def to_frame(self, homography: Homography) -> Homography:
        """Return a homography between reduced pictures as one between their frames."""
        resize = resize_homography(self.scale)
        return np.asarray(invert_homography(resize) @ homography @ resize, np.float64)


@dataclass(frozen=True, slots=True)
class Registration:
    """How a frame lies in another.

    Attributes:
        homography: From pixels of the frame to pixels of the other, (3, 3).
        light: What makes the frame's colours those of the other.
        residual_grey: The mean difference of their brightness after that, where both are known,
            each averaged over 5 x 5 pixels.
    """

    homography: Homography
    light: Light
    residual_grey: float


def register(
    frame: RegistrationImage, other: RegistrationImage, guess: Homography
) -> Registration | None:
    """Find how a frame lies in another one of the same size, from about where it does.

    The other frame is moved to where the guess says that it lies; points are followed from the
    frame to there, in its light, and a homography is fitted to what is left. That is done twice.

    Args:
        frame: The frame.
        other: The other frame.
        guess: The homography from pixels of the frame to pixels of the other, (3, 3).

    Returns:
        None if too few points say the same.
    """
    homography = frame.to_small(guess)
    for _ in range(_ROUNDS):
        found = _compare(frame, other, homography)
        if found is None:
            return None
        # Points are followed where they look the same: light that differs would pull at them.
        better = _follow(frame, found.in_own_light, found.seen)
        if better is None:
            return None
        homography = homography @ better
    found = _compare(frame, other, homography)
    if found is None:
        return None
    return Registration(frame.to_frame(homography), found.light, found.residual_grey)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Another frame where a homography moves it to.

    Attributes:
        in_own_light: Its picture in the light of the frame, uint8 (h, w, 3).
        seen: Where both are known, bool (h, w).
        light: What makes the frame's colours those of the other.
        residual_grey: As in :class:`Registration`.
    """

    in_own_light: Frame
    seen: Mask
    light: Light
    residual_grey: float


def _compare(
    frame: RegistrationImage, other: RegistrationImage, homography: Homography
) -> _Comparison | None:
    """Compare a frame with another that is moved to it; None if they hardly overlap."""
    moved, known = _move(other, homography, frame.grey.shape)
    seen: Mask = (known > 0) & (frame.known > 0)
    inner = cv2.erode(seen.view(np.uint8), np.ones(_BLUR_PX, np.uint8)) > 0
    if np.count_nonzero(inner) < _MIN_COMPARED:
        return None
    here, there = (np.asarray(cv2.blur(each, _BLUR_PX))[inner] for each in (frame.image, moved))
    step = -(-len(here) // _MAX_COMPARED)
    light = _compare_light(here[::step], there[::step])
    residual = np.abs((here * light.gain + light.offset).mean(axis=1) - there.mean(axis=1))
    own = np.clip(np.rint((moved - light.offset) / light.gain), 0, 255).astype(np.uint8)
    return _Comparison(own, seen, light, float(residual.mean()))


def _move(
    other: RegistrationImage, homography: Homography, shape: tuple[int, ...]
) -> tuple[Frame, NDArray[np.uint8]]:
    """Return another picture as the frame would see it, and 255 where it is known there."""
    size = (shape[1], shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpPerspective(
        other.image, homography, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    known = cv2.warpPerspective(other.known, homography, size, flags=flags)
    return np.asarray(moved, np.uint8), np.where(known == 255, np.uint8(255), np.uint8(0))


def _follow(frame: RegistrationImage, moved: Frame, seen: Mask) -> Homography | None:
    """Return the homography from a frame to a picture that was moved to about its place.

    Args:
        frame: The frame.
        moved: The picture, uint8 (h, w, 3).
        seen: Where both are known, bool (h, w).
    """
    both = cv2.erode(seen.view(np.uint8), np.ones((9, 9), np.uint8))
    distance_px = max(4, round(0.6 * float(np.sqrt(both.size / _MAX_POINTS))))
    # The surroundings of a point are compared too, far around where they are reduced: what is
    # removed from either must not pull at it, and what is grey in both alike does not.
    here, there = (
        np.where(seen, grey, np.uint8(128))
        for grey in (frame.grey, cv2.cvtColor(moved, cv2.COLOR_RGB2GRAY))
    )
    points = cv2.goodFeaturesToTrack(here, _MAX_POINTS, 0.005, distance_px, mask=both)
    if points is None:
        return None
    start = np.asarray(points.reshape(-1, 2), np.float32)
    end, good = follow_points(here, there, start)
    fits = (fit_homography(start[good], end[good], _MIN_POINTS, t) for t in _TOLERANCES_PX)
    return next((fit for fit in fits if fit is not None), None)


def _compare_light(colours: Frame, wanted: Frame) -> Light:
    """Return what makes colours (n, 3) the wanted ones (n, 3), but for things that moved.

    The factor is the ratio of their spreads: a fit by least squares would make it smaller the more
    noise there is, and the picture fainter from frame to frame.
    """
    gain, offset = np.ones(3), np.zeros(3)
    for channel in range(3):
        here = colours[:, channel].astype(np.float64)
        there = wanted[:, channel].astype(np.float64)
        between = (np.minimum(here, there) >= _DARKEST) & (np.maximum(here, there) <= _BRIGHTEST)
        here, there = here[between], there[between]
        for _ in range(3):
            if len(here) < _MIN_COMPARED or min(here.std(), there.std()) < 1:
                break
            if np.corrcoef(here, there)[0, 1] < _MIN_CORRELATION:
                break
            gain[channel] = there.std() / here.std()
            offset[channel] = there.mean() - gain[channel] * here.mean()
            error = np.abs(there - gain[channel] * here - offset[channel])
            near = error <= 2.5 * max(float(np.median(error)), 1.0)
            here, there = here[near], there[near]
    middle_moves = np.abs(gain * 128 + offset - 128)
    if (middle_moves < _LEAST_CHANGE_GREY).all() and (np.abs(gain - 1) < _LEAST_GAIN).all():
        return Light.identity()
    return Light(gain, offset)
