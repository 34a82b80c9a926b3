from fractions import Fraction

import cv2
import numpy as np
import pytest

from outtake.core.frames import LabelledFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.data.scenes import Scenes
from outtake.masking.policy import MaskPolicy

OBJECTS = ["car", "person", "ball"]
COUNT = 54


def street(height: int, width: int, count: int) -> tuple[list[LabelledFrame], list[np.ndarray]]:
    """A clip of a street, and where its shadows are."""
    clip = Scenes(height=height, width=width).clip("val", 3, count)
    items, shadows = [], []
    for number, frame in enumerate(clip):
        timed = TimedFrame(frame.image, number, Fraction(1, 24))
        items.append(LabelledFrame(timed, frame.labels, clip.labels))
        shadows.append(frame.shadow)
    return items, shadows


def policy(labels: LabelSpace, **options: object) -> MaskPolicy:
    return MaskPolicy.from_names(labels, remove=OBJECTS, dilate=0, shadows=True, **options)


def test_shadows_on_scenes_join_the_mask():
    items, shadows = street(150, 240, 40)
    space = items[0].label_space
    found = wrong = missed = 0
    plain = MaskPolicy.from_names(space, remove=OBJECTS, dilate=0)
    for number, (item, without) in enumerate(zip(policy(space)(items), plain(items), strict=True)):
        assert item.mask[without.mask].all()
        if not 16 <= number < 24:
            continue
        near = cv2.dilate(without.mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        added, truth = item.mask & ~near, shadows[number] & ~near
        found += int((added & truth).sum())
        wrong += int((added & ~truth).sum())
        missed += int((truth & ~added).sum())
    assert found / (found + wrong) > 0.8
    assert found / (found + missed) > 0.8


def test_a_mask_with_shadows_depends_on_its_neighbourhood_only():
    items, _ = street(60, 96, COUNT)
    with_shadows = policy(items[0].label_space, vote=1)
    reach = with_shadows.context_frames
    assert reach == 25
    whole = [item.mask for item in with_shadows(items)]
    first = 27
    part = [item.mask for item in with_shadows(items[first - reach :])]
    for number in range(first, COUNT):
        assert np.array_equal(part[number - first + reach], whole[number]), number


def sliding_block(shade: float) -> list[LabelledFrame]:
    """A block that slides over ground, with a patch of another brightness beneath it."""
    draw = np.random.default_rng(0)
    ground = cv2.resize(draw.integers(90, 200, (24, 40, 3), np.uint8), (160, 96))
    space = LabelSpace.from_names(("ground", "block"))
    items = []
    for number in range(34):
        image, labels = ground.copy(), np.zeros((96, 160), np.uint8)
        x = 8 + 4 * number
        under = image[64:74, x : x + 20]
        under[:] = np.clip(under * shade, 0, 255)
        image[40:64, x : x + 20] = (30, 60, 220)
        labels[40:64, x : x + 20] = 1
        items.append(LabelledFrame(TimedFrame(image, number, Fraction(1, 25)), labels, space))
    return items


@pytest.mark.parametrize(("shade", "is_shadow"), [(0.55, True), (1.2, False), (0.1, False)])
def test_only_what_is_darker_and_not_black_is_a_shadow(shade, is_shadow):
    items = sliding_block(shade)
    out = list(MaskPolicy([1], dilate=0, shadows=True)(items))
    x = 8 + 4 * 17
    patch = out[17].mask[66:73, x + 2 : x + 18]
    assert patch.mean() > 0.9 if is_shadow else patch.mean() < 0.1


def test_a_shadow_takes_nothing_of_the_foreground():
    items = sliding_block(0.55)
    for item in items:
        item.labels[69:] = 2
    out = list(MaskPolicy([1], dilate=0, shadows=True, foreground=[2])(items))
    x = 8 + 4 * 17
    patch = out[17].mask[66:73, x + 2 : x + 18]
    assert patch[:3].mean() > 0.9 and not patch[3:].any()


def test_without_an_object_there_is_no_shadow():
    items = sliding_block(0.55)
    empty = [
        LabelledFrame(item.frame, np.zeros_like(item.labels), item.label_space) for item in items
    ]
    assert not any(item.mask.any() for item in MaskPolicy([1], shadows=True)(empty))


def test_small_frames_pass():
    frame = TimedFrame(np.zeros((5, 7, 3), np.uint8), 0, Fraction(1, 25))
    space = LabelSpace.from_names(("ground", "block"))
    items = [LabelledFrame(frame, np.eye(5, 7, dtype=np.uint8), space) for _ in range(4)]
    assert len(list(MaskPolicy([1], shadows=True)(items))) == 4
