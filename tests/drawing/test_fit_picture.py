import numpy as np
import pytest

from outtake.drawing.fit_picture import fit_picture

PICTURE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)


@pytest.mark.parametrize(
    ("limits", "size"), [((45,), (30, 45)), ((45, 45), (30, 45)), ((90, 20), (20, 30))]
)
def test_a_large_picture_shrinks_in_its_proportions(limits, size):
    assert fit_picture(PICTURE, *limits).shape == (*size, 3)


def test_a_small_picture_stays_as_it_is_unless_it_is_to_grow():
    assert fit_picture(PICTURE, 90) is PICTURE and fit_picture(PICTURE, 500, 500) is PICTURE
    assert fit_picture(PICTURE, 180, enlarge=True).shape == (120, 180, 3)


def test_a_strip_keeps_at_least_one_pixel():
    assert fit_picture(PICTURE[:1], 9).shape == (1, 9, 3)


def test_shrunk_labels_are_labels():
    labels = np.random.default_rng(0).choice([0, 7, 255], (60, 90)).astype(np.uint8)
    assert set(np.unique(fit_picture(labels, 31, labels=True))) <= {0, 7, 255}
