import numpy as np
import pytest

from outtake.core.errors import ConfigError, UnknownClassError
from outtake.data.augmentation import Augmentation
from outtake.data.mixing import CopyPaste, Mosaic

NAMES, IGNORED = ("street", "pole", "car"), 255


def sample(value, label, size=(40, 60)):
    """A picture of one value in which all is one class."""
    return np.full((*size, 3), value, np.uint8), np.full(size, label, np.uint8)


def other():
    """A street with a pole and a car, and a part that nobody labelled."""
    image, mask = sample(10, 0)
    mask[5:30, 20:23], image[5:30, 20:23] = 1, 200
    mask[25:35, 40:55], image[25:35, 40:55] = 2, 150
    mask[:, :5] = IGNORED
    return image, mask


def paste(seed=0, **options):
    given = {"p": 1.0, "scale": (1, 1), "shift": 0.0, **options}
    image, mask = sample(90, 0)
    step = CopyPaste(NAMES, IGNORED, **given)
    return step(image, mask, np.random.default_rng(seed), other)


def test_what_is_named_is_pasted_with_its_labels_and_nothing_else():
    both = set()
    for seed in range(10):
        image, mask = paste(seed, classes=["pole"])
        assert set(np.unique(mask)) == {0, 1}
        assert (mask == 1).sum() == 25 * 3
        assert (image[mask == 1] == 200).all() and (image[mask == 0] == 90).all()
        rows, columns = np.nonzero(mask == 1)
        assert rows.min() == 5 and rows.max() == 29, "it stays at its height"
        both.add(int(columns.min()))
    assert both == {20, 37}, "as it stood, or mirrored"


def test_without_names_half_of_the_classes_are_pasted():
    pasted = [frozenset(np.unique(paste(seed)[0])) - {90} for seed in range(40)]
    assert all(len(values) == 1 for values in pasted), "one of three, and never the unlabelled"
    assert set().union(*pasted) == {10, 200, 150}


def test_objects_are_enlarged_and_moved():
    areas, tops = set(), set()
    for seed in range(30):
        _, mask = paste(seed, classes=["car"], scale=(0.5, 2.0), shift=0.2)
        areas.add(int((mask == 2).sum()))
        tops.add(int(np.nonzero(mask == 2)[0].min()))
    assert min(areas) < 0.6 * 150 and max(areas) > 1.5 * 150 and len(tops) > 5


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_samples_of_other_sizes_and_any_channels(channels):
    image = np.full((80, 120, channels), 7, np.uint8)
    mask = np.full((80, 120), 2, np.uint8)
    base = np.zeros((40, 60, channels), np.uint8), np.zeros((40, 60), np.uint8)
    step = CopyPaste(NAMES, IGNORED, classes=["car"], p=1.0, scale=(1, 1), shift=0)
    pasted, labels = step(*base, np.random.default_rng(0), lambda: (image, mask))
    assert pasted.shape == (40, 60, channels) and pasted.dtype == np.uint8
    assert (labels == 2).mean() > 0.95 and (pasted[labels == 2] > 0).all()
    small = np.full((8, 8, channels), 9, np.uint8), np.full((8, 8), 1, np.uint8)
    whole, labels = Mosaic(IGNORED, p=1.0)(*base, np.random.default_rng(0), lambda: small)
    assert whole.shape == (40, 60, channels) and set(np.unique(labels)) == {0, 1, IGNORED}


def test_a_mosaic_is_of_four_samples():
    values = iter(range(1, 100))
    step = Mosaic(IGNORED, p=1.0)
    seen = set()
    for seed in range(10):
        image, mask = step(
            *sample(100, 0), np.random.default_rng(seed), lambda: sample(next(values), 1)
        )
        parts = np.unique(image)
        assert len(parts) == 4 and 100 in parts
        assert np.array_equal(mask == 0, image[..., 0] == 100)
        row = np.flatnonzero(np.diff(image[:, 0, 0].astype(int)))[0] + 1
        assert 10 <= row <= 30
        seen.add(int(row))
    assert len(seen) > 4


def test_the_arguments_stay_and_draws_depend_on_seed_epoch_and_index():
    image, mask = other()
    before = image.copy(), mask.copy()
    mixing = [CopyPaste(NAMES, IGNORED, p=1.0), Mosaic(IGNORED, p=1.0)]
    augmentation = Augmentation([], None, IGNORED, 3, mixing)

    def draw_other(draws):
        return sample(int(draws.integers(100)), 1)

    first = augmentation(image, mask, 1, 2, draw_other)
    again = augmentation(image, mask, 1, 2, draw_other)
    elsewhere = augmentation(image, mask, 2, 2, draw_other)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], elsewhere[0])
    assert np.array_equal(image, before[0]) and np.array_equal(mask, before[1])
    assert np.array_equal(augmentation(image, mask, 1, 2)[0], image), "nobody to mix with"


def test_wrong_options_are_named():
    with pytest.raises(UnknownClassError, match="'tram'"):
        CopyPaste(NAMES, IGNORED, classes=["tram"])
    with pytest.raises(ConfigError, match=r"augment.mix: scale=\[2, 1\]"):
        CopyPaste(NAMES, IGNORED, scale=(2, 1))
    for options in ({"p": 2}, {"middle": 0.6}):
        with pytest.raises(ConfigError, match=r"augment.mix"):
            Mosaic(IGNORED, **options)
