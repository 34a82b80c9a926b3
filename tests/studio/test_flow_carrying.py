"""Labels of two frames follow what moves between them."""

import cv2
import numpy as np
import pytest

from outtake.studio.flow_carrying import carry_labels, enlarge_labels, reduce_labels

SIZE, COUNT = (96, 128), 7


def frame(number, moves=3):
    """A textured disc that moves before a texture that stays."""
    rng = np.random.default_rng(0)
    soft = [
        cv2.resize(rng.integers(0, 255, (12, 16, 3)).astype(np.uint8), SIZE[::-1]) for _ in "ab"
    ]
    labels = np.zeros(SIZE, np.uint8)
    cv2.circle(labels, (40 + moves * number, 48), 20, 1, cv2.FILLED)
    moved = np.roll(soft[1], moves * number, axis=1)
    return np.where(labels[..., None] == 1, moved, soft[0] // 3), labels


def overlap(one, other):
    return ((one == 1) & (other == 1)).sum() / ((one == 1) | (other == 1)).sum()


@pytest.mark.parametrize("ends", ["both", "before", "after"])
def test_labels_follow_a_disc(ends):
    pairs = [frame(number) for number in range(COUNT)]
    first = pairs[0][1] if ends != "after" else None
    last = pairs[-1][1] if ends != "before" else None
    found = dict(carry_labels((image for image, _ in pairs), first, last))
    missing = {0} if first is not None else set()
    missing |= {COUNT - 1} if last is not None else set()
    assert set(found) == set(range(COUNT)) - missing
    for number, labels in found.items():
        # As they are, labels that are six frames away overlap by less than a third.
        assert overlap(labels, pairs[number][1]) > 0.8, number


def test_what_is_unlabelled_stays_so_and_nothing_is_said_beyond_a_cut():
    images = [frame(0)[0], frame(1)[0], 255 - frame(2)[0]]
    labels = np.full(SIZE, 255, np.uint8)
    labels[:40] = 1
    found = dict(carry_labels(images, labels, None))
    assert (found[1][60:] == 255).all() and (found[1][:30] == 1).mean() > 0.9
    assert (found[2] == 255).mean() > 0.8
    assert dict(carry_labels([], None, None)) == {}


def test_sizes_of_labels():
    labels = frame(0)[1]
    assert reduce_labels(labels) is not None and reduce_labels(labels).shape == SIZE
    large = cv2.resize(labels, (1280, 960), interpolation=cv2.INTER_NEAREST)
    assert reduce_labels(large).shape == (324, 432)
    assert enlarge_labels(labels, SIZE) is labels
    assert overlap(enlarge_labels(reduce_labels(large), (960, 1280)), large) > 0.98
    assert set(np.unique(enlarge_labels(labels, (960, 1280)))) == {0, 1}
