from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import pytest

from outtake.motion.tracking import CameraTracker
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, texture, view


def shots(frames: list[np.ndarray]) -> list[int]:
    tracker, nothing = CameraTracker(), np.zeros((HEIGHT, WIDTH), bool)
    return [tracker.update(frame, nothing).shot for frame in frames]


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_between_similar_pictures_is_detected_and_a_fast_pan_is_none(seed):
    first, second = texture(2 * seed), texture(2 * seed + 1)
    frames = [view(first, 12 * t) for t in range(8)] + [view(second, 12 * t) for t in range(8)]
    assert shots(frames) == [0] * 8 + [1] * 8


def flash(kind: str, frame: np.ndarray, number: int) -> np.ndarray:
    if kind == "noise":
        dice = np.random.default_rng(number)
        return dice.integers(0, 255, frame.shape, dtype=np.uint8)
    if kind == "bright":
        return np.clip(frame * 2.2 + 120.0, 0, 255).astype(np.uint8)
    return np.full_like(frame, 255 if kind == "white" else 0)


@pytest.mark.parametrize("kind", ["white", "black", "bright", "noise"])
@pytest.mark.parametrize("length", [1, 3])
def test_a_shot_goes_on_after_a_flash(kind, length):
    first, second = texture(0), texture(1)
    frames = [view(first, 3 * t) for t in range(16)] + [view(second, 3 * t) for t in range(4)]
    frames[8 : 8 + length] = [flash(kind, frames[8 + t], t) for t in range(length)]
    found = shots(frames)
    assert found[:8] == [0] * 8
    assert 0 not in found[8 : 8 + length]
    assert found[8 + length : 16] == [0] * (8 - length)
    assert len(set(found[16:])) == 1
    assert found[16] not in found[:16]


def test_what_is_shown_again_much_later_is_another_shot():
    first, second = texture(0), texture(1)
    frames = [view(first, 3 * t) for t in range(16)]
    frames[6:12] = [view(second, 3 * t) for t in range(6)]
    assert shots(frames) == [0] * 6 + [1] * 6 + [2] * 4


@pytest.mark.parametrize("frames", [8, 24])
def test_a_fade_is_no_series_of_cuts(frames):
    first, second = texture(4), texture(5)
    dice = np.random.default_rng(0)
    down = [view(first, 20 + t) * (1 - min(1, max(0, (t - 5) / frames))) for t in range(frames + 8)]
    up = [view(second, 20 + t) * min(1, t / frames) for t in range(frames + 8)]
    noisy = [
        np.clip(image + dice.normal(0, 1, image.shape), 0, 255).astype(np.uint8)
        for image in down + up
    ]
    found = shots(noisy)
    assert found[0] != found[-1]
    assert len(set(found)) <= 5


def in_and_out(length: int, frames: int) -> np.ndarray:
    """Return how much of each picture is left, from 0 to 0."""
    return np.clip(np.minimum(np.arange(frames), np.arange(frames)[::-1]) / length, 0, 1)


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize("speed", [0, 2])
@pytest.mark.parametrize("length", [5, 12])
def test_a_shot_is_one_from_its_fade_in_to_its_fade_out(colour, speed, length):
    world, dice, frames = texture(4), np.random.default_rng(0), 30
    clip = []
    for t, left in enumerate(in_and_out(length, frames)):
        picture = view(world, 20 + speed * t) + dice.normal(0, 1.5, (HEIGHT, WIDTH, 3))
        faded = np.rint(picture * left + colour * (1 - left))
        clip.append(np.clip(faded, 0, 255).astype(np.uint8))
    found = shots(clip)
    assert found[2:-2] == [found[2]] * (frames - 4)


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize("blank", [0, 1, 8])
def test_a_dip_between_two_scenes_and_a_cut_out_of_a_fade_divide_them(colour, blank):
    first, second = texture(4), texture(5)
    down, up = np.linspace(1, 0.1, 10), np.linspace(0.1, 1, 10)
    out = [view(first, 20 + t) * left + colour * (1 - left) for t, left in enumerate(down)]
    back = [view(second, 20 + t) * left + colour * (1 - left) for t, left in enumerate(up)]
    between = [np.full((HEIGHT, WIDTH, 3), colour)] * blank
    for following in (back, back[::-1]):
        found = shots([np.rint(each).astype(np.uint8) for each in out + between + following])
        assert found[:10] == [0] * 10 and 0 not in found[10:]
        assert len(set(found[12 + blank : -2])) == 1


def room(seed: int, width: int) -> np.ndarray:
    """Draw a wall with eight things in front of it, which is little to follow: float (h, w, 3)."""
    dice = np.random.default_rng(seed)
    rows, columns = np.mgrid[:240, :width]
    picture = (120 + 40 * columns / width - 20 * rows / 240)[..., None] * np.ones(3)
    for _ in range(8):
        y, x = dice.integers(5, 200), dice.integers(5, width - 50)
        height, breadth = dice.integers(10, 50, 2)
        picture[y : y + height, x : x + breadth] = dice.integers(20, 235, 3)
    return cv2.GaussianBlur(picture, (0, 0), 1)


def film_with_noise(pictures: Iterable[np.ndarray], sigma: float) -> list[int]:
    """Return the shots of noisy frames, in which a thing that is removed walks to the right."""
    dice, tracker, found = np.random.default_rng(9), CameraTracker(), []
    for t, picture in enumerate(pictures):
        mask = np.zeros(picture.shape[:2], bool)
        mask[50:210, 20 + 3 * t : 90 + 3 * t] = True
        noisy = np.rint(picture + dice.normal(0, sigma, picture.shape))
        found.append(tracker.update(np.clip(noisy, 0, 255).astype(np.uint8), mask).shot)
    return found


@pytest.mark.parametrize("speed", [0, 1])
def test_noise_where_there_is_little_to_follow_is_no_dissolve(speed):
    for seed in range(2):
        wide = room(seed, 370)
        frames = [wide[:, speed * t : speed * t + 320] for t in range(40)]
        assert film_with_noise(frames, 3) == [0] * 40


def test_a_dissolve_from_one_such_room_to_another_is_still_one():
    one, other = room(0, 320), room(5, 320)
    shares = np.clip((np.arange(50) - 15) / 16, 0, 1)
    found = film_with_noise([one + share * (other - one) for share in shares], 3)
    assert found[:15] == [0] * 15 and found[-1] > 0 and len(set(found[34:])) == 1
