import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.data.crop import RandomCrop

POLE, STREET, UNLABELLED = 1, 0, 255


def street():
    """A street with one pole of three pixels, and an unlabelled half."""
    mask = np.full((60, 80), STREET, np.uint8)
    mask[:, 40:] = UNLABELLED
    mask[10:13, 30] = POLE
    image = np.repeat(np.arange(60 * 80, dtype=np.uint16).reshape(60, 80, 1) % 251, 3, 2)
    return image.astype(np.uint8), mask


def share_with_a_pole(crop, count=400):
    image, mask = street()
    draws = np.random.default_rng(0)
    return np.mean([(crop(image, mask, draws)[1] == POLE).any() for _ in range(count)])


def test_a_focus_brings_rare_classes_into_the_crops():
    evenly = share_with_a_pole(RandomCrop((16, 20), 255))
    assert 0.02 < evenly < 0.2
    half = share_with_a_pole(RandomCrop((16, 20), 255, focus=1.0))
    assert half == pytest.approx(0.5 + evenly / 2, abs=0.1), "each class has the same chance"
    assert share_with_a_pole(RandomCrop((16, 20), 255, focus=1.0, classes=[POLE])) == 1.0
    some = share_with_a_pole(RandomCrop((16, 20), 255, focus=0.5, classes=[POLE]))
    assert some == pytest.approx(0.5 + evenly / 2, abs=0.1)


def test_a_focused_crop_lies_within_the_image_and_image_and_mask_go_together():
    image, mask = street()
    crop, draws = RandomCrop((16, 20), 255, focus=1.0), np.random.default_rng(0)
    corners = set()
    for _ in range(300):
        cropped, labels = crop(image, mask, draws)
        assert cropped.shape == (16, 20, 3) and labels.shape == (16, 20)
        assert (labels != UNLABELLED).any(), "unlabelled pixels are no class"
        places = [
            (y, x)
            for y, x in zip(*np.nonzero(image[:45, :61, 0] == cropped[0, 0, 0]), strict=True)
            if np.array_equal(image[y : y + 16, x : x + 20], cropped)
        ]
        assert places and any(
            np.array_equal(mask[y : y + 16, x : x + 20], labels) for y, x in places
        )
        corners.add(places[0])
    assert len(corners) > 100


def test_a_focus_on_what_is_not_there_is_an_even_crop():
    image, _ = street()
    empty = np.full((60, 80), UNLABELLED, np.uint8)
    cropped, labels = RandomCrop((16, 20), 255, focus=1.0)(image, empty, np.random.default_rng(0))
    assert cropped.shape == (16, 20, 3) and (labels == UNLABELLED).all()


def test_a_focused_crop_of_a_smaller_image_is_padded():
    image, mask = street()
    crop = RandomCrop((70, 20), 255, focus=1.0, classes=[POLE])
    for seed in range(20):
        cropped, labels = crop(image, mask, np.random.default_rng(seed))
        assert cropped.shape == (70, 20, 3) and (labels == POLE).sum() == 3
        assert (labels == UNLABELLED).sum() >= 10 * 20


@pytest.mark.parametrize("size", [(0, 4), (4,)])
def test_an_impossible_crop_is_refused(size):
    with pytest.raises(ConfigError, match=r"data.crop"):
        RandomCrop(size, 255)


@pytest.mark.parametrize("focus", [-0.1, 1.1, float("nan")])
def test_an_impossible_focus_is_refused(focus):
    with pytest.raises(ConfigError, match=r"data.focus"):
        RandomCrop((4, 4), 255, focus=focus)
