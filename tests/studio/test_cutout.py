"""Cut-outs: the object of a frame on a transparent ground, its rim hard, soft or fitted."""

import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.studio.cutout import Edge, crop_to_object, cut_out


@pytest.fixture
def scene():
    """A bright disc whose labels are 2 px too large, on a dark ground."""
    image = np.full((80, 100, 3), 30, np.uint8)
    cv2.circle(image, (50, 40), 20, (220, 210, 60), cv2.FILLED)
    labels = np.zeros((80, 100), np.uint8)
    cv2.circle(labels, (50, 40), 22, 2, cv2.FILLED)
    labels[:5] = 255
    return image, labels


def test_a_hard_rim_keeps_the_pixels_of_the_class(scene):
    image, labels = scene
    found = cut_out(image, labels, [2], Edge())
    assert np.array_equal(found[..., 3], np.where(labels == 2, 255, 0))
    assert np.array_equal(found[labels == 2][:, :3], image[labels == 2])
    assert not found[labels != 2].any()


def test_a_soft_rim_is_a_ramp_around_the_outline(scene):
    image, labels = scene
    row = cut_out(image, labels, [2], Edge(feather_px=6))[40, :, 3].astype(int)
    assert row[50] == 255 and row[20] == 0
    rim = row[50:80]
    assert (np.diff(rim) <= 0).all() and 5 <= ((rim > 0) & (rim < 255)).sum() <= 7
    inside = np.flatnonzero(labels[40] == 2)[-1]
    assert row[inside] > 127 > row[inside + 1]


def test_a_fitted_rim_goes_to_the_edge_of_the_picture(scene):
    image, labels = scene
    hard, fitted = (cut_out(image, labels, [2], Edge(0, smooth))[..., 3] for smooth in (0, 1))
    true = image[..., 0] > 100
    missed = [np.abs(each / 255 - true).sum() for each in (hard, fitted)]
    assert missed[1] < 0.35 * missed[0]


def test_an_object_at_the_border_is_not_softened_there():
    labels = np.zeros((40, 40), np.uint8)
    labels[:20, :20] = 1
    alpha = cut_out(np.full((40, 40, 3), 9, np.uint8), labels, [1], Edge(feather_px=8))[..., 3]
    assert alpha[0, 0] == 255 and 0 < alpha[0, 19] < 255


def test_cropped_it_says_where_it_was(scene):
    image, labels = scene
    found, (x, y) = crop_to_object(cut_out(image, labels, [2], Edge()))
    assert found.shape == (45, 45, 4) and (x, y) == (50.5, 40.5)


def test_what_is_not_there_cannot_be_cut_out(scene):
    with pytest.raises(ConfigError, match="labelled on this frame"):
        cut_out(*scene, [1], Edge())
