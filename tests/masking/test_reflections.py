"""What the ground mirrors of objects joins their masks, and what it does not mirror does not."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from outtake.core.frames import LabelledFrame, MaskedFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.data.scenes import Scenes
from outtake.masking.mask_statistics import measure_masks
from outtake.masking.policy import MaskPolicy

OBJECTS = ["car", "person", "ball"]


def street(wet: bool, count: int) -> tuple[list[LabelledFrame], list[np.ndarray]]:
    """A clip of a street, and where its road mirrors objects."""
    clip = Scenes(height=150, width=240, wet=wet).clip("val", 0, count)
    scenes = list(clip)
    items = [
        LabelledFrame(TimedFrame(scene.image, number, Fraction(1, 24)), scene.labels, clip.labels)
        for number, scene in enumerate(scenes)
    ]
    return items, [scene.reflection for scene in scenes]


def policy(labels: LabelSpace, **options: object) -> MaskPolicy:
    return MaskPolicy.from_names(labels, remove=OBJECTS, dilate=0, **options)


def grown(mask: np.ndarray) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0


def test_reflections_on_a_wet_road_join_the_mask():
    items, reflections = street(wet=True, count=40)
    space = items[0].label_space
    found = wrong = missed = 0
    pairs = zip(policy(space, reflections=True)(items), policy(space)(items), strict=True)
    for number, (item, without) in enumerate(pairs):
        assert item.mask[without.mask].all()
        assert item.statistics.shadow_share is None
        share = 1 - without.mask.sum() / item.mask.sum()
        assert item.statistics.reflection_share == pytest.approx(share)
        near = grown(without.mask)
        if not 12 <= number < 28:
            continue
        added, truth = item.mask & ~near, reflections[number] & ~near
        found += int((added & truth).sum())
        wrong += int((added & ~truth).sum())
        missed += int((truth & ~added).sum())
    assert found / (found + wrong) > 0.7
    assert found / (found + missed) > 0.7


def test_a_dry_road_mirrors_nothing():
    items, _ = street(wet=False, count=24)
    space = items[0].label_space
    masks = list(policy(space, reflections=True)(items))
    added = sum(int(item.mask.sum()) for item in masks)
    objects = sum(int(item.mask.sum()) for item in policy(space)(items))
    assert added <= 1.005 * objects


def sliding_picture(mirrored: str, count: int = 24, step_px: int = 8) -> list[LabelledFrame]:
    """A picture that slides over ground, with something below it that slides along.

    Args:
        mirrored: What is there: ``mirror``, the picture upside down, faint; ``upright``, as it is;
            ``shadow``, darker ground; ``nothing``.
        count: The number of frames.
        step_px: How far it slides from one frame to the next.
    """
    draw = np.random.default_rng(0)
    ground = cv2.resize(draw.integers(90, 200, (16, 40, 3), np.uint8), (240, 120))
    picture = cv2.resize(draw.integers(0, 255, (6, 5, 3), np.uint8), (30, 36))
    space = LabelSpace.from_names(("ground", "picture"))
    items = []
    for number in range(count):
        image, labels = ground.copy(), np.zeros((120, 240), np.uint8)
        x = 8 + step_px * number
        below = image[76:112, x : x + 30]
        if mirrored == "mirror":
            below[:] = cv2.addWeighted(below, 0.65, picture[::-1], 0.35, 0)
        elif mirrored == "upright":
            below[:] = cv2.addWeighted(below, 0.65, picture, 0.35, 0)
        elif mirrored == "shadow":
            below[:] = below * 0.6
        image[40:76, x : x + 30] = picture
        labels[40:76, x : x + 30] = 1
        items.append(LabelledFrame(TimedFrame(image, number, Fraction(1, 25)), labels, space))
    return items


def mask_of(items: list[LabelledFrame], **options: object) -> list[MaskedFrame]:
    return list(MaskPolicy([1], dilate=0, **options)(items))


@pytest.mark.parametrize(
    ("below", "is_found"),
    [("mirror", True), ("upright", False), ("shadow", False), ("nothing", False)],
)
def test_only_the_object_upside_down_is_its_reflection(below, is_found):
    items = sliding_picture(below)
    patch = mask_of(items, reflections=True)[12].mask[78:110, 106:132]
    assert patch.mean() > 0.9 if is_found else patch.mean() < 0.05


def test_a_shadow_and_a_reflection_are_told_apart_in_shares():
    items = sliding_picture("shadow")
    found = mask_of(items, shadows=True, reflections=True)[12].statistics
    assert found.shadow_share > 0.2 and found.reflection_share == 0


def test_what_was_added_is_still_known_after_masks_were_measured():
    policy = MaskPolicy([1], dilate=0, shadows=True, reflections=True)
    measured = list(measure_masks(policy(sliding_picture("nothing", 3))))
    assert all(one.statistics.shadow_share == 0 for one in measured)
    assert all(one.statistics.reflection_share == 0 for one in measured)
    assert measured[1].statistics.jump is not None


def test_a_mask_with_reflections_depends_on_its_neighbourhood_only():
    items = sliding_picture("mirror", 60, 3)
    small = [
        LabelledFrame(
            TimedFrame(np.ascontiguousarray(one.frame.image[::2, ::2]), number, Fraction(1, 25)),
            np.ascontiguousarray(one.labels[::2, ::2]),
            one.label_space,
        )
        for number, one in enumerate(items)
    ]
    with_reflections = MaskPolicy([1], dilate=0, vote=1, reflections=True)
    reach = with_reflections.context_frames
    assert reach == 41
    whole = [item.mask for item in with_reflections(small)]
    first = 46
    part = [item.mask for item in with_reflections(small[first - reach :])]
    for number in range(first, len(small)):
        assert np.array_equal(part[number - first + reach], whole[number]), number


def test_without_an_object_there_is_no_reflection():
    items = [
        LabelledFrame(item.frame, np.zeros_like(item.labels), item.label_space)
        for item in sliding_picture("mirror", 8)
    ]
    assert not any(item.mask.any() for item in mask_of(items, reflections=True))


def test_small_frames_pass():
    frame = TimedFrame(np.zeros((5, 7, 3), np.uint8), 0, Fraction(1, 25))
    space = LabelSpace.from_names(("ground", "block"))
    items = [LabelledFrame(frame, np.eye(5, 7, dtype=np.uint8), space) for _ in range(4)]
    assert len(mask_of(items, reflections=True)) == 4
