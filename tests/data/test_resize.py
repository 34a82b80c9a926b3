import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.data.resize import resize_labels, resize_short_side, short_side_size


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((360, 480), 180, (180, 240)),
        ((480, 360), 180, (240, 180)),
        ((100, 100), 33, (33, 33)),
        ((30, 480), 256, (256, 4096)),
        ((7, 9), None, (7, 9)),
    ],
)
def test_the_short_side_is_what_was_asked_for(size, short_side, expected):
    assert short_side_size(*size, short_side) == expected
    assert resize_short_side(np.zeros(size, np.uint8), short_side).shape == expected


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((1, 160), 256, (256, 4096)),
        ((160, 1), 256, (4096, 256)),
        ((29, 480), 256, (256, 4096)),
        ((64, 8192), 48, (48, 6144)),
        ((64, 8192), 64, (64, 8192)),
    ],
)
def test_a_strip_is_enlarged_to_a_bounded_size_and_shrunk_in_proportion(size, short_side, expected):
    assert short_side_size(*size, short_side) == expected


def test_shrinking_averages_and_growing_interpolates():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    area = cv2.resize(image, (30, 20), interpolation=cv2.INTER_AREA)
    linear = cv2.resize(image, (120, 80), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(resize_short_side(image, 20), area)
    assert np.array_equal(resize_short_side(image, 80), linear)


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 9])
@pytest.mark.parametrize("short_side", [11, 57])
def test_every_channel_is_resized_as_if_alone(channels, short_side):
    image = np.random.default_rng(0).integers(0, 256, (24, 36, channels), dtype=np.uint8)
    resized = resize_short_side(image, short_side)
    assert resized.shape[2] == channels
    for channel in range(channels):
        alone = resize_short_side(np.ascontiguousarray(image[..., channel]), short_side)
        assert np.array_equal(resized[..., channel], alone)


def test_labels_stay_labels_and_do_not_shift():
    mask = np.kron(np.array([[0, 255], [7, 3]], np.uint8), np.ones((8, 8), np.uint8))
    for short_side in (8, 12, 48):
        resized = resize_short_side(mask, short_side, "nearest")
        assert set(np.unique(resized)) == {0, 3, 7, 255}
        assert np.array_equal(np.rot90(resized, 2), resize_short_side(
            np.ascontiguousarray(np.rot90(mask, 2)), short_side, "nearest"
        ))  # fmt: skip


def test_a_size_below_one_is_refused():
    with pytest.raises(ConfigError, match="short_side is 0"):
        resize_short_side(np.zeros((4, 4), np.uint8), 0)


def test_points_and_scribbles_keep_their_labels_where_they_shrink():
    mask = np.full((90, 120), 255, np.uint8)
    points = [(3, 5, 0), (44, 61, 1), (89, 119, 2), (0, 0, 1)]
    for row, column, label in points:
        mask[row, column] = label
    small = resize_labels(mask, 30, 255)
    assert small.shape == (30, 40) and np.count_nonzero(small != 255) == 4
    assert all(small[row // 3, column // 3] == label for row, column, label in points)
    # Between pixels most of them would be lost.
    assert np.count_nonzero(resize_short_side(mask, 30, "nearest") != 255) < 4


def test_other_label_maps_are_those_of_the_nearest_pixel():
    dense = np.random.default_rng(0).choice([0, 1, 255], (90, 120)).astype(np.uint8)
    sparse = np.where(np.random.default_rng(1).random((90, 120)) < 0.01, dense, 255)
    for mask, side in ((dense, 30), (sparse.astype(np.uint8), 180), (dense, None)):
        expected = resize_short_side(mask, side, "nearest")
        assert np.array_equal(resize_labels(mask, side, 255), expected)
