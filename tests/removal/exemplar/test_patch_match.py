import numpy as np
import pytest

from outtake.removal.exemplar.patch_match import RADIUS_PX, match_patches


def find(values, min_distance_px, sweeps=6):
    numbers = np.full(values.shape[:2], -1, np.int32)
    inner = (slice(RADIUS_PX, -RADIUS_PX),) * 2
    patches = np.stack(np.nonzero(np.ones(values.shape[:2])[inner]), axis=1) + RADIUS_PX
    patches = patches.astype(np.int32)
    numbers[inner] = np.arange(len(patches)).reshape(numbers[inner].shape)
    matches, differences = np.empty_like(patches), np.empty(len(patches), np.float32)
    match_patches(values, patches, numbers, min_distance_px, sweeps, matches, differences)
    return patches, matches, differences


@pytest.fixture(scope="module")
def wallpaper():
    tile = np.random.default_rng(1).normal(0, 40, (12, 9, 3))
    return np.tile(tile, (5, 6, 1)).astype(np.float32)


def test_a_pattern_is_matched_at_its_period(wallpaper):
    patches, matches, differences = find(wallpaper, 5)
    exact = differences < 1e-3
    assert exact.mean() > 0.95
    offsets = (matches - patches)[exact]
    assert not (offsets[:, 0] % 12).any() and not (offsets[:, 1] % 9).any()


def test_a_match_is_far_enough_and_whole(wallpaper):
    patches, matches, _ = find(wallpaper, 20)
    assert np.abs(matches - patches).max(axis=1).min() >= 20
    assert matches.min() >= RADIUS_PX
    assert (matches.max(axis=0) < np.array(wallpaper.shape[:2]) - RADIUS_PX).all()


def test_differences_are_those_of_the_patches_and_the_same_in_every_call(wallpaper):
    noisy = wallpaper + np.random.default_rng(2).normal(0, 5, wallpaper.shape).astype(np.float32)
    noisy = np.rint(noisy * 8) / np.float32(8)
    patches, matches, differences = find(noisy, 5, sweeps=1)
    around = np.arange(-RADIUS_PX, RADIUS_PX + 1)
    for k in range(0, len(patches), 97):
        own, other = (
            noisy[np.ix_(row + around, column + around)] for row, column in (patches[k], matches[k])
        )
        assert np.square(own - other).sum() == pytest.approx(differences[k], rel=1e-4)
    assert np.array_equal(find(noisy, 5, sweeps=1)[1], matches)


def test_nothing_far_enough_is_no_match(wallpaper):
    _, _, differences = find(wallpaper[:20, :20], 100)
    assert np.isinf(differences).all()
