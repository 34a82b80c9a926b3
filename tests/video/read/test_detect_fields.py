from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from outtake.core.types import TimedFrame
from outtake.video.read.detect_fields import FRAMES, detect_fields

HEIGHT, WIDTH = 96, 144


def moments(count: int, speed_px: float = 1.5) -> list[np.ndarray]:
    """A picture that moves sideways."""
    dice = np.random.default_rng(3)
    world = cv2.resize(
        dice.integers(0, 255, (12, 60, 3), dtype=np.uint8), (5 * WIDTH, HEIGHT),
        interpolation=cv2.INTER_CUBIC,
    )  # fmt: skip
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return [
        cv2.warpAffine(world, np.float32([[1, 0, 20 + speed_px * t], [0, 1, 0]]), (WIDTH, HEIGHT),
                       flags=flags)
        for t in range(count)
    ]  # fmt: skip


def weave(first: np.ndarray, second: np.ndarray, order: str) -> np.ndarray:
    top, bottom = (first, second) if order == "tff" else (second, first)
    woven = top.copy()
    woven[1::2] = bottom[1::2]
    return woven


def clip(pictures: list[np.ndarray]) -> list[TimedFrame]:
    return [TimedFrame(each, t, Fraction(1, 25)) for t, each in enumerate(pictures)]


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_fields_are_told_by_what_is_combed(order):
    both = moments(2 * FRAMES)
    woven = [weave(*pair, order) for pair in zip(both[::2], both[1::2], strict=True)]
    assert detect_fields(iter(clip(woven))) == order


def test_whole_frames_have_none():
    assert detect_fields(clip(moments(FRAMES, speed_px=5))) is None
    assert detect_fields(clip([moments(1)[0]] * FRAMES)) is None
    assert detect_fields([]) is None
    assert detect_fields(clip(moments(3))) is None


def test_film_in_a_video_of_more_frames_has_none():
    # Four frames of film become five of video, two of which are woven of two.
    film, pulled = moments(FRAMES, speed_px=3), []
    for a, b, c, d in zip(film[::4], film[1::4], film[2::4], film[3::4], strict=True):
        pulled += [a, b, weave(b, c, "tff"), weave(c, d, "tff"), d]
    assert detect_fields(clip(pulled)) is None


def test_only_the_beginning_is_read():
    def frames():
        yield from clip(moments(FRAMES))
        raise AssertionError("more was read")

    assert detect_fields(frames()) is None
