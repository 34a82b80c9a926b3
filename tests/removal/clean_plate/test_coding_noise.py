import cv2
import numpy as np
import pytest

from outtake.removal.clean_plate.coding_noise import measure_coding_noise
from tests.removal.clean_plate.clips import texture


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return cv2.cvtColor(texture(1, 160, 240), cv2.COLOR_RGB2GRAY)


def code_as_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def nothing(picture: np.ndarray) -> np.ndarray:
    return np.zeros(picture.shape, bool)


def test_blocks_that_are_coded_coarsely_are_noise(picture):
    found = [
        measure_coding_noise(code_as_jpeg(picture, quality), nothing(picture))
        for quality in (10, 30, 60)
    ]
    assert found[0] > found[1] > found[2] and found[0] > 4


def test_neither_detail_nor_the_noise_of_a_sensor_counts(picture):
    grain = np.random.default_rng(2).normal(0, 8, picture.shape)
    for clean in (picture, np.clip(picture + grain, 0, 255).astype(np.uint8)):
        assert measure_coding_noise(clean, nothing(picture)) < 1
    # Not at the borders of blocks.
    moved = np.roll(code_as_jpeg(picture, 10), 3, (0, 1))
    assert measure_coding_noise(moved, nothing(picture)) == 0


def test_hidden_pixels_do_not_count(picture):
    coded, mask = code_as_jpeg(picture, 10), nothing(picture)
    mask[40:120, 60:180] = True
    found = []
    for hidden in (0, 255):
        coded[mask] = hidden
        found.append(measure_coding_noise(coded, mask))
    assert found[0] == found[1] > 4


def test_a_picture_without_blocks_has_none(picture):
    coded = code_as_jpeg(picture, 10)
    assert measure_coding_noise(coded[:20, :20], nothing(coded[:20, :20])) == 0
    assert measure_coding_noise(coded, ~nothing(picture)) == 0
    assert measure_coding_noise(coded[:1, :1], nothing(coded[:1, :1])) == 0
