from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.motion.warp import project_points
from outtake.removal.clean_plate.sample_medians import STEPS_PER_GREY, take_medians
from outtake.removal.clean_plate.tile_sampling import (
    ALL,
    NOTHING,
    PART,
    place_tiles,
    sample_reference,
    select_references,
    show_points,
)
from outtake.removal.clean_plate.tiles import Tiles, compute_clearance, cover_with_tiles
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, texture

SHIFT = np.array([[1, 0, 7], [0, 1, -3], [0, 0, 1.0]])
ONES, NONE = np.ones(3, np.float32), np.zeros(3, np.float32)


def place(tiles: Tiles, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the brightness of a frame that hides a mask, the places of tiles and what it shows."""
    support = np.ones((5, 5), np.uint8)
    known = cv2.erode((~hidden).astype(np.uint8), support, borderType=cv2.BORDER_REPLICATE)
    places = np.empty((len(tiles.centres), 6), np.float32)
    shown = np.empty(len(tiles.centres), np.uint8)
    place_tiles(SHIFT, tiles.centres, tiles.side, compute_clearance(hidden), known, places, shown)
    return known, places, shown


def select(shown: list[list[int]], scores: list[float], most: int) -> tuple[list, list]:
    each = np.array(shown, np.uint8)
    selected, mixed = np.empty(each.shape, bool), np.empty(each.shape[1], bool)
    select_references(each, np.array(scores, np.float32), most, 4, 1.2, 0.15, selected, mixed)
    return selected.T.tolist(), mixed.tolist()


def test_tiles_are_sampled_where_a_homography_sends_them():
    image = texture(1, width=WIDTH)
    image.flags.writeable = False
    tiles, _ = cover_with_tiles(np.ones((12, 16), bool), 40, 30, HEIGHT)
    known, places, shown = place(tiles, np.zeros((HEIGHT, WIDTH), bool))
    assert (shown == ALL).all()
    shape = (len(shown), tiles.side**2)
    samples, counts = np.empty((len(shown), 1, 3 * shape[1]), np.int16), np.zeros(shape, np.uint8)
    every, none = np.ones(len(shown), bool), np.zeros(len(shown), bool)
    limits = np.full(shape, np.inf, np.float32)
    sample_reference(
        image, known, tiles.side, places, every, none, ONES, NONE, 1.0, 2.0, samples, counts, limits
    )  # fmt: skip
    found = np.zeros((12, 16, 3), np.int16)
    tiles.scatter(samples.reshape(*shape, 3) // STEPS_PER_GREY, found)
    assert np.array_equal(found, image[27:39, 47:63]) and (counts == 1).all()


def test_tiles_are_placed_with_the_derivatives_of_the_homography():
    homography = np.array([[1.02, 0.03, 5], [-0.02, 0.98, -3], [1e-3, -5e-4, 1]])
    centres = np.random.default_rng(0).uniform(0, 60, (30, 2)).astype(np.float32)
    places, shown = np.empty((30, 6), np.float32), np.empty(30, np.uint8)
    hidden = np.zeros((20, 20), np.uint8)
    place_tiles(homography, centres, 4, hidden, hidden, places, shown)
    assert places[:, :2] == pytest.approx(project_points(homography, centres), abs=1e-3)
    for axis in range(2):
        step = np.float32(0.5) * np.eye(2, dtype=np.float32)[axis]
        after = project_points(homography, centres + step)
        before = project_points(homography, centres - step)
        assert places[:, [2 + axis, 4 + axis]] == pytest.approx(after - before, abs=2e-3)


def test_a_tile_that_counts_as_shown_as_a_whole_is_shown_in_every_pixel():
    hidden = disc(60) | disc(100, 30)
    tiles, _ = cover_with_tiles(np.ones((HEIGHT, WIDTH), bool), 0, 0, HEIGHT)
    known, _, shown = place(tiles, hidden)
    points = tiles.pixel_positions(np.arange(len(shown)))
    pixels = show_points(known, SHIFT, points.reshape(-1, 2)).reshape(points.shape[:2])
    assert pixels[shown == ALL].all() and (shown == ALL).mean() > 0.4
    assert (shown == PART).any() and pixels[shown == PART].any(axis=1).all()
    assert (shown == NOTHING).any()


def test_no_more_references_are_selected_than_wanted_and_none_far_worse_than_the_best():
    selected, mixed = select(
        [[ALL, NOTHING]] * 3 + [[ALL, ALL]] * 2, scores=[1, 1.1, 1.2, 5, 6], most=2
    )
    assert selected == [[True, True, False, False, False], [False, False, False, True, True]]
    assert mixed == [False, False]


def test_a_reference_that_shows_a_tile_in_part_is_selected_in_addition():
    shown = [[PART], [ALL], [ALL]]
    assert select(shown, [1, 1.1, 1.2], most=5) == ([[True, True, True]], [True])
    assert select(shown, [1, 1.1, 1.2], most=1) == ([[False, True, False]], [False])


@pytest.mark.parametrize("is_mixed", [False, True])
def test_medians_spread_and_dissent_are_those_of_the_samples(is_mixed):
    dice = np.random.default_rng(0)
    samples = dice.integers(0, 8000, (24, 7, 16, 3)).astype(np.int16)
    counts = dice.integers(0, 8, (24, 16)).astype(np.uint8)
    if not is_mixed:
        counts[:] = np.arange(24)[:, None] % 8
    beyond = np.arange(7)[:, None] >= counts[:, None]
    grey = np.where(beyond[..., None], np.nan, samples / STEPS_PER_GREY)
    grey = grey.transpose(0, 2, 3, 1)
    colours, spread = np.zeros((24, 16, 3), np.float32), np.empty((24, 4), np.float32)
    mixed, dissent = np.full(24, is_mixed), np.empty(24, np.float32)
    take_medians(samples.reshape(24, 7, 48), counts, mixed, 5, colours, spread, dissent)
    some = counts > 0
    assert np.allclose(colours[some], np.nanmedian(grey[some], axis=2), atol=1e-3)
    deviation = np.abs(grey[..., 1, :] - colours[..., 1, None])[:, ::5]
    several = counts[:, ::5] > 1
    assert np.isnan(spread[~several]).all() and not np.isnan(spread[several]).any()
    assert spread[several] == pytest.approx(np.nanmean(deviation[several], axis=1), abs=0.02)
    squares = np.sort(np.where(several[..., None], deviation**2, np.nan), axis=2)
    squares[np.arange(7) == counts[:, ::5, None] - 1] = np.nan
    known = several.any(axis=1)
    assert np.isnan(dissent[~known]).all() and (~known).any() == (not is_mixed)
    assert dissent[known] == pytest.approx(np.nanmean(squares[known], axis=(1, 2)), rel=1e-3)


def test_samples_that_disagree_have_a_spread_in_grey_levels():
    samples = np.zeros((3, 3, 4, 3), np.int16)
    for place, greys in enumerate(([10, 12, 20], [50, 54, 0])):
        samples[place] = STEPS_PER_GREY * np.array(greys)[:, None, None]
    counts = np.repeat(np.uint8([[3], [2], [1]]), 4, axis=1)
    colours, spread = np.zeros((3, 4, 3), np.float32), np.empty((3, 1), np.float32)
    dissent = np.empty(3, np.float32)
    take_medians(samples.reshape(3, 3, 12), counts, np.zeros(3, bool), 5, colours, spread, dissent)
    assert spread[:2, 0].tolist() == pytest.approx([(8 + 2 + 0) / 3, 2]) and np.isnan(spread[2, 0])
    assert dissent[:2].tolist() == pytest.approx([(4 + 0) / 2, 4]) and np.isnan(dissent[2])
