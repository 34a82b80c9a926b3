"""Detail that lies at a wrong place is smoothed, and no other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.tiles import Tiles, cover_with_tiles
from outtake.removal.clean_plate.wrong_detail import (
    find_foreign,
    measure_wrong_share,
    smooth_wrong_detail,
)

HEIGHT, SIDE = 240, 96


def draw_texture(seed: int, side: int = SIDE) -> Floats:
    """Draw grey texture, as fine against its side as that of the others, float32 (s, s, 3)."""
    dice = np.random.default_rng(seed)
    small = dice.normal(128, 30, (SIDE // 3, SIDE // 3, 1)).astype(np.float32).repeat(3, axis=2)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def make_rim(side: int = SIDE) -> np.ndarray:
    """Return the rows and columns of the pixels of a frame of 3 pixels, (2, m)."""
    inside = np.zeros((side, side), bool)
    inside[3:-3, 3:-3] = True
    return np.stack(np.nonzero(~inside))


def measure(truth: Floats, predicted: Floats, height: int = HEIGHT) -> Floats:
    rim = make_rim(len(truth))
    return measure_wrong_share(
        rim, truth[tuple(rim)], predicted[tuple(rim)], truth.shape[:2], height
    )


def make_tiles(side: int = SIDE, height: int = HEIGHT) -> Tiles:
    return cover_with_tiles(np.ones((side, side), bool), 0, 0, height)[0]


def smooth(
    picture: Floats, wrong: Floats | float, dissent: Floats | None = None, height: int = HEIGHT
) -> tuple[Floats, bool]:
    tiles = make_tiles(len(picture), height)
    colours = tiles.gather(picture)
    share = np.broadcast_to(np.float32(wrong), picture.shape[:2]).copy()
    dissent = np.full(len(colours), 4, np.float32) if dissent is None else dissent
    known = np.ones(colours.shape[:2], bool)
    kept, vague = np.zeros(share.shape, bool), np.zeros_like(known)
    is_changed = smooth_wrong_detail(tiles, colours, known, share, dissent, height, kept, vague)
    result = np.empty_like(picture)
    tiles.scatter(colours, result)
    return result, is_changed


def spread_of(picture: Floats) -> float:
    """Return the deviation of what varies within a few pixels."""
    wide = cv2.GaussianBlur(picture, (0, 0), 0.01 * HEIGHT * len(picture) / SIDE)
    return float((picture - wide)[8:-8, 8:-8].std())


def test_detail_that_the_truth_follows_is_not_wrong() -> None:
    truth = draw_texture(0)
    assert not measure(truth, truth).any()
    shade = np.linspace(0, 40, SIDE, dtype=np.float32)[:, None, None]
    assert not measure(truth, truth + shade).any(), "a smooth error is none of the detail"
    noise = np.random.default_rng(1).normal(0, 12, truth.shape).astype(np.float32)
    assert measure(truth + noise, truth).mean() < 0.05, "noise of the frame is none of the fill"


def test_detail_of_another_place_is_all_wrong_and_half_of_it_in_part() -> None:
    truth, other = draw_texture(0), draw_texture(1)
    assert measure(truth, other).mean() > 1
    mixed = measure(truth, 128 + 0.5 * (truth - 128) + 0.5 * (other - 128)).mean()
    assert mixed < 0.5 * measure(truth, other).mean()


def test_the_share_is_larger_where_the_rim_is_worse() -> None:
    truth = draw_texture(0)
    half = np.where(np.arange(SIDE)[:, None, None] < SIDE // 2, truth, draw_texture(1))
    share = measure(truth, half)
    assert share[-20:].mean() > 2 * share[:20].mean()


def test_a_rim_of_a_few_pixels_tells_nothing() -> None:
    rim = make_rim()[:, :19]
    black, white = np.zeros((19, 3), np.float32), np.full((19, 3), 255, np.float32)
    assert not measure_wrong_share(rim, black, white, (SIDE, SIDE), HEIGHT).any()


def test_wrong_detail_is_smoothed_to_its_mean_and_right_detail_is_kept_bit_for_bit() -> None:
    texture = draw_texture(0)
    kept, is_changed = smooth(texture, 0)
    assert not is_changed and np.array_equal(kept, texture)
    gone, is_changed = smooth(texture, 1)
    assert is_changed and spread_of(gone) < 0.35 * spread_of(texture)
    assert gone.mean() == pytest.approx(texture.mean(), abs=0.5)
    assert spread_of(smooth(texture, 0.5)[0]) == pytest.approx(0.6 * spread_of(texture), rel=0.15)


def test_a_place_about_which_samples_disagree_is_smoothed_and_noise_is_not() -> None:
    texture, tiles = draw_texture(0), make_tiles()
    # All disagree: that is noise.
    assert not smooth(texture, 0, np.full(len(tiles.centres), 400, np.float32))[1]
    middle = np.abs(tiles.centres - SIDE / 2).max(axis=1) < 12
    dissent = np.where(middle, np.float32(2000), np.float32(4))
    dissent[0] = np.nan
    found, _ = smooth(texture, 0, dissent)
    inside = slice(SIDE // 2 - 10, SIDE // 2 + 10)
    assert found[inside, inside].std() < 0.7 * texture[inside, inside].std()
    assert np.array_equal(found[:, :16], texture[:, :16])
    assert np.isfinite(found).all()


def test_what_is_not_known_is_neither_read_nor_written() -> None:
    texture, tiles = draw_texture(0), make_tiles()
    colours = tiles.gather(texture)
    known = np.ones(colours.shape[:2], bool)
    known[len(known) // 2 :] = False
    colours[~known] = np.nan
    share = np.ones((SIDE, SIDE), np.float32)
    dissent = np.full(len(colours), np.nan, np.float32)
    kept, vague = np.zeros(share.shape, bool), np.ones_like(known)
    assert smooth_wrong_detail(tiles, colours, known, share, dissent, HEIGHT, kept, vague)
    assert vague[known].all() and not vague[~known].any()
    assert np.isfinite(colours[known]).all() and np.isnan(colours[~known]).all()


def test_what_is_to_be_kept_is_kept_and_is_not_vague() -> None:
    tiles, texture = make_tiles(), draw_texture(0)
    colours = tiles.gather(texture)
    known, vague = np.ones(colours.shape[:2], bool), np.zeros(colours.shape[:2], bool)
    kept = np.zeros((SIDE, SIDE), bool)
    kept[10:50, 10:50] = True
    share = np.full((SIDE, SIDE), 0.4, np.float32)
    share[:, SIDE // 2 :] = 0.6
    dissent = np.full(len(colours), 4, np.float32)
    assert smooth_wrong_detail(tiles, colours, known, share, dissent, HEIGHT, kept, vague)
    result, lost = np.empty_like(texture), np.empty((SIDE, SIDE), bool)
    tiles.scatter(colours, result)
    tiles.scatter(vague, lost)
    assert np.array_equal((result != texture).any(axis=2), ~kept)
    assert np.array_equal(lost, (share > 0.5) & ~kept)


@pytest.mark.parametrize("times", [2, 4])
def test_a_larger_picture_is_smoothed_as_far(times: int) -> None:
    small, _ = smooth(draw_texture(0), 1)
    large, _ = smooth(draw_texture(0, times * SIDE), 1, height=times * HEIGHT)
    reduced = cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    assert np.abs(reduced - small)[8:-8, 8:-8].mean() < 0.25 * spread_of(draw_texture(0))
    truth, other = draw_texture(0, times * SIDE), draw_texture(1, times * SIDE)
    assert measure(truth, other, times * HEIGHT).mean() > 1
    assert not measure(truth, truth, times * HEIGHT).any()


def test_what_the_references_do_not_show_does_not_count_against_them() -> None:
    errors = np.full((4, 3), 3, np.float32)
    errors[1], errors[2] = 25, -10
    assert find_foreign(errors, np.array([1, 2, np.nan], np.float32)).tolist() == [0, 1, 1, 0]
    # Where samples disagree as much, nothing tells such an error from theirs.
    assert not find_foreign(errors, np.array([40, 50], np.float32)).any()
    assert find_foreign(errors, np.full(3, np.nan, np.float32)).tolist() == [0, 1, 1, 0]
