from __future__ import annotations

import numpy as np

from outtake.refine.edges import edge_strength, find_outline


def test_an_edge_is_one_pixel_wide_and_as_strong_as_its_step() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    image[:, 15:] = 255
    faint = np.where(image > 0, 60, 0).astype(np.uint8)
    found, weak = edge_strength(image), edge_strength(faint)
    assert (np.count_nonzero(found > 0.1, axis=1) == 1).all()
    assert 0.3 < weak.max() / found.max() * 4 < 2 and found.max() <= 1
    turned = edge_strength(np.ascontiguousarray(image.transpose(1, 0, 2)))
    assert (np.count_nonzero(turned > 0.1, axis=0) == 1).all()


def test_a_flat_picture_has_no_edge_and_grey_is_as_good_as_colour() -> None:
    assert edge_strength(np.full((9, 9, 3), 99, np.uint8)).max() == 0
    grey = np.random.default_rng(0).integers(0, 256, (9, 12, 1), np.uint8)
    colour = np.repeat(grey, 3, axis=2)
    assert np.allclose(edge_strength(grey), edge_strength(colour))
    for size in ((1, 1), (1, 8), (8, 1)):
        assert edge_strength(np.zeros((*size, 3), np.uint8)).shape == size


def test_the_outline_of_labels_runs_where_they_change() -> None:
    labels = np.zeros((4, 5), np.uint8)
    labels[1:3, 2:4] = 3
    expected = np.zeros((4, 5), bool)
    expected[0, 2:4] = expected[2, 2:4] = expected[1:3, 1] = expected[1:3, 3] = True
    assert np.array_equal(find_outline(labels), expected)
