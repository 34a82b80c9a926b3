from __future__ import annotations

import numpy as np
import pytest

from outtake.motion.homography import Homography
from outtake.removal.stitching.compose import lay_out
from outtake.removal.stitching.kept_frames import KeptFrame, find_stretched
from outtake.removal.stitching.registration import Light, RegistrationImage

HEIGHT, WIDTH = 120, 160
# Sixty degrees across.
LENS = np.array([[138.6, 0, 79.5], [0, 138.6, 59.5], [0, 0, 1]])


def turned(degrees: float) -> Homography:
    """From a frame of a camera that turned to one that did not."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    return LENS @ turn @ np.linalg.inv(LENS)


def kept(degrees: list[float]) -> list[KeptFrame]:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), bool)
    small = RegistrationImage.of(image, mask)
    return [
        KeptFrame(number, image, mask, small, turned(angle), Light.identity())
        for number, angle in enumerate(degrees)
    ]


@pytest.mark.parametrize("most", [20, 30, 40])
def test_a_middle_frame_that_looks_far_to_one_side_does_not_stretch_the_others(most: int) -> None:
    frames = kept([*np.linspace(0, most, 25), *[most] * 30, *np.linspace(most, -most, 50)])
    canvas = lay_out(frames, 16384)
    assert canvas.scale == 1
    assert max(canvas.height, canvas.width) < 6 * WIDTH
    relative = np.stack([canvas.from_first @ one.to_first for one in frames])
    assert not find_stretched(relative, (HEIGHT, WIDTH)).any()
    # Of those that stretch none, it is the one nearest to the middle.
    nearer = [one for one in frames if abs(one.number - 52) < abs(canvas.reference - 52)]
    for one in nearer:
        others = np.linalg.inv(one.to_first) @ np.stack([other.to_first for other in frames])
        assert find_stretched(others, (HEIGHT, WIDTH)).any()


def test_a_frame_in_the_middle_that_stretches_none_keeps_its_shape() -> None:
    assert lay_out(kept([0, 10, 20, 10, 0]), 16384).reference == 2


def test_of_many_frames_few_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def count(homographies: Homography, shape: tuple[int, ...]) -> np.ndarray:
        tried.append(shape)
        return find_stretched(homographies, shape)

    monkeypatch.setattr("outtake.removal.stitching.compose.find_stretched", count)
    # None but the first few stretches none.
    canvas = lay_out(kept([0] * 5 + [40] * 900 + [-40] * 95), 16384)
    assert canvas.reference < 5
    assert len(tried) <= 64
