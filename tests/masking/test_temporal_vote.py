from fractions import Fraction

import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.core.frames import LabelledFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.masking.policy import MaskPolicy

SPACE = LabelSpace.from_names(("road", "car", "person"))
SIZE = (180, 320)


def texture(seed: int, height: int = 400, width: int = 600) -> np.ndarray:
    size = (height // 20, width // 20, 3)
    noise = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def scene(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A ball that moves to the right before a camera that pans the other way."""
    height, width = SIZE
    ground, skin = texture(seed), texture(seed + 100, 80, 80)
    left = 60 + 2 * number
    image = ground[100 : 100 + height, left : left + width].copy()
    mask = np.zeros(SIZE, np.uint8)
    centre = (60 + 4 * number, 90)
    cv2.circle(mask, centre, 30, 1, cv2.FILLED)
    box = (slice(centre[1] - 40, centre[1] + 40), slice(centre[0] - 40, centre[0] + 40))
    image[box][mask[box] > 0] = skin[mask[box] > 0]
    return image, mask


def labelled(number: int, image: np.ndarray, mask: np.ndarray) -> LabelledFrame:
    return LabelledFrame(TimedFrame(image, number, Fraction(1, 25)), mask, SPACE)


def clip(frames: int = 12) -> list[LabelledFrame]:
    return [labelled(number, *scene(number)) for number in range(frames)]


def with_mask(item: LabelledFrame, mask: np.ndarray) -> LabelledFrame:
    return LabelledFrame(item.frame, mask, SPACE)


def voted(frames: list[LabelledFrame], **options: object) -> list[np.ndarray]:
    policy = MaskPolicy([1], dilate=0, fill_holes=False, **options)
    return [item.mask for item in policy(iter(frames))]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one > 0, other > 0
    return float((one & other).sum() / max((one | other).sum(), 1))


def test_masks_that_agree_stay_as_they_are():
    still = [labelled(number, *scene(5)) for number in range(5)]
    for mask in voted(still):
        assert np.array_equal(mask, scene(5)[1] > 0)
    moving = clip()
    for mask, item in zip(voted(moving), moving, strict=True):
        assert overlap(mask, item.labels) > 0.92


@pytest.mark.parametrize("missing", [(5,), (5, 6), (0,), (11,)])
def test_a_mask_that_is_missing_is_filled_in(missing):
    frames = clip()
    damaged = list(frames)
    for number in missing:
        damaged[number] = with_mask(frames[number], np.zeros(SIZE, np.uint8))
    for mask, item in zip(voted(damaged), frames, strict=True):
        assert overlap(mask, item.labels) > 0.85
    alone = voted(damaged, vote=0)
    assert not any(alone[number].any() for number in missing)


def test_gaps_that_come_and_go_are_filled():
    frames = clip()
    draw = np.random.default_rng(1)
    damaged = []
    for number, item in enumerate(frames):
        mask = item.labels.copy()
        gap = (60 + 4 * number + int(draw.integers(-15, 15)), 90 + int(draw.integers(-15, 15)))
        damaged.append(with_mask(item, cv2.circle(mask, gap, 11, 0, cv2.FILLED)))
    for mask, item, bad in zip(voted(damaged), frames, damaged, strict=True):
        lost = np.count_nonzero(item.labels) - np.count_nonzero(mask)
        assert lost < 0.4 * (np.count_nonzero(item.labels) - np.count_nonzero(bad.labels))


def test_what_one_frame_saw_alone_is_dropped():
    frames = clip()
    mask = cv2.circle(frames[6].labels.copy(), (260, 40), 12, 1, cv2.FILLED)
    frames[6] = with_mask(frames[6], mask)
    out = voted(frames)
    assert overlap(out[6], scene(6)[1]) > 0.92
    assert all(not item[:60, 240:].any() for item in out)


def test_nothing_is_borrowed_across_a_cut():
    before = clip(4)
    after = [
        labelled(number, scene(number, seed=7)[0], np.zeros(SIZE, np.uint8))
        for number in range(4, 8)
    ]
    out = voted(before + after)
    for mask, item in zip(out[:4], before, strict=True):
        assert overlap(mask, item.labels) > 0.92
    assert not any(mask.any() for mask in out[4:])


def test_a_change_of_exposure_is_no_cut():
    frames = clip()
    for number in range(5, 12):
        brighter = cv2.convertScaleAbs(frames[number].frame.image, alpha=0.8, beta=30)
        frames[number] = labelled(number, brighter, scene(number)[1])
    frames[5] = with_mask(frames[5], np.zeros(SIZE, np.uint8))
    assert overlap(voted(frames)[5], scene(5)[1]) > 0.9


@pytest.mark.parametrize("vote", [0, 1, 2, 3])
def test_a_mask_depends_on_its_neighbourhood_only(vote):
    frames = clip(16)
    frames[7] = with_mask(frames[7], np.zeros(SIZE, np.uint8))
    policy = MaskPolicy([1], vote=vote)
    assert policy.context_frames == vote
    whole = [item.mask for item in policy(frames)]
    for first, last in ((5, 10), (7, 8), (8, 16)):
        begin = max(0, first - vote)
        part = [item.mask for item in policy(frames[begin : last + vote])]
        for number in range(first, last):
            assert np.array_equal(part[number - begin], whole[number]), number


def test_threads_of_opencv_do_not_change_it():
    frames = clip(6)
    frames[3] = with_mask(frames[3], np.zeros(SIZE, np.uint8))
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = voted(frames)
        cv2.setNumThreads(4)
        four = voted(frames)
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(a, b) for a, b in zip(one, four, strict=True))


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (9, 200), (37, 41)])
def test_any_size_will_do(size):
    draw = np.random.default_rng(0)
    frames = [
        labelled(
            number,
            draw.integers(0, 256, (*size, 3), np.uint8),
            draw.integers(0, 2, size, np.uint8),
        )
        for number in range(5)
    ]
    out = list(MaskPolicy([1])(frames))
    assert [item.frame.pts for item in out] == list(range(5))
    assert all(item.mask.shape == size and item.mask.dtype == bool for item in out)


def test_labels_are_not_written_to():
    frames = clip(5)
    frames[2] = with_mask(frames[2], np.zeros(SIZE, np.uint8))
    before = [item.labels.copy() for item in frames]
    list(MaskPolicy([1])(frames))
    assert all(np.array_equal(a.labels, b) for a, b in zip(frames, before, strict=True))


@pytest.mark.parametrize("vote", [-1, 6, 1.5])
def test_votes_out_of_range_are_refused(vote):
    with pytest.raises(ConfigError, match=r"mask\.vote"):
        MaskPolicy([1], vote=vote)
